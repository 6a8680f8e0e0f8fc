"""What people hold as several labels a text -> one column of 0 and 1 a class.

A row's labels are a list of names or numbers, which mean what they mean alone (`labels.py`), or C
values 0 and 1, one a class.
"""

import numpy as np
import tensorflow as tf

from bert_tf2.data.class_names import some
from bert_tf2.data.labels import MARK, class_numbers, class_numbers_in_graph
from bert_tf2.messages import shorten
from bert_tf2.text.forms import cells, column_names, shown


def label_matrix(y, names, rows=None):
    """Labels of n texts, several each -> float32 (n, C) of 0 and 1.

    Args:
        y: a list of n lists (sets, tuples) of class names or numbers, empty ones too; or 0 and 1 a
            class: an array or tensor (n, C), a list of rows of C, a frame whose columns are the
            classes.
        names: the class names, in order.
        rows: how many rows there must be, if known.

    Raises:
        TypeError, ValueError: another form, a label that is not a class, or rows that could mean
            either (of two classes [0, 1] may be two labels, or the second one).
    """
    columns = column_names(y)
    if columns is not None and not hasattr(y, "to_pylist"):
        if sorted(map(str, columns)) != sorted(names):
            raise ValueError(
                f"`y` must have a column a class: {some(names)}. Received: {some(columns)}"
            )
        ordered = sorted(columns, key=lambda column: names.index(str(column)))
        y = np.array([cells(y[column], str(column)) for column in ordered]).T
    for word in ("to_pylist", "to_list", "numpy"):
        if hasattr(y, word):
            y = getattr(y, word)()
            break
    if not (isinstance(y, np.ndarray) and y.dtype != object):
        y = _rows(y, names)
    if rows is not None and len(y) != rows:
        raise ValueError(f"There must be one row of labels a text: {rows}. Received: {len(y)}")
    if isinstance(y, list):
        return _of_lists(y, names)
    if y.ndim != 2 or y.shape[1] != len(names) or y.dtype.kind not in "biuf":
        raise ValueError(
            f"`y` must be rows of {len(names)} values 0 and 1, or lists of labels. Received: "
            f"{y.dtype.name} of shape {y.shape}"
        )
    wrong = ((y != 0) & (y != 1)).any(1)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(
            f"`y` must hold 0 and 1 only. Received at index {index}: {some(y[index].tolist())}"
        )
    return y.astype("float32")


def _rows(y, names):
    """A list of rows -> the same, or an array where each is 0 and 1 a class."""
    if isinstance(y, str | bytes) or not hasattr(y, "__iter__"):
        raise TypeError(f"`y` must be a list of lists of labels, one a text. Received: {shown(y)}")
    y = list(y)
    for index, row in enumerate(y):
        if not isinstance(row, list | tuple | set | frozenset | np.ndarray):
            raise TypeError(
                "`y` must be a list of labels for each text, such as ['a', 'b'] or []. Received "
                f"at index {index}: {shown(row)}"
            )
    y = [list(row) for row in y]
    flags = y and all(len(row) == len(names) and all(_is_flag(v) for v in row) for row in y)
    if not flags:
        return y
    if all(len(set(row)) == len(row) for row in y):
        raise ValueError(
            f"`y` could mean labels or 0 and 1 a class, of {some(names)}: give names, or a NumPy "
            f"array of 0 and 1. Received: {some(y, 3)}"
        )
    return np.array(y)


def _is_flag(value):
    return not isinstance(value, str | bytes) and value in (0, 1)


def _of_lists(y, names):
    flat = [label for row in y for label in row]
    of_row = np.repeat(np.arange(len(y)), [len(row) for row in y])
    try:
        numbers = class_numbers(flat, names)
    except ValueError as error:
        for index, row in enumerate(y):
            try:
                class_numbers(row, names)
            except ValueError:
                raise ValueError(f"`y` at index {index}, {shorten(row, 80)}: {error}") from None
        raise
    matrix = np.zeros((len(y), len(names)), "float32")
    np.add.at(matrix, (of_row, numbers), 1)
    if (matrix > 1).any():
        row, number = np.argwhere(matrix > 1)[0]
        raise ValueError(
            f"`y` at index {row} names a label twice. Received: {shorten(names[number])}"
        )
    return matrix


def label_matrix_in_graph(y, names):
    """`label_matrix` for a batch of a dataset -> float32 (B, C).

    Args:
        y: 0 and 1 (B, C); or names, string (B, K), ragged or filled up with "".
    """
    if isinstance(y, tf.RaggedTensor):
        y = y.to_tensor("") if y.dtype == tf.string else y
    if isinstance(y, tf.RaggedTensor) or y.shape.rank != 2:
        raise ValueError(
            f"Labels of a dataset must be 0 and 1 of shape (B, {len(names)}), or names (B, any). "
            f"Received: {y.dtype.name} of shape {y.shape}"
        )
    if y.dtype == tf.string:
        there = tf.where(y != "")  # (N, 2)
        numbers = class_numbers_in_graph(tf.gather_nd(y, there), names)
        places = tf.stack([there[:, 0], tf.cast(numbers, tf.int64)], 1)
        shape = tf.stack([tf.shape(y, tf.int64)[0], len(names)])
        return tf.minimum(tf.scatter_nd(places, tf.ones_like(numbers, tf.float32), shape), 1.0)
    y = tf.ensure_shape(tf.cast(y, tf.float32), [None, len(names)])
    fine = tf.reduce_all((y == 0) | (y == 1))
    with tf.control_dependencies([tf.debugging.Assert(fine, [f"{MARK}rows must be 0 and 1."])]):
        return tf.identity(y)
