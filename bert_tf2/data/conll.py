"""CoNLL columns: a word a line with its tag, blank lines between sequences.

Tjong Kim Sang & De Meulder 2003. Columns are separated by tabs where a line has some, else by
spaces. A line `-DOCSTART-` ends a sequence, and is none of its words. Of CoNLL-U, its words.
"""

import dataclasses
import logging
from pathlib import Path

from bert_tf2 import files
from bert_tf2.data.word_rows import sequences
from bert_tf2.messages import shorten
from bert_tf2.scoring import entities

LOGGER = logging.getLogger("bert_tf2")
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
    path,
    word=0,
    tag=-1,
    scheme="any",
    strict=False,
    to="IOB2",
    comment=None,
    encoding=None,
    names=None,
):
    """Reads words and tags from columns, or from JSON Lines of two lists.

    Args:
        path: a file of columns; or a .jsonl file, with lists of equal lengths. Of .conllu files the
            defaults are the columns 1 and 3, FORM and UPOS, and the comments #; lines of several
            words as they are spelt (1-2), and of none (8.1), are left out.
        word, tag: the columns' numbers, from 0 or, below it, from the end; in JSON Lines the keys,
            by default "words" or "tokens", "tags" or "ner_tags". A `tag` of None reads words alone.
        scheme: "IOB1", "IOB2", "BIOES" or "BILOU"; "any" is that of them which forbids the fewest
            tags of the file. None keeps tags that are no entities, such as parts of speech.
        strict: refuse a tag that the scheme forbids. Else such a sequence is read as conlleval
            reads it, and how many there are is logged.
        to: the scheme in which the tags are given.
        comment: what begins a line that is no word, such as "#"; None for no such lines.
        encoding: see `read_examples`.
        names: of the tags, where a .jsonl file has their numbers, from 0.

    Returns:
        `TaggedWords`, with one sequence at least.

    Raises:
        ValueError: with file and line: no words, a line with another number of columns, a word and
            a tag in one column, a .csv file, a tag that is none, numbers without names, or, if
            `strict`, a tag out of place.
        OSError: the file cannot be read.
    """
    places, words, tags = map(
        list, zip(*sequences(path, word, tag, comment, encoding, names), strict=True)
    )
    lines = [place(0) for place in places]
    if tag is None:
        return TaggedWords(words, None, lines)
    if scheme is None:
        return TaggedWords(words, tags, lines)
    scheme, wrong = _checked(path, places, tags, scheme, strict)
    tags = [entities.convert(row, scheme, to) for row in tags]
    return TaggedWords(words, tags, lines, scheme, wrong)


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
