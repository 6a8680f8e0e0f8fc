"""Text before SentencePiece reads it, as graph operations: ALBERT's cleaning, and endless runs.

Letters: B batch, C characters of all texts one after another.
"""

import functools
import sys
import unicodedata

import numpy as np
import tensorflow as tf

from bert_tf2.text.normalize import lower, update_rows

WHITE = (  # of str.split()
    r"[\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
)
_NO_PIECE = "\ufdef"  # a noncharacter


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
    marks = filter(_is_mark, map(chr, range(sys.maxunicode + 1)))
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
    row = chars.value_rowids()  # (C,)
    is_in = tf.searchsorted(edges, chars.values, side="right") % 2 == 1
    joined = is_in[1:] & is_in[:-1] & (row[1:] == row[:-1])  # each with the one before
    middle = tf.concat([[False], joined[1:] & joined[:-1], [False]], 0)[: tf.size(row)]
    kept = tf.ragged.boolean_mask(chars, chars.with_values(~middle))
    return tf.strings.unicode_encode(kept, "UTF-8")


@functools.cache
def inert():
    """set of the characters that normalizations leave alone, whatever stands beside them."""
    return {
        char
        for char in map(chr, range(0x300, sys.maxunicode + 1))
        if unicodedata.category(char)[0] in "LNPS"
        and not "\u1100" <= char <= "\u11ff"  # Hangul, which composes
        and char != "\ufffd"  # which SentencePiece takes for a space
        and not unicodedata.decomposition(char)
        and char == char.casefold() == char.lower()
    }


def edges_of(chars):
    """int32 array: where ranges of characters begin, and where they have ended, in turn."""
    codes = np.array(sorted(map(ord, chars)), np.int32)
    first = np.diff(codes, prepend=-2) != 1
    last = np.diff(codes, append=sys.maxunicode + 2) != 1
    return np.stack([codes[first], codes[last] + 1], 1).reshape(-1)
