"""The names of classes, as given or as found in a file."""

import collections
import math
import numbers
import re
import unicodedata

from bert_tf2.messages import shorten
from bert_tf2.text.inputs import cells, shown

NUMERAL = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
MOST_SHOWN = 8
MANY = 20  # different numbers from which on they look like a score


def class_names(labels):
    """The class names, in the order of the logits.

    Args:
        labels: names, in a list, a NumPy array such as `np.unique(y)` or a Series; numbers and
            booleans give their names ("0", "True"); or the number C of classes, "0" … "C-1".

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
            "`labels` must be a list of str, or a number; a checkpoint that names its classes may "
            f"stand in. Received: {shown(labels)}"
        ) from error
    for name in found:
        _check_line(name)
    twice = [name for name, count in collections.Counter(found).items() if count > 1]
    if twice:
        raise ValueError(
            f"`labels` must be two or more different names. Received more than once: {some(twice)}"
        )
    if len(found) < 2:
        raise ValueError(
            f"`labels` must be two or more different names: a head with one gives a score, which "
            f"is no class. Received: {shown(labels)}"
        )
    return found


def _name(label):
    """The name that a label is, or has as a number."""
    if isinstance(label, bytes):
        return label.decode()
    if isinstance(label, str):
        return str(label)
    if isinstance(label, bool | numbers.Integral):
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


def names_of(found):
    """The class names that occur in the labels of a file, sorted; numbers as numbers.

    Raises:
        ValueError: many numbers that are not whole: a score, as in STS-B, and no classes.
    """
    names = sorted(set(found))
    if not all(map(NUMERAL.fullmatch, names)):
        return names
    if len(names) > MANY and any(float(name) % 1 for name in names):
        raise ValueError(
            f"The labels are {len(names)} different numbers, such as {some(names, 3)}: a score, "
            "and no classes. Name the classes by `labels` if they are."
        )
    return sorted(names, key=lambda name: (float(name), name))


def some(names, most=MOST_SHOWN):
    """Names for a message, as a list that stops."""
    first = ", ".join(shorten(name, 40) for name in list(names)[:most])
    return f"[{first}{', ...' if len(names) > most else ''}]"
