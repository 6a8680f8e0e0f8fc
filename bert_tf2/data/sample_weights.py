"""What people hold as the weights of rows -> float32 (n,)."""

import numpy as np
import tensorflow as tf

from bert_tf2.data.labels import MARK
from bert_tf2.text.forms import cells, shown


def sample_weights(weights, rows):
    """Sample weights, (n,) or (n, 1) in any form -> float32 (n,)."""
    try:
        found = np.array(cells(weights, "sample_weight"), np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`sample_weight` must hold one number a text: {rows}. Received: {shown(weights)}"
        ) from error
    if found.shape != (rows,):
        raise ValueError(
            f"`sample_weight` must hold one number a text: {rows}. Received shape: {found.shape}"
        )
    if not np.isfinite(found).all():
        index = int(np.argmin(np.isfinite(found)))
        raise ValueError(
            f"`sample_weight` must be finite. Received at index {index}: {found[index]}"
        )
    return found


def sample_weights_in_graph(weights, rows):
    """`sample_weights` for a batch of a dataset of so many rows -> float32 (B,).

    One that is NaN makes its step so, of which `compile(nonfinite=…)` says what becomes.
    """
    weights = tf.convert_to_tensor(weights)
    alone = weights.shape.rank == 1 or (weights.shape.rank == 2 and weights.shape[1] == 1)
    if not alone or not (weights.dtype.is_floating or weights.dtype.is_integer):
        raise ValueError(
            "`sample_weight` of a dataset must hold one number a row, (B,). Received: "
            f"{weights.dtype.name} of shape {weights.shape}"
        )
    weights = tf.cast(tf.reshape(weights, [-1]), tf.float32)
    fine = tf.size(weights) == rows
    said = f"{MARK}weights, `sample_weight`, must be one a row."
    with tf.control_dependencies([tf.debugging.Assert(fine, [said])]):
        return tf.identity(weights)
