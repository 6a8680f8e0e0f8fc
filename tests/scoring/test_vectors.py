"""Vectors compared and made small, beside SciPy and plain Python."""

import numpy as np
import pytest
from closeness import FORMULA
from scipy.spatial.distance import cdist

from bert_tf2.scoring import vectors

A, B = (np.random.default_rng(n).normal(size=(n, 7)).astype("float32") for n in (5, 4))
DISTANCES = {
    "cosine": lambda a, b: 1 - cdist(a, b, "cosine"),
    "dot": lambda a, b: a @ b.T,
    "euclidean": lambda a, b: -cdist(a, b, "euclidean"),
    "manhattan": lambda a, b: -cdist(a, b, "cityblock"),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_similarities(name, monkeypatch):
    monkeypatch.setattr(vectors, "AT_ONCE", 2 * B.size)  # blocks of two rows
    want = DISTANCES[name](A.astype("float64"), B.astype("float64"))
    got = vectors.similarity(A, B, name)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=10 * FORMULA)
    rows = vectors.similarity_pairwise(A[:4], B, name)
    np.testing.assert_allclose(rows, np.diag(want), atol=10 * FORMULA)
    np.testing.assert_allclose(vectors.similarity(A[0], B, name), got[:1], atol=FORMULA)


def test_eight_bits():
    found = vectors.quantize(A, "uint8")
    want = 255 * (A - A.min(0)) / np.ptp(A, axis=0)
    assert found.dtype == np.uint8
    below = want - found  # the whole part is kept, and float32 may miss it by one
    assert below.min() > -1e-3 and below.max() < 1.001
    np.testing.assert_array_equal(found.min(0), 0)
    np.testing.assert_array_equal(vectors.quantize(A, "int8").astype(int) + 128, found)
    ranges = np.stack([np.full(7, -1.0), np.full(7, 1.0)])
    np.testing.assert_array_equal(vectors.quantize(A[:1] * 9, "uint8", ranges) > 127, A[:1] > 0)


def test_bits():
    bits = vectors.quantize(A, "ubinary")
    assert (bits.dtype, bits.shape) == (np.uint8, (5, 1))
    want = [sum((x > 0) << (7 - i) for i, x in enumerate(row)) for row in A]
    np.testing.assert_array_equal(bits[:, 0], want)
    np.testing.assert_array_equal(vectors.quantize(A, "binary").astype(int), bits.astype(int) - 128)


BAD = {
    "widths": (lambda: vectors.similarity(A, B[:, :5]), "of one width. Received: 7 and 5"),
    "rows": (lambda: vectors.similarity_pairwise(A, B), "as many rows. Received: 5 and 4"),
    "NaN": (lambda: vectors.similarity(A, B * np.nan), "`b` must be finite numbers"),
    "ragged": (lambda: vectors.similarity([[1.0], [1.0, 2.0]], B), "`a` must be numbers"),
    "name": (lambda: vectors.similarity(A, B, "hamming"), "one of cosine, dot"),
    "precision": (lambda: vectors.quantize(A, "float16"), "one of float32, int8"),
    "one row": (lambda: vectors.quantize(A[:1], "int8"), "`ranges` must be given"),
    "no ranges": (
        lambda: vectors.quantize(A, "int8", [[np.nan] * 7, [1] * 7]),
        r"`ranges` must be finite.*\[nan +1\.\] of dimension 0",
    ),
    "ranges turned round": (
        lambda: vectors.quantize(A, "uint8", [[-1] * 6 + [2], [1] * 7]),
        r"the least of each dimension before the largest.*\[2\. 1\.\] of dimension 6",
    ),
    "ranges": (lambda: vectors.quantize(A, "int8", A), r"`ranges` must be \(2, 7\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()
