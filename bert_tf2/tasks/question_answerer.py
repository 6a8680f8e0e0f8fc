"""Answers that stand in a text (Rajpurkar et al. 2016 and 2018; Devlin et al. 2018, 4.2 and 4.3).

Letters: B questions, W windows of their contexts, L length, K answers.
"""

import logging

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data.answer_spans import answer_spans
from bert_tf2.data.columns import text_columns
from bert_tf2.modeling import answer_heads
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.tasks import answer_windows, best_answers
from bert_tf2.tasks.asked import Asked
from bert_tf2.tasks.task import Task
from bert_tf2.tasks.taught_starts import TaughtStarts
from bert_tf2.text.forms import shown

LOGGER = logging.getLogger("bert_tf2")
AT_A_TIME = 1024  # contexts, whose windows are counted


@keras.saving.register_keras_serializable("bert_tf2")
class QuestionAnswerer(Asked, TaughtStarts, Task):
    """Finds the answer to a question in a text, or that there is none.

    The model maps int32 ids of windows (W, L), "[CLS] question [SEP] context [SEP]", to float32
    logits (W, 2, L): that an answer begins there, and ends there (google-research/bert,
    `run_squad.py`); or to a beam of such places, see `head`. A context longer than a window is read
    in several, and answered as a whole.

    Wherever a method takes `x`, it may be a tuple `(questions, contexts)` of two lists of str, or a
    mapping of `question` and `context`. `y` is a list with, for each question, a dict of `text` and
    `answer_start` (a character, from 0), or SQuAD's dict of lists or list of dicts, of which the
    first is learned; a tuple of the characters (start, end); or None where there is no answer. A
    `tf.data.Dataset` brings int (B, 2), start and end, -1 twice for none; and ids bring tokens: the
    first and last one, 0 for none. Each window is a row of its own in training; one that does not
    hold the answer is taught that there is none, which "[CLS]" stands for.

    Args:
        encoder, preprocessor, drop_padding, name: as of a `TextClassifier`.
        doc_stride: int, the tokens from the start of a window to that of the next, as Google's.
        max_question_len: int, the tokens of a question, of which the rest is cut; default 64, or
            half of what the model reads.
        max_answer_len: int, the tokens of an answer, at most.
        handle_impossible_answer: whether "" is among the answers, as SQuAD 2.0 wants it; its logits
            are those of "[CLS]", in the window where they are lowest.
        null_score_diff_threshold: float, how much above the best answer, in logits, "" must be to
            be preferred, as in `run_squad.py`; `tune_threshold` finds the best.
        top_k: int, how many answers are given.
        reproduce: None, or "google": the softmax of the loss counts the padding of rows, which are
            padded to `max_length`, as `run_squad.py` does. That needs `drop_padding=False`.
        head: "spans", two logits a token; "answerable_spans", of ALBERT's `run_squad_v2.py`, or
            "joint_spans", of ELECTRA's `run_finetuning.py`: logits of starts, of the ends behind
            each of the best ones, and that there is no answer, which is chosen where that is above
            0 in all windows. `from_preset` takes what the file has.

    Raises:
        ValueError: a number that is none, a question that leaves its context no room, another
            `reproduce` or `head`, or a `head` that the encoder has no segments for.

    Examples:
        >>> qa = bert_tf2.QuestionAnswerer.from_preset("folder/of/squad")
        >>> qa.answer_question("Who met Bo?", "Ada met Bo in Rome.")["answer"]
        'Ada'
    """

    head_kind = "spans"
    other_kinds = answer_heads.KINDS[1:]
    settings = (
        *("doc_stride", "max_question_len", "max_answer_len", "handle_impossible_answer"),
        *("top_k", "reproduce", "head", "null_score_diff_threshold"),
    )
    raw_names = ("question", "context")
    together = "context"
    reads_windows = True
    marks = answer_windows.MARKS
    wanted = "the characters where answers begin and end"

    def __init__(
        self,
        encoder,
        preprocessor,
        doc_stride=128,
        max_question_len=None,
        max_answer_len=30,
        handle_impossible_answer=False,
        top_k=1,
        reproduce=None,
        head="spans",
        null_score_diff_threshold=0.0,
        drop_padding=True,
        name=None,
    ):
        if reproduce not in (None, "google") or (reproduce and drop_padding):
            raise ValueError(
                '`reproduce` must be None, or "google" with `drop_padding=False`. Received: '
                f"reproduce={reproduce!r}, drop_padding={drop_padding}"
            )
        answer_heads.check(head, encoder.config)
        inputs = input_tensors()
        states = encoder.encode(inputs, drop_padding=drop_padding)["sequence_output"]
        outputs = answer_heads.outputs(head, states, inputs, encoder.config, reproduce is None)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.doc_stride, self.max_question_len = doc_stride, max_question_len
        self.max_answer_len, self.top_k = max_answer_len, top_k
        self.handle_impossible_answer = handle_impossible_answer
        self.null_score_diff_threshold = null_score_diff_threshold
        self.reproduce, self.head, self.head_kind = reproduce, head, head
        asked = self.asking()  # raises; has no NumPy, which no file keeps
        self.handle_impossible_answer = asked.handle_impossible_answer
        self.null_score_diff_threshold = asked.null_score_diff_threshold

    # === The protocol =============================================================================

    def read_texts(self, x):
        found = text_columns(x, self.raw_names)
        if len(found) != 2:
            raise TypeError(
                "Questions and contexts must be a tuple of two lists of str, or a mapping of "
                f"`question` and `context`. Received: {shown(x)}"
            )
        return found

    def packed_texts(self, found):
        return {name: found[name] for name in self.raw_names}

    def read(self, x, y=None, sample_weight=None):
        found = super().read(x, None, sample_weight)
        context, rows = found.get("context"), len(next(iter(found.values())))
        if context is not None and not self.said_what_is_cut:
            self._say_what_is_cut(found["question"])
        if y is None:
            return found
        texts = (
            context if context is None else [t.decode("utf-8", "replace") for t in context.numpy()]
        )
        found["labels"] = answer_spans(y, texts, rows)
        return found if context is None else self._each_window(found)

    def _say_what_is_cut(self, questions):
        longest = self.asking().max_question_len
        long = tf.boolean_mask(questions, tf.strings.length(questions) > longest)
        lengths = self.preprocessor.tokenizer(long).row_lengths().numpy()
        if (lengths > longest).any():
            self.said_what_is_cut = True
            LOGGER.warning(
                "%d of %d questions are longer than `max_question_len`, %d tokens, and are cut",
                *((lengths > longest).sum(), len(questions), longest),
            )

    def _each_window(self, found):
        """Columns of questions -> of each window, with its number in its context and its tokens."""
        counts, lengths, names = [], [], self.raw_names
        for i in range(0, len(found["labels"]), AT_A_TIME):
            part = [found[name][i : i + AT_A_TIME] for name in names]
            cut = answer_windows.cut(self.preprocessor, self.asking(), *part)
            answer_windows.check_answers(cut.pieces, found["labels"][i : i + AT_A_TIME], i)
            counts.append(np.bincount(cut.windows.rows, minlength=len(part[0])))
            lengths.append(answer_windows.lengths(self.preprocessor, cut))
        counts, lengths = np.concatenate(counts), np.concatenate(lengths)
        row = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return {name: tf.gather(x, row) for name, x in found.items()} | {
            "window": number,
            "tokens": lengths,
        }

    def prepare(self, columns, windows=False, **how):
        if "question" not in columns:
            inputs, positions = self.encoded(columns), columns.get("labels")
            if positions is None:
                return inputs, None, None
            length = tf.shape(inputs["token_ids"])[1]
            positions = answer_windows.tokens(tf.cast(positions, tf.int32), length)
            weights = self._weights(self.row_weights(columns))
            return self.with_starts(inputs, positions, weights)
        asking, google = self.asking(**how), self.reproduce == "google"
        question, context = (tf.reshape(columns[name], [-1]) for name in self.raw_names)
        found = answer_windows.cut(self.preprocessor, asking, question, context)
        if "window" in columns:
            found = answer_windows.chosen(found, columns["window"])
        inputs, place = answer_windows.packed(self.preprocessor, asking, found, pad=google)
        if "labels" not in columns:
            return inputs | answer_windows.places(found, place, context), None, None
        spans = tf.cast(columns["labels"], tf.int32)
        weights = self._weights(tf.gather(self.row_weights(columns), found.windows.rows))
        targets, without = answer_windows.targets(found, place, spans), spans[:, 0] < 0
        return self.with_starts(inputs, targets, weights, tf.gather(without, found.windows.rows))

    def _weights(self, rows):
        """(W,) -> (W, 2)."""
        return tf.repeat(rows[:, tf.newaxis], 2, 1)

    def answers(self, inputs, outputs, windows=False, **how):
        """Of ids `start_logits` and `end_logits` (W, L), or a beam by its `names`; of texts as
        `best_answers.best`, or with `windows` all that it would have chosen from."""
        found = answer_heads.found_in(outputs, self.head)
        if "context" not in inputs:
            return dict(zip(found.names, found, strict=True))
        if windows:
            marks = {name: inputs[name] for name in self.marks}
            return marks | found._asdict() | {"ids": inputs["token_ids"]}
        return best_answers.best(inputs, found, self.asking(**how))

    def string_inputs(self, pairs=False):
        """`question` and `context`, (B,) each."""
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in self.raw_names}
