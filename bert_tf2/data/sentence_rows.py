"""Rows of several texts to train vectors on: columns in any form -> strings (n, K), and labels.

Letters: n rows, B rows of a batch, K texts a row.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from bert_tf2.data import numbers
from bert_tf2.data.labels import MARK
from bert_tf2.messages import shorten
from bert_tf2.text.forms import cells, column_names, shown, to_strings

TEXTS = "texts"  # the column of all texts of a row
LABELS = ("label", "labels", "score", "scores", "margin", "class")  # a column that is no text


def taken_apart(x, y=None):
    """A mapping or a table -> its columns of texts by name, in their order, and its labels.

    Args:
        x: columns by name; of those in `LABELS` there may be one. Anything else stays as it is.
        y: labels that were given beside it, or None.

    Raises:
        ValueError: several columns of labels, or labels twice.
    """
    names = column_names(x)
    if names is None or (not isinstance(x, Mapping | np.ndarray) and not hasattr(x, "__getitem__")):
        return x, y
    labels = [name for name in names if name in LABELS]
    if len(labels) + (y is not None) > 1:
        raise ValueError(
            f"There must be one column of labels, of {', '.join(LABELS)}. Received: "
            f"{', '.join(labels)}{' and y' if y is not None else ''}"
        )
    texts = {name: x[name] for name in names if name not in LABELS}
    return texts, x[labels[0]] if labels else y


def prompts_of(given, x):
    """What is to stand before the texts of x: a str, or a tuple of one each, of none of them ().

    Raises:
        ValueError: what is no str, or a name that no column of texts has.
    """
    if given is None or isinstance(given, str):
        return given or ()
    spec = x.element_spec if isinstance(x, tf.data.Dataset) else None
    spec = spec[0] if isinstance(spec, tuple) and spec else spec
    names = [name for name in column_names(x if spec is None else spec) or () if name not in LABELS]
    texts = given
    if isinstance(given, Mapping):
        texts = [given.get(name, "") for name in names] if given.keys() <= {*names} else [None]
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            "`prompts` must be a str, a list of str, one a text, or a dict by the names of columns"
            f"{', ' * bool(names)}{', '.join(map(str, names))}. Received: {shorten(given)}"
        )
    return tuple(texts)


def is_rows(x):
    """Whether x is rows of several texts: a tuple of columns, a list of tuples, several columns."""
    names = column_names(x)
    if names is not None:
        return len(names) > 1 or names == [TEXTS]
    return isinstance(x, tuple) or (isinstance(x, list) and any(isinstance(r, tuple) for r in x))


def text_rows(x):
    """Such rows in memory -> a string tensor (n, K).

    Raises:
        TypeError, ValueError: a text that is none, rows or columns of different length; the message
            says where.
    """
    names = column_names(x)
    if names == [TEXTS] and tf.is_tensor(x[TEXTS]) and x[TEXTS].shape.rank == 2:
        return x[TEXTS]  # read already
    if names is None and isinstance(x, list):
        for index, row in enumerate(x):
            if not isinstance(row, tuple) or len(row) != len(x[0]):
                raise TypeError(
                    f"All rows must be tuples of as many texts as the first, {len(x[0])}. Received "
                    f"at index {index}: {shown(row)}"
                )
        x = tuple(map(list, zip(*x, strict=True)))
    named = {n: x[n] for n in names} if names else {f"text {i + 1}": c for i, c in enumerate(x)}
    columns = {name: to_strings(column, name) for name, column in named.items()}
    sizes = {name: column.shape.as_list() for name, column in columns.items()}
    first = next(iter(sizes.values()), [])
    if len(first) != 1 or any(size != first for size in sizes.values()) or not first[0]:
        raise ValueError(
            f"All columns of texts must be equally long, of one text or more. Received: {sizes}"
        )
    return tf.stack(list(columns.values()), 1)


def texts_in_graph(x):
    """A batch of a dataset, a tuple or a dict of strings (B,) -> strings (B, K), and labels."""
    x, y = taken_apart(x)
    parts = list(x.values()) if isinstance(x, Mapping) else list(x)
    if any(part.dtype != tf.string or part.shape.rank not in (None, 1) for part in parts):
        raise ValueError(
            "The texts of a batch must be strings (B,) each, and labels be called "
            f"{', '.join(LABELS)}. Received: {x}"
        )
    return tf.stack(parts, 1), y


def text_numbers(texts):
    """Strings (n, K) -> int (n, K), equal where the texts are."""
    return np.unique(texts.numpy(), return_inverse=True)[1].reshape(texts.shape)


# === Labels: what y is, by the `targets` of a loss ================================================


def read_binary(y, rows):
    """0 and 1 in any form -> float32 (n,)."""
    y = y.tolist() if isinstance(y, np.ndarray) else y
    found = numbers.numbers(
        [int(v) if isinstance(v, bool) else v for v in cells(y, "y")], ["y"], rows
    )
    if wrong := np.flatnonzero((found != 0) & (found != 1)).tolist():
        raise ValueError(
            "`y` must be 1 for texts that are alike, and 0 for others. Received at index "
            f"{wrong[0]}: {found[wrong[0], 0]:g}"
        )
    return found[:, 0]


def read_margins(y, rows):
    """One or several numbers a row -> float32 (n, m)."""
    first = np.asarray(y[0] if isinstance(y, list | tuple) and len(y) else y)
    width = first.shape[-1] if first.ndim == (1 if isinstance(y, list | tuple) else 2) else 1
    return numbers.numbers(y, [str(i) for i in range(int(width))], rows)


def read_classes(y, rows):
    """Names or numbers of classes -> int64 (n,), equal where the classes are."""
    names = cells(y, "y")
    if len(names) != rows:
        raise ValueError(f"There must be one class a text: {rows}. Received: {len(names)}")
    if wrong := [name for name in names if not isinstance(name, str | bytes | int | np.integer)][
        :1
    ]:
        raise ValueError(f"Classes must be str or int. Received: {shown(wrong[0])}")
    return np.unique(np.array(names).astype(str), return_inverse=True)[1].astype("int64")


READERS = {
    "score": lambda y, rows: numbers.numbers(y, ["score"], rows)[:, 0],
    "binary": read_binary,
    "margin": read_margins,
    "class": read_classes,
}


def _checked(fine, found, said):
    with tf.control_dependencies([tf.debugging.Assert(fine, [f"{MARK}{said}"])]):
        return tf.identity(found)


def _binary_in_graph(y):
    y = numbers.numbers_in_graph(tf.cast(y, tf.float32), 1)[:, 0]
    return _checked(tf.reduce_all((y == 0) | (y == 1)), y, "is neither 0 nor 1.")


def _margins_in_graph(y):
    y = tf.convert_to_tensor(y)
    return numbers.numbers_in_graph(y, y.shape[1] if y.shape.rank == 2 else 1)


def _classes_in_graph(y):
    y = tf.reshape(y, [-1])
    return (
        tf.strings.to_hash_bucket_fast(y, 2**62) if y.dtype == tf.string else tf.cast(y, tf.int64)
    )


# The same of batches of a dataset, in the graph.
IN_GRAPH = {
    "score": lambda y: numbers.numbers_in_graph(y, 1)[:, 0],
    "binary": _binary_in_graph,
    "margin": _margins_in_graph,
    "class": _classes_in_graph,
}
