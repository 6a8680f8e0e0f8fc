"""What people hold as data -> columns: dicts of name to tensor or array (n, …), one entry a row.

Which forms texts may have is said in `text/forms.py`; what labels mean, in `labels.py`.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data.pipeline import count_rows
from bert_tf2.modeling.inputs import INPUT_NAMES
from bert_tf2.text.forms import TEXT_NAMES, cells, column_names, named_texts, shown, to_strings

IDS = {name for ours, others in INPUT_NAMES.items() for name in (ours, *others)}
EXTRAS = ("labels", "sample_weight")  # columns that are no input
MOST_BATCHES = 100_000  # of a generator, which might not end


def is_encoded(x):
    """Whether x is ids under names of a model's inputs, and no text."""
    return isinstance(x, Mapping) and bool(IDS & set(x))


def text_columns(x, names=TEXT_NAMES):
    """Texts or pairs of texts in memory -> columns.

    Args:
        x: texts: a list of str, a NumPy array, a pandas Series, a frame of one column, a 1-D tensor
            of strings, a generator of str; or pairs: a tuple of two of these, a list of tuples of
            two str, or a mapping or a table (pandas, pyarrow, datasets) of columns of these names.
        names: what the columns are called; one name refuses pairs.

    Returns:
        dict of name to string tensor (n,).

    Raises:
        TypeError, ValueError: another form, a text that is none, no text at all, or columns of
            different length; the message says where, and what would be right.
    """
    columns = {name: to_strings(side, name) for name, side in named_texts(x, names).items()}
    for name, column in columns.items():
        if column.shape.rank == 0:
            raise TypeError(f"`{name}` must be a list of str. Received one bare string: [text]")
    sizes = [int(column.shape[0]) for column in columns.values()]
    if len(set(sizes)) != 1:
        raise ValueError(f"Both sides of a pair must be equally long. Received: {sizes}")
    if sizes[0] == 0:
        raise ValueError("There must be at least one text. Received an empty list.")
    return columns


def validation(data):
    """What `validation_data` may be, (x, y), (x, y, weight) or x alone -> (x, y, weight)."""
    several = isinstance(data, tuple | list) and len(data) in (2, 3)
    if several and not isinstance(data[0], str | bytes | tuple if isinstance(data, list) else str):
        return (*data, None)[:3]
    return data, None, None


def split(read, x, y, sample_weight, fraction, validation_data=None):
    """Sets the last rows apart for validation, as Keras does, before any shuffling.

    Args:
        read: raw x -> columns.
        x, y, sample_weight: data in memory, as for `fit`.
        fraction: of the rows to set apart, between 0 and 1.
        validation_data: goes before, if there is any; nothing is then set apart.

    Returns:
        (x, y, sample_weight) to train on, and the same of the rows set apart.
    """
    if validation_data is not None:
        return (x, y, sample_weight), validation_data
    if not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must lie between 0 and 1. Received: {fraction}")
    rows, part = by_rows(read, x, y, sample_weight)
    at = math.floor(rows * (1 - fraction))
    if at in (0, rows):
        raise ValueError(
            f"`validation_split={fraction}` leaves a part of {rows} rows empty: give another "
            "fraction, or `validation_data`."
        )
    return part(np.arange(at)), part(np.arange(at, rows))


def by_rows(read, x, *others):
    """Data in memory, to be taken apart by rows.

    Args:
        read: raw x -> columns.
        x: as for `fit`.
        *others: labels and weights, (n, …) or None.

    Returns:
        n, and a function of row numbers (m,) -> these rows of x, which are columns now, and of the
        others, a tuple.

    Raises:
        ValueError: a dataset.
    """
    if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        raise ValueError(
            "Expected rows in memory, to be parted. Of a dataset set batches apart by `.take(n)` "
            f"and `.skip(n)`, and give `validation_data`. Received: a {type(x).__name__}"
        )
    x = {name: np.asarray(ids) for name, ids in x.items()} if is_encoded(x) else read(x)
    data = (x, *map(_column, others))
    rows = count_rows(x)

    def part(numbers):
        return tuple(
            {name: _rows(column, numbers) for name, column in columns.items()}
            if isinstance(columns, dict)
            else _rows(columns, numbers)
            for columns in data
        )

    return rows, part


def _column(column):
    """Labels in any form -> what `_rows` takes."""
    if column is None or isinstance(column, list | np.ndarray | tf.Tensor | tf.RaggedTensor):
        return column
    if isinstance(column, Mapping):
        return {name: np.asarray(values) for name, values in column.items()}
    return cells(column, "y")


def _rows(column, numbers):
    """Some rows of a column, of its own kind."""
    if isinstance(column, list):
        return [column[i] for i in numbers]
    if isinstance(column, tf.Tensor | tf.RaggedTensor):
        return tf.gather(column, numbers)
    return column if column is None else column[numbers]


def is_pair(x):
    """Whether texts, or a dataset's texts, come in pairs."""
    if isinstance(x, tf.data.Dataset):  # a `Read` is a tuple, too
        x = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
    names = column_names(x)
    if names is not None:
        return TEXT_NAMES[1] in names and x[TEXT_NAMES[1]] is not None
    rows = isinstance(x, list) and bool(x) and isinstance(x[0], tuple)
    return rows or (isinstance(x, tuple) and len(x) == 2)


def holds_texts(x):
    """Whether x is meant as texts, in memory or in a dataset: neither ids nor rows with labels."""
    if isinstance(x, tf.data.Dataset):
        return isinstance(x.element_spec, tf.TensorSpec) and x.element_spec.dtype == tf.string
    return not is_encoded(x)


# === Data that come in batches ====================================================================


def in_graph(x, y=None, sample_weight=None, names=TEXT_NAMES):
    """A batch of a dataset -> columns: x is texts, a tuple of two, or a dict. Works in a graph.

    Args:
        names: of the columns of raw text.
    """
    if isinstance(x, tuple):
        x = named_texts(x, names)
    columns = dict(x) if isinstance(x, Mapping) else {names[0]: x}
    unknown = set(columns) - {*names, *EXTRAS}
    texts = any(value.dtype in (tf.string, "string") for value in columns.values())
    if texts and (unknown or names[0] not in columns):
        second = ", the second for pairs," if names == TEXT_NAMES else ""
        raise ValueError(
            f"A batch of texts must have the columns {list(names)}{second} and perhaps "
            f"{list(EXTRAS)}. Received: the columns {list(columns)}"
        )
    columns |= y if isinstance(y, Mapping) else {} if y is None else {EXTRAS[0]: y}
    return columns if sample_weight is None else columns | {EXTRAS[1]: sample_weight}


class Read(NamedTuple):
    """An element of a dataset whose batches Python has read: columns, as `Task.read` gives them."""

    columns: dict


def as_dataset(x, read, endless=False, row=(str, bytes)):
    """What gives one batch after another -> a `tf.data.Dataset` of `Read`; all else as it is.

    Args:
        x: a `keras.utils.PyDataset`, whose batches are of any form that `fit` takes and are made by
            one thread, with its `on_epoch_begin` and `on_epoch_end`; or a generator of such
            batches. A generator of single texts or pairs becomes a list.
        read: function of the x, y and weights of a batch -> its columns.
        endless: read a generator as it comes, instead of all of it first.
        row: the types of a single text.
    """

    def batch(entry):
        """x, (x,), (x, y) or (x, y, weights) -> `Read`."""
        return Read(read(*entry) if isinstance(entry, tuple) else read(entry))

    if isinstance(x, keras.utils.PyDataset):
        return _of_sequence(x, batch)
    if callable(x) and not isinstance(x, tf.data.Dataset) and not hasattr(x, "__len__"):
        raise TypeError(f"Data must be given, not a function that makes them. Received: {shown(x)}")
    if not isinstance(x, Iterator):
        return x
    first = list(itertools.islice(x, 1))
    x = itertools.chain(first, x)
    if not first or _is_row(first[0], row):
        return cells(x)
    if endless:
        return _dataset(map(batch, x), batch(first[0]), tf.data.INFINITE_CARDINALITY)
    batches = list(map(batch, itertools.islice(x, MOST_BATCHES + 1)))
    if len(batches) > MOST_BATCHES:
        raise ValueError(
            "A generator must end, or have `steps_per_epoch`. Received: more than "
            f"{MOST_BATCHES} batches"
        )
    return _dataset(batches, batches[0], len(batches))


def _is_row(entry, row):
    """Whether an entry of a generator is one text or one pair, and not a batch of them."""
    return isinstance(entry, row) or (
        isinstance(entry, tuple) and all(isinstance(part, str | bytes) for part in entry)
    )


def _of_sequence(data, batch):
    try:
        size = len(data)
    except NotImplementedError:
        size = tf.data.INFINITE_CARDINALITY  # as Keras takes it
    if size == 0:
        raise ValueError("There must be at least one batch. Received: an empty PyDataset")

    def batches():
        if hasattr(data, "on_epoch_begin"):
            data.on_epoch_begin()
        for index in itertools.count() if size < 0 else range(size):
            yield batch(data[index])
        data.on_epoch_end()

    return _dataset(batches, batch(data[0]), size)


def _dataset(batches, first, size):
    """A dataset of batches, each like the first but for its rows and its length."""
    made = batches if callable(batches) else lambda: iter(batches)

    def spec(name, column):
        if isinstance(column, tf.RaggedTensor):
            sizes, splits = [None] * column.shape.rank, column.row_splits.dtype
            return tf.RaggedTensorSpec(sizes, column.dtype, column.ragged_rank, splits)
        sizes = column.shape[1:] if name in EXTRAS else [None] * (len(column.shape) - 1)
        return tf.TensorSpec([None, *sizes], column.dtype)

    specs = {name: spec(name, column) for name, column in first.columns.items()}
    dataset = tf.data.Dataset.from_generator(made, output_signature=Read(specs))
    return dataset.apply(tf.data.experimental.assert_cardinality(size))
