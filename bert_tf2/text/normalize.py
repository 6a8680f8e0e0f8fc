"""BERT's text cleaning as graph operations: raw UTF-8 in, text a WordPiece matcher can split out.

The rule is `BasicTokenizer` of google-research/bert, `tokenization.py`. There it is a Python loop
over characters that asks `unicodedata`; here it is a handful of regular expressions, so that it
runs inside tf.data and inside an exported SavedModel. One letter of legend: B is the batch.

The two can disagree only on characters newer than the Unicode version of either side: TensorFlow
2.21 lower-cases by Unicode 13, so the 40 capital letters that Unicode 14 added stay as they are.
"""

import functools
import unicodedata

import tensorflow as tf

# The blocks of `_is_chinese_char`; as in the reference, ideographs of later blocks are not split.
_CJK = (
    "[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f]"
)
WHITE = (  # of str.split()
    r"[\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
)
SPACES = r"[\t\n\r\p{Zs}\x{2028}\x{2029}]"  # what cleaning leaves of it
_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"  # includes symbols such as $ and ^, as in `_is_punctuation`
ALONE = rf"{_CJK}|[{_ASCII_PUNCTUATION}\p{{P}}]"  # characters that are words
# Punctuation that the matcher knows and regular expressions, of an older Unicode, do not.
NEW_PUNCTUATION = (
    "\u1b4e\u1b4f\u1b7f\U00010d6e\U000113d4\U000113d5\U000113d7\U000113d8"
    "\U00011be1\U00016d6d\U00016d6e\U00016d6f\U0001e5ff"
)
# Letters that lower-case to more or other characters in Turkish and Lithuanian locales.
_LOCAL = {c: c.lower() for c in "İÌÍĨ"}
_STARTER = (
    "\u034f"  # combining grapheme joiner: stops canonical reordering, removed with the accents
)

# Cleaning deletes U+FFFD from every text, so a word made of it is certain to be unknown.
UNREACHABLE = "\ufffd"


def clean(texts, lowercase, strip_accents, split_chinese, max_word_chars):
    """Cleans texts so that splitting at spaces and punctuation gives the reference's words.

    Args:
        texts: string tensor (B,), UTF-8; bytes that are not UTF-8 are dropped.
        lowercase: bool, whether to lower-case.
        strip_accents: bool, whether to strip accents: with `lowercase`, the "uncased" models.
        split_chinese: bool, whether each Chinese character is a word.
        max_word_chars: int in [1, 999]; longer words are unknown, see `limit_words`.

    Returns:
        String tensor (B,).
    """
    # Most English text is printable ASCII, which needs no cleaning: only the other rows pay for it.
    plain = tf.strings.regex_full_match(texts, "[ -~]*")
    texts = update_rows(
        texts,
        tf.logical_not(plain),
        lambda rows: _clean(rows, lowercase, strip_accents, split_chinese, max_word_chars),
    )
    return tf.strings.lower(texts) if lowercase else texts  # ASCII only; `_clean` did the rest


def limit_words(texts, max_word_chars):
    """Cleaned texts (B,) whose words of more than `max_word_chars` are `UNREACHABLE`."""
    # A text of fewer bytes has no such word.
    return update_rows(
        texts,
        tf.strings.length(texts) > max_word_chars,
        lambda rows: _replace_overlong_words(rows, max_word_chars),
    )


def update_rows(texts, chosen, function):
    """Applies `function` to the chosen rows; it costs nothing where there are none."""
    rows = tf.where(chosen)  # (rows, 1)
    return tf.tensor_scatter_nd_update(texts, rows, function(tf.gather_nd(texts, rows)))


def _clean(texts, lowercase, strip_accents, split_chinese, max_word_chars):
    """`_clean_text`, `_tokenize_chinese_chars` and, for uncased models, `_run_strip_accents`."""
    replace = tf.strings.regex_replace
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = replace(texts, r"[\t\n\r\p{Zs}]", " ")
    texts = replace(texts, r"[\x00\x{FFFD}\p{Cc}\p{Cf}]", "")
    texts = replace(texts, _CJK, r" \0 ") if split_chinese else texts
    # The reference's words come from str.split(), which also splits at these two.
    texts = replace(texts, r"[\x{2028}\x{2029}]", " ")
    texts = lower(texts, keep_accents=not strip_accents) if lowercase else texts
    return _strip_accents(texts, max_word_chars) if strip_accents else texts


def lower(texts, keep_accents):
    """`str.lower()` of texts (B,) without NUL; accents of a few letters are kept if it matters."""
    # Unicode lower-casing follows the process's locale: in a Turkish one "I" becomes a dotless ı.
    # ASCII lower-casing never does, and no capital I is left after it.
    for upper, lowered in _LOCAL.items() if keep_accents else ():
        texts = tf.strings.regex_replace(texts, upper, lowered)
    return tf.strings.lower(tf.strings.lower(texts), encoding="utf-8")


def _strip_accents(texts, max_word_chars):
    """Canonical decomposition (NFD), then no nonspacing marks (category Mn)."""
    import tensorflow_text

    # NFD sorts each run of marks by insertion, in quadratic time: 15 s for 100 000 marks. Sorting
    # is stable, so marks that will be deleted anyway may go first. Of the few that stay, a run
    # longer than a word may be is unknown in any order, so it may be sorted in parts.
    deleted, kept = sorted_marks()
    texts = tf.strings.regex_replace(texts, f"[{deleted}]", "")
    texts = tf.strings.regex_replace(texts, f"[{kept}]{{{max_word_chars + 1}}}", rf"\0{_STARTER}")
    texts = tensorflow_text.normalize_utf8(texts, "NFD")
    return tf.strings.regex_replace(texts, r"\p{Mn}", "")


@functools.cache
def sorted_marks():
    """The characters NFD reorders, as two regular-expression classes: category Mn, and others."""
    # Above are ideographs and signs without a class; all of Unicode takes a quarter of a second.
    marks = [c for c in map(chr, range(0x20000)) if unicodedata.combining(c)]
    nonspacing = [c for c in marks if unicodedata.category(c) == "Mn"]
    return "".join(nonspacing), "".join(c for c in marks if c not in set(nonspacing))


def _replace_overlong_words(texts, max_word_chars):
    """Words of more than `max_word_chars` characters become `UNREACHABLE`."""
    suspect = f"(?s).*[^ {_ASCII_PUNCTUATION}]{{{max_word_chars + 1}}}.*"
    return update_rows(
        texts,
        tf.strings.regex_full_match(texts, suspect),
        lambda rows: _split_and_replace(rows, max_word_chars),
    )


def split_words(texts, further=""):
    """Cleaned texts (B,) -> string RaggedTensor (B, words), cut at spaces and punctuation.

    `further` are more characters to cut at, as a part of a regular expression's class.
    """
    texts = tf.strings.regex_replace(texts, rf"[{_ASCII_PUNCTUATION}\p{{P}}{further}]", r" \0 ")
    return tf.strings.split(texts, " ")


def _split_and_replace(texts, max_word_chars):
    """The same, at the cost of splitting every word."""
    words = split_words(texts)
    overlong = tf.strings.length(words.values, unit="UTF8_CHAR") > max_word_chars
    words = words.with_values(tf.where(overlong, UNREACHABLE, words.values))
    return tf.strings.reduce_join(words, axis=-1, separator=" ")
