"""Where an encoder's layers ask what is worn on them: the place of adapters in the one block.

What is worn is set for the time of a call, not kept in the layers: tasks that share an encoder do
not see each other's adapters, and neither do threads.

Letters: T tokens, B rows, L length, D in, K out.
"""

import contextlib
import contextvars
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from keras import ops

_NOW = contextvars.ContextVar("worn", default=None)


class Worn(NamedTuple):
    """What layers wear.

    Attributes:
        parts: id of a layer -> what it wears.
        draw: gives a seed for dropout; None where nothing is dropped.
        seeds: id of a layer -> the seed that was drawn for it before.
        rows: int32 (B,): which of several adapters each row of the batch wears; None: there is one.
        layout: where the tokens stand that layers see now; only with `rows`.
    """

    parts: Mapping[int, Any]
    draw: Callable | None = None
    seeds: Mapping[int, Any] = {}
    rows: Any = None
    layout: Any = None

    def seed_of(self, layer, training):
        """The seed drawn before for a layer, or a new one; None outside of training."""
        if id(layer) in self.seeds or not (training and self.draw):
            return self.seeds.get(id(layer))
        return self.draw()


def worn():
    """What is worn now, a `Worn`, or None."""
    return _NOW.get()


def part_of(layer):
    """What a layer wears now, or None."""
    now = _NOW.get()
    return None if now is None else now.parts.get(id(layer))


@contextlib.contextmanager
def wearing(what):
    """Within it, layers wear this `Worn`; None: nothing."""
    token = _NOW.set(what)
    try:
        yield
    finally:
        _NOW.reset(token)


def with_seeds(layers, training):
    """What is worn now, with the seeds drawn for these layers, for a call that is made again."""
    now = _NOW.get()
    if now is None or not (training and now.draw):
        return now
    return now._replace(seeds={id(x): now.draw() for x in layers if id(x) in now.parts})


def on(layout):
    """Within it, layers see the tokens of this `Layout`."""
    now = _NOW.get()
    return wearing(now if now is None or now.rows is None else now._replace(layout=layout))


@keras.saving.register_keras_serializable("bert_tf2")
class Dense(keras.layers.Dense):
    """Keras's, x (T, D) -> (T, K); what it wears computes in its place."""

    def call(self, x, training=None):
        part = part_of(self)
        if part is None:
            return super().call(x)
        y = part.dense(self, x, worn().seed_of(self, training))
        return y if self.activation is None else self.activation(y)


def affine(x, kernel, bias):
    """x (…, D), kernel (D, K), bias (K,) -> (…, K), in the dtype of x."""
    return ops.add(ops.matmul(x, ops.cast(kernel, x.dtype)), ops.cast(bias, x.dtype))
