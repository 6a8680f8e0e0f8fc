"""What a keras-hub preset's `tokenizer.json` says of cutting text: followed, or refused by name.

Source: keras-hub 0.32, tokenizers/word_piece_tokenizer.py and its neighbours.
"""

from collections.abc import Mapping

from bert_tf2.weights.tokenizer_source import TokenizerSource
from bert_tf2.weights.whole_tokenizers import Unfollowed, flag

SETTINGS = "tokenizer.json"
# Their word -> ours; all are booleans.
_FOLLOWED = {
    "lowercase": "lowercase",
    "strip_accents": "strip_accents",
    "split_on_cjk": "tokenize_chinese_chars",
    "add_prefix_space": "add_prefix_space",
}
_LEFT_OUT = {"lowercase": False, "strip_accents": False}  # of a WordPieceTokenizer
# Words that must be as here, or null. All others say nothing of ids.
_ONLY = {
    "split": True,
    "suffix_indicator": "##",
    "oov_token": "[UNK]",
    "special_tokens_in_strings": False,
    "sequence_length": None,
    "add_bos": False,
    "add_eos": False,
}


def settings_of(config, is_wordpiece: bool) -> dict[str, bool]:
    """Our settings, of the words of a tokenizer; none where there are no words.

    Raises:
        Unfollowed: a word asks for other ids than our tokenizers give.
    """
    if not isinstance(config, Mapping):
        return {}
    said = {word: value for word, value in config.items() if value is not None}
    for word, only in _ONLY.items():
        if said.get(word, only) != only:
            raise Unfollowed(SETTINGS, word, only, said[word])
    said = (_LEFT_OUT if is_wordpiece else {}) | said
    known = {word: ours for word, ours in _FOLLOWED.items() if word in said}
    return {ours: flag(SETTINGS, word, said[word]) for word, ours in known.items()}


def words_of(source: TokenizerSource) -> dict:
    """The words of a tokenizer, the vocabulary's among them: it lies beside, in a file."""
    settings = source.settings
    if "vocab.txt" in source.files:
        # Google's lower-casing takes the accents along.
        strip = settings.get("strip_accents", source.lowercase)
        said = {"vocabulary": None, "lowercase": source.lowercase, "strip_accents": strip}
        splits = settings.get("tokenize_chinese_chars", True)
        return said if splits else said | {"split_on_cjk": False}
    if "merges.txt" in source.files:
        prefix = settings.get("add_prefix_space", False)
        return {"vocabulary": None, "merges": None, "add_prefix_space": prefix}
    return {"proto": None}
