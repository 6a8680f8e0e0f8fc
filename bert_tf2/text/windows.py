"""Texts longer than a model reads, cut into windows that overlap, and put together again.

The rules are those of google-research/bert, `run_squad.py` (`convert_examples_to_features`,
`_check_is_max_context`), in closed form, with core TensorFlow operations. Letters: B batch,
W windows of all texts, T tokens of all windows.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_tf2.text.offsets import owners, sums


class Windows(NamedTuple):
    """Windows of texts, in the order of the texts: int32 (W,) each.

    Attributes:
        rows: the text, in [0, B).
        starts: the token of the text that it begins with.
        sizes: how many tokens it has.
    """

    rows: tf.Tensor
    starts: tf.Tensor
    sizes: tf.Tensor


def checked_stride(stride):
    """A `doc_stride` as an int from 1, or None; ValueError for anything else."""
    is_int = isinstance(stride, int | np.integer) and not isinstance(stride, bool)
    if stride is not None and not (is_int and stride >= 1):
        raise ValueError(f"`doc_stride` must be an int from 1, or None. Received: {stride!r}")
    return None if stride is None else int(stride)


def windows(lengths, room, stride):
    """Windows from every `stride`-th token on, the last of which ends with the text.

    A text that has room is one window, an empty one too.

    Args:
        lengths: int (B,), the tokens of each text.
        room: int, or int Tensor (B,), >= 1: the tokens that a window holds.
        stride: int >= 1, from the start of a window to that of the next; at most `room` counts.

    Returns:
        `Windows`.

    Raises:
        ValueError: `room` or `stride` below 1; in a graph, InvalidArgumentError for such a room.
    """
    if stride < 1:
        raise ValueError(f"`stride` must be at least 1 token. Received: {stride}")
    if isinstance(room, int) and room < 1:
        raise ValueError(f"A window must have room for at least 1 token. Received: {room}")
    lengths = tf.cast(lengths, tf.int32)
    room = tf.broadcast_to(tf.cast(room, tf.int32), tf.shape(lengths))
    check = tf.debugging.assert_positive(room, "A window must have room for at least 1 token.")
    with tf.control_dependencies([] if check is None else [check]):
        step = tf.minimum(room, stride)
    counts = 1 + tf.maximum(lengths - room + step - 1, 0) // step  # (B,)
    splits = sums(counts)  # (B + 1,)
    rows = owners(splits)  # (W,)
    nth = tf.range(splits[-1]) - tf.gather(splits, rows)
    starts = nth * tf.gather(step, rows)
    return Windows(
        rows, starts, tf.minimum(tf.gather(room, rows), tf.gather(lengths, rows) - starts)
    )


def cut(values, windows):
    """What belongs to the tokens of texts -> the same of the tokens of windows.

    Args:
        values: RaggedTensor (B, tokens), such as ids.
        windows: `Windows` of these texts.

    Returns:
        RaggedTensor (W, tokens).
    """
    starts = tf.gather(values.row_starts(), windows.rows) + tf.cast(
        windows.starts, values.row_splits.dtype
    )
    places = tf.ragged.range(starts, starts + tf.cast(windows.sizes, starts.dtype))
    return places.with_values(tf.gather(values.values, places.values))


def most_context(windows):
    """Whether a window is the one in which its token has most around it.

    That is the lesser of the tokens left and right of it, and a hundredth of the window's size; of
    equal windows the first. So each token of a text is true in exactly one window.

    Args:
        windows: `Windows`, all of their texts.

    Returns:
        bool RaggedTensor (W, tokens).
    """
    places = tf.ragged.range(windows.sizes)  # (W, tokens)
    window = owners(places.row_splits)  # (T,)
    sizes, left = tf.gather(windows.sizes, window), places.values
    # In float64, as Python computes it: what is nearly equal there decides.
    score = tf.cast(tf.minimum(left, sizes - 1 - left), tf.float64)
    score += 0.01 * tf.cast(sizes, tf.float64)
    ends = tf.math.segment_max(windows.starts + windows.sizes, windows.rows)  # of texts
    token = tf.gather(sums(ends), windows.rows) + windows.starts
    token = tf.gather(token, window) + left  # among those of all texts
    count = tf.reduce_sum(ends)
    best = tf.gather(tf.math.unsorted_segment_max(score, token, count), token)
    order = tf.range(tf.size(token))
    first = tf.where(score == best, order, tf.size(token))
    return places.with_values(
        tf.gather(tf.math.unsorted_segment_min(first, token, count), token) == order
    )
