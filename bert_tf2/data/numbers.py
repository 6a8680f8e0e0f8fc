"""What people hold as numbers to learn -> float32 (n, K)."""

import numbers as kinds

import numpy as np
import tensorflow as tf

from bert_tf2.data.label_cells import LARGEST
from bert_tf2.data.labels import MARK
from bert_tf2.messages import shorten
from bert_tf2.text.forms import cells, column_names, shown


def numbers(y, names, rows=None):
    """Numbers in any form -> float32 (n, K).

    Args:
        y: of one output a list, an array (n,) or (n, 1), a Series or a tensor of numbers; of
            several rows of K: lists, an array (n, K), or a frame of columns of these names.
        names: of the K outputs.
        rows: how many there must be, if known.

    Raises:
        TypeError, ValueError: a value that is no finite number, with its index; another shape.
    """
    columns = column_names(y)
    if columns is not None and len(columns) > 1:
        if sorted(map(str, columns)) != sorted(names):
            raise ValueError(f"`y` must have the columns {names}. Received: {shown(columns)}")
        y = np.array([cells(y[name], name) for name in names]).T
    if hasattr(y, "numpy"):
        y = y.numpy()
    if len(names) > 1 or (isinstance(y, list) and y and isinstance(y[0], list | tuple)):
        y = [list(row) if hasattr(row, "__len__") else [row] for row in y]
    else:
        y = [[value] for value in cells(y, "y")]
    if rows is not None and len(y) != rows:
        raise ValueError(f"There must be one number a text: {rows}. Received: {len(y)}")
    for index, row in enumerate(y):
        if len(row) != len(names):
            raise ValueError(
                f"`y` must have {len(names)} numbers a row: {names}. Received at index {index}: "
                f"{shown(row)}"
            )
        for value in row:
            _check(value, index)
    return np.array(y, "float32").reshape(len(y), len(names))


def _check(value, index):
    wrong = isinstance(value, str | bytes | bool | np.bool_) or not isinstance(value, kinds.Real)
    if wrong or not abs(value) <= LARGEST:
        what = "" if isinstance(value, kinds.Real) else ", and text is not read as a number here"
        raise ValueError(
            f"`y` must hold finite numbers, as float32 has them{what}. Received at index {index}: "
            f"{shorten(value, 80)}"
        )


def numbers_in_graph(y, count):
    """`numbers` for a batch of a dataset: (B,) or (B, K) -> float32 (B, K)."""
    y = tf.convert_to_tensor(y)
    wide = y.shape.rank == 2 and y.shape[1] not in (None, count)
    if y.dtype in (tf.string, tf.bool) or y.shape.rank not in (1, 2) or wide:
        raise ValueError(
            f"Labels of a dataset must be {count} numbers a row. Received: {y.dtype.name} of shape "
            f"{y.shape}"
        )
    y = tf.cast(y[:, tf.newaxis] if y.shape.rank == 1 else y, tf.float32)
    y = tf.ensure_shape(y, [None, count])
    fine = tf.reduce_all(tf.math.is_finite(y))
    with tf.control_dependencies([tf.debugging.Assert(fine, [f"{MARK}is no finite number."])]):
        return tf.identity(y)
