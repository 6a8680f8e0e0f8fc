"""How much memory a training step takes, worked out from sizes, and what to change if it is much.

Nothing is run, and TensorFlow is not imported. What is counted is what a step of
`TextClassifier.fit` holds for texts without padding, the most that a batch of their length takes.
The peak is the highest of three moments, since gradients come as activations go:

    turn     the forward pass is done: all activations, no gradients;
    bottom   the backward pass is at the first block: its activations, the other blocks' gradients;
    update   the backward pass is done: all gradients, no activations.

Letters: B texts computed at a time, L length, T = B L tokens, E embedding width, D width, I inner
width, N heads, P parameters.

Measured are processes on a CPU with TensorFlow 2.21: `python -m benchmarks.memory` writes them
beside their predictions. Not measured: GPUs, where the same tensors stand on another base, for
which there is an assumption; XLA (`jit_compile=True`); and several replicas. Not counted:
`fgm`, `r_drop` and an optimizer's moving averages, each of which takes more.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

from bert_tf2.config import EncoderConfig
from bert_tf2.weights import expected_shapes, units

GIB, MIB = 2**30, 2**20
FLOAT = 4  # bytes of float32: weights, slots, gradients, and what norms keep
COMPUTE = {"float32": 4, "mixed_bfloat16": 2}  # bytes of an activation, by dtype policy
MOMENTS = ("turn", "bottom", "update")

# The fitted constants, three for a CPU. `python -m benchmarks.memory` measures what they stand for.
PROCESS = {"cpu": 900 * MIB, "gpu": 600 * MIB}  # the one of a GPU is an assumption
GRAPH = {"cpu": 19 * MIB, "gpu": 0}  # of a block, as often as it is computed
GAPS = 0.12  # of the tensors

# Tensors that a block keeps for its gradient, counted along `modeling/layers.py` and found again in
# the log of TensorFlow's allocator (TF_CPP_VMODULE=bfc_allocator=4).
TOKENS = 6  # (T, D): input, query, key, value, context, the attention's output
NORMALS = 2  # (T, D) in float32: the normalised values of two norms
MASKS = 2  # (T, D): of two dropouts


@dataclasses.dataclass(frozen=True)
class Step:
    """What a training step is asked to do.

    Args:
        batch_size: texts in a step.
        length: tokens in a text, `[CLS]` and `[SEP]` included.
        recompute: as in `Encoder`.
        micro_batches: as in `compile`.
        dtype: "float32" or "mixed_bfloat16".
        pooling: "first" or "mean", as in `TextClassifier`.

    Raises:
        ValueError: a number below 1, or an unknown dtype or pooling.
    """

    batch_size: int = 32
    length: int = 128
    recompute: bool = False
    micro_batches: int = 1
    dtype: str = "float32"
    pooling: str = "first"

    def __post_init__(self):
        for name in ("batch_size", "length", "micro_batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}")
        for name, known in (("dtype", list(COMPUTE)), ("pooling", ["first", "mean"])):
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise ValueError(f"`{name}` must be one of {known}. Received: {value!r}")

    @property
    def rows(self) -> int:
        """Texts that are computed at a time."""
        return math.ceil(self.batch_size / self.micro_batches)


class Term(NamedTuple):
    """One line of where memory goes: a name, bytes, and what they are."""

    name: str
    size: int
    why: str


class Prediction(NamedTuple):
    """The highest moment, one of `MOMENTS`, and what is held then."""

    moment: str
    terms: tuple[Term, ...]

    @property
    def peak(self) -> int:
        """Bytes."""
        return sum(term.size for term in self.terms)


def predict(config: EncoderConfig, step: Step, device: str = "cpu") -> Prediction:
    """The peak memory of a training step.

    Args:
        config: of the encoder.
        step: what it is asked to do.
        device: "cpu", where the peak is the process's, or "gpu", where it is the device's.

    Raises:
        ValueError: the encoder has fewer positions than `step.length`, or an unknown device.
    """
    if step.length > config.max_length:
        raise ValueError(
            f"`length` must be at most {config.max_length}, the encoder's positions. "
            f"Received: {step.length}"
        )
    if device not in PROCESS:
        raise ValueError(f"`device` must be one of {list(PROCESS)}. Received: {device!r}")
    traced = len(config.block_names()) * (2 if step.recompute else 1)
    base = [
        Term("process", PROCESS[device], "Python, TensorFlow and other libraries"),
        Term("graph", GRAPH[device] * traced, f"the traced step, of {traced} blocks"),
    ]
    predictions = []
    for moment in MOMENTS:
        tensors = [
            *_state(config, step),
            *_gradients(config, step, moment),
            *_activations(config, step, moment),
        ]
        gaps = round(GAPS * sum(term.size for term in tensors))
        terms = [*base, *tensors, Term("gaps", gaps, "between tensors, in the allocator's regions")]
        predictions.append(Prediction(moment, tuple(term for term in terms if term.size)))
    return max(predictions, key=lambda prediction: prediction.peak)


def in_order_of_cost(step: Step) -> Iterator[Step]:
    """The step as it is, and its changes that save memory, the cheapest first.

    Micro-batches, doubled until each is one text, cost little and change nothing but what dropout
    draws. Recomputing costs a third more time and changes nothing. bfloat16 rounds otherwise, and
    is slow on processors without it. So each is combined with all that stand before it.
    """
    for dtype in dict.fromkeys((step.dtype, "mixed_bfloat16")):
        for recompute in dict.fromkeys((step.recompute, True)):
            parts = step.micro_batches
            while True:
                changes = {"dtype": dtype, "recompute": recompute, "micro_batches": parts}
                yield dataclasses.replace(step, **changes)
                if parts >= step.batch_size:
                    break
                parts = min(2 * parts, step.batch_size)


def suggest(
    config: EncoderConfig, step: Step, memory: float, device: str = "cpu"
) -> tuple[Step, Prediction]:
    """The first step in order of cost whose peak is at most `memory` bytes, else the smallest.

    Returns:
        the step and its prediction, whose `peak` says whether it fits.
    """
    smallest = None
    for candidate in in_order_of_cost(step):
        prediction = predict(config, candidate, device)
        if prediction.peak <= memory:
            return candidate, prediction
        if smallest is None or prediction.peak < smallest[1].peak:
            smallest = candidate, prediction
    return smallest


# === The terms ====================================================================================


def _state(config, step):
    """What is there all the time."""
    shapes = _shapes(config)
    weights = FLOAT * _count(shapes)
    terms = [
        Term("weights", weights, "float32 in any case"),
        Term("optimizer", 2 * weights, "AdamW's two moments of each weight"),
    ]
    if step.micro_batches > 1:
        # Zeros of equal shape are one constant of the graph.
        zeros = FLOAT * sum(math.prod(shape) for shape in {*shapes.values()})
        terms.append(Term("sums", weights + zeros, "of the micro-batches' gradients, and zeros"))
    if step.dtype != "float32":
        cast = {name: s for name, s in shapes.items() if units.role_of(name)[1] == "kernel"}
        terms.append(Term("casts", COMPUTE[step.dtype] * _count(cast), "kernels in bfloat16"))
    return terms


def _gradients(config, step, moment):
    """Gradients that are not yet added to anything."""
    names = config.block_names()
    shapes = _shapes(config)
    block = FLOAT * _count({n: s for n, s in shapes.items() if units.block_of(n) == names[0]})
    again = block * (len(names) - len({*names}))
    shared = Term("shared gradients", again, "one for each use of a shared weight, until the last")
    if moment == "turn":
        return []
    if step.micro_batches > 1:  # each is added to its sum at once; that of the table comes last
        table = math.prod(shapes[units.TOKEN_TABLE]) if moment == "update" else 0
        return [Term("gradients", FLOAT * table, "of the token table, not yet added"), shared]
    if moment == "bottom":
        return [Term("gradients", block * len({*names}), "of the blocks"), shared]
    rows = step.rows * step.length * config.embedding_width
    return [
        Term("gradients", FLOAT * (_count(shapes) + rows), "float32, all at once, for their norm"),
        shared,
    ]


def _activations(config, step, moment):
    """What the forward pass keeps for the backward pass, and what passes through."""
    if moment == "update":
        return []
    tokens, scores, inner = _kept(config, step)
    size = COMPUTE[step.dtype]
    inputs = size * step.rows * step.length * config.hidden_size  # (T, D)
    wide = size * step.rows * step.length * config.intermediate_size  # (T, I)
    rows = FLOAT * step.rows * step.length * config.embedding_width  # (T, E)
    uses = len(config.block_names())
    full = uses if step.pooling == "mean" else uses - 1
    # The last of all computes its keys and values only, and one query.
    last = 3 * inputs * (uses - full)
    # The widest tensors pass before seven small ones are there, which are counted in any case.
    passing = Term("passing", max(2 * inputs, 3 * wide - 7 * inputs), "of no later use")
    table = Term("embeddings", 3 * rows, "rows, normalised values, dropout")
    if step.recompute:
        kept = [Term("inputs of blocks", inputs * uses * (moment == "turn"), "recompute keeps")]
        full, last = 1, 0
    else:
        kept = [
            Term("last block", last * (moment == "turn"), "keys and values: one query is asked")
        ]
        full = full if moment == "turn" else 1
    blocks = f"of {full} block{'s' * (full > 1)}: "
    return [
        table,
        *kept,
        Term("tokens", tokens * full, blocks + "queries, keys, values, sums, norms, masks"),
        Term("scores", scores * full, blocks + "attention weights, with dropout three tensors"),
        Term("feed-forward", inner * full, blocks + "the inner layer and the activation's slope"),
        passing,
    ]


def _kept(config, step):
    """Bytes that one block keeps: in (T, D), in (B, N, L, L) and in (T, I)."""
    size, count = COMPUTE[step.dtype], step.rows * step.length
    rates = config.attention_output_dropout_prob, config.hidden_dropout_prob
    masks = MASKS if any(rates) else 0
    tokens = count * config.hidden_size * ((TOKENS + masks) * size + NORMALS * FLOAT)
    copies = 3 if config.attention_probs_dropout_prob else 1  # softmax, mask and product
    scores = copies * size * step.rows * config.num_attention_heads * step.length**2
    # A GELU's slope needs no gradient, so TensorFlow works it out at once and keeps nothing else.
    copies = 2 if config.hidden_act.startswith("gelu") else 1
    return tokens, scores, copies * size * count * config.intermediate_size


@functools.lru_cache(maxsize=8)  # asked for each term of each moment of each candidate
def _shapes(config):
    """Our name -> shape of everything that is trained, with a head of two classes."""
    shapes = expected_shapes(config, ("pre_classifier", "classifier"), labels=2)
    if config.sinusoidal_positions:
        del shapes["embeddings/position"]
    return shapes


def _count(shapes):
    return sum(math.prod(shape) for shape in shapes.values())
