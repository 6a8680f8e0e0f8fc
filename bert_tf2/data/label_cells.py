"""What a file's label cells hold -> labels of one kind: a class, a number, or several labels."""

import json
import math
from pathlib import Path

import numpy as np

from bert_tf2.data import json_lines, tables
from bert_tf2.data.class_names import some
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

KINDS = ("class", "number", "several")


class LabelReader:
    """Reads the label of one row after the other.

    Args:
        kind: "class" gives a str; "number" a float; "several" a list of str.
        columns: of the label. Of a "class" one; of a "number" one, or several for a list of floats;
            of "several" one, a JSON list or a cell with separators, or a column of 0 and 1 each.
        names: of the classes or labels, a list or a file of one a line: others are refused. In
            "several", a number that is no name stands for one, from 0. None takes any.
        separator: between the labels of a cell.

    Raises:
        ValueError: another kind, no columns, or columns or names that it has no use for.
    """

    def __init__(self, kind, columns, names=None, separator=","):
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {list(KINDS)}. Received: {kind!r}")
        self.alone = not isinstance(columns, list | tuple)
        self.columns = [columns] if self.alone else list(columns)
        if not self.columns or (kind == "class" and not self.alone):
            raise ValueError(
                f"`label` must be one column, or a list of columns of numbers or of several "
                f"labels. Received: {shorten(columns)}, for `kind` {kind!r}"
            )
        if names is not None and (kind == "number" or not self.alone):
            raise ValueError(
                "`names` are of classes or of labels in one column, and none of numbers"
            )
        if isinstance(names, str | Path):
            names = [line for _, line in tables.lines(TextFile(Path(names)))]
        self.kind, self.names, self.separator = kind, names, separator

    def __call__(self, where, row):
        """The label in a row, a dict of column to cell; `where` is for messages.

        Raises:
            ValueError: what is there is no label of this kind.
        """
        cells = [row[column] for column in self.columns]
        if self.kind == "several" and not self.alone:
            return [
                str(column)
                for column, cell in zip(self.columns, cells, strict=True)
                if self._given(where, column, cell)
            ]
        read = {"class": self._named, "number": _number, "several": self._list}[self.kind]
        found = [read(where, *pair) for pair in zip(self.columns, cells, strict=True)]
        return found[0] if self.alone else found

    def _given(self, where, column, cell):
        value = cell.strip() if isinstance(cell, str) else cell
        if value not in ("0", "1", 0, 1):  # True and False are 1 and 0
            raise ValueError(
                f"{where}: expected 0 or 1 in the label's column {column!r}. Received: "
                f"{shorten(cell)}"
            )
        return bool(int(value))

    def _list(self, where, column, cell):
        if isinstance(cell, str):
            cell = [part.strip() for part in cell.split(self.separator)] if cell.strip() else []
        if not isinstance(cell, list):
            raise ValueError(
                f"{where}: expected a list of labels in {column!r}, or text with "
                f"{self.separator!r} between them. Received: {shorten(cell)}"
            )
        return list(dict.fromkeys(self._named(where, column, item) for item in cell))

    def _named(self, where, column, item):
        name = _name(where, column, item)
        if self.names is None or name in self.names:
            return name
        if self.kind == "several" and name.isdecimal() and int(name) < len(self.names):
            return self.names[int(name)]
        raise ValueError(
            f"{where}: the label must be one of {len(self.names)}: {some(self.names)}. Received: "
            f"{shorten(name)}"
        )


def _name(where, column, value):
    """A class's name; numbers and booleans as JSON spells them."""
    _check_there(where, column, value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json_lines.text(where, column, value)


def _number(where, column, value):
    _check_there(where, column, value)
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{where}: expected a number in {column!r}. Received: {shorten(value)}")
    return number


def _check_there(where, column, value):
    if value is None or value != value or not str(value).strip():  # NaN
        raise ValueError(f"{where}: the label in {column!r} is missing")


def indicators(labels, names):
    """Lists of labels, one a row, -> int32 (n, C): 1 where a row has a label.

    Args:
        labels: list of lists of str.
        names: of all labels, in order.

    Raises:
        ValueError: a label that is none of them, with its row.
    """
    number = {name: index for index, name in enumerate(names)}
    found = np.zeros((len(labels), len(number)), np.int32)
    for row, some_labels in enumerate(labels):
        for label in some_labels:
            if label not in number:
                raise ValueError(
                    f"Label {shorten(label)} of row {row} must be one of {some(names)}"
                )
            found[row, number[label]] = 1
    return found
