"""A SentencePiece model file, written from pieces and their scores.

Source: google/sentencepiece, src/sentencepiece_model.proto.
"""

import struct

# Family -> fairseq's pieces before those of the model file; its "<mask>" comes last.
FAIRSEQ = {
    "xlm_roberta": ("<s>", "<pad>", "</s>", "<unk>"),
    "camembert": ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"),
}
_NORMAL, _UNKNOWN, _CONTROL, _BY_USER = 1, 2, 3, 4
FOUND = (_NORMAL, _BY_USER)  # the types of pieces that stand in texts
_SPECIAL = {"<s>", "</s>", "<pad>", "[CLS]", "[SEP]", "[MASK]", "<mask>"}


def pieces_of(vocabulary: list, unknown: int, family: str) -> list[tuple[str, float, int]]:
    """(piece, score, type) of a model file, from a vocabulary in the order of a family's ids."""
    rows = [
        (piece, score, _UNKNOWN if index == unknown else _CONTROL if piece in _SPECIAL else _NORMAL)
        for index, (piece, score) in enumerate(vocabulary)
    ]
    first = FAIRSEQ.get(family)
    if not first:
        return rows
    edges = [("<unk>", 0.0, _UNKNOWN)]
    edges += [(piece, 0.0, _CONTROL) for piece in ("<s>", "</s>") if piece in first]
    rest = rows[len(first) :]
    return edges + (rest[:-1] if rest and rest[-1][0] == "<mask>" else rest)


def write(pieces: list[tuple[str, float, int]], charsmap: bytes = b"") -> bytes:
    """The bytes of a unigram model.

    Args:
        pieces: (piece, score, type) by id.
        charsmap: the normalizer's `precompiled_charsmap`; none leaves text as it is.
    """
    content = b"".join(map(_piece, pieces))
    unknown = next(index for index, (_, _, kind) in enumerate(pieces) if kind == _UNKNOWN)
    trainer = b"\x18\x01" + b"\xc0\x02" + _number(unknown)  # model_type UNIGRAM, and unk_id
    return content + _field(2, trainer) + _field(3, _field(1, b"given") + _field(2, charsmap))


def _piece(row: tuple[str, float, int]) -> bytes:
    piece, score, kind = row
    score = b"\x15" + struct.pack("<f", score)
    return _field(1, _field(1, piece.encode()) + score + b"\x18" + _number(kind))


def _number(value: int) -> bytes:
    """A varint."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _number(rest) if rest else bytes([low])


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return bytes([number << 3 | 2]) + _number(len(content)) + content


# === A file that is there, with other pieces ======================================================


def read(content: bytes) -> tuple[list[tuple[str, float, int]], bytes]:
    """The (piece, score, type) of a model file by id, and the bytes of all else in it."""
    pieces, rest = [], b""
    for number, start, at, end in _fields(content):
        if number != 1:
            rest += content[start:end]
            continue
        row = [b"", 0.0, _NORMAL]
        for inner, _, begin, stop in _fields(content[at:end]):
            value = content[at + begin : at + stop]
            if inner == 1:
                row[0] = value
            elif inner == 2:
                (row[1],) = struct.unpack("<f", value)
            elif inner == 3:
                row[2] = _read_number(value, 0)[0]
        pieces.append((row[0].decode(), row[1], row[2]))
    return pieces, rest


def replaced(content: bytes, pieces: list[tuple[str, float, int]]) -> bytes:
    """A model file with these (piece, score, type) in the place of its own."""
    return b"".join(map(_piece, pieces)) + read(content)[1]


def is_unigram(content: bytes) -> bool:
    """Whether a model file's pieces are chosen by their scores."""
    for number, _, at, end in _fields(content):
        if number == 2:  # trainer_spec: model_type is its field 3, UNIGRAM by default
            kinds = [
                _read_number(content, at + begin)[0]
                for inner, _, begin, _ in _fields(content[at:end])
                if inner == 3
            ]
            return not kinds or kinds[-1] == 1
    return True


def _fields(content: bytes):
    """(number, where it starts, where its value does, its end) of each field of a message."""
    at = 0
    while at < len(content):
        start = at
        key, at = _read_number(content, at)
        kind = key & 7
        if kind == 2:
            size, at = _read_number(content, at)
        elif kind == 0:
            size = _read_number(content, at)[1] - at
        else:
            size = {1: 8, 5: 4}[kind]
        yield key >> 3, start, at, at + size
        at += size


def _read_number(content: bytes, at: int) -> tuple[int, int]:
    """A varint -> it, and what comes after."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def charsmap_of(content: bytes) -> bytes:
    """The `precompiled_charsmap` of a model file; nothing where text stays as it is."""
    for number, _, at, end in _fields(content):
        for inner, _, begin, stop in _fields(content[at:end]) if number == 3 else ():
            if inner == 2:
                return content[at + begin : at + stop]
    return b""
