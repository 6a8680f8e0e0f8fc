"""What a checkpoint holds of its tokenizer: the files, and what is said of how they cut text."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from bert_tf2.files import read_bytes

# Our name of a tokenizer's file -> the names publishers give it, the likeliest first.
TOKENIZER_FILES = {
    "vocab.txt": ("vocab.txt", "vocab_chinese.txt", "*vocab*.txt"),
    "spiece.model": ("spiece.model", "30k-clean.model"),
    "sentencepiece.bpe.model": ("sentencepiece.bpe.model",),
    "vocab.json": ("vocab.json",),
    "merges.txt": ("merges.txt",),
}


@dataclasses.dataclass(frozen=True)
class TokenizerSource:
    """The files of a tokenizer and its settings, wherever they come from or go to.

    Attributes:
        files: our name of a file, a key of `TOKENIZER_FILES` or "tokenizer.json", -> its
            path, or its bytes.
        settings: an argument of the tokenizer's class -> its value, for all that something says:
            `lowercase`, `add_prefix_space` and so on. What is absent, nobody says.
        refused: what is said and nothing here follows, as a text for who wants the tokenizer.
    """

    files: Mapping[str, Path | bytes] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    refused: str = ""

    @property
    def lowercase(self) -> bool | None:
        """Whether text is lower-cased; None where nothing says so."""
        return self.settings.get("lowercase")

    def with_settings(self, **settings) -> "TokenizerSource":
        """The same where these are said as well; those that are None are not."""
        said = {name: value for name, value in settings.items() if value is not None}
        return dataclasses.replace(self, settings={**self.settings, **said})

    def in_memory(self) -> "TokenizerSource":
        """The same with the content of every file in place of its path."""
        return dataclasses.replace(self, files={name: self.read(name) for name in self.files})

    def read(self, name: str) -> bytes:
        """The content of a file; nothing of one that is not there."""
        file = self.files.get(name, b"")
        return read_bytes(file) if isinstance(file, Path) else file

    def entries(self) -> int:
        """How many entries its `vocab.txt` has, or 0 without one."""
        # Only "\n" ends an entry: Chinese vocabularies hold U+2028 inside one.
        vocabulary = self.read("vocab.txt")
        return vocabulary.count(b"\n") + bool(vocabulary and not vocabulary.endswith(b"\n"))

    def with_case(self) -> "TokenizerSource":
        """The same, where nothing says the case with what the vocabulary looks like.

        One with pieces that stripping accents would change was made of text that kept them: with
        both "が" and "か", these are two pieces.
        """
        if self.lowercase is not None or "vocab.txt" not in self.files:
            return self
        lines = self.read("vocab.txt").decode("utf-8", "replace").split("\n")
        pieces = [line.strip() for line in lines]
        lowercase = looks_lowercase(pieces)
        said = self.with_settings(lowercase=lowercase)
        if lowercase and "strip_accents" not in self.settings and accented(pieces):
            return said.with_settings(strip_accents=False)
        return said


def accented(pieces: Iterable[str]) -> list[str]:
    """Those of the pieces that stripping accents, as Google's code does, would change."""
    wide = (piece for piece in pieces if not piece.isascii())
    return [p for p in wide if any(_is_accent(c) for c in unicodedata.normalize("NFD", p))]


def _is_accent(char: str) -> bool:
    return unicodedata.category(char) == "Mn"


def of_vocabulary(lines: Iterable[str], **settings) -> TokenizerSource:
    """That of the entries of a WordPiece vocabulary."""
    # As bytes, so that no platform's line ends get in.
    content = "".join(f"{line}\n" for line in lines).encode("utf-8")
    return TokenizerSource({"vocab.txt": content}).with_settings(**settings)


def find_tokenizer_files(folder: Path) -> dict[str, Path]:
    """The files of the tokenizer that lie beside a checkpoint, by our names for them.

    A SavedModel has them in its folder `assets`.
    """
    found = {}
    for ours, patterns in TOKENIZER_FILES.items():
        places = [folder / "assets", folder]
        matches = [sorted(place.glob(pattern)) for place in places for pattern in patterns]
        if only := [files[0] for files in matches if len(files) == 1]:
            found[ours] = only[0]
    return found


def looks_lowercase(pieces: Iterable[str]) -> bool:
    """Whether a vocabulary looks like an uncased model's: Latin letters, and no capital ones."""
    words = "".join(p for p in pieces if p[:1] + p[-1:] not in ("[]", "<>"))
    # Letters such as ℝ count as upper case but have no lower-case form: they tell nothing.
    return any("a" <= char <= "z" for char in words) and words == words.lower()
