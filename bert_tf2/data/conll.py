"""CoNLL columns: a word a line with its tag, blank lines between sequences.

Tjong Kim Sang & De Meulder 2003. Columns are separated by tabs where a line has some, else by
spaces. A line `-DOCSTART-` ends a sequence, and is none of its words.
"""

import dataclasses
import itertools
import logging
from pathlib import Path

from bert_tf2 import files
from bert_tf2.data import json_lines
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten
from bert_tf2.scoring import entities

LOGGER = logging.getLogger("bert_tf2")
DOCUMENT = "-DOCSTART-"
NO_ENTITIES = (
    "Tags that are no entities, such as parts of speech, are read by `scheme=None` (in a shell: "
    "--scheme=none)"
)


@dataclasses.dataclass(frozen=True)
class TaggedWords:
    """Sequences of words and their tags.

    Attributes:
        words: list of lists of str.
        tags: list of lists of str, as many; or None.
        lines: list of int, where in the file each sequence begins, from 1.
        scheme: the one that the file follows, or nearly; None where it was not asked.
        repaired: the tags that it forbids, read as conlleval reads them.
    """

    words: list[list[str]]
    tags: list[list[str]] | None = None
    lines: list[int] | None = dataclasses.field(default=None, compare=False)
    scheme: str | None = None
    repaired: int = 0

    def __len__(self):
        return len(self.words)


def read_conll(
    path, word=0, tag=-1, scheme="any", strict=False, to="IOB2", comment=None, encoding=None
):
    """Reads words and tags from columns, or from JSON Lines of two lists.

    Args:
        path: a file of columns; or a .jsonl file, with lists of equal lengths.
        word, tag: the columns' numbers, from 0 or, below it, from the end; in JSON Lines the keys,
            by default "words" and "tags". A `tag` of None reads words alone.
        scheme: "IOB1", "IOB2", "BIOES" or "BILOU"; "any" is that of them which forbids the fewest
            tags of the file. None keeps tags that are no entities, such as parts of speech.
        strict: refuse a tag that the scheme forbids. Else such a sequence is read as conlleval
            reads it, and how many there are is logged.
        to: the scheme in which the tags are given.
        comment: what begins a line that is no word, such as "#"; None for no such lines.
        encoding: see `read_examples`.

    Returns:
        `TaggedWords`, with one sequence at least.

    Raises:
        ValueError: with file and line: no words, a line with another number of columns, a tag that
            is none, or, if `strict`, one out of place.
        OSError: the file cannot be read.
    """
    places, words, tags = map(
        list, zip(*sequences(path, word, tag, comment, encoding), strict=True)
    )
    lines = [place(0) for place in places]
    if tag is None:
        return TaggedWords(words, None, lines)
    if scheme is None:
        return TaggedWords(words, tags, lines)
    scheme, wrong = _checked(path, places, tags, scheme, strict)
    tags = [entities.convert(row, scheme, to) for row in tags]
    return TaggedWords(words, tags, lines, scheme, wrong)


# === Files ========================================================================================


def sequences(path, word=0, tag=None, comment=None, encoding=None):
    """Each sequence of a file in turn: a function of an index to its line, words, and tags or None.

    Arguments and errors are those of `read_conll`.
    """
    path = Path(path)
    content = TextFile(path, encoding)
    if path.suffix.lower() == ".jsonl":
        found = _of_json(path, content, word or "words", "tags" if tag == -1 else tag)
    else:
        found = _of_columns(path, content, word, tag, comment)
    none = True
    for row in found:
        none = False
        yield row
    if none:
        raise ValueError(f"{path}: expected words. Received: none")


def _of_columns(path, content, word, tag, comment):
    """(a function of an index to its line, words, tags) of each sequence."""
    rows, width, first = [], None, None
    for number, line in enumerate(itertools.chain(content, [""]), 1):
        line = line.removesuffix("\r")
        cells = line.split("\t") if "\t" in line else line.split(" ")
        cells = [cell for cell in cells if cell]
        if comment is not None and line.startswith(comment):
            continue
        if cells and cells[0] != DOCUMENT:
            width, first = width or len(cells), first or (number, line)
            _check_width(f"{path}, line {number}", cells, width, first, word, tag)
            rows.append((number, cells[word], None if tag is None else cells[tag]))
        elif rows:
            numbers, words, tags = map(list, zip(*rows, strict=True))
            yield numbers.__getitem__, words, tags
            rows = []


def _check_width(where, cells, width, first, *columns):
    if len(cells) != width:
        odd = any(text.startswith("#") for text in (first[1], cells[0]))
        hint = ". Lines that begin with # are left out by `comment` (in a shell: --comment='#')"
        raise ValueError(
            f"{where}: expected {width} columns, as in line {first[0]}, separated by tabs or by "
            f"spaces. Received: {len(cells)}, {shorten(cells)}{hint if odd else ''}"
        )
    for column in columns:
        if column is not None and not -width <= column < width:
            raise ValueError(
                f"{where}: expected a column {column}, from 0 or, below, from the end. Received: "
                f"{width} columns, {shorten(cells)}"
            )


def _of_json(path, content, words_key, tags_key):
    keys = [key for key in (words_key, tags_key) if key is not None]
    for number, row in json_lines.rows(path, content, keys):
        where = f"{path}, line {number}"
        for key in keys:
            if not isinstance(row[key], list) or not row[words_key]:
                raise ValueError(
                    f"{where}: expected a list of words or tags in {key!r}. Received: "
                    f"{shorten(row[key])}"
                )
        sides = [[json_lines.text(where, key, x) for x in row[key]] for key in keys]
        if len(sides[0]) != len(sides[-1]):
            raise ValueError(
                f"{where}: expected a tag for each word. Received: {len(sides[0])} words and "
                f"{len(sides[-1])} tags"
            )
        yield (lambda index, number=number: number), sides[0], sides[-1]


# === Schemes ======================================================================================


def _checked(path, places, tags, scheme, strict):
    """The scheme's name, and how many tags it forbids, which is said or refused."""
    names = entities.SCHEMES if scheme == "any" else [scheme]
    found, errors = {}, {}
    for name in names:
        try:
            found[name] = _forbidden(path, places, tags, name)
        except ValueError as error:
            errors[name] = error
    if not found:
        raise ValueError(f"{errors[next(iter(errors))]}. {NO_ENTITIES}")
    scheme = min(found, key=lambda name: len(found[name]))
    if wrong := found[scheme]:
        row, index = wrong[0]
        around = shorten(" ".join(tags[row][max(index - 1, 0) : index + 2]))
        said = (
            f"{path}, line {places[row](index)}: {scheme} does not allow "
            f"{shorten(tags[row][index], 40)} in {around}"
        )
        if strict:
            raise ValueError(f"{said}. Mend it, or read it as conlleval does (`strict=False`)")
        LOGGER.warning(
            "%s; %d such tags in %d sequences are read as conlleval reads them",
            said,
            len(wrong),
            len({row for row, _ in wrong}),
        )
    return scheme, len(wrong)


def _forbidden(path, places, tags, scheme):
    """(sequence, index) of each tag that a scheme forbids."""
    found = []
    for row, sequence in enumerate(tags):
        try:
            found += [(row, index) for index in entities.check(sequence, scheme)]
        except ValueError as error:
            raise ValueError(f"{path}, sequence at line {places[row](0)}: {error}") from error
    return found


# === Writing ======================================================================================


def check_cells(where, cells):
    """Raises a ValueError, which begins with `where`, for a word or tag that no column can hold."""
    for cell in cells:
        if not cell or set(cell) & set("\t\r\n"):
            raise ValueError(
                f"{where}: expected words and tags without tabs and line ends, not empty. "
                f"Received: {shorten(cell)}"
            )


def write_conll(path, words, *tags, overwrite=False):
    """Writes words and columns of tags, as conlleval reads them: word, gold tag, predicted tag.

    Columns are separated by a space, or by tabs if a word has a space.

    Args:
        path: a file; its folder is created if need be.
        words: list of lists of str.
        tags: one or more of the same lengths.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        ValueError: lengths that differ, or a cell that is empty or holds a tab or a line's end.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: give another name or ask to overwrite it")
    blocks = []
    for number, row in enumerate(zip(words, *tags, strict=True)):
        if len(set(map(len, row))) != 1:
            raise ValueError(
                f"{path}: expected a tag for each word of sequence {number}. Received: "
                f"{', '.join(str(len(column)) for column in row)}"
            )
        blocks.append(list(zip(*row, strict=True)))
    cells = {cell for block in blocks for line in block for cell in line}
    check_cells(path, cells)
    separator = "\t" if any(" " in cell for cell in cells) else " "
    text = "\n".join("".join(separator.join(row) + "\n" for row in block) for block in blocks)
    files.write_file(path, text)
