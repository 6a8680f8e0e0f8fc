"""Files and folders -> documents: names and texts, to be searched in."""

import os
from pathlib import Path
from typing import NamedTuple

from bert_tf2 import files
from bert_tf2.data import examples, json_lines, text_files
from bert_tf2.messages import shorten

SUFFIXES = (".txt", ".md", ".markdown", ".rst")  # a file is one document
BLANK = b" \t\r\n\v\f\xef\xbb\xbf"  # and the mark of UTF-8


class Documents(NamedTuple):
    """Documents, in the order in which they were found.

    Attributes:
        names: list of str, the file; of a table's row the file and its line, "a.csv:7". Bytes of a
            file's name that are no UTF-8 are escaped, as `\\xe9`.
        texts: list of str.
        blank: how many files and rows without a letter were left out.
        files: list of (path, how many documents are its), in their order; 0 of what has none.
    """

    names: list[str]
    texts: list[str]
    blank: int = 0
    files: list[tuple[Path, int]] = ()


def read_documents(
    paths, text="text", name=None, header=True, delimiter=None, encoding=None, least=1
):
    """Reads the documents of files and folders.

    Args:
        paths: files, of which a CSV, TSV or JSON Lines file has a document a row, and any other is
            one; and folders, in which all files are read that end in .txt, .md, .markdown or .rst,
            in the order of their names, but for what is hidden. What is there twice is read once.
        text: column or key of the text, in tables.
        name: column or key of the name; default: file and line.
        header, delimiter, encoding: as of `data.examples.read_examples`; JSON Lines have no
            delimiter, and that of tables beside them is not theirs.
        least: 1; or 0, where folders may be without documents.

    Returns:
        `Documents`.

    Raises:
        ValueError: no documents, or files that are not as they should be.
        OSError: a file cannot be read.
    """
    names, texts, blank, read, known = [], [], 0, [], set()
    paths = [*map(Path, paths)]
    is_for_tables = any(path.suffix.lower() in (".csv", ".tsv") for path in paths)
    for path in paths:
        first = len(texts)
        if os.path.abspath(path) in known:
            continue
        known.add(os.path.abspath(path))
        if path.suffix.lower() in examples.SUFFIXES and not path.is_dir():
            columns = [text] if name is None else [text, name]
            left_out = is_for_tables and path.suffix.lower() == ".jsonl"
            how = (header, None if left_out else delimiter, encoding)
            for line, row in examples.rows(path, columns, *how):
                found = json_lines.text(f"{path}, line {line}", text, row[text])
                if not found.strip():
                    blank += 1
                    continue
                texts.append(found)
                names.append(_row_name(path, line, name, row))
            read.append((path, len(texts) - first))
            continue
        inside = path.is_dir()
        for file in _inside(path, known) if inside else [path]:
            if inside and _is_blank(file):
                blank += 1
                read.append((file, 0))
                continue
            read.append((file, 1))
            texts.append(text_files.decode(file, encoding))
            names.append(_name(file))
    if len(texts) < least:
        raise no_documents(paths)
    return Documents(names, texts, blank, read)


def no_documents(paths):
    """The ValueError for paths without documents."""
    return ValueError(
        f"Expected documents, files that end in {', '.join(SUFFIXES)} with text in them. "
        f"Received: none in {', '.join(map(str, paths))}"
    )


def _name(path):
    """A path as text: of a name that is no UTF-8 the other bytes become escapes, `caf\\xe9.txt`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _row_name(path, line, column, row):
    if column is None:
        return f"{_name(path)}:{line}"
    if row[column] is None or isinstance(row[column], list | dict) or row[column] == "":
        raise ValueError(
            f"{path}, line {line}: expected a name in {column!r}, text or a number. Received: "
            f"{shorten(row[column])}"
        )
    return json_lines.text(f"{path}, line {line}", column, str(row[column]))


def _is_blank(file):
    files.check_regular(file)
    return not file.read_bytes().strip(BLANK)


def _inside(folder, known):
    """The text files of a folder and of those in it, in the order of their names.

    Args:
        known: set of absolute paths that are left out; what is given joins them.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.abspath(os.path.join(place, name))
            if name[0] == "." or Path(name).suffix.lower() not in SUFFIXES or path in known:
                continue
            known.add(path)
            yield Path(place, name)
