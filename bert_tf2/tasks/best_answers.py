"""What a model says of windows -> the likeliest answers to questions, in the graph.

Letters: B questions, W windows of all contexts, L length, K answers, S places where one may begin,
M of each where it may end.
"""

import tensorflow as tf

from bert_tf2.modeling.answer_heads import FoundBeam
from bert_tf2.text.offsets import to_bytes

LOWEST = float("-inf")


def best(inputs, found, asking):
    """The likeliest answers of each question.

    Args:
        inputs: dict with what `answer_windows.places` gave.
        found: a `FoundSpans` or `FoundBeam`, of `modeling.answer_heads`.
        asking: an `Asking`.

    Returns:
        dict of `answers` (string), `scores` (float32), `starts`, `ends` (int32), (B, K) each;
        where there are fewer than K, "", 0, 0 and 0.
    """
    rows, context = inputs["rows"], inputs["context"]
    of = _of_beam if isinstance(found, FoundBeam) else _of_spans
    sums, begins, stops = of(inputs, found, asking.max_answer_len)
    wide, flat = tf.shape(sums)[2], tf.reshape(sums, [tf.shape(sums)[0], -1])
    top = tf.math.top_k(flat, tf.minimum(asking.top_k, tf.shape(flat)[1]))  # (W, k)
    begins = tf.gather(begins, top.indices // wide, batch_dims=1)
    stops = tf.gather(tf.reshape(stops, tf.shape(flat)), top.indices, batch_dims=1)

    count = tf.size(context)
    values = _by_question(top.values, rows, count, LOWEST)  # (B, n)
    begins, stops = (_by_question(x, rows, count, 0) for x in (begins, stops))
    total = tf.reduce_logsumexp(flat, 1, keepdims=True)
    total = tf.reduce_logsumexp(_by_question(total, rows, count, LOWEST), 1)  # (B,)
    if asking.handle_impossible_answer:
        null = _null(found, rows, tf.reduce_max(values, 1))  # (B,)
        null -= asking.null_score_diff_threshold
        total = tf.reduce_logsumexp(tf.stack([total, null], 1), 1)
        values = tf.concat([values, null[:, tf.newaxis]], 1)  # of equal ones an answer, as Google
        begins, stops = (tf.pad(x, [[0, 0], [0, 1]]) for x in (begins, stops))
    spare = [[0, 0], [0, asking.top_k]]  # so that there are K
    top = tf.math.top_k(tf.pad(values, spare, constant_values=LOWEST), asking.top_k)
    scores = tf.where(top.values > LOWEST, tf.exp(top.values - total[:, tf.newaxis]), 0.0)
    scores = tf.where(tf.math.is_nan(total)[:, tf.newaxis], total[:, tf.newaxis], scores)  # seen so
    begins, stops = (
        tf.where(top.values > LOWEST, tf.gather(tf.pad(x, spare), top.indices, batch_dims=1), 0)
        for x in (begins, stops)
    )
    return {
        "answers": _texts(context, begins, stops),
        "scores": scores,
        "starts": begins,
        "ends": stops,
    }


def _of_spans(inputs, found, longest):
    """The sums of logits of all spans that may be answers, else -inf, and their characters.

    Returns:
        float32 (W, S, M), int32 (W, S), int32 (W, S, M): of S = L tokens those over 1 … M tokens.
    """
    length = tf.shape(found.start)[1]
    longest = tf.minimum(longest, length)
    until = tf.range(length)[:, tf.newaxis] + tf.range(longest)  # (L, M)
    room = [[0, 0], [0, longest]]
    stops = tf.gather(tf.pad(inputs["stops"], room, constant_values=-1), until, axis=1)
    sums = found.start[..., tf.newaxis] + tf.gather(tf.pad(found.end, room), until, axis=1)
    return _fitting(sums, inputs["begins"], stops, inputs["most"])


def _of_beam(inputs, beam, longest):
    """The same of the spans in a beam, whose logits are logarithms of chances."""
    begins, most = (tf.gather(inputs[n], beam.first, batch_dims=1) for n in ("begins", "most"))
    tokens = beam.last - beam.first[..., tf.newaxis] + 1  # (W, N, N)
    stops = tf.gather(inputs["stops"], beam.last, batch_dims=1)
    stops = tf.where((tokens >= 1) & (tokens <= longest), stops, -1)
    return _fitting(beam.start[..., tf.newaxis] + beam.end, begins, stops, most)


def _fitting(sums, begins, stops, most):
    # Behind the window `stops` is -1; where a piece has no characters, so has an answer of it.
    fits = most[..., tf.newaxis] & (stops > begins[..., tf.newaxis])
    return tf.where(fits, sums, LOWEST), begins, stops


def _null(found, rows, highest):
    """What no answer has in the place of a sum of logits, (B,): it counts where it is lowest.

    A beam has a logit of its own for it, which is how far that is above the best answer: above
    `highest` (B,), or 0 where there is no answer at all.
    """
    if not isinstance(found, FoundBeam):
        return tf.math.segment_min(found.start[:, 0] + found.end[:, 0], rows)
    return tf.math.segment_min(found.none, rows) + tf.where(highest > LOWEST, highest, 0.0)


def _by_question(values, rows, count, none):
    """(W, n) of windows -> (B, n of all windows of a question), the rest `none`."""
    ragged = tf.RaggedTensor.from_value_rowids(
        values, rows, tf.cast(count, rows.dtype), None, False
    )
    dense = ragged.to_tensor(none)  # (B, windows, n)
    sizes = tf.shape(dense)
    return tf.reshape(dense, [sizes[0], sizes[1] * sizes[2]])


def _texts(context, begins, stops):
    """The characters of contexts from `begins` to `stops`, (B, K) each -> string (B, K)."""
    count = tf.shape(begins)[1]
    found = tf.RaggedTensor.from_tensor(tf.concat([begins, stops], 1), row_splits_dtype=tf.int32)
    found = tf.reshape(to_bytes(context, found).values, tf.shape(begins) * [1, 2])
    starts, ends = found[:, :count], found[:, count:]
    return tf.strings.substr(tf.repeat(context[:, tf.newaxis], count, 1), starts, ends - starts)
