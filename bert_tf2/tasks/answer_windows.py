"""Questions and their contexts -> windows of ids, in the graph.

Letters: B questions, W windows of all contexts, L length, T tokens of all windows.
"""

import math
import numbers
from typing import NamedTuple

import tensorflow as tf

from bert_tf2.data.labels import MARK
from bert_tf2.messages import RowError, checked_bool, checked_int
from bert_tf2.text import windows
from bert_tf2.text.offsets import owners
from bert_tf2.text.packing import pack, packed_lengths


class Asking(NamedTuple):
    """How questions are asked; see `QuestionAnswerer`."""

    doc_stride: int = 128
    max_question_len: int | None = 64
    max_answer_len: int = 30
    handle_impossible_answer: bool = False
    top_k: int = 1
    max_seq_len: int | None = None
    null_score_diff_threshold: float = 0.0

    def checked(self, preprocessor):
        """The same with all lengths said.

        Raises:
            ValueError: a number that is none, or a question that leaves no room for its context.
        """
        longest, separators = preprocessor.max_length, preprocessor.tokenizer.pair_separators
        length = longest if self.max_seq_len is None else self.max_seq_len
        asked = self._replace(max_seq_len=checked_int("max_seq_len", length), **self._silence())
        room = asked.max_seq_len - 2 - separators
        if asked.max_question_len is None:
            asked = asked._replace(max_question_len=max(1, min(64, room // 2)))
        counts = [name for name in self._fields if name not in self._silence()]
        asked = asked._replace(**{n: checked_int(n, getattr(asked, n)) for n in counts})
        if asked.max_seq_len > longest:
            raise ValueError(
                f"`max_seq_len` must be at most {longest}, the preprocessor's `max_length`. "
                f"Received: {asked.max_seq_len}"
            )
        if room < 2:
            said = "`max_seq_len`" if self.max_seq_len else "the preprocessor's `max_length`"
            raise ValueError(
                f"{said} must be at least {4 + separators}, for a token of a question, one of its "
                f"context, and what stands around them. Received: {asked.max_seq_len}"
            )
        if asked.max_question_len >= room:
            raise ValueError(
                f"`max_question_len` must be below {room}, so that its context has room in rows of "
                f"{asked.max_seq_len} tokens. Received: {asked.max_question_len}"
            )
        return asked

    def _silence(self):
        """When "" is the answer, as a bool and a float; else a ValueError."""
        threshold = self.null_score_diff_threshold
        is_number = isinstance(threshold, numbers.Real) and not isinstance(threshold, bool)
        if not is_number or not math.isfinite(threshold):
            raise ValueError(
                f"`null_score_diff_threshold` must be a finite number. Received: {threshold!r}"
            )
        return {
            "handle_impossible_answer": checked_bool(
                "handle_impossible_answer", self.handle_impossible_answer
            ),
            "null_score_diff_threshold": float(threshold),
        }


# === Questions -> windows =========================================================================


class Cut(NamedTuple):
    """Questions and contexts as tokens: RaggedTensors (B, tokens), and the contexts' `Windows`."""

    asked: tf.RaggedTensor
    pieces: object
    windows: windows.Windows


def cut(preprocessor, asking, question, context):
    """question, context: string (B,) -> `Cut`."""
    tokenizer = preprocessor.tokenizer
    asked = tokenizer(question)[:, : asking.max_question_len]
    pieces = tokenizer.pieces(context)
    room = asking.max_seq_len - 2 - tokenizer.pair_separators
    room -= tf.cast(asked.row_lengths(), tf.int32)
    return Cut(asked, pieces, windows.windows(pieces.ids.row_lengths(), room, asking.doc_stride))


def lengths(preprocessor, found):
    """The tokens of each window of a `Cut`, with its question and what stands between: int (W,)."""
    asked = tf.gather(found.asked.row_lengths(), found.windows.rows)
    sizes = tf.cast(found.windows.sizes, asked.dtype)
    return packed_lengths(asked, sizes, preprocessor.tokenizer.pair_separators)


def chosen(found, numbers):
    """A `Cut` with one window of each question, of these numbers (B,), from 0."""
    first = tf.searchsorted(found.windows.rows, tf.range(tf.size(numbers)))
    place = first + tf.cast(numbers, tf.int32)
    return found._replace(windows=windows.Windows(*(tf.gather(x, place) for x in found.windows)))


def packed(preprocessor, asking, found, pad=False):
    """A `Cut` -> the model's inputs, int32 (W, L), and which token of all windows stands where.

    Returns:
        inputs, and int32 (W, L), T where there is none of a context's.
    """
    tokenizer = preprocessor.tokenizer
    ids = windows.cut(found.pieces.ids, found.windows)
    asked = tf.gather(found.asked, found.windows.rows)
    count = tf.size(ids.values)

    def rows(first, second, special_ids):
        return pack(
            first,
            second,
            special_ids=special_ids,
            max_length=asking.max_seq_len,
            pad_to_max_length=pad or preprocessor.pad_to_max_length,
            length_buckets=[x for x in preprocessor.length_buckets if x < asking.max_seq_len],
            separators=tokenizer.pair_separators,
            second_segment=tokenizer.second_segment,
        )

    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
    none = asked.with_values(tf.fill(tf.shape(asked.values), count))
    place = rows(none, ids.with_values(tf.range(count)), [count] * 3)["token_ids"]
    return rows(asked, ids, special), place


def places(found, place, context):
    """What `best_answers.best` needs of a `Cut`: a dict by the names of `MARKS`.

    Args:
        place: as from `packed`. context: string (B,).
    """
    pieces, cuts = found.pieces, found.windows

    def at(values, none):
        return tf.gather(tf.concat([values, [none]], 0), place)

    begins, stops = (windows.cut(x, cuts).values for x in (pieces.starts, pieces.ends))
    most = windows.most_context(cuts).values
    return {
        "context": context,
        "rows": cuts.rows,
        "begins": at(begins, -1),
        "stops": at(stops, -1),
        "most": at(most, False),
    }


MARKS = ("context", "rows", "begins", "stops", "most")


def targets(found, place, spans):
    """Where answers begin and end in their windows; 0, [CLS], where a window does not hold its own.

    Args:
        place: as from `packed`. spans: int32 (B, 2), characters of the contexts; -1 for no answer.

    Returns:
        int32 (W, 2).
    """
    cuts = found.windows
    start, end = tf.unstack(spans, axis=1)
    first, last = held(found.pieces, spans)
    checks = _check_held(start, end, last)
    with tf.control_dependencies(checks):
        first, last = (tf.gather(x, cuts.rows) - cuts.starts for x in (first, last))  # (W,)
    begin = tf.argmax(place != tf.reduce_max(place, 1, keepdims=True), 1, tf.int32)
    whole = (tf.gather(start, cuts.rows) >= 0) & (first >= 0) & (last < cuts.sizes)
    return tf.where(whole[:, tf.newaxis], begin[:, tf.newaxis] + tf.stack([first, last], 1), 0)


def held(pieces, spans):
    """The first and the last token of each answer, int32 (B,) each; the last is below 0 where there
    is none.

    Args:
        pieces: of the contexts. spans: int32 (B, 2), their characters; -1 for no answer.
    """
    row = owners(pieces.ids.row_splits)
    start, end = tf.unstack(spans, axis=1)
    inside = (pieces.ends.values > tf.gather(start, row)) & (
        pieces.starts.values < tf.gather(end, row)
    )
    number = tf.ragged.range(pieces.ids.row_lengths()).values
    number, count = tf.cast(number, tf.int32), tf.size(start)
    # Where there is none these are the largest and the smallest of integers.
    first = tf.math.unsorted_segment_min(tf.where(inside, number, number.dtype.max), row, count)
    return first, tf.math.unsorted_segment_max(tf.where(inside, number, -1), row, count)


def check_answers(pieces, spans, first_row):
    """Raises a RowError for an answer without a token.

    Args:
        pieces, spans: as of `held`, not in a graph. first_row: the number of the first.
    """
    lost = (spans[:, 0] >= 0) & (held(pieces, spans)[1].numpy() < 0)
    if lost.any():
        index = int(lost.argmax())
        start, end = spans[index].tolist()
        raise RowError(
            f"`y` at index {first_row + index}: the characters {start} to {end} of the context are "
            "no answer: no token stands there, as of characters that the tokenizer leaves out",
            first_row + index,
        )


def _check_held(start, end, last):
    """Asserts that answers have tokens."""
    lost = (start >= 0) & (last < 0)
    place = tf.as_string(tf.boolean_mask(tf.stack([start, end], 1), lost)[:1])
    said = tf.strings.join(
        [
            f"{MARK}at the characters ",
            tf.strings.reduce_join(place, separator=" to "),
            " is no answer: no token of the context stands there.",
        ]
    )
    return [tf.debugging.Assert(~tf.reduce_any(lost), [said])]


def tokens(positions, length):
    """int32 (W, 2), given as tokens: the same, of which each is one of `length`."""
    strange = tf.boolean_mask(positions, (positions < 0) | (positions >= length))[:1]
    said = tf.strings.join(
        [
            MARK,
            tf.strings.reduce_join(tf.as_string(strange)),
            " is no token: rows have ",
            tf.as_string(length),
            " of them, from 0.",
        ]
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.size(strange) == 0, [said])]):
        return tf.identity(positions)
