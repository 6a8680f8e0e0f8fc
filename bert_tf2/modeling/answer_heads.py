"""Heads that find answers in windows: two logits a token, or a beam of starts and their ends.

Letters: W windows, L length, D width, H width of hidden layers, N the beam: so many starts, and of
each so many ends.

Sources: google-research/albert `squad_utils.py`, `create_v2_model` (Lan et al. 2019, section 4.8);
google-research/electra `finetune/qa/qa_tasks.py`, `get_prediction_module` with the defaults of
`configure_finetuning.py`. The former is transformers' `XLNetForQuestionAnswering`, too.
"""

import contextlib
from typing import NamedTuple

import keras
from keras import ops

from bert_tf2.modeling import heads
from bert_tf2.modeling.functions import activate, dropout
from bert_tf2.modeling.layers import TokenLayer
from bert_tf2.weights.units import HEADS

PADDING = -1e4  # its logit, as in attention
NOWHERE = -1e30  # the logit of a token that is no place; of ELECTRA's it is 1000 less, which is
# nothing in a softmax of float32 either


class Beam(NamedTuple):
    """How a kind of head computes.

    Attributes:
        size: N.
        end: in which order the vectors stand side by side that an end is told by: "token", of the
            end itself, and "start".
        answer: the same of those that tell whether there is an answer: "first", of "[CLS]", and
            "start", the mean of all by their chance to be one.
        act: activation of both hidden layers.
        width: H; None: D.
        norm: whether a norm follows that of the ends.
        bias: whether the logit of no answer has one.
        last: whether the last token of the second text, its "[SEP]", may be a place.
        drops: whether the hidden layer before the logit of no answer is dropped from, in training.
        by_window: whether a window without the answer is taught that there is none; else only
            those of a question without one are.
    """

    size: int
    end: tuple[str, str]
    answer: tuple[str, str]
    act: str
    width: int | None
    norm: bool
    bias: bool
    last: bool
    drops: bool
    by_window: bool


BEAMS = {  # by kind of head, as `weights.units.HEADS` has them
    "answerable_spans": Beam(
        size=5,
        end=("token", "start"),
        answer=("start", "first"),
        act="tanh",
        width=None,
        norm=True,
        bias=False,
        last=False,
        drops=True,
        by_window=True,
    ),
    "joint_spans": Beam(
        size=20,
        end=("start", "token"),
        answer=("first", "start"),
        act="gelu_erf",
        width=512,
        norm=False,
        bias=True,
        last=True,
        drops=False,
        by_window=False,
    ),
}

KINDS = ("spans", *BEAMS)


class AnswerBeam(TokenLayer):
    """Where an answer is likely to begin, and for each such start where it may end.

    A place is "[CLS]" or a token of the second text; which these are is told by segments. The layer
    is built anew with its task, and has no config of its own.

    Args:
        config: an `EncoderConfig`.
        kind: a key of `BEAMS`.
        **kwargs: `dtype`, `trainable`.
    """

    def __init__(self, config, kind, **kwargs):
        (name,) = HEADS[kind]
        super().__init__(config, name=name, **kwargs)
        self.row = row = BEAMS[kind]
        width = row.width or self.config.hidden_size
        self.start, self.end = self.dense(1, "start"), self.dense(1, "end")
        self.end_dense = self.dense(width, "end_dense")
        self.end_norm = self.norm("end_norm") if row.norm else None
        self.answer_dense = self.dense(width, "answer_dense")
        self.answer = self.dense(1, "answer", use_bias=row.bias)
        self.seeds, self.starts = keras.random.SeedGenerator(), None

    def build(self, *shapes):
        width = self.config.hidden_size
        self.start.build((None, width))
        for layer in (self.end_dense, self.answer_dense):
            layer.build((None, 2 * width))
        for layer in filter(None, (self.end_norm, self.end, self.answer)):
            layer.build((None, self.end_dense.units))

    def call(self, x, segment_ids, padding_mask, training=False):
        """x (W, L, D), ids and mask (W, L) -> (W, F) float32, which `found_in` reads; within `told`
        (W, 3, L): logits of starts and of the ends of those told, and that of no answer."""
        rows, length, width = ops.shape(x)
        may_be = places(segment_ids, padding_mask, self.row.last)
        logits = ops.reshape(self.start(ops.reshape(x, (-1, width))), (rows, length))
        logits = ops.where(may_be, logits, NOWHERE)
        none = self.no_answer(x, ops.softmax(logits), training)  # (W, 1)
        if self.starts is not None:
            vectors = heads.tokens_at(x, ops.expand_dims(self.starts, 1))  # (W, D)
            ends = self.ends(x, ops.expand_dims(vectors, 1), training)
            ends = ops.where(may_be, ends[:, 0], NOWHERE)
            return ops.stack([logits, ends, none + ops.zeros_like(logits)], 1)
        start, first = _best(ops.log_softmax(logits), self.row.size)  # (W, N)
        vectors = ops.reshape(heads.tokens_at(x, first), (rows, self.row.size, width))
        ends = self.ends(x, vectors, training)  # (W, N, L)
        ends = ops.where(ops.expand_dims(may_be, 1), ends, NOWHERE)
        end, last = _best(ops.log_softmax(ends), self.row.size)  # (W, N, N)
        found = (start, ops.cast(first, "float32"), end, ops.cast(last, "float32"), none)
        return ops.concatenate([ops.reshape(part, (rows, -1)) for part in found], -1)

    def ends(self, x, starts, training):
        """x (W, L, D), vectors of starts (W, N, D) -> logits (W, N, L)."""
        # The product of vectors side by side is the sum of their products.
        width = self.config.hidden_size
        halves = self.end_dense.kernel[:width], self.end_dense.kernel[width:]
        kernels = dict(zip(self.row.end, halves, strict=True))
        hidden = ops.expand_dims(ops.matmul(x, kernels["token"]), 1)  # (W, 1, L, H)
        hidden = hidden + ops.expand_dims(ops.matmul(starts, kernels["start"]), 2)
        hidden = activate(self.row.act, hidden + self.end_dense.bias, training)
        shape = ops.shape(hidden)[:3]
        hidden = ops.reshape(hidden, (-1, self.end_dense.units))
        if self.end_norm is not None:
            hidden = self.end_norm(hidden, training=training)
        return ops.reshape(self.end(hidden), shape)

    def no_answer(self, x, shares, training):
        """x (W, L, D), shares of starts (W, L) -> the logit that there is no answer (W, 1)."""
        parts = {"first": x[:, 0], "start": ops.matmul(ops.expand_dims(shares, 1), x)[:, 0]}
        side_by_side = ops.concatenate([parts[name] for name in self.row.answer], -1)
        hidden = activate(self.row.act, self.answer_dense(side_by_side), training)
        seed = self.seeds.next() if training and self.row.drops else None
        return self.answer(dropout(hidden, self.config.classifier_dropout, seed))

    @contextlib.contextmanager
    def told(self, starts):
        """Within it, ends are looked for behind these starts, int32 (W,), for the loss: both
        originals teach so."""
        self.starts = starts
        try:
            yield
        finally:
            self.starts = None

    def compute_output_spec(self, x, segment_ids, padding_mask, training=False):
        return keras.KerasTensor((x.shape[0], sum(_sizes(self.row.size))), "float32")


def places(segment_ids, padding_mask, last):
    """int32 (W, L) each -> bool (W, L): "[CLS]", and the tokens of the second text.

    Args:
        last: whether the last one of them is, too.
    """
    second = ops.cast((segment_ids > 0) & (padding_mask > 0), "int32")
    if not last:
        second = second * ops.concatenate([second[:, 1:], ops.zeros_like(second[:, :1])], 1)
    return (second > 0) | (ops.arange(ops.shape(second)[1], dtype="int32") == 0)


def _best(values, count):
    """(…, L) -> the largest (…, N) and where they are; of fewer, the rest at 0."""
    spare = [(0, 0)] * (len(values.shape) - 1) + [(0, count)]
    found, where = ops.top_k(ops.pad(values, spare, constant_values=NOWHERE), count)
    return found, ops.where(where < ops.shape(values)[-1], where, 0)


def _sizes(n):
    """Of starts, their places, ends, their places, and the logit of no answer."""
    return n, n, n * n, n * n, 1


# === What a task does with them ===================================================================


def check(kind, config):
    """Raises ValueError for a head that is none, or that an encoder without segments cannot have:
    they tell where the second text is."""
    if kind not in KINDS:
        raise ValueError(f"`head` must be one of {list(KINDS)}. Received: {kind!r}")
    if kind in BEAMS and config.type_vocab_size < 2:
        raise ValueError(
            f"A head of {kind} looks for answers in the second segment, and this encoder has none: "
            f'choose `head="spans"`. Received: family={config.family!r}'
        )


def outputs(kind, states, inputs, config, hide_padding=True):
    """Symbolic outputs of a kind of head, which `found_in` reads.

    Args:
        kind: one of `KINDS`. states: symbolic (W, L, D). inputs: as from `input_tensors()`.
        config: the `EncoderConfig`.
        hide_padding: whether the logits of padding are `PADDING`; in a beam it is never a place.

    Returns:
        float32, of "spans" (W, 2, L), of others (W, F).
    """
    if kind in BEAMS:
        beam = AnswerBeam(config, kind, dtype="float32")
        return beam(states, inputs["segment_ids"], inputs["padding_mask"])
    logits = ops.transpose(heads.spans(states, config), (0, 2, 1))
    if not hide_padding:
        return logits
    kept = ops.expand_dims(ops.cast(inputs["padding_mask"], "bool"), 1)  # (W, 1, L)
    return ops.where(kept, logits, PADDING)


class FoundSpans(NamedTuple):
    """Logits that an answer begins at a token, and that one ends there, float32 (W, L) each."""

    start: object
    end: object

    names = ("start_logits", "end_logits")


class FoundBeam(NamedTuple):
    """What an `AnswerBeam` has found.

    Attributes:
        start: float32 (W, N), the logarithms of the chances that an answer begins there, falling.
        first: int32 (W, N), where these are.
        end: float32 (W, N, N), of each start the same that its answer ends there. last: int32.
        none: float32 (W,), the logit that there is no answer.
    """

    start: object
    first: object
    end: object
    last: object
    none: object

    # As in ALBERT's script and transformers.
    names = ("start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index")
    names += ("cls_logits",)


def found_in(outputs, kind):
    """What `outputs` of a kind of head are -> `FoundSpans` or `FoundBeam`."""
    if kind not in BEAMS:
        return FoundSpans(outputs[:, 0], outputs[:, 1])
    n, parts, begin = BEAMS[kind].size, [], 0
    for size in _sizes(n):
        parts.append(outputs[:, begin : begin + size])
        begin += size
    start, first, end, last, none = parts
    first, last = (ops.cast(x, "int32") for x in (first, last))
    end, last = (ops.reshape(x, (-1, n, n)) for x in (end, last))
    return FoundBeam(start, first, end, last, none[:, 0])
