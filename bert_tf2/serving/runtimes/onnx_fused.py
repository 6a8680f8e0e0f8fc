"""Operations that ONNX has, and that a graph of TensorFlow spells out.

A pattern is a tuple of an operation's type and its inputs: patterns, numbers, or words, each of
which stands for one tensor wherever it comes again. A word of `WHERE` stands for its pattern, "_"
for anything.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

WHERE = {
    "mean": ("Mean", "x", "_"),
    "scale": (
        "Mul",
        (
            "Rsqrt",
            (
                "AddV2",
                ("Mean", ("SquaredDifference", "x", ("StopGradient", "mean")), "_"),
                "epsilon",
            ),
        ),
        "gamma",
    ),
    "gamma": ("Reshape", "given_gamma", "_"),
    "beta": ("Reshape", "given_beta", "_"),
}


class StandIn(NamedTuple):
    """What stands in for operations: the tensors it reads, and add(graph, reads, name)."""

    reads: list
    add: Callable


def _gelu(approximate):
    def made(bound):
        def add(graph, reads, name):
            return graph.add("Gelu", reads, name, approximate=approximate)

        return StandIn([bound["x"]], add)

    return made


def _layer_norm(bound):
    epsilon = _number(bound["epsilon"])

    def add(graph, reads, name):
        return graph.add("LayerNormalization", reads, name, axis=-1, epsilon=epsilon)

    return StandIn([bound[word] for word in ("x", "given_gamma", "given_beta")], add)


def _by_turned_table(bound):
    """A product with a table that is turned, which a `Gemm` need not hold twice."""
    if bound["table"].op.type != "ReadVariableOp":
        return None

    def add(graph, reads, name):
        return graph.add("Gemm", reads, name, transB=1)

    return StandIn([bound["x"], bound["table"]], add)


# Our own spelling of GELU (`modeling.functions`), and Keras's of layer normalisation.
_CUBE = ("Mul", ("Mul", ("Mul", 0.044715, "x"), "x"), "x")
FUSED = (
    (
        (
            "Mul",
            ("Mul", 0.5, "x"),
            ("AddV2", 1.0, ("Tanh", ("Mul", 0.79788456, ("AddV2", "x", _CUBE)))),
        ),
        _gelu("tanh"),
    ),
    (
        ("Mul", ("Mul", 0.5, "x"), ("AddV2", 1.0, ("Erf", ("Mul", "x", 0.70710678)))),
        _gelu("none"),
    ),
    (
        ("AddV2", ("Mul", "x", "scale"), ("AddV2", ("Mul", ("Neg", "mean"), "scale"), "beta")),
        _layer_norm,
    ),
    (("MatMul", "x", ("Transpose", "table", "_")), _by_turned_table),
)


def fused(operation):
    """The `StandIn` of what ends with this operation, or None."""
    for pattern, made in FUSED:
        bound = {}
        if operation.type == pattern[0] and _fits(operation.outputs[0], pattern, bound):
            return made(bound)
    return None


def _fits(tensor, pattern, bound):
    """Whether a tensor is what a pattern says; `bound` gets the tensors of its words."""
    if pattern == "_":
        return True
    if isinstance(pattern, float):
        value = _number(tensor)
        return value is not None and math.isclose(value, pattern, rel_tol=1e-6)
    if isinstance(pattern, str):
        if pattern in bound:
            return bound[pattern] is tensor
        if pattern in WHERE and not _fits(tensor, WHERE[pattern], bound):
            return False
        bound[pattern] = tensor
        return True
    kind, *parts = pattern
    return (
        tensor.op.type == kind
        and len(tensor.op.inputs) == len(parts)
        and all(map(_fits, tensor.op.inputs, parts, [bound] * len(parts)))
    )


def _number(tensor):
    """The value of a constant of no shape, or None."""
    if tensor.op.type != "Const" or tensor.shape.rank != 0:
        return None
    return float(tf.make_ndarray(tensor.op.get_attr("value")))
