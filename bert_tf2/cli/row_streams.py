"""Files -> rows to be answered, one after another: any number of them, in bounded memory.

A stream takes flags and a path, and yields of each row a dict of the columns that its task reads. A
line is in memory at a time, of CSV, TSV, JSON Lines, plain text and CoNLL's columns; SQuAD's and
RACE's JSON and files of GLUE are read whole.
"""

import dataclasses
import itertools
from pathlib import Path

from bert_tf2.cli import rows
from bert_tf2.cli.column_flags import check_table, check_used, delimiter_of
from bert_tf2.data import examples, json_lines, tables
from bert_tf2.data.text_files import TextFile


def texts(flags, path):
    """Texts or pairs, see `rows.texts`."""
    if "glue" in flags and flags.glue:
        found = rows.texts(None)(flags, path, False)
        yield from (dict(zip(found.columns, row, strict=True)) for row in found)
    elif str(path).lower().endswith(".txt"):
        check_used(flags, path, "lines of text")
        lines = tables.lines(TextFile(path, flags.encoding))
        yield from ({"text": line} for _, line in lines if line.strip())
    else:
        check_table(flags, path)
        sides = {"text": flags.text_column, "text_pair": flags.text_pair_column}
        sides = {name: column for name, column in sides.items() if column is not None}
        how = (flags.header, delimiter_of(flags, path), flags.encoding)
        for number, row in examples.rows(path, [*sides.values()], *how):
            where = f"{path}, line {number}"
            yield {n: json_lines.text(where, column, row[column]) for n, column in sides.items()}


def questions(flags, path):
    """Questions and their contexts, see `rows.questions`."""
    from bert_tf2.data.squad import each

    check_used(flags, path, "questions")
    for _, _, question, context in each(path, encoding=flags.encoding):
        yield {"question": question, "context": context}


def choices(flags, path):
    """Texts with choices, see `rows.choices`."""
    from bert_tf2.data.choices import check_count, each

    check_used(flags, path, "choices")
    count = None
    for context, options, _, where in each(path, False, flags.encoding):
        count = count or len(options)
        check_count(where, options, count)
        yield {"text": context, "choices": options}


def beside(stream, flags, path, names):
    """The rows of a stream, each with further columns of its file, of these names."""
    if not names:
        return stream
    return (row | more for row, more in zip(stream, _cells(flags, path, names), strict=True))


def read_beside(found, flags, path, names):
    """`Rows` of a file with further columns of it, of these names."""
    more = list(_cells(flags, path, names)) if names else []
    if names and len(more) != len(found):
        raise ValueError(f"{path}: expected {len(found)} rows with {names}. Received: {len(more)}")
    columns = {name: [row[name] for row in more] for name in names}
    return dataclasses.replace(found, columns=found.columns | columns)


def _cells(flags, path, names):
    """{column: text} of each row."""
    try:
        for number, row in examples.rows(
            path, names, flags.header, flags.delimiter, flags.encoding
        ):
            where = f"{path}, line {number}"
            yield {name: json_lines.text(where, name, row[name]) for name in names}
    except ValueError as error:
        raise ValueError(
            f"{error}. {' and '.join(f'--{n}' for n in names)} is of all rows"
        ) from error


KINDS = {"words": "texts", "question": "questions", "choices": "texts with choices"}


def counted(stream):
    """Reads all rows once, so that what is wrong with one is said before any work.

    Returns:
        their number, and what they are, for people.
    """
    first = next(stream)
    kinds = KINDS | {"text_pair": "pairs"}
    kind = next((kinds[name] for name in first if name in kinds), "texts")
    return 1 + sum(1 for _ in stream), kind


def windows(stream, size):
    """`size` rows after another as `Rows`; the last may be fewer."""
    while some := list(itertools.islice(stream, size)):
        columns = {name: [row[name] for row in some] for name in some[0]}
        yield rows.Rows(columns, None, "")


def files_of(path):
    """The files of an input: itself, or all in a folder, in order."""
    path = Path(path)
    return sorted(x for x in path.rglob("*") if x.is_file()) if path.is_dir() else [path]
