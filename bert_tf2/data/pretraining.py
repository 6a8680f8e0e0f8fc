"""Text without end -> full rows of it, masked, in batches.

Letters: L length, P predictions a row.
"""

import tensorflow as tf

from bert_tf2.data import columns, pipeline, segment_pairs
from bert_tf2.text.masking import mask_words

TEXTS_AT_ONCE = 256  # enough to hide the cost of a call of the tokenizer
ROWS_AT_ONCE = 32
BATCHES_AHEAD = 4


def full_rows(texts, tokenizer, max_length):
    """Texts -> rows without padding: `[CLS] … [SEP]`, cut from all texts joined by "[SEP]".

    That is "FULL-SENTENCES" of Liu et al. 2019, section 4.2, with texts for their documents; a row
    ends where it is full. Each piece of each text is in exactly one row, in order. Only the last
    row of a pass may be shorter, and is padded. A text that ends just where a row does leaves its
    "[SEP]" there beside the row's own, or at the start of the next.

    It streams: nothing but a batch of texts and an unfinished row is in memory.

    Args:
        texts: list, array or 1-D tensor of str; or a `tf.data.Dataset` of str, one at a time or in
            batches. Texts without a piece are left out.
        tokenizer: a tokenizer of this package.
        max_length: int >= 3, the L of every row.

    Returns:
        `tf.data.Dataset` of dicts of int32 (L,): `token_ids`, `segment_ids`, `padding_mask`. It has
        as many passes as are asked for, all equal if those of `texts` are.
    """
    if not isinstance(texts, tf.data.Dataset):
        texts = tf.data.Dataset.from_tensor_slices(
            columns.text_columns(texts, columns.TEXT_NAMES[:1])["text"]
        )
    if texts.element_spec.shape.rank == 0:
        texts = texts.batch(TEXTS_AT_ONCE)
    sep = tokenizer.sep_token_id

    def close_texts(batch):
        ids = tokenizer(batch)
        ids = tf.ragged.boolean_mask(ids, ids.row_lengths() > 0)
        ends = tf.RaggedTensor.from_row_lengths(
            tf.fill([ids.nrows()], sep), tf.ones(ids.nrows(), tf.int64), validate=False
        )
        return tf.concat([ids, ends], axis=1).values, False

    end = tf.data.Dataset.from_tensors((tf.zeros([0], tf.int32), True))
    stream = pipeline.ahead(texts, close_texts).concatenate(end)

    def cut(begun, piece):
        ids, is_end = piece
        return _cut(tf.concat([begun, ids], 0), is_end, tokenizer, max_length)

    return stream.scan(tf.zeros([0], tf.int32), cut).unbatch()


def _cut(ids, is_end, tokenizer, max_length):
    """Ids (tokens,) -> what is left of them for the next row, and a dict of full rows (rows, L)."""
    room = max_length - 2
    # The last row closes the last text: that text's own "[SEP]", kept back until here, goes.
    ids = tf.cond(is_end, lambda: ids[:-1], lambda: ids)
    size = tf.size(ids)
    count = tf.where(is_end, size + room - 1, tf.maximum(size - 1, 0)) // room
    left = ids[count * room :]
    body = ids[: count * room]
    body = tf.pad(body, [[0, count * room - tf.size(body)]])
    body = tf.reshape(body, [-1, room])  # (rows, L - 2)
    edge = tf.ones([count, 1], tf.int32)
    lengths = tf.clip_by_value(size - room * tf.range(count), 0, room)[:, tf.newaxis] + 2
    column = tf.range(max_length)[tf.newaxis]
    rows = tf.concat([edge * tokenizer.cls_token_id, body, edge], 1)  # (rows, L)
    rows = tf.where(column == lengths - 1, tokenizer.sep_token_id, rows)
    rows = tf.where(column < lengths, rows, tokenizer.pad_token_id)
    return left, {
        "token_ids": rows,
        "segment_ids": tf.zeros_like(rows),
        "padding_mask": tf.cast(column < lengths, tf.int32),
    }


def masked_batches(rows, tokenizer, order, batch_size=32, drop_remainder=False, **masking):
    """Hides words of rows, others in each epoch (Liu et al. 2019, section 4.1).

    Args:
        rows: dataset of dicts of (ROWS_AT_ONCE, L), of rows as from `full_rows`.
        tokenizer: the tokenizer that made them.
        order: a `pipeline.Order`. Which words are hidden is a function of its seed and epoch, and
            of a row's place; the batch size is not in it.
        batch_size: rows a batch; the last one may be smaller.
        drop_remainder: leave that one out, so that all have one known size.
        **masking: of `mask_words`; `max_predictions` must be there, since batches have one P.

    Returns:
        `tf.data.Dataset` of dicts: the inputs and the targets of `mask_words` in one.
    """

    @pipeline.as_written
    def mask(number, batch):
        seed = tf.random.experimental.stateless_fold_in(order.state, number)
        inputs, targets = mask_words(batch, seed, tokenizer, **masking)
        return inputs | targets

    dataset = rows.enumerate().map(mask, num_parallel_calls=BATCHES_AHEAD)
    dataset = dataset.rebatch(batch_size, drop_remainder)
    if rows.cardinality() == tf.data.INFINITE_CARDINALITY:  # which `rebatch` forgets
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(-1))
    return dataset.prefetch(BATCHES_AHEAD)


def masked_texts(
    texts,
    preprocessor,
    sampling,
    batch_size=32,
    rate=0.15,
    max_predictions=None,
    whole_words=False,
    second_task=None,
    shares=(0.8, 0.1),
):
    """Texts -> batches, of dicts of columns: `full_rows` in the preprocessor's length, masked.

    With a `second_task`, "nsp" or "sop", texts are documents of a sentence a line, and rows pairs
    of segments of these, with `next_sentence_labels` (`segment_pairs.rows_of_pairs`).

    Args:
        texts: see `full_rows`.
        preprocessor: a `Preprocessor`.
        sampling: a `pipeline.Sampling` with an order, in which words are hidden and, if it
            shuffles, rows come, all kept in memory. A dataset of texts has its own order and end.
        batch_size: see `masked_batches`.
        rate, max_predictions, whole_words, shares: see `mask_words`; by default at most as
            many predictions as the rate asks for in a full row.
    """
    tokenizer, length = preprocessor.tokenizer, preprocessor.max_length
    in_memory = not isinstance(texts, tf.data.Dataset)
    if second_task:
        rows = segment_pairs.rows_of_pairs(texts, preprocessor, sampling, second_task)
    elif in_memory and sampling.shuffle:
        rows = full_rows(texts, tokenizer, length)
        rows = _in_order(rows, sampling._replace(drop_remainder=False))
    else:
        rows = full_rows(texts, tokenizer, length)
        rows = rows.repeat() if in_memory and sampling.endless else rows
        rows = rows.batch(ROWS_AT_ONCE)
    masking = {
        "rate": rate,
        "max_predictions": max_predictions or max(1, round(rate * length)),
        "whole_words": whole_words,
        "shares": shares,
    }
    order, drop_remainder = sampling.order, sampling.drop_remainder
    return masked_batches(rows, tokenizer, order, batch_size, drop_remainder, **masking)


def _in_order(rows, sampling):
    """The rows of a dataset that fits memory, in the order of each pass."""
    parts = list(rows.batch(4096))
    if not parts:
        return rows.batch(ROWS_AT_ONCE)
    rows = {name: tf.concat([part[name] for part in parts], 0) for name in parts[0]}
    return pipeline.batches(rows, dict, ROWS_AT_ONCE, sampling)
