"""Task files: examples from CSV, TSV and JSON Lines, predictions back into them.

* `.csv`: quoted as in RFC 4180.
* `.tsv`: no quoting, a tab always ends a field: the way GLUE's files are written.
* `.jsonl`: one JSON object a line.

All are UTF-8, with or without a byte order mark. Blank lines are skipped.
"""

import csv
import dataclasses
import io
import json
import sys
from pathlib import Path

from bert_tf2 import files

SUFFIXES = (".csv", ".tsv", ".jsonl")


@dataclasses.dataclass(frozen=True)
class Examples:
    """The rows of a task file.

    Attributes:
        texts: list of str.
        pairs: list of str, the second text of each row, or None.
        labels: list of str, also where the file holds numbers, or None.
        lines: list of int, where in the file each row stands, from 1; or None.
    """

    texts: list[str]
    pairs: list[str] | None = None
    labels: list[str] | None = None
    lines: list[int] | None = dataclasses.field(default=None, compare=False)

    def __len__(self):
        return len(self.texts)


def support_requests(split="train"):
    """The bundled data set of support requests. -> `Examples`; `split` is "train" or "test"."""
    if split not in ("train", "test"):
        raise ValueError(f'`split` must be "train" or "test". Received: {split!r}')
    return read_examples(Path(__file__).parent / "support_requests" / f"{split}.tsv")


# === Reading ===


def read_examples(path, text="text", text_pair=None, label="label", header=True):
    """Reads a CSV, TSV or JSON Lines file of texts, or pairs of texts, and their labels.

    Args:
        path: a .csv, .tsv or .jsonl file.
        text: column of the text: its name in the header or, with `header=False`, its number
            from 0. In JSON Lines, the key.
        text_pair: column of the second text; None for single texts.
        label: column of the label; None reads without labels.
        header: whether the first line of a CSV or TSV file names the columns.

    Returns:
        `Examples`, with one row at least.

    Raises:
        ValueError: with file and line: another suffix, no rows, a column that is not there, a
            row with too few or too many columns, a label missing, invalid UTF-8 or JSON.
        OSError: the file cannot be read.
    """
    path = Path(path)
    content = _decode(path, _suffix(path))
    wanted = [column for column in (text, text_pair, label) if column is not None]
    if path.suffix.lower() == ".jsonl":
        rows = _json_rows(path, content, wanted)
    else:
        rows = _table_rows(path, content, wanted, header)
    cells, lines = {column: [] for column in wanted}, []
    for number, row in rows:
        lines.append(number)
        for column in wanted:
            is_label = column == label
            cells[column].append(_checked(path, number, column, row[column], is_label))
    if not cells[text]:
        raise ValueError(f"{path}: expected rows after the header. Received: a header alone")
    return Examples(
        cells[text],
        None if text_pair is None else cells[text_pair],
        None if label is None else cells[label],
        lines,
    )


def _suffix(path):
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"Expected a file that ends in {', '.join(SUFFIXES)}. Received: {path}")
    return path.suffix.lower()


def _decode(path, suffix):
    data = files.read_bytes(path, at_most=None)
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: invalid UTF-8 (byte 0x{data[error.start]:02x}): "
            f"save the {suffix[1:].upper()} file as UTF-8"
        ) from error
    if not content.strip():
        raise ValueError(f"{path}: the file is empty")
    return content


def _lines(content):
    """(line number from 1, line) of the lines that are not blank.

    Only line feeds end a line: `str.splitlines` would also cut at U+2028 and its like.
    """
    for number, line in enumerate(content.split("\n"), 1):
        if line := line.removesuffix("\r"):
            yield number, line


def _csv_rows(path, content):
    """(number of the first line, list of cells) of each row."""
    old_limit = csv.field_size_limit(sys.maxsize)  # the default refuses texts above 131 072
    try:
        reader = csv.reader(io.StringIO(content, newline=""), strict=True)
        rows, start = [], 1
        for row in reader:
            if row:
                rows.append((start, row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {start}: invalid CSV: {error}") from error
    finally:
        csv.field_size_limit(old_limit)
    return rows


def _table_rows(path, content, wanted, header):
    """(line number, {column: cell}) of each row of a CSV or TSV file."""
    if path.suffix.lower() == ".csv":
        rows = iter(_csv_rows(path, content))
    else:
        rows = ((number, line.split("\t")) for number, line in _lines(content))
    first = next(rows)
    names = first[1] if header else list(range(len(first[1])))
    places = {column: _place(path, names, column, header) for column in wanted}
    for number, row in rows if header else (first, *rows):
        if len(row) != len(names):
            raise ValueError(
                f"{path}, line {number}: expected {len(names)} columns ({_shown(names)}). "
                f"Received: {len(row)}"
            )
        yield number, {column: row[place] for column, place in places.items()}


def _place(path, names, column, header):
    """The index of a column, given by name or by number."""
    if not header and str(column).isdecimal():
        column = int(column)
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise ValueError(f"{path}: column {column!r} is there more than once: {_shown(names)}")
    advice = "" if header else ": without a header, columns are given by number, from 0"
    raise ValueError(
        f"{path}: expected a column {column!r}. Received the columns {_shown(names)}{advice}"
    )


def _shown(names):
    """The names of columns for a message, cut where a text was taken for a header."""
    return ", ".join(str(name)[:40] for name in names[:20])


def _json_rows(path, content, wanted):
    """(line number, object) of each line of a JSON Lines file."""
    for number, line in _lines(content):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: invalid JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: expected a JSON object. Received: {type(row).__name__}"
            )
        for column in wanted:
            if column not in row:
                raise ValueError(
                    f"{path}, line {number}: expected a key {column!r}. "
                    f"Received the keys {_shown(list(row))}"
                )
        yield number, row


def _checked(path, number, column, value, is_label):
    """A cell as str: texts must be strings, labels may be numbers or booleans too."""
    if is_label and (value is None or not str(value).strip()):
        raise ValueError(f"{path}, line {number}: the label in {column!r} is missing")
    if is_label and isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if not isinstance(value, str):
        raise ValueError(
            f"{path}, line {number}: expected a string in {column!r}. "
            f"Received: {type(value).__name__}"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can spell what UTF-8 cannot
        raise ValueError(
            f"{path}, line {number}: {column!r} holds half a character (a lone surrogate, "
            f"{value[error.start]!a})"
        ) from error
    return value


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
    for number, row in enumerate(rows):
        if list(row) != list(rows[0]):
            raise ValueError(
                f"{path}: row {number} must have the keys {list(rows[0])}. Received: {list(row)}"
            )
    with files.new_file(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        _write_rows(file, rows, suffix)


def _write_rows(file, rows, suffix):
    if suffix == ".jsonl":
        file.writelines(_json(row) + "\n" for row in rows)
        return
    table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    if suffix == ".csv":
        csv.writer(file, lineterminator="\n").writerows(table)
    else:
        blanks = str.maketrans("\t\r\n", "   ")
        file.writelines("\t".join(cell.translate(blanks) for cell in row) + "\n" for row in table)


def _json(value):
    # NumPy's scalars and arrays know `tolist`, and that is all we need of them.
    return json.dumps(value, ensure_ascii=False, default=lambda item: item.tolist())


def _cell(value):
    return value if isinstance(value, str) else _json(value)
