"""The vocabulary file of a WordPiece model: one piece a line, its id is the line's number."""

from pathlib import Path

from bert_tf2.files import read_bytes

# Every model input needs these; [MASK] is only needed by masked language models.
REQUIRED = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_BOM = "\ufeff".encode()  # some editors put it before the text


class Vocabulary:
    """Pieces by id and ids by piece, read as google-research/bert `load_vocab` reads them.

    Lines end at "\\n" only (Chinese vocabularies hold U+2028 on a line of its own), white space
    around a piece is dropped, an empty line keeps its id, and of two equal pieces the later one
    has the id.

    Args:
        content: bytes of the file.
        required: the pieces that must be there.

    Attributes:
        content: those bytes, so that a copy of the file is the file; less a byte order mark.
        pieces: list of str, by id.
        ids: dict from piece to id.

    Raises:
        ValueError: not UTF-8, a required piece is missing, or all pieces are special ones.
    """

    def __init__(self, content, required=REQUIRED):
        content = content.removeprefix(_BOM)
        try:
            lines = content.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"The vocabulary must be UTF-8 text. Received: {error}") from error
        if not lines[-1]:
            lines.pop()  # the end of the last line, not a line
        self.content = content
        self.pieces = [line.strip() for line in lines]
        self.ids = {piece: index for index, piece in enumerate(self.pieces)}
        missing = [piece for piece in required if piece not in self.ids]
        if missing:
            raise ValueError(
                f"The vocabulary must contain {', '.join(required)}. Received: {len(self.pieces)} "
                f"pieces without {', '.join(missing)}. Is it the vocab.txt of a BERT model?"
            )

        if required and not any(p and p[0] + p[-1] not in ("[]", "<>") for p in self.pieces):
            raise ValueError(
                "The vocabulary must contain pieces of words. Received: "
                f"{len(self.pieces)} pieces, all of them special, such as {self.pieces[0]!r}."
            )

    @classmethod
    def read(cls, source, required=REQUIRED):
        """From a path (str or Path) to a file, its bytes, or an iterable of pieces (str)."""
        if isinstance(source, (str, Path)):
            return cls(read_bytes(source), required)
        if isinstance(source, bytes):
            return cls(source, required)
        pieces = list(source)
        vocabulary = cls("".join(f"{piece}\n" for piece in pieces).encode("utf-8"), required)
        if vocabulary.pieces != pieces:
            bad = [p for p in pieces if not isinstance(p, str) or p != p.strip() or "\n" in p]
            raise ValueError(
                "Pieces must be str without line ends, and without white space around them. "
                f"Received: {bad[:5]}"
            )
        return vocabulary
