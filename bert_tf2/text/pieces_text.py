"""Text before SentencePiece reads it, as graph operations: ALBERT's cleaning, and endless runs.

Letters: B batch, C characters of all texts one after another.
"""

import functools
import sys
import unicodedata

import numpy as np
import tensorflow as tf

from bert_tf2.text.normalize import WHITE, lower, update_rows

_NO_PIECE = "\ufdef"  # a noncharacter
_LAST = 0x3FFFF  # of letters and marks
_BEYOND = [0x40000, 0xE0000, 0xF0000, sys.maxunicode + 1]  # but for tags nothing, and private use


def clean(texts, lowercase=True, keep_accents=False, straighten_quotes=False):
    """What ALBERT does to text before SentencePiece reads it: `preprocess_text`.

    White space becomes one space and vanishes at the ends, NFKD takes characters apart, combining
    marks go, and what is left is lower-cased, in this order.

    Args:
        texts: string tensor (B,), UTF-8.
        lowercase, keep_accents, straighten_quotes: as for `SentencePieceTokenizer`.

    Returns:
        String tensor (B,).
    """
    texts = tf.strings.strip(tf.strings.regex_replace(texts, WHITE, " "))
    if straighten_quotes:
        texts = tf.strings.regex_replace(texts, "``|''", '"')
    # ASCII needs no more: only the other rows pay for it.
    plain = tf.strings.regex_full_match(texts, "[ -~]*")
    texts = update_rows(
        texts, tf.logical_not(plain), lambda rows: _clean_characters(rows, lowercase, keep_accents)
    )
    return tf.strings.lower(texts) if lowercase else texts


def _clean_characters(texts, lowercase, keep_accents):
    """NFKD, no combining marks, and `str.lower()`."""
    import tensorflow_text

    if not keep_accents:
        # Marks go before NFKD too, which sorts each run of them in quadratic time.
        marks = _combining()
        texts = tf.strings.regex_replace(texts, marks, "")
        texts = tensorflow_text.normalize_utf8(texts, "NFKD")
        texts = tf.strings.regex_replace(texts, marks, "")
    if not lowercase:
        return texts
    # Lower-casing takes NUL for the end of a text: a character that is no piece stands in for it.
    texts = lower(tf.strings.regex_replace(texts, r"\x00", _NO_PIECE), keep_accents)
    return tf.strings.regex_replace(texts, _NO_PIECE, "\0")


@functools.cache
def _combining():
    """Combining characters, and those that NFKD makes of nothing else, as a regular expression."""
    marks = filter(_is_mark, map(chr, range(_LAST + 1)))
    return f"[{''.join(marks)}]"


def _is_mark(char):
    if unicodedata.combining(char) or not unicodedata.decomposition(char):
        return unicodedata.combining(char)
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", char)))


def shorten_runs(texts, edges):
    """Texts (B,) without the middle of long runs of characters.

    Args:
        texts: string (B,), UTF-8.
        edges: int32 (edges,), where ranges of these characters begin and end, in turn.
    """
    chars = tf.strings.unicode_decode(texts, "UTF-8")  # (B, chars)
    kept = tf.ragged.boolean_mask(chars, chars.with_values(~is_amid(chars, edges)))
    return tf.strings.unicode_encode(kept, "UTF-8")


def is_amid(chars, edges):
    """bool (C,): which characters stand between two such, and are one; as for `shorten_runs`."""
    row = chars.value_rowids()  # (C,)
    is_in = tf.searchsorted(edges, chars.values, side="right") % 2 == 1
    joined = is_in[1:] & is_in[:-1] & (row[1:] == row[:-1])  # each with the one before
    return tf.concat([[False], joined[1:] & joined[:-1], [False]], 0)[: tf.size(row)]


def strangers(known):
    """Characters of which a run is one unknown piece, however long it is.

    Args:
        known: set of the characters that are in some piece of a model.

    Returns:
        int32 array, as of `edges_of`.
    """
    jamo = set() if any(map(_is_hangul, known)) else _JAMO  # they make syllables of each other
    beyond = [] if max(known, default="") > chr(_LAST) else _BEYOND
    return np.append(edges_of((_inert() | jamo) - known), np.array(beyond, np.int32))


_JAMO = set(map(chr, range(0x1100, 0x1200)))


def _is_hangul(char):
    return char in _JAMO or "\uac00" <= char <= "\ud7a3"


@functools.cache
def _inert():
    """set of the characters that normalizations leave alone, whatever stands beside them.

    Among them are marks: a vowel sign that is moved past no other, and is part of no letter.
    """
    chars = [*map(chr, range(0x21, _LAST + 1))]
    pairs = [found.split() for found in map(unicodedata.decomposition, chars) if found]
    composing = {chr(int(pair[-1], 16)) for pair in pairs if len(pair) == 2 and pair[0][0] != "<"}
    return {
        char
        for char in chars
        if ((kind := unicodedata.category(char))[0] in "LMNPS" or kind == "Co")
        and not unicodedata.combining(char)
        and not unicodedata.decomposition(char)
        and char not in composing
        and char not in _JAMO
        and char != "\ufffd"  # which SentencePiece takes for a space
        and char == char.casefold() == char.lower()
    }


def edges_of(chars):
    """int32 array: where ranges of characters begin, and where they have ended, in turn."""
    codes = np.array(sorted(map(ord, chars)), np.int32)
    first = np.diff(codes, prepend=-2) != 1
    last = np.diff(codes, append=sys.maxunicode + 2) != 1
    return np.stack([codes[first], codes[last] + 1], 1).reshape(-1)
