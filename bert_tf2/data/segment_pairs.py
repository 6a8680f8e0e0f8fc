"""Documents -> pairs of segments to be told in or out of order, drawn anew on each pass.

Letters: D documents, S sentences, C chunks of a document, B rows, L length.

Sources: Devlin et al. 2018, section 3.1, task 2; google-research/bert
`create_pretraining_data.py`, `create_instances_from_document`; Lan et al. 2019, section 3.1, and
the file of that name in google-research/albert.
"""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_tf2.data import pipeline
from bert_tf2.data.labels import OF_DOCUMENTS
from bert_tf2.text.packing import truncated_lengths

SHORT = 0.1  # the share of documents whose rows aim at another length
DOCUMENTS_AT_ONCE = 1024  # of a dataset: segments from elsewhere come from these
WINDOWS_WITHOUT = 64  # after so many of these in which nothing follows, a stream is given up
ROWS_AT_ONCE = 32
CUTS = 1  # the seed of what stays the same on each pass


class Segments(NamedTuple):
    """Documents as one long row of ids, and the chunks of them that become rows.

    Attributes:
        ids: int32 (tokens,).
        sentences: int64 (S + 1,): where each sentence begins in ids; last, where they end.
        documents: int64 (D + 1,): likewise where each document begins in sentences.
        chunks: int64 (C, 4): first sentence, the one after the last, the document, and how many
            tokens a row of it aims at.
    """

    ids: tf.Tensor
    sentences: tf.Tensor
    documents: tf.Tensor
    chunks: tf.Tensor


def rows_of_pairs(documents, preprocessor, sampling, objective):
    """Documents -> batches of ROWS_AT_ONCE rows of the preprocessor's length.

    A row is a chunk of a document, sentences up to its length, which a random end of a sentence
    divides. With "nsp" the second half is, every other time, the sentences from a random place of
    another document; with "sop" the halves are, every other time, swapped. What is too long loses
    tokens of its longer half, from either end. Chunks are cut once; where they are divided, what
    follows, and which are swapped differs from pass to pass.

    Args:
        documents: string tensor (D,), a sentence a line; or a `tf.data.Dataset` of such, one at a
            time or in batches.
        preprocessor: a `Preprocessor`.
        sampling: a `pipeline.Sampling` with an order. A dataset has its own order and end.
        objective: "nsp" or "sop".

    Returns:
        `tf.data.Dataset` of dicts: int32 (B, L) `token_ids`, `segment_ids`, `padding_mask`, and
        int32 (B,) `next_sentence_labels`: 1 for a half from elsewhere, or halves that are swapped.

    Raises:
        ValueError: documents in memory of which no row can be made; a dataset of such is refused as
            it is read, at its end or after `WINDOWS_WITHOUT` windows.
    """

    def rows(segments, chunks, seed):
        @pipeline.as_written
        def draw(number, chosen):
            here = tf.random.experimental.stateless_fold_in(seed, number)
            return drawn_pairs(segments, chosen, preprocessor, objective, here)

        return chunks.enumerate().map(draw, num_parallel_calls=2)

    if not isinstance(documents, tf.data.Dataset):
        segments = _in_memory(documents, preprocessor, objective)
        chunks = pipeline.batches(
            segments.chunks, tf.identity, ROWS_AT_ONCE, sampling._replace(drop_remainder=False)
        )
        return rows(segments, chunks, sampling.order.state)

    @pipeline.as_written
    def of_window(number, segments):
        chunks = tf.data.Dataset.from_tensor_slices(segments.chunks).batch(ROWS_AT_ONCE)
        return rows(segments, chunks, _folded(sampling.order.state, number))

    singles = documents if documents.element_spec.shape.rank == 0 else documents.unbatch()
    windows = _in_windows(singles.batch(DOCUMENTS_AT_ONCE), preprocessor, objective)
    return windows.enumerate().flat_map(of_window)


def _folded(seed, number):
    return tf.random.experimental.stateless_fold_in(seed, number)


def _in_memory(documents, preprocessor, objective):
    found = _segments(tf.convert_to_tensor(documents), preprocessor, objective)
    if not _follows(found):
        lines = int(found.sentences.shape[0]) - 1
        said = _nothing_follows(objective, preprocessor.max_length)
        raise ValueError(said.format(len(documents), lines))
    return found


def _in_windows(windows, preprocessor, objective):
    """Batches of documents -> `Segments` of each; stops where all have been without a pair."""
    end = tf.data.Dataset.from_tensors(tf.zeros([0], tf.string))  # no batch is empty but this
    said = _nothing_follows(objective, preprocessor.max_length)

    def read(seen, numbered):
        number, window = numbered
        found = _segments(window, preprocessor, objective, number)
        known, documents, lines = seen
        known |= _follows(found)
        documents += tf.size(window, tf.int64)
        lines += tf.size(found.sentences, tf.int64) - 1
        last = (tf.size(window) == 0) | (number + 1 == WINDOWS_WITHOUT)
        received = tf.strings.format(said, (documents, lines))
        with tf.control_dependencies([tf.debugging.Assert(known | ~last, [received])]):
            return (tf.identity(known), documents, lines), found

    nothing = tf.constant(False), tf.zeros([], tf.int64), tf.zeros([], tf.int64)
    return windows.concatenate(end).enumerate().scan(nothing, pipeline.as_written(read))


def _follows(segments):
    """Whether in any row of them something follows."""
    return tf.reduce_any(segments.chunks[:, 1] - segments.chunks[:, 0] > 1)


def _nothing_follows(objective, length):
    """What is wrong, with {} for how many texts and how many lines there are."""
    wanted = "a document of two sentences or more"
    wanted = f"two documents, and {wanted}" if objective == "nsp" else wanted
    return (
        f"{OF_DOCUMENTS}for {objective!r}: there must be {wanted}, both within one row. Each text "
        "is a document, with one sentence a line. Received: {} texts of {} lines in all, for rows "
        f"of {length} tokens. Train without a `second_task` (--objective=mlm) where there are "
        "none, or with longer rows."
    )


def _segments(documents, preprocessor, objective, number=0):
    """Texts (D,), a sentence a line -> `Segments`; documents without a piece are left out."""
    lines = tf.strings.split(documents, "\n")
    pieces = preprocessor.tokenizer(lines.flat_values)
    kept = pieces.row_lengths() > 0
    owners = tf.boolean_mask(lines.value_rowids(), kept)
    pieces = tf.ragged.boolean_mask(pieces, kept)
    room = preprocessor.max_length - 2 - preprocessor.tokenizer.pair_separators

    def cut(splits, owners, number):
        return _cut(splits, owners, room, objective, np.random.default_rng([CUTS, int(number)]))

    given = [tf.cast(pieces.row_splits, tf.int64), tf.cast(owners, tf.int64), number]
    starts, chunks = tf.numpy_function(cut, given, (tf.int64, tf.int64), stateful=False)
    starts, chunks = tf.ensure_shape(starts, [None]), tf.ensure_shape(chunks, [None, 4])
    return Segments(pieces.values, given[0], starts, chunks)


def _cut(splits, owners, room, objective, generator):
    """(first sentence of each document, chunks) of what `Segments` holds."""
    begins = np.flatnonzero(np.diff(owners, prepend=-1))
    starts = np.append(begins, len(owners)).astype("int64")
    short = generator.random(len(begins)) < SHORT
    aims = np.where(short, generator.integers(2, room, len(begins), endpoint=True), room)
    chunks = []
    for document, (first, end) in enumerate(itertools.pairwise(starts)):
        aim = aims[document]
        while first < end:  # up to the sentence with which the length is reached
            last = int(np.searchsorted(splits, splits[first] + aim, "left"))
            last = min(max(last, first + 1), end)
            chunks.append((first, last, document, aim))
            first = last
    chunks = np.array(chunks, "int64").reshape(-1, 4)
    if objective == "sop":  # one sentence has no order
        chunks = chunks[chunks[:, 1] - chunks[:, 0] > 1]
    elif len(begins) < 2:  # there is no elsewhere
        chunks = chunks[:0]
    return starts, chunks


def drawn_pairs(segments, chunks, preprocessor, objective, seed):
    """Chunks int64 (B, 4) -> rows, as `rows_of_pairs` gives them."""
    first, last, document, aim = tf.unstack(chunks, axis=1)
    seeds = tf.unstack(tf.random.split(seed, 6))
    shares = [tf.random.stateless_uniform(tf.shape(first), s, dtype=tf.float64) for s in seeds[:4]]
    divided = first + 1 + _below(shares[0], last - first - 1)  # after the first half
    divided = tf.minimum(divided, last)
    begin, middle, end = (tf.gather(segments.sentences, x) for x in (first, divided, last))
    other = shares[1] < 0.5
    if objective == "nsp":
        other |= last - first == 1  # nothing follows
        place = _elsewhere(segments, document, shares[2:])
        stop = tf.gather(segments.sentences, place[1])
        start = tf.gather(segments.sentences, place[0])
        wanted = tf.maximum(aim - (middle - begin), 1)
        a, b = (begin, middle), (tf.where(other, start, middle), tf.where(other, stop, end))
        b = b[0], tf.where(other, _sentence_end(segments, start, wanted, stop), b[1])
    else:
        halves = [(begin, middle), (middle, end)]
        a, b = (
            tuple(tf.where(other, y, x) for x, y in zip(one, two, strict=True))
            for one, two in (halves, halves[::-1])
        )
    a, b = _cut_to_fit(a, b, preprocessor, seeds[4:])
    ids = [tf.gather(segments.ids, tf.ragged.range(*ends)) for ends in (a, b)]
    packed = preprocessor.padded(*ids)
    return packed | {"next_sentence_labels": tf.cast(other, tf.int32)}


def _below(share, count):
    """Shares of [0, 1) -> whole numbers below count; 0 where that is 0."""
    return tf.cast(share * tf.cast(count, tf.float64), tf.int64)


def _elsewhere(segments, document, shares):
    """Of rows, a random sentence of a random other document, and the end of that."""
    count = tf.size(segments.documents, tf.int64) - 1
    other = _below(shares[0], count - 1 + tf.zeros_like(document))
    other += tf.cast(other >= document, tf.int64)
    first, end = tf.gather(segments.documents, other), tf.gather(segments.documents, other + 1)
    return first + _below(shares[1], end - first), end


def _sentence_end(segments, start, wanted, stop):
    """Where the sentence ends with which so many tokens from start on are reached, up to stop."""
    place = tf.searchsorted(segments.sentences, start + wanted, "left", tf.int64)
    last = tf.size(segments.sentences, tf.int64) - 1
    return tf.minimum(tf.gather(segments.sentences, tf.minimum(place, last)), stop)


def _cut_to_fit(a, b, preprocessor, seeds):
    """(start, end) of both halves, cut to the length of a row: a coin says at which end, each time.

    As `truncate_seq_pair`, which tosses one for each token.
    """
    sizes, separators = (a[1] - a[0], b[1] - b[0]), preprocessor.tokenizer.pair_separators
    fitting = truncated_lengths(*sizes, preprocessor.max_length, separators)
    found = []
    for (start, _), size, kept, seed in zip((a, b), sizes, fitting, seeds, strict=True):
        excess = tf.cast(size - kept, tf.float32)
        share = tf.fill(tf.shape(size), 0.5)
        front = tf.random.stateless_binomial(tf.shape(size), seed, excess, share, tf.int64)
        start += tf.where(size > kept, front, 0)
        found.append((start, start + kept))
    return found
