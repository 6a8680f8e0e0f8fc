"""The text of a CSV or TSV file -> rows.

* `.csv`: quoted as in RFC 4180, and so is a `.tsv` that is separated by anything but tabs.
* `.tsv`: no quoting, a tab always ends a field: the way GLUE's files are written.

Nothing is guessed that could be read in two ways: another delimiter is told by a header that has
the columns asked for with that one alone.

Content is a str, or a `TextFile`, of which a line is in memory at a time.
"""

import contextlib
import csv
import io
import itertools
import sys

CHOOSE = {  # by whether there is a header
    True: ": say which it is (in a shell: --text_column, --label_column)",
    False: ": without a header, columns are given by number, from 0",
}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def lines(content, first=1):
    """(line number from `first`, line) of the lines that are not blank."""
    for number, line in enumerate(split(content), first):
        if line := line.removesuffix("\r"):
            yield number, line


def split(content):
    """All lines of a content, without the line feeds that end them."""
    return content.split("\n") if isinstance(content, str) else content


def rows(path, content, wanted, header=True, delimiter=None, left_out=None, chosen=True):
    """(line number, {column: cell}) of each row.

    Args:
        path: of the file, whose suffix says whether cells are quoted.
        content: its text, see above.
        wanted: the columns to read, by name or, without a header, by number.
        header: whether the first row names the columns.
        delimiter: see `read_examples`.
        left_out: a list that takes what is wrong with each row of too few or too many columns;
            None raises it, as a ValueError.
        chosen: whether the columns are a user's choice, and not those of a known form of files.
    """
    quoted = path.suffix.lower() == ".csv"
    usual = "," if quoted else "\t"
    if delimiter is None:
        delimiter = _sniffed(content, wanted, usual, quoted) if header else usual
    else:
        delimiter = _checked_delimiter(delimiter)
    quoted = quoted or delimiter != usual
    found = _cells(path, content, delimiter, quoted)
    first = next(found)
    names = first[1] if header else list(range(len(first[1])))
    advice = _advice(content, delimiter, quoted, names)
    advice = advice or (CHOOSE[bool(header)] if chosen else "")
    places = {column: _place(path, names, column, header, advice) for column in wanted}
    for number, row in found if header else itertools.chain([first], found):
        if len(row) != len(names):
            quotes = ": is a text that has one not in quotes?" if quoted else ""
            if not quoted and row[0].startswith('"'):
                quotes = f": quotes are for files that end in .csv, with `delimiter`={delimiter!r}"
            wrong = (
                f"{path}, line {number}: expected {len(names)} columns ({shown(names)}) "
                f"separated by {delimiter!r}. Received: {len(row)}{quotes}"
            )
            if left_out is None:
                raise ValueError(wrong)
            left_out.append(wrong)
            continue
        yield number, {column: row[place] for column, place in places.items()}


def _cells(path, content, delimiter, quoted):
    """(number of the first line, list of cells) of each row."""
    if quoted:
        return _csv_rows(path, content, delimiter)
    return ((number, line.split(delimiter)) for number, line in lines(content))


def _csv_rows(path, content, delimiter):
    reader = csv.reader(_ended(content), delimiter=delimiter, strict=True)
    start = 1
    while True:
        try:
            with _any_length():
                row = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"{path}, line {start}: invalid CSV: {error}") from error
        if row is None:
            return
        if row:
            yield start, row
        start = reader.line_num + 1


def _ended(content):
    """Lines with what ends them, which may be a lone carriage return, too."""
    for line in split(content):
        yield from io.StringIO(line + "\n", newline="") if "\r" in line else (line + "\n",)


@contextlib.contextmanager
def _any_length():
    """Has the module csv take cells of any length: it refuses texts above 131 072."""
    usual = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def separator(given):
    """What stands between the labels of a cell: a str as it is, but "tab".

    Raises:
        ValueError: nothing, or no str.
    """
    if not isinstance(given, str) or not given or given in "\r\n":
        raise ValueError(
            "`separator` must be what stands between the labels of a cell, such as ';', or "
            f'"tab". Received: {given!r}'
        )
    return "\t" if given in ("tab", r"\t") else given


def _checked_delimiter(delimiter):
    named = {name: char for char, name in DELIMITERS.items()} | {r"\t": "\t"}
    char = named.get(delimiter, delimiter)
    if not isinstance(char, str) or len(char) != 1 or char.isalnum() or char in '"\r\n\0':
        raise ValueError(
            f"`delimiter` must be one character, such as ';', or \"tab\". Received: {delimiter!r}"
        )
    return char


def _first_rows(content, quoted):
    """{delimiter: the cells of the first line by it}, of the usual ones."""
    line = next(lines(content))[1]
    found = {}
    for delimiter in DELIMITERS:
        with contextlib.suppress(csv.Error):
            found[delimiter] = (
                next(csv.reader([line], delimiter=delimiter)) if quoted else line.split(delimiter)
            )
    return found


def _sniffed(content, wanted, usual, quoted):
    """The usual delimiter, unless the header has the columns with another one alone."""
    fit = [
        delimiter
        for delimiter, names in _first_rows(content, quoted).items()
        if all(names.count(column) == 1 for column in wanted)
    ]
    return fit[0] if len(fit) == 1 else usual  # a lone column is there with any


def _advice(content, delimiter, quoted, names):
    """What a file with one column probably is."""
    if len(names) > 1:
        return ""
    counts = {char: len(row) for char, row in _first_rows(content, quoted).items()}
    likely = max(counts, key=counts.get, default=delimiter)
    if counts.get(likely, 1) == 1 or likely == delimiter:
        return ""
    return f": is it separated by {likely!r}? Then give `delimiter`"


def _place(path, names, column, header, advice):
    """The index of a column, given by name or by number."""
    if not header and str(column).isdecimal():
        column = int(column)
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise ValueError(f"{path}: column {column!r} is there more than once: {shown(names)}")
    raise ValueError(
        f"{path}: expected a column {column!r}. Received the columns {shown(names)}{advice}"
    )


def shown(names):
    """The names of columns for a message, cut where a text was taken for a header."""
    return ", ".join(str(name)[:40] for name in list(names)[:8])
