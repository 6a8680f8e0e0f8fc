"""Many adapters at once: each row of a batch wears its own.

Letters: A adapters, B rows, L length, T tokens, D in, K out, R rank.
"""

import numpy as np
from keras import ops

from bert_tf2.modeling.adapter_kinds import LoRA
from bert_tf2.modeling.adapters import array_of
from bert_tf2.modeling.worn import affine, worn


class RowLowRank:
    """A dense layer with another product, and perhaps another bias, for each row.

    Args:
        a, b: (A, D, R) and (A, R, K), what each counts within b. bias: (A, K), or None for the
            layer's own.
    """

    def __init__(self, a, b, bias=None):
        self.a, self.b, self.bias = a, b, bias

    def dense(self, layer, x, seed):
        """x (T, D) or (B, L, D) -> the same of K, before the layer's activation."""
        rows, flat = _in_rows(x)
        a, b = (ops.cast(ops.take(t, worn().rows, axis=0), x.dtype) for t in (self.a, self.b))
        beside = ops.matmul(ops.matmul(rows, a), b)  # (B, L, R), (B, L, K)
        if self.bias is None:
            return affine(x, layer.kernel, layer.bias) + flat(beside)
        bias = ops.cast(ops.take(self.bias, worn().rows, axis=0), x.dtype)
        plain = ops.matmul(x, ops.cast(layer.kernel, x.dtype))
        return plain + flat(beside + ops.expand_dims(bias, 1))


class RowDense:
    """A dense layer with another kernel and bias for each row: a head.

    Args:
        kernel: (A, D, K). bias: (A, K).
    """

    def __init__(self, kernel, bias):
        self.kernel, self.bias = kernel, bias

    def dense(self, layer, x, seed):
        """As of `RowLowRank`."""
        rows, flat = _in_rows(x)
        kernel, bias = (
            ops.cast(ops.take(t, worn().rows, axis=0), x.dtype) for t in (self.kernel, self.bias)
        )
        return flat(ops.matmul(rows, kernel) + ops.expand_dims(bias, 1))


def _in_rows(x):
    """Tokens (T, D), rows (B, D) or (B, L, D) -> (B, L, D), and the function that leads back."""
    layout = worn().layout
    if layout is not None:
        return layout.sequences(x), layout.flat_sequences
    if len(x.shape) == 3:
        return x, lambda found: found
    return ops.expand_dims(x, 1), lambda found: ops.squeeze(found, 1)


def stacked(adapters):
    """The products of several LoRAs side by side: dict of units to dicts of arrays.

    The first of each stack is of no adapter at all. Units, ranks and biases may differ.

    Args:
        adapters: list of `Adapter`s of one encoder.

    Returns:
        {unit: {"a": (A, D, R), "b": (A, R, K)}}, and "bias" (A, K) where one has its own.

    Raises:
        ValueError: one that is no LoRA, or trains biases beyond its targets'.
    """
    for adapter in adapters:
        settings = adapter.settings
        if not isinstance(settings, LoRA) or settings.bias == "all":
            raise ValueError(
                f"Adapter {adapter.name!r} cannot be chosen by the row: only a LoRA can, with "
                '`bias` "none" or "lora_only". Export it alone.'
            )
    units = dict.fromkeys(unit for each in adapters for unit in each.settings.targets)
    return {unit: _stack(unit, adapters) for unit in units}


def _stack(unit, adapters):
    there = [each for each in adapters if unit in each.settings.targets]
    layer, rank = there[0].layers[unit], max(each.settings.rank_of(unit) for each in there)
    inputs, outputs = layer.kernel.shape
    count = 1 + len(adapters)
    a = np.zeros((count, inputs, rank), "float32")
    b = np.zeros((count, rank, outputs), "float32")
    bias = np.tile(array_of(layer.bias).astype("float32"), (count, 1))
    for place, each in enumerate(adapters, 1):
        if each in there:
            own = each.settings.rank_of(unit)
            a[place, :, :own] = array_of(each.named[f"{unit}/lora_a"])
            b[place, :own] = array_of(each.named[f"{unit}/lora_b"]) * each.settings.scale_of(unit)
            if each.settings.bias == "lora_only":
                bias[place] = array_of(each.named[f"{unit}/bias"])
    own_biases = any(each.settings.bias == "lora_only" for each in there)
    return {"a": a, "b": b} | ({"bias": bias} if own_biases else {})
