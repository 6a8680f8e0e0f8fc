"""Where a token stands, as an encoder sees it: rows of a table, fixed waves, distances.

Letters: B batch, L length, T tokens, P positions, R buckets of distances, E embedding width,
N heads.
"""

import math

import keras
import numpy as np
from keras import ops

from bert_tf2.modeling.layers import TokenLayer, register

FARTHEST = 128  # greater distances share the last bucket


def sinusoids(shape, dtype=None):
    """An initialiser of (P, E) fixed positions: sines and cosines of falling frequency by turns.

    Source: Vaswani et al. 2017, section 3.5.
    """
    position, column = np.ogrid[: shape[0], : shape[1]]
    angle = position / 10000.0 ** (2 * (column // 2) / shape[1])
    return ops.convert_to_tensor(np.where(column % 2, np.cos(angle), np.sin(angle)), dtype)


def rows_of(config, token_ids, layout):
    """token_ids (B, L) -> (T,): each token's row of the position table.

    That is its column; or, counted from a padding id, `id + n` for the n-th token that is no
    padding, and for padding the id itself.
    """
    padding_id = config.position_padding_id
    if padding_id is None:
        return layout.positions()
    real = ops.cast(token_ids != padding_id, "int32")
    return layout.flat(ops.cumsum(real, axis=1) * real + padding_id)


@register
class RelativePositions(TokenLayer):
    """A bias on attention by how far apart two tokens stand, the same in all blocks.

    Its table has a row for each bucket of distances (Raffel et al. 2020, section 2.1).
    """

    def build(self, *shapes):
        shape = (self.config.relative_buckets, self.config.num_attention_heads)
        self.table = self.add_weight(shape, self.initializer, autocast=False, name="relative")

    def call(self, padding_mask):
        """padding_mask (B, L) -> (1, N, L, L): from each token that asks to each that is asked."""
        column = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
        distance = ops.clip(column - ops.expand_dims(column, 1), -FARTHEST, FARTHEST)  # (L, L)
        rows = ops.take(buckets(self.config.relative_buckets), distance + FARTHEST, axis=0)
        bias = ops.cast(ops.take(self.table, rows, axis=0), self.compute_dtype)  # (L, L, N)
        return ops.expand_dims(ops.transpose(bias, (2, 0, 1)), 0)

    def compute_output_spec(self, padding_mask):
        length = padding_mask.shape[1]
        shape = (1, self.config.num_attention_heads, length, length)
        return keras.KerasTensor(shape, self.compute_dtype)


def buckets(count):
    """For the distances -FARTHEST … FARTHEST, 0 … count - 1: one half of them for each side.

    Half of a side's are single distances, the others grow evenly in their logarithm.
    """
    side, distance = count // 2, np.arange(-FARTHEST, FARTHEST + 1)
    exact, steps = side // 2, np.abs(distance)
    far = np.log(np.maximum(steps, exact) / exact) / math.log(FARTHEST / exact) * (side - exact)
    far = np.minimum(exact + (far + 1e-9).astype("int32"), side - 1)  # whole at powers of two
    return np.where(steps < exact, steps, far) + side * (distance > 0)
