"""Task files: examples from CSV, TSV (see `tables.py`) and JSON Lines, predictions back into them.

A `.jsonl` file has one JSON object a line. Blank lines are skipped.
"""

import csv
import dataclasses
import io
import json
from pathlib import Path

from bert_tf2 import files
from bert_tf2.data import json_lines, tables
from bert_tf2.data.label_cells import LabelReader
from bert_tf2.data.text_files import TextFile

SUFFIXES = (".csv", ".tsv", ".jsonl")


@dataclasses.dataclass(frozen=True)
class Examples:
    """The rows of a task file.

    Attributes:
        texts: list of str.
        pairs: list of str, the second text of each row, or None.
        labels: list of str, also where the file holds numbers; of the kind "number" a list of
            floats, or of lists of them; of "several" a list of lists of str; or None.
        lines: list of int, where in the file each row stands, from 1; or None.
    """

    texts: list[str]
    pairs: list[str] | None = None
    labels: list | None = None
    lines: list[int] | None = dataclasses.field(default=None, compare=False)

    def __len__(self):
        return len(self.texts)


def support_requests(split="train"):
    """The bundled data set of support requests. -> `Examples`; `split` is "train" or "test"."""
    if split not in ("train", "test"):
        raise ValueError(f'`split` must be "train" or "test". Received: {split!r}')
    return read_examples(Path(__file__).parent / "support_requests" / f"{split}.tsv")


# === Reading ===


def read_examples(
    path,
    text="text",
    text_pair=None,
    label="label",
    header=True,
    delimiter=None,
    encoding=None,
    kind="class",
    names=None,
    separator=",",
    numbered=False,
):
    """Reads a CSV, TSV or JSON Lines file of texts, or pairs of texts, and their labels.

    Args:
        path: a .csv, .tsv or .jsonl file.
        text: column of the text: its name in the header or, with `header=False`, its number
            from 0. In JSON Lines, the key.
        text_pair: column of the second text; None for single texts.
        label: column of the label, or a list of columns; None reads without labels.
        header: whether the first line of a CSV or TSV file names the columns.
        delimiter: what separates columns: one character, or "tab". Default: a comma in CSV and a
            tab in TSV; or another of , ; tab | if the header has all these columns with that one
            alone.
        encoding: Python's name of it. Default: UTF-8, or UTF-16 with a byte order mark.
        kind: of the labels: "class", "number" or "several" a row, see `LabelReader`.
        names, separator, numbered: see there.

    Returns:
        `Examples`, with one row at least.

    Raises:
        ValueError: with file and line: another suffix, no rows, a column that is not there, a
            row with too few or too many columns, a label missing, 0 and 1 that could be the numbers
            of several labels or one for each, other bytes than the encoding has, invalid JSON.
        OSError: the file cannot be read.
    """
    quotes = Path(path).suffix.lower() == ".tsv" and delimiter in (None, "tab", "\t", r"\t")
    reader = (
        label if label is None else LabelReader(kind, label, names, separator, numbered, quotes)
    )
    sides = [column for column in (text, text_pair) if column is not None]
    texts, labels, lines = {column: [] for column in sides}, [], []
    wanted = [*sides, *(reader.columns if reader else ())]
    for number, row in rows(path, wanted, header, delimiter, encoding):
        where = f"{path}, line {number}"
        for column in sides:
            texts[column].append(json_lines.text(where, column, row[column]))
        if reader:
            labels.append(reader(where, row))
        lines.append(number)
    if reader:
        reader.finish()
    pairs = None if text_pair is None else texts[text_pair]
    return Examples(texts[text], pairs, labels if reader else None, lines)


def rows(path, wanted, header=True, delimiter=None, encoding=None, chosen=True):
    """(line number, {column: cell}) of each row of a task file, one at least.

    Args:
        wanted: the columns to read. chosen: see `tables.rows`. Other arguments and errors are those
            of `read_examples`.
    """
    path = Path(path)
    suffix = _suffix(path)
    content = TextFile(path, encoding)
    if suffix != ".jsonl":
        found = tables.rows(path, content, wanted, header, delimiter, chosen=chosen)
    elif delimiter is None:
        found = json_lines.rows(path, content, wanted)
    else:
        raise ValueError(f"{path}: JSON Lines has no `delimiter`. Received: {delimiter!r}")
    number = None
    for number, row in found:
        yield number, row
    if number is None:
        raise ValueError(f"{path}: expected rows after the header. Received: a header alone")


def _suffix(path):
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"Expected a file that ends in {', '.join(SUFFIXES)}. Received: {path}")
    return path.suffix.lower()


# === Writing ===


def write_predictions(path, rows, overwrite=False):
    """Writes rows of predictions as CSV, TSV or JSON Lines; the file appears whole or not at all.

    Args:
        path: a .csv, .tsv or .jsonl file; its folder is created if need be.
        rows: list of dicts with the same keys: strings, numbers, lists or NumPy values. In a
            TSV file, which has no quoting, tabs and line ends inside a text become spaces.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        ValueError: another suffix, no rows, or rows with different keys.
    """
    path, rows = Path(path), list(rows)
    suffix = _suffix(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: give another name or ask to overwrite it")
    if not rows:
        raise ValueError(f"{path}: expected at least one row to write. Received: none")
    check_rows(path, rows, list(rows[0]))
    # Half characters, of texts or names that were given, become escapes, in JSON its own.
    files.write_file(path, formatted(rows, suffix).encode("utf-8", "backslashreplace"))


def check_rows(path, rows, keys):
    """Raises a ValueError unless all rows have these keys, in their order."""
    for number, row in enumerate(rows):
        if list(row) != keys:
            raise ValueError(f"{path}: row {number} must have the keys {keys}. Received: {[*row]}")


def formatted(rows, suffix, header=True):
    """Rows as the text of a file of that suffix, with the names of columns before them or not."""
    if suffix == ".jsonl":
        return "".join(_json(row) + "\n" for row in rows)
    table = [list(rows[0])] if header else []
    table += [[_cell(value) for value in row.values()] for row in rows]
    if suffix == ".csv":
        content = io.StringIO(newline="")
        csv.writer(content, lineterminator="\n").writerows(table)
        return content.getvalue()
    blanks = str.maketrans("\t\r\n", "   ")
    return "".join("\t".join(cell.translate(blanks) for cell in row) + "\n" for row in table)


def _json(value):
    # NumPy's scalars and arrays know `tolist`, and that is all we need of them.
    return json.dumps(value, ensure_ascii=False, default=lambda item: item.tolist())


def _cell(value):
    return value if isinstance(value, str) else _json(value)
