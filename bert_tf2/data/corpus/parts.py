"""Files and folders of text -> parts of a few megabytes, each read by itself.

A plan of parts holds places in files and no text, so that any process, on any machine that sees the
files, reads the part it is given; and no more than a part is ever in memory.
"""

import codecs
import glob
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from bert_tf2 import files
from bert_tf2.data import json_lines
from bert_tf2.data.documents import SUFFIXES as TEXT_SUFFIXES
from bert_tf2.data.text_files import MARKS, check_not_wide, invalid

PART_BYTES = 4 << 20
LINE_BYTES = 16 << 20  # the most that a line may have
LONGEST = 4  # a document of more parts than these is cut at the end of a line
SUFFIXES = (*TEXT_SUFFIXES, ".jsonl")  # what is read in folders
_WIDE = ("utf-16", "utf-32", "utf_16", "utf_32", "utf16", "utf32")  # line ends are no single byte


class Block(NamedTuple):
    """Lines of one file.

    Attributes:
        path: of the file. start: the first byte. size: how many. line: the first line's number.
        continues: whether it begins within a document, the one that the block before ends with.
    """

    path: str
    start: int
    size: int
    line: int
    continues: bool = False


class Part(NamedTuple):
    """A part of a corpus: its number from 0, and its blocks in order."""

    number: int
    blocks: tuple[Block, ...]

    @property
    def size(self):
        """int, bytes."""
        return sum(block.size for block in self.blocks)


class Corpus(NamedTuple):
    """What is read, and how.

    Attributes:
        paths: files, patterns and folders, in order. A file that ends in .jsonl has a document a
            line, an object; any other a sentence a line, and a blank line between documents.
        text: key of the text in JSON Lines: a string, a sentence a line, or a list of sentences.
        encoding: Python's name of it. None: UTF-8, or what a byte order mark says.
        whole_files: each text file is one document, blank lines or not.
        part_bytes: how much is read at once.
        line_bytes: the most that one line may have.
    """

    paths: tuple[str, ...]
    text: str = "text"
    encoding: str | None = None
    whole_files: bool = False
    part_bytes: int = PART_BYTES
    line_bytes: int = LINE_BYTES

    def files(self):
        """list of str, the files that the paths name, in order.

        Raises:
            FileNotFoundError: a path names nothing.
            FileError: a folder, FIFO or device in the place of a file.
        """
        found = []
        for path in map(os.fspath, self.paths):
            if os.path.isdir(path):
                there = list(_inside(path))
            else:
                there = sorted(glob.glob(path)) or [path]
            if not there:
                raise FileNotFoundError(
                    f"Expected files that end in {', '.join(SUFFIXES)} in {path}. Received: none"
                )
            found += there
        for path in found:
            files.check_regular(path)
        return found


def _inside(folder):
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield os.path.join(place, name)


# === Planning =====================================================================================


def plan(corpus, seen=None):
    """Yields the `Part`s of a `Corpus`, whose files it goes through once.

    Args:
        corpus: a `Corpus`.
        seen: dict that takes what was read: path -> {"bytes": int, "sha256": str}.

    Raises:
        ValueError: a line that is too long, by file and number; an unknown encoding.
        OSError: a file cannot be read.
    """
    if corpus.encoding:
        _check_encoding(corpus.encoding)
    number, held = 0, None
    for blocks in _cut(corpus, {} if seen is None else seen):
        if held is not None:
            yield Part(number, held)
            number += 1
        held = blocks
    if held is not None:
        yield Part(number, held)


def _cut(corpus, seen):
    """Blocks enough for a part, again and again; the last of them may be half as large more."""
    blocks, held, size = [], None, 0
    for block, may_end in _blocks(corpus, seen):
        blocks.append(block)
        size += block.size
        if size >= corpus.part_bytes and (may_end or size >= LONGEST * corpus.part_bytes):
            if held:
                yield held
            held, blocks, size = tuple(blocks), [], 0
    if blocks and held and size < corpus.part_bytes // 2:
        held, blocks = held + tuple(blocks), []
    yield from (found for found in (held, tuple(blocks)) if found)


def _blocks(corpus, seen):
    """(Block, whether a document ends with it), each of a part's size or what a file has left."""
    for path in corpus.files():
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            mark = file.read(4)
            wide = (corpus.encoding or _marked(mark) or "").lower().startswith(_WIDE)
            file.seek(0)
            if wide:
                size = files.check_regular(path, at_most=files.LARGE)
                digest.update(file.read())
                yield Block(path, 0, size, 1), True
            else:
                yield from _line_blocks(corpus, path, file, digest)
            seen[path] = {"bytes": file.tell(), "sha256": digest.hexdigest()}


def _line_blocks(corpus, path, file, digest):
    rows = Path(path).suffix.lower() == ".jsonl"
    start, first, at, number, continues = 0, 1, 0, 0, False
    while line := file.readline(corpus.line_bytes + 1):
        number += 1
        if len(line) > corpus.line_bytes:
            raise ValueError(
                f"{path}, line {number}: expected at most {corpus.line_bytes:,} bytes in a line. "
                "Received: more. Is it text, with a sentence a line? Else give `line_bytes`"
            )
        digest.update(line)
        at += len(line)
        enough = at - start >= corpus.part_bytes
        blank = not corpus.whole_files and not line.strip()
        ends = rows or blank
        if blank and at - len(line) == start:  # right after the cut, which was no cut then
            continues = False
        if (enough and ends) or at - start >= LONGEST * corpus.part_bytes:
            yield Block(path, start, at - start, first, continues), ends
            start, first, continues = at, number + 1, not ends
    if at > start:
        yield Block(path, start, at - start, first, continues), True


def _marked(begin):
    return next((name for mark, name in MARKS.items() if begin.startswith(mark)), None)


def _check_encoding(name):
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError(
            "`encoding` must be one that Python knows, such as utf-8, utf-16 or cp1252. "
            f"Received: {name!r}"
        ) from error


# === Reading ======================================================================================


def read(part, corpus):
    """The documents of a part.

    Returns:
        list of lists of str: the sentences of each document, none of them blank; and int, how many
        documents without a sentence were left out.

    Raises:
        ValueError: by file and line: bytes that are not in the encoding, invalid JSON, no text.
        OSError: a file cannot be read, or has changed since it was planned.
    """
    found, blank = [], 0
    for block in part.blocks:
        rows = Path(block.path).suffix.lower() == ".jsonl"
        content = decoded(block, corpus)
        documents = _objects(block, content, corpus) if rows else _texts(content, corpus)
        goes_on = block.continues and block is not part.blocks[0]
        for document in documents:
            sentences = [line for line in map(str.strip, document) if line]
            if goes_on and found:
                found[-1] += sentences
            elif sentences:
                found.append(sentences)
            blank += not sentences
            goes_on = False
    return found, blank


def decoded(block, corpus):
    """The text of a block."""
    with open(block.path, "rb") as file:
        file.seek(block.start)
        data = file.read(block.size)
    if len(data) != block.size:
        raise OSError(f"{block.path} has become shorter since it was planned: begin anew")
    mark = _marked(data[:4]) if block.start == 0 else None
    encoding = corpus.encoding or mark or "utf-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff" if block.start == 0 else "")
    except UnicodeError as error:
        raise invalid(block.path, block.line, encoding.upper(), data, error) from error
    check_not_wide(f"{block.path}, line {block.line}", text)
    return text


def _texts(content, corpus):
    """Documents as lists of lines: a blank line ends one, or the block does."""
    lines = content.split("\n")
    if corpus.whole_files:
        return [lines] if any(map(str.strip, lines)) else []
    found = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return found if found[-1] else found[:-1]


def _objects(block, content, corpus):
    """Documents as lists of lines, of a block of JSON Lines."""
    for number, row in json_lines.rows(block.path, content, (corpus.text,), block.line):
        value = row[corpus.text]
        where = f"{block.path}, line {number}"
        told = value if isinstance(value, list) else [value]
        texts = [json_lines.text(where, corpus.text, text) for text in told]
        yield [line for text in texts for line in text.split("\n")]
