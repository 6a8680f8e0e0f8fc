"""What Hugging Face's files say of cutting text: each word is followed, or refused by name.

`tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` speak first, then
`tokenizer.json`, as transformers has it; a word in none of them is left to the tokenizer's class.
Source: transformers 4 and 5, tokenization_*.py and convert_slow_tokenizer.py; tokenizers 0.23.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from bert_tf2.messages import shorten
from bert_tf2.weights import whole_tokenizers
from bert_tf2.weights.discovery import read_json
from bert_tf2.weights.tokenizer_source import TokenizerSource, find_tokenizer_files

_FAIRSEQ = {"family": "xlm_roberta"}
# What MPNet's WordPiece has otherwise, and so its pairs: "<s> a </s></s> b </s>".
MPNET = {
    "special_pieces": {"pad": "<pad>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"},
    "pair_separators": 2,
    "second_segment": 0,
}
_GENERIC = ("PreTrained", "TokenizersBackend")  # for which tokenizer.json alone counts
# Classes that cut as ours do -> settings that they stand for; of a generic one the files tell.
_CLASSES = {
    **{name: {} for name in ("Bert", "DistilBert", "Electra", "Roberta", "Albert", "")},
    **{name: {} for name in _GENERIC},
    "XLMRoberta": _FAIRSEQ,
    "Camembert": {"family": "camembert"},
    "MPNet": MPNET,
}
# Their word of tokenizer_config.json -> ours; all are booleans.
_FOLLOWED = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "tokenize_chinese_chars",
    "keep_accents": "keep_accents",
    "add_prefix_space": "add_prefix_space",
}
# Words that must be as here, or null. All others say nothing of ids.
_ONLY = {
    "do_basic_tokenize": True,
    "never_split": [],
    "wordpieces_prefix": "##",
    "remove_space": True,
    "sp_model_kwargs": {},
    "split_special_tokens": False,
    "padding_side": "right",
    "truncation_side": "right",
    "do_word_tokenize": False,
    "do_subword_tokenize": True,
    "normalization": False,
    "auto_map": None,
    "add_bos_token": True,
    "add_eos_token": True,
}
_ROLES = {
    "pad_token": "pad",
    "unk_token": "unknown",
    "cls_token": "cls",
    "sep_token": "sep",
    "mask_token": "mask",
}
_MORE_TOKENS = ("additional_special_tokens", "extra_special_tokens")
# Special pieces, which are never found in text: as in Google's code, "[MASK]" there is three words.
_SPECIAL = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>"}


def find_tokenizer(folder: Path) -> TokenizerSource:
    """What lies beside the weights of a tokenizer.

    Words that nothing here follows are in `refused`: who needs no tokenizer need not know.

    Raises:
        CheckpointError: a JSON file that holds no object.
    """
    files = find_tokenizer_files(folder)
    config = _read(folder / "tokenizer_config.json")
    tokens = {**_read(folder / "special_tokens_map.json"), **config}
    whole_file = folder / whole_tokenizers.NAME
    whole = _read(whole_file)
    try:
        settings = whole_tokenizers.settings_of(whole)
        files = files or whole_tokenizers.files_of(whole)
        kind = _class_of(config, bool(whole))
        said = _CLASSES.get(kind, {}) | _said(config)
        settings = said | settings if kind in _GENERIC else settings | said
        if settings.get("add_prefix_space") is False and any(n.endswith(".model") for n in files):
            raise Unfollowed("tokenizer_config.json", "add_prefix_space", True, False)
        if pieces := {ours: _content(tokens[t]) for t, ours in _ROLES.items() if tokens.get(t)}:
            settings["special_pieces"] = settings.get("special_pieces", {}) | pieces
        added = _added(folder, config, tokens, whole, settings.get("special_pieces", {}))
        settings |= {"added_tokens": added} if added else {}
    except (Unfollowed, TypeError, AttributeError, ValueError, KeyError) as error:
        files = files or ({whole_tokenizers.NAME: whole_file} if whole else {})
        return (
            TokenizerSource(files, refused=refusal(folder, error)) if files else TokenizerSource()
        )
    if "lowercase" not in settings:
        settings["lowercase"] = _case_in(folder.resolve().name)
    return TokenizerSource(files).with_settings(**settings)


def _case_in(name: str) -> bool | None:
    """Whether the texts of a folder of this name are lower-cased; None where it does not say.

    Google says it there alone: google-research/bert `tokenization.py`,
    validate_case_matches_checkpoint.
    """
    words = set(re.findall("[a-z]+", name.lower()))
    for said, lowercase in _CASES:
        if words & said:
            return lowercase
    return None


_CASES = (({"uncased"}, True), ({"cased"}, False), ({"chinese", "multilingual"}, True))
Unfollowed = whole_tokenizers.Unfollowed


def given_vocabulary(file: Path) -> dict[str, Path | bytes]:
    """The files of a tokenizer whose vocabulary the user names: its kind is told by its suffix."""
    if file.name == whole_tokenizers.NAME:
        return whole_tokenizers.files_of(read_json(file))
    if file.suffix == ".json":
        return {"vocab.json": file, "merges.txt": file.with_name("merges.txt")}
    return {"spiece.model" if file.suffix == ".model" else "vocab.txt": file}


def config_of(source: TokenizerSource) -> dict:
    """The tokenizer_config.json that says what a tokenizer is, as far as it has words."""
    settings = source.settings
    classes = [name for name, stands in _CLASSES.items() if stands and _holds(settings, stands)]
    usual = next((c for name, c in _CLASS_OF_FILE.items() if name in source.files), "Bert")
    said = {"tokenizer_class": f"{[*classes, usual][0]}Tokenizer"}
    said |= {t: settings[o] for t, o in _FOLLOWED.items() if settings.get(o) is not None}
    pieces = settings.get("special_pieces", {})
    said |= {theirs: pieces[ours] for theirs, ours in _ROLES.items() if ours in pieces}
    added = {
        str(token["id"]): {
            "content": token["content"],
            "special": not token.get("normalized", False),
            "single_word": False,
            **{word: token.get(word, False) for word in ("lstrip", "rstrip", "normalized")},
        }
        for token in settings.get("added_tokens", ())
        if token.get("id") is not None
    }
    return said | ({"added_tokens_decoder": added} if added else {})


def _holds(settings: Mapping, stands: Mapping) -> bool:
    """Whether a tokenizer's settings are all that a class stands for."""
    return all(settings.get(name) == value for name, value in stands.items())


def unsaid(source: TokenizerSource, format: str) -> list[str]:
    """Words of a tokenizer that change ids and that a format has no place for."""
    held = _HELD.get(format)
    found = {word: source.settings.get(word, usual) for word, usual in _USUAL.items()}
    if found["strip_accents"] == source.lowercase:  # as lower-casing does by itself
        found["strip_accents"] = None
    found["added_tokens"] = [t for t in found["added_tokens"] if t.get("match", True)]
    return [
        f"{word}={shorten(value)}"
        for word, value in found.items()
        if held is not None and word not in held and value != _USUAL[word]
    ]


# Words of a tokenizer that most do not have, and what holds where they are not said.
_USUAL = {
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "max_word_chars": 200,
    "keep_accents": False,
    "add_prefix_space": False,
    "ignore_merges": False,
    "split_white_space": False,
    "added_tokens": [],
}
# Format -> which of them it holds; ours, and SavedModels of ours, hold all.
_HELD = {
    "google": (),
    "keras_hub": ("strip_accents", "tokenize_chinese_chars", "add_prefix_space"),
    "huggingface": (*_FOLLOWED.values(), "added_tokens"),
}
_CLASS_OF_FILE = {
    "vocab.txt": "Bert",
    "merges.txt": "Roberta",
    "spiece.model": "Albert",
    "sentencepiece.bpe.model": "XLMRoberta",
}


def refusal(folder: Path, error: Exception) -> str:
    """What who wants the tokenizer of a folder is told."""
    why = str(error) if isinstance(error, Unfollowed) else f"they cannot be read ({error!r:.120})"
    return (
        f"The tokenizer's files in {str(folder)[-120:]} ask for what nothing here computes: {why}. "
        "The weights can be used with ids (`Encoder.from_preset`); if the word does not matter to "
        "you, take it out of the file, or build a tokenizer from the vocabulary yourself."
    )


def _read(file: Path) -> dict:
    return read_json(file) if file.exists() else {}


def _said(config: Mapping) -> dict:
    """Our settings, of words in tokenizer_config.json."""
    for word, only in _ONLY.items():
        value = config.get(word)
        if value is None or value == only or (word == "never_split" and set(value) <= _SPECIAL):
            continue
        raise Unfollowed("tokenizer_config.json", word, only, value)
    said = {}
    for word, ours in _FOLLOWED.items():
        if config.get(word) is not None:
            said[ours] = whole_tokenizers.flag("tokenizer_config.json", word, config[word])
    length = config.get("model_max_length")
    if isinstance(length, int) and 3 <= length < 1_000_000:  # transformers' "none" is 1e30
        said["max_length"] = length
    return said


def _class_of(config: Mapping, is_whole: bool) -> str:
    """The class's name, shortened; of an unknown one all must be spelled out."""
    name = config.get("tokenizer_class") or ""
    stem = str(name).removesuffix("Fast").removesuffix("Tokenizer")
    if stem in _CLASSES:
        return stem
    if is_whole and str(name).endswith("Fast"):
        return _GENERIC[0]
    known = ", ".join(f"{stem}Tokenizer" for stem in _CLASSES if stem[-1:].islower())
    raise Unfollowed("tokenizer_config.json", "tokenizer_class", f"one of {known}", name)


def _content(token) -> str:
    return token["content"] if isinstance(token, Mapping) else str(token)


def _added(folder, config, tokens, whole, special_pieces) -> list[dict]:
    """The tokens added to the vocabulary, as `text.added_tokens.AddedToken` takes them."""
    said = {}  # content -> what is said of it
    extra = [t for word in _MORE_TOKENS for t in _listed(tokens.get(word))]
    for token in extra:
        said[_content(token)] = {"special": True, **(token if isinstance(token, Mapping) else {})}
    for content, index in _read(folder / "added_tokens.json").items():
        said[content] = {"special": content in said, **said.get(content, {}), "id": index}
    for token in whole.get("added_tokens") or ():
        said[token["content"]] = {**said.get(token["content"], {}), **token}
    for index, token in (config.get("added_tokens_decoder") or {}).items():
        said[token["content"]] = {**said.get(token["content"], {}), **token, "id": int(index)}
    never_found = (_SPECIAL - {_content(t) for t in extra}) | set(special_pieces.values())
    return [_as_ours(content, token, content in never_found) for content, token in said.items()]


def _listed(tokens) -> list:
    return list(tokens.values() if isinstance(tokens, Mapping) else tokens or ())


def _as_ours(content: str, token: Mapping, special: bool) -> dict:
    """One added token; of a special piece only the id counts."""
    if special:
        return {"content": content, "id": token.get("id"), "match": False}
    if token.get("single_word"):
        raise Unfollowed("added_tokens", f"single_word of {content[:40]!r}", False, True)
    flags = {"normalized": token.get("normalized", not token.get("special", False))}
    flags |= {word: token.get(word, False) for word in ("lstrip", "rstrip")}
    return {"content": content, "id": token.get("id")} | {n: True for n, on in flags.items() if on}
