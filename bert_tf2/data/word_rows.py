"""Files of words and their tags, a sequence after another: columns, CoNLL-U among them, JSON Lines.

Columns are separated by tabs where a line has some, else by spaces; blank lines, and lines of
`DOCUMENT`, stand between sequences.
"""

import itertools
import logging
import re
from pathlib import Path

from bert_tf2.data import json_lines, tables
from bert_tf2.data.class_names import some
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

LOGGER = logging.getLogger("bert_tf2")
DOCUMENT = "-DOCSTART-"
WORDS, TAGS = ("words", "tokens"), ("tags", "ner_tags")  # keys of JSON Lines, where none is given
OTHERS = {  # files that have words, and not in columns
    ".csv": "Columns of words are separated by tabs or spaces, with a blank line between sequences",
    ".json": "JSON with a sequence a line is called .jsonl",
}
# CoNLL-U (universaldependencies.org/format): its columns FORM and UPOS, its comments, and the
# numbers of lines that are no words: of several words as they are spelt, 1-2, and of none, 8.1.
CONLL_U, FORM, UPOS, COMMENT, WIDTH = ".conllu", 1, 3, "#", 10
NO_WORD = re.compile(r"\d+[-.]\d+", re.ASCII)


def sequences(path, word=None, tag=None, comment=None, encoding=None, names=None):
    """Each sequence of a file in turn: a function of an index to its line, words, and tags or None.

    Arguments and errors are those of `read_conll`.
    """
    path = Path(path)
    content, suffix = TextFile(path, encoding), path.suffix.lower()
    if suffix in OTHERS:
        raise ValueError(
            f"{path}: expected columns of words and tags, or .jsonl with a list of each. "
            f"{OTHERS[suffix]}. Received: a {suffix} file"
        )
    if suffix == ".jsonl":
        found = _of_json(path, content, word or None, tag, names)
    else:
        if suffix == CONLL_U:
            word, tag, comment = word or FORM, UPOS if tag == -1 else tag, comment or COMMENT
        found = _of_columns(path, content, word or 0, tag, comment)
    none = True
    for row in found:
        none = False
        yield row
    if none:
        raise ValueError(f"{path}: expected words. Received: none")


# === Columns ======================================================================================


def _of_columns(path, content, word, tag, comment):
    """(a function of an index to its line, words, tags) of each sequence."""
    rows, width, first, left_out = [], None, None, {}
    for number, line in enumerate(itertools.chain(content, [""]), 1):
        line = line.removesuffix("\r")
        cells = [cell for cell in line.split("\t" if "\t" in line else " ") if cell]
        if comment is not None and line.startswith(comment):
            left_out.setdefault(("\t" in line, len(cells)), [number, 0])[1] += 1
            continue
        if len(cells) == WIDTH and "\t" in line and word and NO_WORD.fullmatch(cells[0]):
            continue
        if cells and cells[0] != DOCUMENT:
            width, first = width or len(cells), first or (number, line)
            _check_width(f"{path}, line {number}", cells, width, first, word, tag)
            rows.append((number, cells[word], None if tag is None else cells[tag]))
        elif rows:
            numbers, words, tags = map(list, zip(*rows, strict=True))
            yield numbers.__getitem__, words, tags
            rows = []
    if first and (alike := left_out.get(("\t" in first[1], width))):
        LOGGER.warning(
            "%s, line %d: begins with %r and is left out, though it has as many columns as a line "
            "of a word; %d such lines (without `comment`, in a shell --comment, they are words)",
            path,
            alike[0],
            comment,
            alike[1],
        )


def _check_width(where, cells, width, first, word, tag):
    if len(cells) != width:
        odd = any(text.startswith("#") for text in (first[1], cells[0]))
        hint = ". Lines that begin with # are left out by `comment` (in a shell: --comment='#')"
        raise ValueError(
            f"{where}: expected {width} columns, as in line {first[0]}, separated by tabs or by "
            f"spaces. Received: {len(cells)}, {shorten(cells)}{hint if odd else ''}"
        )
    for column in (word, tag):
        if column is not None and not isinstance(column, int):
            raise ValueError(
                f"{where}: columns are named by their numbers, from 0 or, below, from the end. "
                f"Received: {shorten(column)}"
            )
        if column is not None and not -width <= column < width:
            raise ValueError(
                f"{where}: expected a column {column}, from 0 or, below, from the end. Received: "
                f"{width} columns, {shorten(cells)}"
            )
    if tag is not None and word % width == tag % width:
        raise ValueError(
            f"{where}: expected a word and its tag in two columns, separated by a tab or by "
            f"spaces. Received: one column for both, {shorten(cells[word])}"
        )


# === JSON Lines ===================================================================================


def _of_json(path, content, words_key, tags_key, names):
    for number, row in json_lines.rows(path, content):
        where = f"{path}, line {number}"
        keys = [_key(where, row, words_key, WORDS)]
        if tags_key is not None:
            keys.append(_key(where, row, None if tags_key == -1 else tags_key, TAGS))
        for key in keys:
            if not isinstance(row[key], list) or not row[keys[0]]:
                raise ValueError(
                    f"{where}: expected a list of words or tags in {key!r}. Received: "
                    f"{shorten(row[key])}"
                )
        words = [json_lines.text(where, keys[0], x) for x in row[keys[0]]]
        tags = [_tag(where, keys[-1], x, names) for x in row[keys[-1]]] if keys[1:] else words
        if len(words) != len(tags):
            raise ValueError(
                f"{where}: expected a tag for each word. Received: {len(words)} words and "
                f"{len(tags)} tags"
            )
        yield (lambda index, number=number: number), words, tags


def _key(where, row, given, usual):
    """The key that is given, or the one of the usual ones that a row has."""
    found = [key for key in (usual if given is None else (given,)) if key in row]
    if not found:
        wanted = f"a key {' or '.join(map(repr, usual))}" if given is None else f"a key {given!r}"
        raise ValueError(f"{where}: expected {wanted}. Received the keys {tables.shown(row)}")
    return found[0]


def _tag(where, key, value, names):
    """A tag, or the name that a number stands for, where names are known."""
    if isinstance(value, str | bool) or not isinstance(value, int):
        return json_lines.text(where, key, value)
    if names is None:
        raise ValueError(
            f"{where}: expected a string in {key!r}. Received: the number {value}, which has no "
            "name in the file: give the names in order, `names` (to train in a shell: --labels)"
        )
    if not 0 <= value < len(names):
        raise ValueError(
            f"{where}: expected a number of {len(names)} names, {some(names)}, from 0. Received: "
            f"{value} in {key!r}"
        )
    return names[value]
