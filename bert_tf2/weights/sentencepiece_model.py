"""A SentencePiece model file, written from pieces and their scores.

Source: google/sentencepiece, src/sentencepiece_model.proto.
"""

import struct

# Family -> fairseq's pieces before those of the model file; its "<mask>" comes last.
FAIRSEQ = {
    "xlm_roberta": ("<s>", "<pad>", "</s>", "<unk>"),
    "camembert": ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"),
}
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
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
    content = b"".join(
        _field(
            1,
            _field(1, piece.encode())
            + b"\x15"
            + struct.pack("<f", score)
            + b"\x18"
            + _number(kind),
        )
        for piece, score, kind in pieces
    )
    unknown = next(index for index, (_, _, kind) in enumerate(pieces) if kind == _UNKNOWN)
    trainer = b"\x18\x01" + b"\xc0\x02" + _number(unknown)  # model_type UNIGRAM, and unk_id
    return content + _field(2, trainer) + _field(3, _field(1, b"given") + _field(2, charsmap))


def _number(value: int) -> bytes:
    """A varint."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _number(rest) if rest else bytes([low])


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return bytes([number << 3 | 2]) + _number(len(content)) + content
