"""What people hold as classes -> their names and numbers.

A label is a class's name, or a number. Numbers that are names mean names: of "1" … "5" 5 is the
last. Where no class is named by a number, they are positions, from 0; else both must agree.
"""

import collections
import contextlib
import math
import numbers
import re
import unicodedata

import numpy as np
import tensorflow as tf

from bert_tf2.data.class_names import NUMERAL, some
from bert_tf2.messages import shorten
from bert_tf2.text.forms import cells, column_names, shown

WORDS = {  # classes that a boolean names
    True: ("true", "yes", "positive", "pos"),
    False: ("false", "no", "negative", "neg"),
}
MARK, OF_RECORDS, OF_DOCUMENTS = MARKS = "Label ", "Record ", "Documents "  # of errors of graphs


def class_names(labels, fewest=2):
    """The class names, in the order of the logits.

    Args:
        labels: names, in a list, a NumPy array such as `np.unique(y)` or a Series; numbers and
            booleans give their names ("0", "True"); or the number C of classes, "0" … "C-1".
        fewest: how many there must be.

    Returns:
        list of str.

    Raises:
        ValueError: no names, fewer than two, one twice, or one that is no line of a file.
    """
    count = isinstance(labels, numbers.Integral) and not isinstance(labels, bool)
    try:
        found = [_name(x) for x in (range(labels) if count else cells(labels, "labels"))]
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`labels` must be a list of str, or a number (in a shell: --labels=a,b); a checkpoint "
            f"that names its classes may stand in. Received: {shown(labels)}"
        ) from error
    for name in found:
        _check_line(name)
    twice = [name for name, count in collections.Counter(found).items() if count > 1]
    if twice:
        raise ValueError(
            f"`labels` must be two or more different names. Received more than once: {some(twice)}"
        )
    if len(found) < fewest:
        raise ValueError(
            f"`labels` must be two or more different names: a head with one gives a score, which "
            f"is no class. Received: {shown(labels)}"
        )
    return found


def _name(label):
    """The name that a label is, or has as a number."""
    if isinstance(label, bytes):
        return label.decode()
    if isinstance(label, str | numbers.Integral):
        return str(label)
    if isinstance(label, numbers.Real) and math.isfinite(label):
        return str(int(label)) if label == int(label) else str(float(label))
    raise TypeError(label)


def _check_line(name):
    """Raises for a name that a file of one name a line would not keep."""
    wrong = next((c for c in name if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
    if not name.strip() or (wrong and wrong != "\t"):
        raise ValueError(
            "`labels` must be single lines with something in them, without control characters. "
            f"Received: {shown(name)}{f' with U+{ord(wrong):04X}' if wrong else ''}"
        )


def class_numbers(y, names, rows=None):
    """Labels in any form of one meaning -> class numbers.

    Args:
        y: class names (str), or numbers as told above: ints, whole floats; or booleans, of classes
            called 0 and 1, or as in `WORDS`; in a list, a NumPy array (n,) or (n, 1), a Series or a
            tensor. Or one-hot rows (n, C), a frame's by its columns' names.
        names: the class names, in order.
        rows: how many labels there must be, if known.

    Returns:
        int32 array (n,).

    Raises:
        TypeError, ValueError: a label that is not a class, with its index; or a wrong count.
    """
    y = _one_hot(y, names)
    if isinstance(y, str | bytes):
        raise TypeError(f"`y` must be a list of labels, one a text. Received: {shown(y)}")
    found = cells(y, "y")
    if rows is not None and len(found) != rows:
        raise ValueError(f"There must be one label a text: {rows}. Received: {len(found)}")
    known = _meanings(names)
    numbered = np.empty(len(found), np.int32)
    for index, label in enumerate(found):
        number = _look_up(label, *known)
        if number is None:
            raise ValueError(f"Label {shorten(label)} at index {index} {_why_not(label, names)}")
        numbered[index] = number
    return numbered


def _look_up(label, by_name, by_number, by_truth):
    label = label.decode() if isinstance(label, bytes) else label
    if isinstance(label, str):
        return by_name.get(label)
    if isinstance(label, bool | np.bool_):
        return by_truth.get(bool(label))
    return by_number.get(label) if isinstance(label, numbers.Real) else None


def _meanings(names):
    """What labels mean: dicts of names, of numbers and of booleans to class numbers."""
    by_name = {name: number for number, name in enumerate(names)}
    values = {number: _value(name) for name, number in by_name.items()}
    count = collections.Counter(values.values())
    if count[None] == len(names):
        by_number = {number: number for number in values}
    else:
        by_number = {v: n for n, v in values.items() if v is not None and count[v] == 1}
        if count[None]:
            by_number = {value: number for value, number in by_number.items() if value == number}
    by_truth = {}
    for truth, words in WORDS.items():
        named = [number for name, number in by_name.items() if name.casefold() in words]
        if len(named) == 1:
            by_truth[truth] = named[0]
        elif sorted(values.values(), key=str) == [0, 1]:  # no positions: those could be either
            by_truth[truth] = by_number[int(truth)]
    return by_name, by_number, by_truth if len(set(by_truth.values())) == 2 else {}


def _value(name):
    """The number that a name is, or None."""
    if not NUMERAL.fullmatch(name):
        return None
    return int(name) if name.lstrip("+-").isdigit() else float(name)


def _why_not(label, names):
    """The end of a message on a label: what would be right."""
    classes = f"Classes: {some(names)}"
    number = isinstance(label, numbers.Real) and not isinstance(label, bool | np.bool_)
    if label is None or label != label or type(label).__name__ == "NAType":
        return f"is missing. {classes}"
    if number and any(map(NUMERAL.fullmatch, names)):
        return f"is not a class: classes are named by numbers here, so give names. {classes}"
    if isinstance(label, bool | np.bool_):
        return f"is not a class: no two are called true and false, so give names. {classes}"
    if number:
        return f"is not a class: give a name, or a whole number below {len(names)}. {classes}"
    return f"is not a class. {classes}"


def _one_hot(y, names):
    """One-hot rows (n, C) -> the names of their classes, a list; all else as it is."""
    columns = None if isinstance(y, collections.abc.Mapping) else column_names(y)
    if columns is not None and len(columns) > 1:
        if set(map(str, columns)) == set(names):
            names = list(map(str, columns))
        elif columns != list(range(len(names))):
            raise ValueError(
                "`y` must be one column of labels, or one-hot with a column a class: "
                f"{some(names)}. Received: the columns {some(columns)}"
            )
        y = np.array(y.to_numpy().tolist())
    elif isinstance(y, list | tuple) and len({_width(row) for row in y}) == 1 and _width(y[0]):
        y = np.asarray(y)
    if len(getattr(y, "shape", ())) != 2 or y.shape[1] == 1:
        return y
    return _names_of_rows(np.asarray(y), names)


def _width(row):
    return len(row) if isinstance(row, list | tuple | np.ndarray) else 0


def _names_of_rows(table, names):
    """One-hot rows (n, C), columns in the order of `names` -> the name of each."""
    if table.shape[1] != len(names) or table.dtype.kind not in "biuf":
        raise ValueError(
            f"`y` must be one label a row, or one-hot rows of {len(names)} classes. Received: "
            f"{table.dtype.name} of shape {table.shape}"
        )
    wrong = ((table != 0) & (table != 1)).any(1) | ((table != 0).sum(1) != 1)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(
            "`y` in rows must be one-hot, 1 for one class, else 0: neither shares of classes nor "
            f"several at once. Received at index {index}: {some(table[index].tolist())}"
        )
    return [names[number] for number in table.argmax(1)]


def class_numbers_in_graph(y, names):
    """`class_numbers` for a batch of a dataset: (B,), (B, 1) or one-hot (B, C) -> int32 (B,).

    A label that is not a class stops with InvalidArgumentError; `errors_named` tells which.
    """
    y = tf.convert_to_tensor(y)
    if y.shape.rank == 2 and y.shape[1] == len(names) and y.dtype != tf.string:
        ones = tf.cast(y == tf.cast(1, y.dtype), tf.int32)
        zeros = tf.cast(y == tf.cast(0, y.dtype), tf.int32)
        fine = tf.reduce_all(tf.reduce_sum(ones, 1) + tf.reduce_sum(zeros, 1) == len(names))
        fine &= tf.reduce_all(tf.reduce_sum(ones, 1) == 1)
        return _checked(fine, f"{MARK}in a row is not one-hot.", tf.argmax(ones, 1))
    if y.shape.rank == 2 and y.shape[1] == 1:
        y = tf.reshape(y, [-1])
    by_name, by_number, by_truth = _meanings(names)
    if y.dtype == tf.string:
        known = by_name
    elif y.dtype == tf.bool:
        known, y = {int(truth): number for truth, number in by_truth.items()}, tf.cast(y, tf.int64)
    elif y.dtype.is_floating:
        known, y = by_number, tf.cast(y, tf.float64)
    else:
        known = {int(v): n for v, n in by_number.items() if v == int(v) and abs(v) < 2**63}
        y = tf.cast(y, tf.int64)
    if y.shape.rank != 1 or not known:
        raise ValueError(
            f"Labels of a dataset must be names or numbers of classes (B,), or one-hot (B, "
            f"{len(names)}). Received: {y.dtype.name} of shape {y.shape}, for {some(names)}"
        )
    match = tf.expand_dims(y, -1) == tf.constant(list(known), y.dtype)  # (B, K)
    strange = tf.boolean_mask(y, ~tf.reduce_any(match, -1))
    if y.dtype == tf.string:
        said = tf.strings.join(["'", tf.strings.substr(strange[:1], 0, 80), "'"])
        why = _why_not("", names)
    else:
        said = tf.strings.as_string(strange[:1], shortest=y.dtype == tf.float64)
        why = _why_not(0, names)
    text = tf.strings.join([MARK, tf.strings.reduce_join(said), f" {why}"])
    return _checked(tf.size(strange) == 0, text, tf.gather([*known.values()], tf.argmax(match, 1)))


def _checked(fine, text, classes):
    with tf.control_dependencies([tf.debugging.Assert(fine, [text])]):
        return tf.cast(classes, tf.int32)


@contextlib.contextmanager
def errors_named():
    """Says in a ValueError what data stopped a graph, and nothing of the graph."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        said = rf"((?:{'|'.join(MARKS)}).*[.\]])(?=\]|[\"'])|(?:Value|Type)Error: (.*)\n"
        found = re.search(said, error.message)
        if found is None:
            raise
        text = re.sub(r"\\(.)", lambda escape: escape[1].replace("n", " "), found[1] or found[2])
        raise ValueError(text.strip()) from None


def class_weights(by_class, names):
    """What each class counts, as `class_weight` -> dict of class number to float, all C of them.

    Args:
        by_class: dict by class name or number, 1.0 for the rest; or a list or array of all C.
        names: the class names, in order.

    Raises:
        ValueError: an unknown class, one twice, a wrong count, or a weight that is none.
    """
    if isinstance(by_class, collections.abc.Mapping):
        known, weights = _meanings(names), list(by_class.values())
        chosen = [_look_up(label, *known) for label in by_class]
        if None in chosen:
            label = list(by_class)[chosen.index(None)]
            raise ValueError(f"`class_weight`: {shorten(label)} {_why_not(label, names)}")
        if len(set(chosen)) != len(chosen):
            raise ValueError(f"`class_weight` names a class twice. Received: {shown(by_class)}")
    else:
        sized = hasattr(by_class, "__len__") and not isinstance(by_class, str | bytes)
        chosen, weights = range(len(names)), cells(by_class, "class_weight") if sized else []
        if len(weights) != len(names):
            raise ValueError(
                "`class_weight` must be a dict by class, or a list of one number a class: "
                f"{len(names)}. Received: {shown(by_class)}"
            )
    for weight in weights:
        if not isinstance(weight, numbers.Real) or not 0 <= weight < math.inf:
            raise ValueError(f"`class_weight` must hold numbers from 0. Received: {shown(weight)}")
    given = dict(zip(chosen, map(float, weights), strict=True))
    return {number: given.get(number, 1.0) for number in range(len(names))}
