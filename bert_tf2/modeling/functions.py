"""The element-wise functions of an encoder, and their gradients by hand for training.

Letters: T tokens, D width. On a CPU these run at the speed of memory, so passes over it are what
counts. Automatic gradients keep and revisit every intermediate: the ones here give the same numbers
to the rounding in 0.7 to 0.8 of the time, and keep less. Inference takes the plain forms, which
TensorFlow fuses with the product before them (checked in the optimised graph).
"""

import math

import keras
from keras import ops

from bert_tf2.modeling.worn import part_of

register = keras.saving.register_keras_serializable("bert_tf2")

_SQRT_HALF = 0.70710678  # sqrt(1/2)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
_TANH_SCALE, _TANH_CUBE = 0.79788456, 0.044715  # sqrt(2/pi): google-research/bert modeling.py


@register
def gelu_tanh(x):
    """GELU, tanh approximation. In this shape TensorFlow fuses it with the product before it."""
    return 0.5 * x * (1.0 + ops.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x)))


@register
def gelu_erf(x):
    """GELU, exact (Hendrycks & Gimpel 2016). In this shape TensorFlow fuses it too."""
    return 0.5 * x * (1.0 + ops.erf(x * _SQRT_HALF))


def incoming(args, upstream):
    """The incoming gradient: backends hand it over by position or by name."""
    return args[0] if upstream is None else upstream


@ops.custom_gradient
def _gelu_tanh_trained(x):
    square = x * x
    tanh = ops.tanh(x * (_TANH_SCALE + _TANH_SCALE * _TANH_CUBE * square))

    def grad(*args, upstream=None):
        slope = _TANH_SCALE + 3.0 * _TANH_SCALE * _TANH_CUBE * square
        return incoming(args, upstream) * (
            0.5 + 0.5 * tanh + (0.5 * x) * (1.0 - tanh * tanh) * slope
        )

    return (0.5 * x) * (1.0 + tanh), grad


@ops.custom_gradient
def _gelu_erf_trained(x):
    share = 0.5 * ops.erf(x * _SQRT_HALF) + 0.5  # the normal distribution below x

    def grad(*args, upstream=None):
        return incoming(args, upstream) * (share + x * (_DENSITY * ops.exp(-0.5 * x * x)))

    return x * share, grad


ACTIVATION_FUNCTIONS = {
    "gelu_tanh": gelu_tanh,
    "gelu_erf": gelu_erf,
    "relu": ops.relu,
    "tanh": ops.tanh,
    "linear": None,
}
_TRAINED = {"gelu_tanh": _gelu_tanh_trained, "gelu_erf": _gelu_erf_trained}


def activate(name, x, training=False):
    """Applies a named activation; in training, the form with a gradient by hand if there is one."""
    function = _TRAINED.get(name) if training else None
    function = function or ACTIVATION_FUNCTIONS[name]
    return x if function is None else function(x)


@ops.custom_gradient
def _normalize_trained(x, gamma, beta, epsilon):
    mean = ops.mean(x, axis=-1, keepdims=True)  # (T, 1)
    centred = x - mean
    inverse = ops.rsqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + epsilon)  # (T, 1)
    normal = centred * inverse  # (T, D)

    def grad(*args, upstream=None):
        g = incoming(args, upstream)
        weighted = g * normal  # (T, D)
        inner = g * gamma
        dx = inverse * (
            inner
            - ops.mean(inner, axis=-1, keepdims=True)
            - normal * ops.mean(weighted * gamma, axis=-1, keepdims=True)
        )
        return dx, ops.sum(weighted, axis=0), ops.sum(g, axis=0), ops.zeros_like(epsilon)

    return normal * gamma + beta, grad


@register
class Norm(keras.layers.LayerNormalization):
    """Keras's LayerNormalization of (T, D), with its gradient by hand in training (Ba et al. 2016).

    Computes in float32, or in float64 where that is asked for.
    """

    def call(self, x, training=False):
        part = part_of(self)
        if not training and part is None:
            return super().call(x)
        dtype = keras.backend.result_type(x.dtype, "float32")
        beta = self.beta if part is None else part.bias
        values = [x, ops.copy(self.gamma), ops.copy(beta), self.epsilon]  # no variables
        out = _normalize_trained(*(ops.cast(value, dtype) for value in values))
        return ops.cast(out, self.compute_dtype)


class _Drawn(keras.random.SeedGenerator):
    """A seed that was drawn before, where Keras asks for a generator of seeds."""

    def __init__(self, seed):
        self.seed = seed  # and no state: nothing is drawn from it

    def next(self, ordered=True):
        return self.seed


def dropout(x, rate, seed):
    """Dropout on half the usual random bits, 16 a value (Srivastava et al. 2014).

    Drawing bits is most of what dropout costs. The share of zeros is the rate rounded to a multiple
    of 2^-16, and what is kept is scaled by exactly its inverse, so the expectation stays the same.

    Args:
        x: a tensor. rate: in [0, 1). seed: from `SeedGenerator.next()`; None leaves x as it is.
    """
    threshold = min(round(rate * 2**16), 2**16 - 1)
    if seed is None or not threshold:
        return x
    shape = ops.shape(x)
    size = math.prod(shape)  # of integers, or of tensors where the shape is dynamic
    words = keras.random.randint(((size + 1) // 2, 1), -(2**31), 2**31 - 1, seed=_Drawn(seed))
    values = ops.reshape(ops.view(words, "int16"), (-1,))[:size]  # even over -2^15 … 2^15 - 1
    kept = ops.cast(values >= threshold - 2**15, x.dtype) * (2**16 / (2**16 - threshold))
    return x * ops.reshape(kept, shape)
