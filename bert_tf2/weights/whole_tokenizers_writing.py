"""Hugging Face's tokenizer.json of a tokenizer of ours, for the `tokenizers` package.

What the package does otherwise by itself is put right by parts before it, so that ids are equal:
its BertNormalizer removes characters of private use and never writes ς, and its unigram model
leaves spaces at a text's ends. Source: tokenizers 0.23, its `serialization.rs` files.
"""

import base64
import json

from bert_tf2.weights import sentencepiece_model
from bert_tf2.weights.tokenizer_source import TokenizerSource


def whole_of(source: TokenizerSource, special_ids: dict, max_length: int) -> dict:
    """What a tokenizer.json says: cutting, special pieces, truncation and padding.

    Special pieces are not found in text, as in Google's code, but for the mask where it is given.
    Of a pair that is too long in both texts, the package may give the odd token to the other.

    Args:
        source: as from `Tokenizer.source()`.
        special_ids: {role: (piece, id)} of pad, unknown, cls and sep, and perhaps mask.
        max_length: the most tokens of a row.

    Raises:
        ValueError: a tokenizer of another kind.
    """
    parts = next((make for name, make in _KINDS.items() if name in source.files), None)
    if parts is None:
        raise ValueError(
            f"A tokenizer.json must be of one of {[*_KINDS]}. Received: {[*source.files]}"
        )
    pad, pad_id = special_ids["pad"]
    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": max_length,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": pad_id,
            "pad_type_id": 0,
            "pad_token": pad,
        },
        "added_tokens": _added(source, special_ids),
        **parts(source, special_ids),
        "post_processor": _template(source, special_ids),
    }


def _added(source, special_ids):
    found = [t for t in source.settings.get("added_tokens", ()) if t.get("match", True)]
    if "mask" in special_ids:
        content, index = special_ids["mask"]
        found.append({"content": content, "id": index, "lstrip": content == "<mask>"})
    words = ("lstrip", "rstrip", "normalized")
    return [
        {"id": t["id"], "content": t["content"], "single_word": False, "special": True}
        | {word: bool(t.get(word, False)) for word in words}
        for t in found
    ]


def _template(source, special_ids):
    """[CLS] A [SEP], and [CLS] A [SEP] B [SEP], with as many separators as the family has."""
    said = {"pair_separators": 1, "second_segment": 1} | _packing(source) | dict(source.settings)
    (cls, cls_id), (sep, sep_id) = special_ids["cls"], special_ids["sep"]

    def special(piece, segment):
        return {"SpecialToken": {"id": piece, "type_id": segment}}

    def text(side, segment):
        return {"Sequence": {"id": side, "type_id": segment}}

    second = said["second_segment"]
    single = [special(cls, 0), text("A", 0), special(sep, 0)]
    between = [special(sep, 0)] * (said["pair_separators"] - 1)
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *between, text("B", second), special(sep, second)],
        "special_tokens": {
            piece: {"id": piece, "ids": [index], "tokens": [piece]}
            for piece, index in ((cls, cls_id), (sep, sep_id))
        },
    }


def _packing(source):
    """What a tokenizer's kind stands for where its settings say nothing."""
    family = source.settings.get("family")
    two = "merges.txt" in source.files or family in sentencepiece_model.FAIRSEQ
    return {"pair_separators": 2, "second_segment": 0} if two else {}


def _replace(pattern, by):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": by}


# === WordPiece ====================================================================================

_BLANK = r"[\t\n\r\p{Zs}\x{2028}\x{2029}]"
_DROPPED = r"[\x{FFFD}\p{Cc}\p{Cf}]"
# A capital sigma that ends a word (Unicode, Final_Sigma): a letter with case before it, and none
# behind it; marks and points between do not count.
_CASED, _BETWEEN = r"[\p{Lu}\p{Ll}\p{Lt}]", r"[\p{Mn}\p{Sk}\p{Lm}'’.:·]"
_FINAL_SIGMA = (
    f"(?<={_CASED}|{_CASED}{_BETWEEN}|{_CASED}{_BETWEEN}{_BETWEEN})Σ(?!{_BETWEEN}*{_CASED})"
)
_LATER_CJK = r"[\x{2B820}-\x{2B91F}]"  # which the package's normalizer leaves out


def _wordpiece(source, special_ids):
    settings = source.settings
    lowercase, chinese = settings["lowercase"], settings.get("tokenize_chinese_chars", True)
    strips = settings.get("strip_accents")
    normalizers = [_replace(_BLANK, " "), _replace(_DROPPED, "")]
    normalizers += [_replace(_FINAL_SIGMA, "ς")] if lowercase else []
    normalizers.append(
        {
            "type": "BertNormalizer",
            "clean_text": False,
            "handle_chinese_chars": chinese,
            "strip_accents": lowercase if strips is None else strips,
            "lowercase": lowercase,
        }
    )
    alone = {"pattern": {"Regex": _LATER_CJK}, "behavior": "Isolated", "invert": False}
    cutters = [{"type": "Split", **alone}] if chinese else []
    lines = source.read("vocab.txt").decode("utf-8").split("\n")
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [*cutters, {"type": "BertPreTokenizer"}],
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "model": {
            "type": "WordPiece",
            "unk_token": special_ids["unknown"][0],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": settings["max_word_chars"],
            "vocab": {line.strip(): i for i, line in enumerate(lines) if line.strip()},
        },
    }


# === Byte-level pairs =============================================================================


def _pairs(source, special_ids):
    lines = source.read("merges.txt").decode("utf-8").splitlines()
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    bytes_ = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    bytes_["add_prefix_space"] = source.settings["add_prefix_space"]
    return {
        "normalizer": None,
        "pre_tokenizer": bytes_,
        "decoder": bytes_,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": source.settings.get("ignore_merges", False),
            "vocab": json.loads(source.read("vocab.json")),
            "merges": merges,
        },
    }


# === Unigrams =====================================================================================

_SPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}


def _unigram(source, special_ids):
    settings, family = source.settings, source.settings["family"]
    (content,) = (source.read(name) for name in source.files if name.endswith(".model"))
    pieces, _ = sentencepiece_model.read(content)
    charsmap = sentencepiece_model.charsmap_of(content)
    normalizers = []
    if family == "albert" or settings.get("split_white_space"):
        normalizers.append(_replace(r"[\s\x{1c}-\x{1f}]+", " "))
    if settings.get("straighten_quotes"):
        normalizers += [_replace("``", '"'), _replace("''", '"')]
    if family == "albert" and not settings["keep_accents"]:
        normalizers += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if settings["lowercase"]:
        normalizers += [_replace(_FINAL_SIGMA, "ς"), {"type": "Lowercase"}]
    if charsmap:
        coded = base64.b64encode(charsmap).decode("ascii")
        normalizers.append({"type": "Precompiled", "precompiled_charsmap": coded})
    normalizers += [_replace(r"\A +| +\z", ""), _replace(" {2,}", " ")]
    vocabulary = [
        [piece, score, kind in sentencepiece_model.FOUND] for piece, score, kind in pieces
    ]
    if first := sentencepiece_model.FAIRSEQ.get(family):
        rest = [row for row in vocabulary if row[0] not in (*first, "<mask>")]
        edges = [[piece, 0.0, False] for piece in (*first, "<mask>")]
        vocabulary = [*edges[:-1], *rest, edges[-1]]
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": _SPACE,
        "decoder": _SPACE,
        "model": {
            "type": "Unigram",
            "unk_id": special_ids["unknown"][1],
            "byte_fallback": False,
            "vocab": [_as_found(*row, family, special_ids) for row in vocabulary],
        },
    }


def _as_found(piece, score, is_found, family, special_ids):
    """A row of the vocabulary; what is never found in text is spelled so that no text has it.

    That are special pieces, and such as "▁2010,", which ALBERT takes apart again.
    """
    again = family == "albert" and piece[-1:] == "," and piece[-2:-1].isdigit()
    masks = piece == special_ids.get("mask", ("",))[0]
    return [piece if (is_found and not again) or masks else f"{piece}\ufffd", score]


_KINDS = {
    "vocab.txt": _wordpiece,
    "merges.txt": _pairs,
    "spiece.model": _unigram,
    "sentencepiece.bpe.model": _unigram,
}
