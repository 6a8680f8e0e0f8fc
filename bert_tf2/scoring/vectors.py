"""Vectors of texts compared, and held in fewer bits. Plain NumPy.

Letters: n and m rows, D width. Source: sentence-transformers, util/similarity.py and
util/quantization.py.
"""

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import checked_choice

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
AT_ONCE = 1 << 24  # differences that are held at a time, 64 MB


def checked(vectors, name="vectors"):
    """Vectors as users have them -> float32 (n, D); one vector is one row.

    Raises:
        ValueError: another rank, no numbers, or one that is no finite number; it says where.
    """
    try:
        found = np.atleast_2d(np.asarray(vectors, "float32"))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be numbers (n, D), of one width. Received: {shorten(vectors)}"
        ) from error
    if found.ndim != 2:
        raise ValueError(f"`{name}` must be of shape (n, D). Received: {found.shape}")
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(1))[0])
        raise ValueError(f"`{name}` must be finite numbers. Received: {found[row]} in row {row}")
    return found


def unit_length(vectors):
    """float32 (n, D) -> the same directions, of length 1; zeros stay zeros."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _manhattan(a, b):
    rows = max(1, AT_ONCE // max(b.size, 1))
    parts = [np.abs(a[i : i + rows, None] - b).sum(-1) for i in range(0, len(a), rows)]
    return -np.concatenate(parts) if parts else np.zeros((0, len(b)), "float32")


def _euclidean(a, b):
    a, b = a.astype("float64"), b.astype("float64")  # the difference of large numbers follows
    square = (a * a).sum(-1)[:, None] - 2 * (a @ b.T) + (b * b).sum(-1)
    return -np.sqrt(np.maximum(square, 0)).astype("float32")


# Name -> of all pairs, (n, D) and (m, D) -> (n, m); and of rows, (n, D) twice -> (n,).
SIMILARITIES = {
    "cosine": (
        lambda a, b: unit_length(a) @ unit_length(b).T,
        lambda a, b: (unit_length(a) * unit_length(b)).sum(-1),
    ),
    "dot": (lambda a, b: a @ b.T, lambda a, b: (a * b).sum(-1)),
    "euclidean": (_euclidean, lambda a, b: -np.linalg.norm(a - b, axis=-1)),
    "manhattan": (_manhattan, lambda a, b: -np.abs(a - b).sum(-1)),
}


def checked_similarity(name, argument="similarity_fn_name"):
    """The name itself; ValueError for one that is none of `SIMILARITIES`."""
    return checked_choice(name, SIMILARITIES, argument)


def similarity(a, b, name="cosine"):
    """How alike each of n vectors is to each of m.

    Args:
        a: (n, D). b: (m, D). One vector is one row.
        name: "cosine", "dot", "euclidean" or "manhattan"; of the last two, distances, the negative
            is taken, so that more is always more alike.

    Returns:
        float32 (n, m).

    Raises:
        ValueError: another name, vectors of different width, or numbers that are not finite.
    """
    return SIMILARITIES[checked_similarity(name)][0](*_pair(a, b))


def similarity_pairwise(a, b, name="cosine"):
    """How alike the vectors of each row are: (n, D) twice -> float32 (n,). See `similarity`."""
    a, b = _pair(a, b)
    if len(a) != len(b):
        raise ValueError(f"`a` and `b` must have as many rows. Received: {len(a)} and {len(b)}")
    return SIMILARITIES[checked_similarity(name)][1](a, b)


def take(found, rows):
    """Some rows of vectors, in this order."""
    return found[np.asarray(rows, "int64")]


def _pair(a, b):
    a, b = checked(a, "a"), checked(b, "b")
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"`a` and `b` must be vectors of one width. Received: {a.shape[1]} and {b.shape[1]}"
        )
    return a, b


def checked_precision(precision):
    """The precision itself; ValueError for one that is none of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {', '.join(PRECISIONS)}. Received: {shorten(precision)}"
        )
    return precision


def quantize(vectors, precision, ranges=None):
    """Vectors in fewer bits.

    Args:
        vectors: float (n, D).
        precision: "float32"; "int8" or "uint8", 256 steps between the least and the largest of each
            dimension; "binary" or "ubinary", a bit a number, whether it is above 0, eight in an
            int8 or uint8, the first the highest.
        ranges: float (2, D), least and largest of each dimension, for 8 bits; default: those of the
            vectors themselves, which take two rows or more. Vectors of one index need the same.

    Returns:
        an array (n, D), of bits (n, D / 8, rounded up).

    Raises:
        ValueError: another precision; ranges of another shape, not finite or not in order; or of
            one vector no ranges.
    """
    checked_precision(precision)
    vectors = checked(vectors)
    if precision == "float32":
        return vectors
    if precision.endswith("binary"):
        bits = np.packbits(vectors > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype("int16") - 128).astype("int8")
    if ranges is None:
        if len(vectors) == 1:
            raise ValueError(
                f"`ranges` must be given with precision={precision!r} of one vector: the least and "
                "the largest of each dimension, (2, D). Received: None"
            )
        ranges = np.stack([vectors.min(0), vectors.max(0)]) if len(vectors) else None
    if ranges is None:
        return np.zeros(vectors.shape, precision)
    ranges = np.asarray(ranges, "float32")
    if ranges.shape != (2, vectors.shape[1]):
        raise ValueError(
            f"`ranges` must be (2, {vectors.shape[1]}), least and largest of each dimension. "
            f"Received: {ranges.shape}"
        )
    wrong = np.flatnonzero(~(np.isfinite(ranges).all(0) & (ranges[0] <= ranges[1])))
    if wrong.size:
        raise ValueError(
            "`ranges` must be finite, the least of each dimension before the largest. Received: "
            f"{ranges[:, wrong[0]]} of dimension {wrong[0]}"
        )
    steps = (ranges[1] - ranges[0]) / 255
    values = np.floor((vectors - ranges[0]) / np.where(steps == 0, 1, steps))
    return (np.clip(values, 0, 255) - (0 if precision == "uint8" else 128)).astype(precision)
