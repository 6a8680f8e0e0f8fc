"""Where a token stands, as an encoder sees it: rows of a table, fixed waves, or counted otherwise.

Letters: B batch, L length, P positions, E embedding width.
"""

import numpy as np
from keras import ops


def sinusoids(shape, dtype=None):
    """An initialiser of (P, E) fixed positions: sines and cosines of falling frequency by turns.

    Source: Vaswani et al. 2017, section 3.5.
    """
    position, column = np.ogrid[: shape[0], : shape[1]]
    angle = position / 10000.0 ** (2 * (column // 2) / shape[1])
    return ops.convert_to_tensor(np.where(column % 2, np.cos(angle), np.sin(angle)), dtype)


def count_from(padding_id, token_ids):
    """(B, L) -> (B, L): the n-th token that is no padding gets `padding_id + n`, padding its id."""
    real = ops.cast(token_ids != padding_id, "int32")
    return ops.cumsum(real, axis=1) * real + padding_id
