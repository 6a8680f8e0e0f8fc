"""Vectors of which most numbers are 0, by rows: what they hold, and how alike they are.

Plain NumPy; SciPy is asked for by `to_scipy` alone. Letters: n and m rows, V width, A numbers that
are not 0, of all rows.
"""

from typing import NamedTuple

import numpy as np

from bert_tf2.scoring.arrays import checked_choice


class SparseVectors(NamedTuple):
    """n vectors as compressed rows (CSR), as SciPy has them.

    Attributes:
        indices: int32 (A,), where the numbers stand in their rows, ascending in each.
        values: float32 (A,), the numbers.
        indptr: int64 (n + 1,): row i has those from `indptr[i]` to `indptr[i + 1]`.
        width: V.
    """

    indices: np.ndarray
    values: np.ndarray
    indptr: np.ndarray
    width: int

    @classmethod
    def of_rows(cls, rows, width):
        """Of (indices, values) of each row, in any order.

        Raises:
            ValueError: a number that is not finite.
        """
        rows = [(np.asarray(indices), np.asarray(values)) for indices, values in rows]
        ordered = [(indices[(o := np.argsort(indices))], values[o]) for indices, values in rows]
        parts = [np.concatenate([[], *part]) for part in zip(*ordered, strict=True)] or [[], []]
        values = np.asarray(parts[1], "float32")
        ends = np.cumsum([0, *(len(indices) for indices, _ in ordered)])
        if not np.isfinite(values).all():
            row = int(np.searchsorted(ends, np.flatnonzero(~np.isfinite(values))[0], "right")) - 1
            raise ValueError(f"Vectors must be finite numbers. Received: others in row {row}")
        return cls(np.asarray(parts[0], "int32"), values, ends.astype("int64"), width)

    @property
    def shape(self):
        """(n, V)."""
        return len(self.indptr) - 1, self.width

    def row(self, index):
        """(indices, values) of a row, the first of which is 0."""
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"A row must be from 0 to {self.shape[0] - 1}. Received: {index}")
        place = slice(self.indptr[index], self.indptr[index + 1])
        return self.indices[place], self.values[place]

    def take(self, rows):
        """The rows of these numbers, as `SparseVectors`."""
        return self.of_rows([self.row(int(i)) for i in np.arange(self.shape[0])[rows]], self.width)

    def toarray(self):
        """float32 (n, V), zeros included."""
        found = np.zeros(self.shape, "float32")
        found[self.row_numbers(), self.indices] = self.values
        return found

    def row_numbers(self):
        """int64 (A,): the row of each number."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def to_scipy(self):
        """The same as a `scipy.sparse.csr_array`; an ImportError where SciPy is not installed."""
        from scipy.sparse import csr_array

        return csr_array((self.values, self.indices, self.indptr), shape=self.shape)

    def sparsity(self):
        """dict: `active_dims`, numbers a row that are not 0, and `sparsity_ratio`, the share of the
        others; means over the rows."""
        active = float(np.mean(np.diff(self.indptr))) if self.shape[0] else 0.0
        return {"active_dims": active, "sparsity_ratio": 1 - active / self.width}


def _dot(row, b):
    return b.dots(row)


def _cosine(row, b):
    return b.dots(row / max(np.linalg.norm(row), 1e-12)) / np.maximum(b.norms, 1e-12)


def _euclidean(row, b):
    return -np.sqrt(np.maximum((row * row).sum() - 2 * b.dots(row) + b.norms**2, 0))


def _manhattan(row, b):
    at = row[b.vectors.indices]
    return -(np.abs(row).sum() + b.sums(np.abs(at - b.values) - np.abs(at)))


# Name -> of a row, float64 (V,), to all of `_Columns` -> float64 (m,).
SIMILARITIES = {
    "dot": _dot,
    "cosine": _cosine,
    "euclidean": _euclidean,
    "manhattan": _manhattan,
}


class _Columns:
    """Rows that others are compared with, and what of them is asked more than once."""

    def __init__(self, vectors):
        self.vectors, self.values = vectors, vectors.values.astype("float64")
        self.rows = vectors.row_numbers()
        self.norms = np.sqrt(self.sums(self.values**2))

    def sums(self, values):
        """(A,) -> (m,): the sum of each row."""
        return np.bincount(self.rows, values, self.vectors.shape[0])

    def dots(self, row):
        return self.sums(self.values * row[self.vectors.indices])


def similarity(a, b, name="dot"):
    """How alike each of n vectors is to each of m.

    Args:
        a, b: `SparseVectors` of one width.
        name: a key of `SIMILARITIES`; of "euclidean" and "manhattan" the negative is taken.

    Returns:
        float32 (n, m).

    Raises:
        TypeError: no `SparseVectors`. ValueError: another name, or vectors of different width.
    """
    measure = SIMILARITIES[checked_similarity(name)]
    _check_pair(a, b)
    columns, found = _Columns(b), np.empty((a.shape[0], b.shape[0]), "float32")
    row = np.zeros(a.width)
    for i in range(len(found)):
        indices, values = a.row(i)
        row[indices] = values
        found[i] = measure(row, columns)
        row[indices] = 0
    return found


def similarity_pairwise(a, b, name="dot"):
    """How alike the vectors of each row are -> float32 (n,). See `similarity`."""
    checked_similarity(name)
    _check_pair(a, b)
    if a.shape[0] != b.shape[0]:
        raise ValueError(
            f"`a` and `b` must have as many rows. Received: {a.shape[0]} and {b.shape[0]}"
        )
    rows = [similarity(a.take([i]), b.take([i]), name)[0, 0] for i in range(a.shape[0])]
    return np.array(rows, "float32")


def take(found, rows):
    """Some rows of vectors, in this order."""
    return found.take([*rows])


def checked_similarity(name):
    """The name itself; ValueError for one that is none of `SIMILARITIES`."""
    return checked_choice(name, SIMILARITIES, "similarity_fn_name")


def _check_pair(a, b):
    for name, vectors in {"a": a, "b": b}.items():
        if not isinstance(vectors, SparseVectors):
            raise TypeError(
                f"`{name}` must be SparseVectors, as `encode` gives. Received: "
                f"{type(vectors).__name__}"
            )
    if a.width != b.width:
        raise ValueError(
            f"`a` and `b` must be vectors of one width. Received: {a.width} and {b.width}"
        )
