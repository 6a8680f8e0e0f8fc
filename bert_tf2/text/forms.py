"""What people hold as text -> string tensors: the one reader of it, for all that takes text.

Nothing here imports pandas, pyarrow or datasets: what looks like one of their columns is one.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Set

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.messages import shorten

TEXT_NAMES = TEXT, PAIR = "text", "text_pair"
SURROGATES = re.compile("[\ud800-\udfff]")
MOST_ROWS = 10_000_000  # of a generator, which might not end
FORMS = "a list of str, a NumPy array, a pandas Series or a 1-D tensor of strings"


def shown(value):
    """A value for a message, cut to a line."""
    return f"{shorten(value, 80)} ({type(value).__name__})"


def column_names(x):
    """The names of the columns of a mapping or a table (pandas, pyarrow, datasets, a structured
    array), as a list; None for what has none."""
    if isinstance(x, Mapping):
        return list(x)
    if isinstance(x, np.ndarray):
        return None if x.dtype.names is None else list(x.dtype.names)
    for word in ("column_names", "columns"):
        if hasattr(type(x), word):
            return list(getattr(x, word))
    return None


def cells(column, name="texts"):
    """The entries of a column, in whatever people hold it, as a list of Python's values.

    Args:
        column: a list, a NumPy array (n,) or (n, 1), a tensor, a pandas Series or a frame of one
            column, an iterator, or anything else with a length and an order.
        name: what it is called in messages.

    Raises:
        TypeError: no column. ValueError: more than one dimension.
    """
    if isinstance(column, Iterator):
        column = list(itertools.islice(column, MOST_ROWS + 1))
        if len(column) > MOST_ROWS:
            raise ValueError(f"`{name}` must end. Received: a generator of over {MOST_ROWS} rows")
    if isinstance(column, str | bytes | Mapping | Set) or not hasattr(column, "__len__"):
        raise TypeError(f"`{name}` must be {FORMS}. Received: {shown(column)}")
    for word in ("to_pylist", "to_numpy", "numpy"):
        if hasattr(column, word):
            column = getattr(column, word)()
            break
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.shape[1:] == (1,):
        column = column[:, 0]
    if column.ndim != 1:
        raise ValueError(f"`{name}` must have one column. Received: shape {column.shape}")
    return column.tolist()


def by_key(given):
    """A pandas Series with an index of its own, such as that of counts by label, as the dict that
    it is; all else, and rows numbered from 0, as it is.

    Raises:
        ValueError: a key twice.
    """
    has_keys = hasattr(given, "to_dict") and getattr(given, "ndim", 0) == 1
    if not has_keys or list(given.index) == list(range(len(given))):
        return given
    found = given.to_dict()
    if len(found) != len(given):
        raise ValueError(f"An index must name each once. Received: {shown(list(given.index))}")
    return found


def to_strings(texts, name="texts"):
    """A string tensor of shape (B,) or () from what was passed as text.

    Args:
        texts: str or bytes, or a column of them as in `cells`.
        name: what it is called in messages.

    Raises:
        TypeError: not text; the message has the index.
        ValueError: more than one dimension.
    """
    if isinstance(texts, keras.KerasTensor):
        raise TypeError(
            "A tokenizer gives rows of different lengths, which the layers of a model do not take. "
            "On a `keras.Input` call a `Preprocessor`, which packs and pads them: "
            f"`Preprocessor(tokenizer, max_length=128)(texts)`. Received: {shown(texts)}"
        )
    if isinstance(texts, np.ndarray) and texts.ndim == 0:
        texts = texts.item()
    if isinstance(texts, list) and any(map(tf.is_tensor, texts[:1])):
        texts = tf.stack(texts)
    if tf.is_tensor(texts):
        return _checked(texts, name)
    if isinstance(texts, str | bytes):
        return tf.constant(_encoded(texts))
    texts = cells(texts, name)
    for index, text in enumerate(texts):
        if isinstance(text, list | np.ndarray):
            raise ValueError(
                f"`{name}` must be one list of str. For pairs give a tuple of two lists, "
                "(first, second), or a list of tuples, [(first, second), ...]. "
                f"Received: a list of {len(texts)} lists, which could mean either"
            )
        if not isinstance(text, str | bytes):
            raise TypeError(f"`{name}` must be {FORMS}. Received at index {index}: {shown(text)}")
    return tf.constant(list(map(_encoded, texts)), tf.string, shape=(len(texts),))


def _checked(tensor, name):
    """A tensor, if it is one of strings (B,), (B, 1) or ()."""
    shape = tensor.shape
    if tensor.dtype != tf.string:
        raise TypeError(f"`{name}` must be {FORMS}. Received: {tensor.dtype.name} of shape {shape}")
    if isinstance(tensor, tf.Tensor) and shape.rank == 2 and shape[1] == 1:
        return tf.reshape(tensor, [-1])
    if shape.rank is None or shape.rank > 1:
        raise ValueError(f"`{name}` must have shape (B,) or (). Received: shape {shape}")
    return tensor


def whole(text):
    """A str without lone surrogates, which UTF-8 has no bytes for: they become U+FFFD, one
    character each, so that places in a text are the same in both."""
    return SURROGATES.sub("\ufffd", text)


def _encoded(text):
    """str -> bytes of what is `whole` of it."""
    if not isinstance(text, str):
        return text
    try:
        return text.encode()
    except UnicodeEncodeError:
        return whole(text).encode()


def named_texts(x, names=TEXT_NAMES):
    """Tells the columns of texts apart, whatever form the pairs have.

    Args:
        x: a column as in `to_strings`; for pairs a tuple of two, or a list of tuples; or a mapping
            or a table with columns of these names. A frame of one column is that column.
        names: what the columns are called, one or two.

    Returns:
        dict of name to column, as it was given.

    Raises:
        TypeError, ValueError: another form; the message says which are taken.
    """
    known = column_names(x)
    if known is not None:
        return _of_table(x, known, names)
    if isinstance(x, Iterator):
        x = cells(x)
    rows = isinstance(x, list) and any(isinstance(row, tuple) for row in x[:1])
    if not rows and not isinstance(x, tuple):
        return {names[0]: x}
    if len(names) == 1:
        raise TypeError(f"There must be one text a row, and no pairs. Received: {shown(x)}")
    for index, row in enumerate(x if rows else [x]):
        if not isinstance(row, tuple) or len(row) != 2:
            what = f"a tuple of {len(row)}" if isinstance(row, tuple) else shown(row)
            place = f" at index {index}" if rows else ""
            raise TypeError(
                "A pair is a tuple of two: two lists of str, or in a list two str a row; "
                f"single texts are a list. Received{place}: {what}"
            )
    return dict(zip(names, map(list, zip(*x, strict=True)) if rows else x, strict=True))


def _of_table(x, known, names):
    if len(known) == 1 and not isinstance(x, Mapping):
        return {names[0]: x[known[0]]}
    if names[0] not in known or sorted(set(known) & set(names)) != sorted(map(str, known)):
        wanted = " and perhaps ".join(f"`{name}`" for name in names)
        raise ValueError(
            f"A mapping or a table must have the columns {wanted} (or ids: `token_ids`, ...), and "
            "no others: choose the texts, as in table['column'], or for pairs a tuple of two "
            f"columns. Received: the columns {shown(known)}"
        )
    return {name: x[name] for name in names if name in known and x[name] is not None}
