"""A byte-level BPE tokenizer's files: `vocab.json` and `merges.txt`, or one `tokenizer.json`."""

import json

from bert_tf2.files import LARGE, read_bytes, read_json
from bert_tf2.weights.whole_tokenizers import files_of, settings_of

_LONGEST = 512  # letters of a piece


class PairFiles:
    """A vocabulary and its merges, checked against each other.

    In the files each byte is spelled by one letter: printable ones of Latin-1 by themselves, the
    rest, in their order, by those from U+0100 on (openai/gpt-2 `encoder.py`, `bytes_to_unicode`).

    Args:
        vocabulary: bytes of a `vocab.json`: an object of piece to id.
        merges: bytes of a `merges.txt`: "left right" a line, in the order of their rank.
        required: the special pieces without which a model cannot be fed.

    Attributes:
        pieces: list of str, by id, as spelled in the file.
        spellings: list of bytes, by id; empty for pieces that spell no bytes.
        byte_ids: list of 256 ints, the id of each byte.
        merges: list of (left, right, merged) ids, by rank.

    Raises:
        ValueError: other content; ids that are not 0, 1, 2 …; or a byte, a merge's piece or a
            special piece that is not in the vocabulary.
    """

    def __init__(self, vocabulary, merges, required=()):
        ids = _read_object(vocabulary)
        self.pieces = sorted(ids, key=ids.get)
        if [ids[piece] for piece in self.pieces] != list(range(len(ids))):
            raise ValueError(
                f"The ids of a vocabulary must be 0, 1, 2 and so on. Received: {len(ids)} pieces "
                "with gaps or repetitions among their ids."
            )
        longest = max(self.pieces, key=len, default="")
        if len(longest) > _LONGEST:
            raise ValueError(
                f"A piece must have at most {_LONGEST} letters: published ones have 128, and "
                "the time that long ones take grows with their square. Received: "
                f"{len(longest)} letters, {longest[:40]!r}…"
            )
        letters = byte_letters()
        missing = [piece for piece in [*required, *letters] if piece not in ids]
        if missing:
            raise ValueError(
                "The vocabulary must contain the special pieces and one for every byte. Received: "
                f"{len(ids)} pieces without {', '.join(missing[:5])}. Is it the vocab.json of a "
                "RoBERTa model?"
            )
        self.byte_ids = [ids[letter] for letter in letters]
        value = {letter: byte for byte, letter in enumerate(letters)}
        self.spellings = [
            bytes(value[c] for c in piece) if value.keys() >= set(piece) else b""
            for piece in self.pieces
        ]
        self.merges = _merges(merges, ids)

    @staticmethod
    def contents(vocabulary, merges):
        """The bytes of both files, from paths, or from a dict and a list, or these bytes."""
        if isinstance(vocabulary, dict):
            vocabulary = json.dumps(vocabulary, ensure_ascii=False).encode("utf-8")
        if isinstance(merges, list):
            merges = "".join(f"{merge}\n" for merge in merges).encode("utf-8")
        return [x if isinstance(x, bytes) else read_bytes(x) for x in (vocabulary, merges)]


def byte_letters():
    """list of 256 str: the letter that spells each byte."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b if b in printable else 0x100 + others.index(b)) for b in range(256)]


def _read_object(content):
    try:
        ids = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:  # JSON's and UTF-8's errors are both one
        raise ValueError(f"The vocabulary must be a JSON object. Received: {error}") from error
    if not isinstance(ids, dict) or not all(type(value) is int for value in ids.values()):
        raise ValueError(
            "The vocabulary must be a JSON object of piece to id. Received: "
            f"{content[:60].decode('utf-8', 'replace')}…"
        )
    return ids


def _merges(content, ids):
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"The merges must be UTF-8 text. Received: {error}") from error
    merges = {}
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if line.startswith("#version") or not line:
            continue
        pair = tuple(line.split(" "))
        if len(pair) != 2 or not all(piece in ids for piece in (*pair, "".join(pair))):
            raise ValueError(
                "Each merge must be two pieces of the vocabulary that make a third. "
                f"Received in line {number}: {line[:60]!r}"
            )
        merges.pop(pair, None)  # of two equal ones the later counts
        merges[pair] = (ids[pair[0]], ids[pair[1]], ids["".join(pair)])
    return list(merges.values())


def read_whole(path):
    """A `tokenizer.json` of byte pairs. -> the bytes of both files, and what it says of settings.

    Raises:
        ValueError: it is of another kind, or says what nothing here follows.
    """
    whole = read_json(path, at_most=LARGE)
    try:
        settings, files = settings_of(whole), files_of(whole)
        return [files["vocab.json"], files["merges.txt"]], settings
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "`merges` may only be left out with a tokenizer.json whose model is a BPE and whose "
            f"pre_tokenizer is ByteLevel. Received: {path}: {error}"
        ) from error
