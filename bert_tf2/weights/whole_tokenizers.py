"""Hugging Face's tokenizer.json, a whole tokenizer in one file: its settings, and its vocabulary.

Each part has a row of words that are followed and of words that must be as here; parts and words
that are not in the rows are refused. Source: tokenizers 0.23, its `serialization.rs` files.
"""

import base64
import json
from collections.abc import Mapping

from bert_tf2.messages import shorten
from bert_tf2.weights import sentencepiece_model

NAME = "tokenizer.json"
# A part's type -> (their word -> ours, for those that are followed; word -> what it must be).
_NORMALIZERS = {
    "BertNormalizer": (
        {"lowercase": "lowercase", "strip_accents": "strip_accents",
         "handle_chinese_chars": "tokenize_chinese_chars"},
        {"clean_text": (True,)},
    ),
}  # fmt: skip
_CUTTERS = {
    "BertPreTokenizer": ({}, {}),
    "ByteLevel": ({"add_prefix_space": "add_prefix_space"}, {"use_regex": (True,)}),
    "WhitespaceSplit": ({}, {}),
    "Metaspace": (
        {},
        {"replacement": ("▁",), "prepend_scheme": ("always",), "add_prefix_space": (True,)},
    ),
}
_MODELS = {
    "WordPiece": ({}, {"continuing_subword_prefix": ("##",)}),
    "BPE": (
        {"ignore_merges": "ignore_merges"},
        {"dropout": (0,), "continuing_subword_prefix": ("",), "end_of_word_suffix": ("",)},
    ),
    "Unigram": ({}, {"byte_fallback": (False,)}),
}
_CUTTERS_OF = {
    "WordPiece": ({"BertPreTokenizer"},),
    "BPE": ({"ByteLevel"},),
    "Unigram": ({"Metaspace"}, {"WhitespaceSplit", "Metaspace"}),
}
# What ALBERT's text goes through, in this order. Those of one setting come together or not at all.
_ALBERT = {
    'Replace "``" by "\\""': "straighten_quotes",
    'Replace "\'\'" by "\\""': "straighten_quotes",
    "NFKD": "keep_accents",
    "StripAccents": "keep_accents",
    "Lowercase": "lowercase",
    "Precompiled": None,
    'Replace " {2,}" by " "': None,  # as SentencePiece does
    'Replace " {2,}" by "▁"': None,
}
_PROCESSORS = {
    "BertProcessing": {"pair_separators": 1, "second_segment": 1},
    "RobertaProcessing": {"pair_separators": 2, "second_segment": 0},
}


class Unfollowed(ValueError):
    """A word that changes ids and that nothing here follows."""

    def __init__(self, place, word, wanted, received):
        super().__init__(
            f"{place}: `{word}` must be {shorten(wanted)}. Received: {shorten(received)}"
        )


def flag(place: str, word: str, value) -> bool:
    """A boolean; text and numbers are none."""
    if not isinstance(value, bool):
        raise Unfollowed(place, word, "true or false", value)
    return value


def settings_of(whole: Mapping) -> dict:
    """What a tokenizer.json says of our settings.

    Raises:
        Unfollowed: it says what nothing here follows.
    """
    if not whole:
        return {}
    model = whole["model"]
    kind = _kind(model)
    settings = _words(NAME, model | {"type": kind}, _MODELS)
    cutters = _parts(whole.get("pre_tokenizer"), "pretokenizers")
    if {part["type"] for part in cutters} not in _CUTTERS_OF[kind]:
        said = [part["type"] for part in cutters]
        raise Unfollowed(NAME, "pre_tokenizer", f"that of {kind}: {_CUTTERS_OF[kind][0]}", said)
    for part in cutters:
        settings |= _words("pre_tokenizer", part, _CUTTERS)
    normalizers = _parts(whole.get("normalizer"), "normalizers")
    if kind == "Unigram":
        settings |= _unigram(whole, normalizers)
        if not normalizers and len(cutters) > 1:  # else the charsmap makes spaces of all
            settings["split_white_space"] = True
    else:
        for part in normalizers:
            if kind == "BPE":
                raise Unfollowed(NAME, "normalizer", None, part["type"])
            settings |= _words("normalizer", part, _NORMALIZERS)
    if kind == "WordPiece":
        if not normalizers:
            raise Unfollowed(NAME, "normalizer", "BertNormalizer", None)
        settings["max_word_chars"] = model.get("max_input_chars_per_word", 100)
    if model.get("unk_token") and kind != "BPE":
        settings["special_pieces"] = {"unknown": model["unk_token"]}
    processor = _processor(whole.get("post_processor"), settings.get("family"))
    pieces = settings.get("special_pieces", {}) | processor.pop("special_pieces", {})
    return settings | processor | ({"special_pieces": pieces} if pieces else {})


def files_of(whole: Mapping) -> dict[str, bytes]:
    """The vocabulary of a tokenizer.json as the files that came before it.

    Raises:
        Unfollowed: a vocabulary that these cannot hold.
    """
    if not whole:
        return {}
    model = whole["model"]
    kind, vocabulary = _kind(model), model["vocab"]
    if kind == "WordPiece":
        return {"vocab.txt": _lines(vocabulary)}
    if kind == "BPE":
        merges = (m if isinstance(m, str) else " ".join(m) for m in model["merges"])
        # Added tokens that the model lacks are those of the whole's own list.
        added = {t["content"]: t["id"] for t in whole.get("added_tokens") or ()}
        text = json.dumps(added | vocabulary, ensure_ascii=False)
        return {
            "vocab.json": text.encode(),
            "merges.txt": "".join(f"{m}\n" for m in merges).encode(),
        }
    charsmap = b""
    for part in _parts(whole.get("normalizer"), "normalizers"):
        if part["type"] == "Precompiled" and part.get("precompiled_charsmap"):
            charsmap = base64.b64decode(part["precompiled_charsmap"])
    family = _family(vocabulary)
    name = "spiece.model" if family == "albert" else "sentencepiece.bpe.model"
    pieces = sentencepiece_model.pieces_of(vocabulary, model.get("unk_id"), family)
    return {name: sentencepiece_model.write(pieces, charsmap)}


def _kind(model: Mapping) -> str:
    """The model's type, which old files leave to its words."""
    guess = "BPE" if "merges" in model else "Unigram" if "unk_id" in model else "WordPiece"
    kind = model.get("type", guess)
    if kind not in _MODELS:
        raise Unfollowed(NAME, "model", f"one of {[*_MODELS]}", kind)
    return kind


def _parts(part: Mapping | None, name: str) -> list[Mapping]:
    """The members of a sequence, or the one part, or none."""
    if not part:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [inner for member in part[name] for inner in _parts(member, name)]


def _words(place: str, part: Mapping, rows: Mapping) -> dict:
    """Our settings of one part's words."""
    kind = part["type"]
    if kind not in rows:
        raise Unfollowed(NAME, place, f"one of {[*rows]}", kind)
    followed, only = rows[kind]
    for word, wanted in only.items():
        if part.get(word) is not None and part[word] not in wanted:
            raise Unfollowed(f"{NAME}, {kind}", word, wanted[0], part[word])
    return {
        ours: flag(f"{NAME}, {kind}", word, part[word])
        for word, ours in followed.items()
        if part.get(word) is not None
    }


def _family(vocabulary: list) -> str:
    """Whose numbers a vocabulary of unigrams has."""
    pieces = [piece for piece, _ in vocabulary]
    for family, first in sentencepiece_model.FAIRSEQ.items():
        if (*pieces[: len(first)],) == first:
            return family
    if not {"<pad>", "<unk>", "[CLS]", "[SEP]"} <= set(pieces[:20]):
        raise Unfollowed(NAME, "model", "ALBERT's, XLM-R's or CamemBERT's pieces", pieces[:5])
    return "albert"


def _unigram(whole: Mapping, normalizers: list) -> dict:
    """The settings of a unigram model, of its vocabulary and its normalizers."""
    family = _family(whole["model"]["vocab"])
    said = [_described(part) for part in normalizers]
    places = [[*_ALBERT].index(name) if name in _ALBERT else -1 for name in said]
    allowed = family == "albert" or all(_ALBERT.get(name, "") is None for name in said)
    if not allowed or -1 in places or places != sorted(places):
        raise Unfollowed(NAME, "normalizer", f"of {[*_ALBERT]}, in this order", said)
    if family != "albert":
        return {"family": family}
    halves = {
        ours: [n in said for n, o in _ALBERT.items() if o == ours] for ours in _ALBERT.values()
    }
    if any(any(there) != all(there) for ours, there in halves.items() if ours):
        raise Unfollowed(NAME, "normalizer", "both quotes, and NFKD with StripAccents", said)
    return {
        "family": family,
        "lowercase": all(halves["lowercase"]),
        "keep_accents": not all(halves["keep_accents"]),
        "straighten_quotes": all(halves["straighten_quotes"]),
    }


def _described(part: Mapping) -> str:
    if part["type"] != "Replace":
        return part["type"]
    pattern = part["pattern"]
    found, by = pattern.get("String", pattern.get("Regex")), part["content"]
    return f"Replace {json.dumps(found)} by {json.dumps(by, ensure_ascii=False)}"


def _processor(part: Mapping | None, family: str | None) -> dict:
    """What a post-processor says of packing: the special pieces, separators and segments."""
    if not part:
        return {}
    if part["type"] in _PROCESSORS:
        pieces = {"cls": part["cls"][0], "sep": part["sep"][0]}
        return _PROCESSORS[part["type"]] | {"special_pieces": pieces}
    if part["type"] == "Sequence":
        parts = [p for p in part["processors"] if p["type"] != "ByteLevel"]  # which moves offsets
        if len(parts) == 1:
            return _processor(parts[0], family)
    if part["type"] != "TemplateProcessing":
        raise Unfollowed(NAME, "post_processor", f"one of {[*_PROCESSORS]}", part["type"])
    single = [next(iter(step.items())) for step in part["single"]]
    pair = [next(iter(step.items())) for step in part["pair"]]
    names = [step["id"] for _, step in pair]
    cls, sep, separators = names[0], names[-1], len(names) - 4
    wanted = [cls, "A", *[sep] * separators, "B", sep]
    segments = [step["type_id"] for _, step in pair]
    second = segments[-1]
    same = [0] * (2 + separators) + [second] * 2
    ok = names == wanted and [s["id"] for _, s in single] == [cls, "A", sep] and separators > 0
    if not ok or segments != same or any(s["type_id"] for _, s in single):
        raise Unfollowed(NAME, "post_processor", "[CLS] A [SEP] B [SEP]", names)
    return {
        "pair_separators": separators,
        "second_segment": second,
        "special_pieces": {"cls": cls, "sep": sep},
    }


def _lines(vocabulary: Mapping[str, int]) -> bytes:
    """A `vocab.txt`, where pieces that no text can hold are empty lines."""
    pieces = [""] * (max(vocabulary.values()) + 1)
    for piece, index in vocabulary.items():
        pieces[index] = piece if piece == piece.strip() and "\n" not in piece else ""
    return "".join(f"{piece}\n" for piece in pieces).encode("utf-8")
