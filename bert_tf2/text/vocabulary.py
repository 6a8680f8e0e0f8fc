"""The vocabulary file of a WordPiece model: one piece a line, its id is the line's number."""

from pathlib import Path

from bert_tf2.files import read_bytes

# Every model input needs these; [MASK] is only needed by masked language models.
REQUIRED = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class Vocabulary:
    """Pieces by id and ids by piece, read as google-research/bert `load_vocab` reads them.

    Lines end at "\\n" only (Chinese vocabularies hold U+2028 on a line of its own), white space
    around a piece is dropped, an empty line keeps its id, and of two equal pieces the later one
    has the id.

    Args:
        content: bytes of the file.

    Attributes:
        content: those bytes, so that a copy of the file is the file.
        pieces: list of str, by id.
        ids: dict from piece to id.

    Raises:
        ValueError: not UTF-8, or a piece in `REQUIRED` is missing.
    """

    def __init__(self, content):
        try:
            lines = content.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"The vocabulary must be UTF-8 text. Received: {error}") from error
        if not lines[-1]:
            lines.pop()  # the end of the last line, not a line
        self.content = content
        self.pieces = [line.strip() for line in lines]
        self.ids = {piece: index for index, piece in enumerate(self.pieces)}
        missing = [piece for piece in REQUIRED if piece not in self.ids]
        if missing:
            raise ValueError(
                f"The vocabulary must contain {', '.join(REQUIRED)}. Received: {len(self.pieces)} "
                f"pieces without {', '.join(missing)}. Is it the vocab.txt of a BERT model?"
            )

    @classmethod
    def read(cls, source):
        """From a path (str or Path) to a file, or from an iterable of pieces (str)."""
        if isinstance(source, (str, Path)):
            return cls(read_bytes(source))
        pieces = list(source)
        vocabulary = cls("".join(f"{piece}\n" for piece in pieces).encode("utf-8"))
        if vocabulary.pieces != pieces:
            bad = [p for p in pieces if not isinstance(p, str) or p != p.strip() or "\n" in p]
            raise ValueError(
                "Pieces must be str without line ends, and without white space around them. "
                f"Received: {bad[:5]}"
            )
        return vocabulary
