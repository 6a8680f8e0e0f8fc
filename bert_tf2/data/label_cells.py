"""What a file's label cells hold -> labels of one kind: a class, a number, or several labels."""

import ast
import json
import math
import re
from pathlib import Path

import numpy as np

from bert_tf2.data import json_lines, tables
from bert_tf2.data.class_names import NUMERAL, some
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

KINDS = ("class", "number", "several")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = float(np.finfo("float32").max)  # of a number to learn
GIVEN = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
OTHERS = ";|\t，、；"  # what else files have between labels
COLLECTION = re.compile(r"\[.*\]|[({]\s*['\"].*[)}]", re.DOTALL)  # as JSON or Python prints one

ZERO_ONE = (
    "0 and 1 could be the numbers of labels, or tell of each label whether it is there: write the "
    "labels' names, or a column of 0 and 1 for each label (in a shell: --label_column=LABEL,LABEL)."
)


class LabelReader:
    """Reads the label of one row after the other.

    Args:
        kind: "class" gives a str; "number" a float; "several" a list of str.
        columns: of the label. Of a "class" one; of a "number" one, or several for a list of floats;
            of "several" one, a list (of JSON, or in a cell as JSON or Python print it) or a cell
            with separators; or a column of 0 and 1 each.
        names: of the classes or labels, a list or a file of one a line: others are refused. Where
            none of them is a number, one stands in "several" for a name, from 0. None takes any.
        separator: between the labels of a cell, or "tab".
        numbered: whether numbers stand for names in "class", too.
        quotes: whether cells come with the quotes around them, as those of a .tsv file do.

    Raises:
        ValueError: another kind, no columns, or columns or names that it has no use for.
    """

    def __init__(self, kind, columns, names=None, separator=",", numbered=False, quotes=False):
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
        self.kind, self.names, self.separator = kind, names, tables.separator(separator)
        self.quotes = quotes
        self.by_number = [] if any(map(NUMERAL.fullmatch, names or ())) else list(names or ())
        if kind != "several" and not numbered:
            self.by_number = []
        self.unclear, self.clear = None, False  # the first row of 0 and 1; whether others are there

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
        value = GIVEN.get(cell.strip().casefold()) if isinstance(cell, str) else cell
        if value not in (0, 1):  # True and False are 1 and 0
            raise ValueError(
                f"{where}: expected 0 or 1 in the label's column {column!r}. Received: "
                f"{shorten(cell)}"
            )
        return bool(value)

    def _list(self, where, column, cell):
        items = self._items(where, column, cell) if isinstance(cell, str) else cell
        parted = isinstance(cell, str) and items == self._parts(cell)
        if not isinstance(items, list):
            raise ValueError(
                f"{where}: expected a list of labels in {column!r}, or text with "
                f"{self.separator!r} between them. Received: {shorten(cell)}"
            )
        found = [self._named(where, column, item) for item in items]
        if parted and self.names is None and self.separator == ",":  # and nothing was chosen
            self._check_parted(where, column, found)
        flags = [item for item in items if self._is_flag(item)]
        if flags and self.unclear is None:
            self.unclear = f"{where}: {ZERO_ONE} Received in {column!r}: {shorten(cell)}"
        self.clear = self.clear or len(flags) < len(items)
        if len(set(map(str, flags))) < len(flags):
            raise ValueError(self.unclear)
        return list(dict.fromkeys(found))

    def _check_parted(self, where, column, found):
        """Raises a ValueError for a name of a cell that looks like several, otherwise separated."""
        for name in found:
            between = next((char for char in OTHERS if char in name), None)
            if between is None and all(map(NUMERAL.fullmatch, name.split())) and " " in name:
                between = " "
            if between:
                raise ValueError(
                    f"{where}: labels in {column!r} are read with {self.separator!r} between them, "
                    f"and this looks like some with {between!r}: give `separator` (in a shell: "
                    "--label_separator); or name the labels (--labels), if it is one. Received: "
                    f"{shorten(name)}"
                )

    def _is_flag(self, item):
        """Whether an item may be 0 or 1 for a label, and is no name of one."""
        if isinstance(item, str):
            number = item if item not in (self.names or ()) and NUMERAL.fullmatch(item) else "-1"
            return float(number) in (0, 1)
        return isinstance(item, bool | int | float) and item in (0, 1)

    def _parts(self, cell):
        text = cell.strip()
        return [part.strip() for part in text.split(self.separator)] if text else []

    def _items(self, where, column, cell):
        """The labels in a cell of text."""
        text, parts = cell.strip(), self._parts(cell)
        if not COLLECTION.fullmatch(text) or all(part in (self.names or ()) for part in parts):
            return parts
        for read, write in ((json.loads, None), (ast.literal_eval, str)):
            try:
                found = read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list) and (write is None or write(found) == text):
                return found
        raise ValueError(
            f"{where}: expected labels in {column!r} with {self.separator!r} between them, or a "
            f'list as JSON or Python writes it, ["a", "b"]. Received: {shorten(cell)}'
        )

    def finish(self):
        """After a file's last row: raises a ValueError where labels could mean two things."""
        if self.unclear and not self.clear:
            raise ValueError(self.unclear)

    def _named(self, where, column, item):
        name = _name(where, column, item)
        if name in (self.names or ()):
            return name
        name = name.strip()  # blanks around it are no class of their own
        in_quotes = self.quotes and len(name) > 1 and name[0] == name[-1] == '"'
        if in_quotes and (self.names is None or name[1:-1] in self.names):
            raise ValueError(
                f"{where}: the label in {column!r} is in quotes, which are read as a part of it: "
                "files with quotes end in .csv, whatever the `delimiter` (in a shell: "
                f"--delimiter=tab). Received: {shorten(name)}"
            )
        if self.names is None or name in self.names:
            return name
        if name.isascii() and name.isdecimal() and int(name) < len(self.by_number):
            return self.by_number[int(name)]
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
    """A float, of a cell as JSON writes one; it is learned in float32, and must fit in there."""
    _check_there(where, column, value)
    text = isinstance(value, str)
    try:
        readable = NUMBER.fullmatch(value.strip()) if text else isinstance(value, int | float)
        number = float(value) if readable else math.nan
    except OverflowError:  # of an int
        number = math.inf
    if isinstance(value, bool) or not abs(number) <= LARGEST:  # nor NaN
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
