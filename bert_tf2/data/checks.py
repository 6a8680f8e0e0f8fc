"""What is odd about data, said before hours are spent on them."""

import numpy as np

from bert_tf2.data.names import MANY, NUMERAL, some
from bert_tf2.messages import shorten


def worth_saying(class_numbers, names):
    """What is odd about the labels to train on: a list of sentences, mostly empty.

    Args:
        class_numbers: int (n,), from `class_numbers`.
        names: the class names.
    """
    counts = np.bincount(class_numbers, minlength=len(names))
    present, rows = np.flatnonzero(counts), len(class_numbers)
    single = [names[number] for number in np.flatnonzero(counts == 1)]
    said = []
    if len(present) == 1 and rows > 1:
        said.append(f"All {rows} labels are {shorten(names[present[0]])}: nothing to tell apart.")
    elif len(single) == rows and rows > 2:
        said.append(f"Each of {rows} rows has a label of its own: is that the labels' column?")
    elif single and len(single) < rows:
        said.append(
            f"{len(single)} of {len(names)} classes with one row to learn from: {some(single)}."
        )
    if len(names) > MANY and all(map(NUMERAL.fullmatch, names)):
        said.append(
            f"{len(names)} classes are named by numbers, and learned without their order: "
            f"{some(names)}. Are they a score?"
        )
    return said
