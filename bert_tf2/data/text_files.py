"""The text of a file, a piece at a time: how it is encoded, and what its lines are.

An encoding is told by a byte order mark, or given; nothing is guessed.
"""

import codecs
import io
import sys

from bert_tf2 import files

MARKS = {  # the longer first: UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WITH_MARK = ("utf-16", "utf-32")  # which Python reads in pieces only where the mark is there
PIECE = 1 << 18  # bytes that are held at a time


class TextFile:
    """A file's lines, without what ends them and without a byte order mark, as often as asked.

    Only line feeds end a line: `str.splitlines` would also cut at U+2028 and its like. One line,
    and `PIECE` bytes, are in memory at a time.

    Args:
        path: of a regular file. encoding: Python's name; None for UTF-8 or what a mark says.

    Raises:
        ValueError: while it is read: bytes that are not in this encoding, with their line; no such
            encoding; nothing but white space in all of it.
        OSError: it cannot be read.
    """

    def __init__(self, path, encoding=None):
        self.path, self.encoding = path, encoding

    def __iter__(self):
        rest = ""
        for piece in self.pieces():
            *whole, rest = (rest + piece).split("\n")
            yield from whole
        yield rest

    def pieces(self):
        """Its text, a str of about `PIECE` characters after another."""
        with files.open_bytes(self.path, at_most=None) as file:
            name = self._encoding(file.peek(4)[:4])
            decoder, before, blank = codecs.getincrementaldecoder(name)(), 0, True
            while True:
                data = file.read(PIECE)
                text = self._decoded(decoder, data, before, name)
                if not before and text:
                    text = text.removeprefix("\ufeff")
                before += data.count(b"\n")
                blank = blank and not text.strip()
                yield text
                if not data:
                    break
        if blank:
            raise ValueError(f"{self.path}: the file is empty")

    def _encoding(self, head):
        marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
        name = self.encoding or marked or "utf-8-sig"
        try:
            io.TextIOWrapper(io.BytesIO(), name)  # which takes encodings of text alone
        except LookupError as error:
            raise ValueError(
                f"`encoding` must be one that Python knows, such as utf-8, utf-16 or cp1252. "
                f"Received: {self.encoding!r}"
            ) from error
        name = codecs.lookup(name).name
        return f"{name}-{sys.byteorder[0]}e" if name in WITH_MARK and not marked else name

    def _decoded(self, decoder, data, before, name):
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as error:
            seen = getattr(error, "object", data)
            what = {"utf-8-sig": "UTF-8"}.get(name, self.encoding or name)
            raise invalid(self.path, before + 1, what, seen, error) from error
        check_not_wide(self.path, text)
        return text


def is_marked(path):
    """Whether a file begins with a byte order mark of UTF-16 or UTF-32."""
    with files.open_bytes(path, at_most=None) as file:
        return file.peek(4).startswith(tuple(MARKS))


def invalid(path, line, encoding, data, error):
    """The ValueError for bytes that begin in a line and are not in an encoding."""
    start = getattr(error, "start", 0)
    line += data.count(b"\n", 0, start)
    return ValueError(
        f"{path}, line {line}: invalid {encoding} (byte 0x{data[start]:02x}): save the file as "
        "UTF-8, or give its `encoding` (from Windows often cp1252)"
    )


def check_not_wide(where, text):
    """Raises ValueError for text in which so many characters are 0 that it was UTF-16."""
    if text.count("\0") > len(text) // 4:
        raise ValueError(
            f"{where}: expected UTF-8. Received every other byte as 0, as UTF-16 has it without a "
            "byte order mark: give `encoding` as utf-16-le or utf-16-be"
        )


def decode(path, encoding=None):
    """All of a file's text; arguments and errors as of `TextFile`."""
    return "".join(TextFile(path, encoding).pieces())
