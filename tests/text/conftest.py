"""The official rule re-stated in plain Python, and the tokenizers it is compared with."""

import unicodedata

import pytest
import tensorflow as tf
from spans import longest_first

from bert_tf2.text.wordpiece import WordPieceTokenizer

CJK = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
]  # fmt: skip
UNKNOWN_SCRIPT = 103  # ICU's USCRIPT_UNKNOWN: unassigned, private use or a surrogate
CHANGED_IN_UNICODE_14 = "\u1734"  # a nonspacing mark that became a spacing one


def official_words(text, lowercase):
    """Clean, space out Chinese, split, lower-case and strip accents, split at punctuation."""
    words = []
    for word in "".join(map(_cleaned, text)).split():
        if lowercase:
            decomposed = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        words += "".join(f" {c} " if _is_punctuation(c) else c for c in word).split()
    return words


def _cleaned(char):
    category = unicodedata.category(char)
    if char in "\t\n\r" or category == "Zs":
        return " "
    if char in "\0\ufffd" or category in ("Cc", "Cf"):
        return ""
    return f" {char} " if any(low <= ord(char) <= high for low, high in CJK) else char


def _is_punctuation(char):
    ascii_symbol = 33 <= ord(char) <= 126 and not char.isalnum()
    return ascii_symbol or unicodedata.category(char).startswith("P")


@pytest.fixture(scope="session")
def official():
    """Function (text, vocabulary, lowercase) -> pieces."""

    def tokens(text, vocabulary, lowercase):
        words = official_words(text, lowercase)
        return [piece for word in words for piece in longest_first(word, vocabulary)]

    return tokens


@pytest.fixture(scope="session")
def assigned():
    """The characters that both Python's and TensorFlow's Unicode versions know, as one str.

    Where only one side knows a character, its category and lower case differ by right; the
    reference too answers differently under another Python.
    """
    points = [p for p in range(0xF0000) if unicodedata.category(chr(p)) not in ("Cn", "Cs")]
    scripts = tf.strings.unicode_script(tf.constant(points)).numpy()
    known = [
        chr(point)
        for point, script in zip(points, scripts, strict=True)
        if script != UNKNOWN_SCRIPT or unicodedata.category(chr(point)) == "Co"
    ]
    return "".join(known).replace(CHANGED_IN_UNICODE_14, "")


@pytest.fixture(scope="session")
def uncased(reference):
    return WordPieceTokenizer(reference / "own_fixture" / "vocab_uncased.txt")


@pytest.fixture(scope="session")
def cased(reference):
    return WordPieceTokenizer(reference / "own_fixture" / "vocab_cased.txt", lowercase=False)
