"""Tokens to one vector for a text, as sentence encoders make it, or to one each.

Letters: B batch, L length, D width, E width of the vectors.

Sources: Reimers & Gurevych 2019, section 3; Muennighoff 2022 (SGPT), section 3.1, for the weighted
mean; sentence-transformers, `modules/pooling.py` and `dense.py`.
"""

import keras
from keras import ops

from bert_tf2.messages import shorten
from bert_tf2.modeling.heads import mean_of_tokens


def _first(x, mask):
    return _at(x, ops.argmax(mask, axis=1))


def _last(x, mask):
    places = ops.cumsum(ops.ones_like(mask), axis=1) * mask  # from 1
    is_any = ops.cast(ops.max(mask, axis=1), x.dtype)[:, None]  # a prompt may be all of a text
    return _at(x, ops.argmax(places, axis=1)) * is_any


def _at(x, places):
    """x (B, L, D), places (B,) -> (B, D)."""
    places = ops.cast(places, "int32")[:, None, None]
    return ops.squeeze(ops.take_along_axis(x, places, axis=1), 1)


def _max(x, mask):
    return ops.max(ops.where(ops.expand_dims(mask != 0, -1), x, -float("inf")), axis=1)


def _mean_sqrt(x, mask):
    count = ops.expand_dims(ops.sum(ops.cast(mask, x.dtype), axis=1), -1)
    return mean_of_tokens(x, mask) * ops.sqrt(count)


def _weighted_mean(x, mask):
    """The mean by the number of a token in its row, from 1."""
    weights = ops.cumsum(ops.ones_like(mask), axis=1) * mask
    weights = ops.expand_dims(ops.cast(weights, x.dtype), -1)  # (B, L, 1)
    return ops.sum(x * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)


# By the field's names: x (B, L, D), mask (B, L) of the tokens that count -> (B, D).
POOLINGS = {
    "cls": _first,
    "max": _max,
    "mean": mean_of_tokens,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": ops.tanh,
    "relu": ops.relu,
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "sigmoid": ops.sigmoid,
    "silu": ops.silu,
}
# What may follow the pooling -> its settings, by default; None: must be given.
MODULES = {
    "dense": {"width": None, "activation": "tanh", "bias": True, "residual": False},
    "norm": {},
    "dropout": {"rate": 0.2},
    "normalize": {},
}


def checked_poolings(given):
    """A pooling, or several whose vectors are joined -> a tuple of names.

    Raises:
        ValueError: one that is none of `POOLINGS`, or nothing.
    """
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or any(name not in POOLINGS for name in names):
        raise ValueError(
            f"`pooling` must be one or more of {', '.join(POOLINGS)}. Received: {shorten(given)}"
        )
    return names


def checked_modules(given):
    """What follows the pooling -> a list of dicts, each with all its settings.

    Raises:
        ValueError: something that is none of `MODULES`, or a setting that it has not.
    """
    modules = []
    for module in given:
        said = {"kind": module} if isinstance(module, str) else dict(module)
        kind = said.get("kind")
        usual = MODULES.get(kind)
        if usual is None or {*said} - {"kind", *usual}:
            known = "; ".join(f"{name}: {', '.join(s) or 'nothing'}" for name, s in MODULES.items())
            raise ValueError(
                "Of `modules` each must be a dict of its `kind` and settings, known are "
                f"{known}. Received: {shorten(module)}"
            )
        said = {"kind": kind} | usual | said
        if kind == "dense" and (not isinstance(said["width"], int) or said["width"] < 1):
            raise ValueError(f"A dense module must have a `width`. Received: {shorten(module)}")
        if kind == "dense" and said["activation"] not in ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: "
                f"{shorten(said['activation'])}"
            )
        modules.append(said)
    return modules


def unit_length(x):
    """x (…, D) -> the same directions, of length 1."""
    return x / ops.maximum(ops.norm(x, axis=-1, keepdims=True), 1e-12)


@keras.saving.register_keras_serializable("bert_tf2")
class Modules(keras.layers.Layer):
    """What may be done to vectors, one module after the other, in float32.

    Args:
        modules: a list of dicts of a `kind` and settings, see `MODULES`.
        **kwargs: `name`, `trainable`.
    """

    def __init__(self, modules=(), **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.modules, self.parts = checked_modules(modules), {}
        for place, module in enumerate(self.modules):
            name = f"{module['kind']}_{place}"
            if module["kind"] == "dense":
                self.parts[name] = keras.layers.Dense(
                    module["width"], use_bias=module["bias"], name=name, dtype="float32"
                )
            elif module["kind"] == "norm":
                self.parts[name] = keras.layers.LayerNormalization(
                    epsilon=1e-5, name=name, dtype="float32"
                )
            elif module["kind"] == "dropout":
                self.parts[name] = keras.layers.Dropout(module["rate"], name=name)

    def build(self, shape, *others):
        self.build_for(shape[-1])

    def build_for(self, width):
        """Makes the variables, for vectors of that width."""
        for place, module in enumerate(self.modules):
            part = self.parts.get(f"{module['kind']}_{place}")
            if module.get("residual") and width != module["width"]:
                name = f"residual_{place}"
                self.parts[name] = keras.layers.Dense(
                    module["width"], use_bias=False, name=name, dtype="float32"
                )
                self.parts[name].build((None, width))
            if part is not None:
                part.build((None, width))
            width = module.get("width", width)

    def follow(self, x, training=False):
        """x (…, D) -> (…, E)."""
        for place, module in enumerate(self.modules):
            kind = module["kind"]
            part = self.parts.get(f"{kind}_{place}")
            if kind == "normalize":
                x = unit_length(x)
            elif kind == "dropout":
                x = part(x, training=training)
            elif kind == "norm":
                x = part(x)
            else:
                dense = ACTIVATIONS[module["activation"]](part(x))
                project = self.parts.get(f"residual_{place}", lambda x: x)
                x = dense + project(x) if module["residual"] else dense
        return x

    def get_config(self):
        return super().get_config() | {"modules": self.modules}


@keras.saving.register_keras_serializable("bert_tf2")
class SentenceVector(Modules):
    """Pooling, and what follows it, in float32.

    Args:
        pooling: a key of `POOLINGS`, or several, whose vectors are joined.
        modules: what follows, in this order: see `Modules`.
        **kwargs: `name`, `trainable`.
    """

    def __init__(self, pooling="mean", modules=(), **kwargs):
        super().__init__(modules, **kwargs)
        self.pooling = checked_poolings(pooling)

    def build(self, shape, *others):
        self.build_for(shape[-1] * len(self.pooling))

    def call(self, x, mask, training=False):
        """x (B, L, D), mask (B, L) of the tokens that count -> (B, E); or x (B, D), pooled."""
        x = ops.cast(x, "float32")
        if len(x.shape) == 3:
            x = ops.concatenate([POOLINGS[name](x, mask) for name in self.pooling], -1)
        return self.follow(x, training)

    def get_config(self):
        return super().get_config() | {"pooling": self.pooling}


@keras.saving.register_keras_serializable("bert_tf2")
class TokenVectors(Modules):
    """A vector for each token that counts, in float32, and zeros for the others."""

    def call(self, x, mask, training=False):
        """x (B, L, D), mask (B, L) -> (B, L, E)."""
        x = self.follow(ops.cast(x, "float32"), training)
        return ops.where(ops.expand_dims(mask != 0, -1), x, 0.0)
