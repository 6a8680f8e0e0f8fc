"""Pieces of texts -> the words that they are of, given or found; and what windows make of them.

Letters: B texts, P pieces of all texts, U words of all texts, W windows, L length of a window.
"""

from typing import NamedTuple

import tensorflow as tf

from bert_tf2.text.offsets import before, owners, sums
from bert_tf2.text.windows import Windows, cut, most_context, windows


class Words(NamedTuple):
    """The words of texts, in the order of the texts.

    Attributes:
        texts: string (B,).
        splits: int32 (B + 1,), where each text begins among all words.
        starts, ends: int32 (U,), characters of the text.
        of_piece: int32 (P,), the word of each piece.
        ids: int32 RaggedTensor (B, pieces).
    """

    texts: tf.Tensor
    splits: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    of_piece: tf.Tensor
    ids: tf.RaggedTensor

    def rows(self, values):
        """(U, …), something of each word -> a RaggedTensor (B, words, …)."""
        return tf.RaggedTensor.from_row_splits(values, self.splits, validate=False)


def words_given(words, tokenizer):
    """Words that a user gave, string RaggedTensor (B, words) -> `Words`, joined by spaces.

    A word without a piece, such as a control character, stays a word.
    """
    words = words.with_row_splits_dtype(tf.int32)
    # Each word with its space, for `reduce_join` has no separator behind empty words at the start.
    spaced = words.with_values(tf.strings.join([words.values, " "]))
    texts = tf.strings.reduce_join(spaced, axis=-1)
    long = tf.maximum(tf.strings.length(texts) - 1, 0)
    texts = tf.strings.substr(texts, tf.zeros_like(long), long)
    pieces = tokenizer.pieces(texts)
    codes = tf.strings.unicode_decode(words.values, "UTF-8")
    lengths = tf.cast(codes.row_lengths(), tf.int32)  # (U,)
    ends = sums(lengths + 1)  # among all characters, each word with a space behind it
    firsts = tf.gather(ends, words.row_splits)  # (B + 1,)
    row = owners(words.row_splits)
    starts = ends[:-1] - tf.gather(firsts, row)
    place = pieces.starts.values + tf.gather(firsts, owners(pieces.starts.row_splits))
    of_piece = tf.searchsorted(ends[1:], place, side="right")
    return Words(texts, words.row_splits, starts, starts + lengths, of_piece, pieces.ids)


def words_found(texts, tokenizer, each_piece=False):
    """Texts, string (B,) -> `Words`: those of `Pieces.words` that have a piece.

    Args:
        each_piece: take each piece for a word.
    """
    pieces = tokenizer.pieces(texts)
    splits = pieces.ids.row_splits
    row = owners(splits)
    new = (pieces.words.values != before(pieces.words.values, -1)) | (row != before(row, -1))
    new = tf.ones_like(new) if each_piece else new
    of_piece = tf.cumsum(tf.cast(new, tf.int32)) - 1  # (P,)
    counts = sums(tf.cast(new, tf.int32))  # (P + 1,)
    starts = tf.boolean_mask(pieces.starts.values, new)
    ends = tf.math.segment_max(pieces.ends.values, of_piece)
    return Words(texts, tf.gather(counts, splits), starts, ends, of_piece, pieces.ids)


class Placed(NamedTuple):
    """Texts in windows, ready for a model.

    Attributes:
        inputs: dict of int32 (W, L).
        chosen: bool (W, L), whether a piece stands there that has its most context there: each
            piece of all texts is chosen once, in their order.
        windows: `Windows` of the texts.
    """

    inputs: dict
    chosen: tf.Tensor
    windows: Windows

    def along(self, values):
        """int32 RaggedTensor (B, pieces) of values from 0 -> (W, L); -1 where nothing is chosen."""
        values = _padded(cut(values, self.windows).to_tensor(-1), self.inputs, -1)
        return tf.where(self.chosen, values, -1)


def in_windows(ids, preprocessor, stride):
    """int32 RaggedTensor (B, pieces) -> `Placed`.

    Args:
        preprocessor: a `Preprocessor`: its `max_length` is that of windows.
        stride: tokens from one window to the next; None: one window a text, and no more.
    """
    room = preprocessor.max_length - 2
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    lengths = tf.minimum(lengths, room) if stride is None else lengths
    found = windows(lengths, room, stride or room)
    inputs = preprocessor.packed(cut(ids, found))
    chosen = _padded(most_context(found).to_tensor(False), inputs, False)
    return Placed(inputs, chosen, found)


def _padded(values, inputs, filler):
    """(W, tokens) -> (W, L): between "[CLS]" and "[SEP]"."""
    behind = tf.shape(inputs["token_ids"])[1] - 1 - tf.shape(values)[1]
    return tf.pad(values, [[0, 0], [1, behind]], constant_values=filler)
