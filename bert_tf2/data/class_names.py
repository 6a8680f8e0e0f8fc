"""The names of classes as found in a file. Imports no TensorFlow."""

import re

from bert_tf2.messages import shorten

NUMERAL = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
ORDERS = {  # objective -> the names of classes 0 and 1
    "nsp": ("next", "random"),
    "sop": ("in_order", "swapped"),
}
MOST_SHOWN = 8
MANY = 20  # different numbers from which on they look like a score


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


def has_letter(tag):
    """Whether a tag is a letter of a scheme and a type, as "B-PER" is and "T-shirt" is not."""
    return tag[1:2] == "-" and tag[0] in "BIESLU"


def some(names, most=MOST_SHOWN):
    """Names for a message, as a list that stops."""
    first = ", ".join(shorten(name, 40) for name in list(names)[:most])
    return f"[{first}{', ...' if len(names) > most else ''}]"
