"""Tokens that a checkpoint adds to its vocabulary: found in text as a whole, before it is cut.

The rule is that of the `tokenizers` library, `tokenizer/added_vocabulary.rs`: of several tokens
that begin at one place the longest is found; one that is `normalized` is looked for, itself
cleaned, in the cleaned text, the others in the text as it came. Letters: B batch, S segments.
"""

import re
from typing import NamedTuple

import tensorflow as tf

from bert_tf2.text.known import Known

_CUT = b"\xff"  # a byte that no UTF-8 text has
_WHITE = r"[\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*"


class AddedToken(NamedTuple):
    """A token, as a checkpoint says it.

    Attributes:
        content: str, what is found.
        id: int, its id; None for that of the vocabulary.
        normalized: bool, whether it is looked for in cleaned text.
        lstrip, rstrip: bool, whether it takes in the white space before or after it.
        match: bool, whether it is found in text at all.
    """

    content: str
    id: int | None = None
    normalized: bool = False
    lstrip: bool = False
    rstrip: bool = False
    match: bool = True

    @classmethod
    def read(cls, values):
        """From an iterable of these, of dicts of their attributes, or of str."""
        return tuple(
            cls(**value) if isinstance(value, dict)
            else cls(value) if isinstance(value, str) else cls(*value)
            for value in values
        )  # fmt: skip

    def said(self):
        """dict of what is not as by default."""
        values = self._asdict()
        return {n: v for n, v in values.items() if v != self._field_defaults.get(n, ...)}


def extended(pieces, ids, tokens):
    """Pieces by id, and ids by piece, with the added tokens among them. -> both anew.

    Raises:
        ValueError: an id that leaves a gap or belongs to another piece, or no id for a new token.
    """
    pieces, ids = list(pieces), dict(ids)
    for token in sorted(tokens, key=lambda token: (token.id is None, token.id or 0)):
        index = ids.get(token.content, token.id)  # the vocabulary knows its own better
        if index == len(pieces):
            pieces.append(token.content)
        if index is None or index > len(pieces) or pieces[index] != token.content:
            raise ValueError(
                "An added token must have the next free id, or be the piece that has its id. "
                f"Received: {token.content!r} with the id {index} beside {len(pieces)} pieces."
            )
        ids[token.content] = index
    return pieces, ids


class AddedTokens:
    """Some tokens, and the cutting of texts around them.

    Args:
        tokens: `AddedToken`s, at least one.
        contents: the bytes that each is found as.
        ids: the id of each.
        units: how many units each has, see `offsets`.
    """

    def __init__(self, tokens, contents, ids, units):
        found = sorted(zip(contents, tokens, strict=True), key=lambda row: -len(row[0]))
        self._ids = tf.constant(ids, tf.int32)
        self._placed = tf.stack([self._ids, units, units], 1)
        self._strip = any(token.lstrip or token.rstrip for token in tokens)
        self._pattern = "|".join(
            f"{_WHITE if token.lstrip else ''}{re.escape(content.decode())}"
            f"{_WHITE if token.rstrip else ''}"
            for content, token in found
        )
        edge = (
            content.decode().strip().encode() if self._strip else content for content in contents
        )
        self._known = Known(list(edge), range(len(ids)))

    def tokenize(self, texts, cut):
        """string (B,) -> int32 RaggedTensor (B, pieces), where `cut` does so between the tokens.

        If `cut` gives pieces as `offsets.placed` does, so does this.
        """
        texts = tf.strings.regex_replace(texts, self._pattern, _CUT + rb"\0" + _CUT)
        segments = tf.strings.split(texts, _CUT)  # (B, S), each a token or a text without one
        flat = segments.values
        edge = tf.strings.regex_replace(flat, f"^{_WHITE}|{_WHITE}$", "") if self._strip else flat
        is_token, index = self._known.find(edge)
        place = tf.where(~is_token)  # (texts, 1)
        between = cut(tf.boolean_mask(flat, ~is_token))
        lengths = tf.scatter_nd(place, between.row_lengths(), tf.shape(flat, tf.int64))
        whole = self._ids if between.values.shape.rank == 1 else self._placed
        whole = ragged(tf.gather(whole, index), tf.cast(is_token, tf.int64))
        pieces = tf.concat([whole, ragged(between.values, lengths)], 1)
        return segments.with_values(pieces).merge_dims(1, 2)


def ragged(values, lengths):
    """A RaggedTensor of rows of these lengths."""
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)
