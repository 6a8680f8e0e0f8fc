"""The nearest vectors, beside plain sorting of all scores."""

import numpy as np
import pytest
from closeness import FORMULA
from scipy.spatial.distance import cdist

from bert_tf2.search import exact

DISTANCES = {"cosine": "cosine", "euclidean": "euclidean", "manhattan": "cityblock"}


def made(n, width=7, seed=0):
    """Vectors, some of which are there twice."""
    found = np.random.default_rng(seed).normal(size=(n, width)).astype("float32")
    found[n // 2 :: 3] = found[0]
    return found


QUERIES, CORPUS = made(9, seed=1), made(61)


def brute(queries, corpus, k, name):
    """Scores and rows by sorting all of them, in float64; of equal scores the lower row first."""
    queries, corpus = np.asarray(queries, "float64"), np.asarray(corpus, "float64")
    scores = queries @ corpus.T
    if name != "dot":
        scores = (1 if name == "cosine" else 0) - cdist(queries, corpus, DISTANCES[name])
    scores = np.round(scores, 5)  # what is equal but for the last digit is equal
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, 1), rows


@pytest.mark.parametrize("name", ["dot", *DISTANCES])
def test_blocks_find_what_sorting_finds(name):
    for sizes in ((256, None), (2, 5), (4, 1)):
        scores, rows = exact.nearest(QUERIES, CORPUS, 8, name, *sizes)
        want, want_rows = brute(QUERIES, CORPUS, 8, name)
        assert (scores.dtype, rows.dtype, rows.shape) == (np.float32, np.int64, (9, 8))
        np.testing.assert_allclose(scores, want, atol=1e-5)
        same = np.abs(scores - want) < 1e-5
        np.testing.assert_array_equal(rows[same], want_rows[same])


@pytest.mark.parametrize("order", ["rising", "falling", "equal", "integers"])
@pytest.mark.parametrize("size", [3, 7, 100])
def test_equal_scores_come_by_row(order, size):
    """Integers are added without error, so that equal ones are equal; in each order of a corpus."""
    values = np.random.default_rng(3).integers(-4, 5, 100)
    values = {"rising": np.sort(values), "falling": -np.sort(values), "equal": values * 0}.get(
        order, values
    )
    corpus = values.astype("int8")[:, None]
    scores, rows = exact.nearest([[1.0], [-1.0]], corpus, 30, "dot", corpus_chunk_size=size)
    for sign, found, row in zip((1, -1), scores, rows, strict=True):
        want = np.argsort(-sign * values, kind="stable")[:30]
        np.testing.assert_array_equal(row, want)
        np.testing.assert_array_equal(found, sign * values[want])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_a_file_is_searched_where_it_lies(tmp_path, dtype):
    corpus = (10 * CORPUS).astype(dtype)
    np.save(tmp_path / "a.npy", corpus)
    got = exact.nearest(QUERIES, tmp_path / "a.npy", 4, corpus_chunk_size=9)
    want = exact.nearest(QUERIES, corpus.astype("float32"), 4)
    np.testing.assert_allclose(got[0], want[0], atol=10 * FORMULA)
    mapped = exact.opened(str(tmp_path / "a.npy"))
    assert isinstance(mapped, np.memmap)


def test_as_sentence_transformers_gives_it():
    found = exact.semantic_search(QUERIES[0], CORPUS.tolist(), top_k=100)
    assert [len(row) for row in found] == [61]
    scores, rows = exact.nearest(QUERIES[:1], CORPUS, 61)
    assert [hit["corpus_id"] for hit in found[0]] == rows[0].tolist()
    assert [hit["score"] for hit in found[0]] == scores[0].tolist()
    assert exact.semantic_search(np.empty((0, 7)), CORPUS) == []


def test_a_score_of_ones_own():
    got = exact.nearest(QUERIES, CORPUS, 3, lambda a, b: -(a @ b.T), corpus_chunk_size=4)
    want = exact.nearest(-QUERIES, CORPUS, 3, "dot")
    np.testing.assert_array_equal(got[1], want[1])


def with_one(value):
    found = made(61)
    found[17, 3] = value
    return found


BAD = {
    "empty": (lambda: exact.nearest(QUERIES, []), "must have a vector or more"),
    "no rows": (lambda: exact.nearest(QUERIES, CORPUS[:0]), "must have a vector or more"),
    "widths": (lambda: exact.nearest(QUERIES[:, :5], CORPUS), "one width. Received: 5 and 7"),
    "NaN": (lambda: exact.nearest(QUERIES, with_one(np.nan)), "finite numbers.*in row 17"),
    "infinity": (lambda: exact.nearest([[0, 0, 0, 1] + [0] * 3], with_one(-np.inf), 3, "dot"),
                 "finite numbers.*in row 17"),
    "NaN, asked": (lambda: exact.nearest(QUERIES * np.nan, CORPUS), "`query_embeddings` must be f"),
    "text": (lambda: exact.nearest(QUERIES, np.array([["a"]])), "must be numbers .m, D."),
    "rank": (lambda: exact.nearest(QUERIES, CORPUS[0]), r"must be numbers \(m, D\)"),
    "top_k": (lambda: exact.nearest(QUERIES, CORPUS, 0), "`top_k` must be an int from 1"),
    "size": (lambda: exact.nearest(QUERIES, CORPUS, 1, "dot", 0), "`query_chunk_size` must be"),
    "scores": (
        lambda: exact.nearest(QUERIES, CORPUS, 1, lambda a, b: np.ones(3)),
        "`score_function` must give a score of each query",
    ),
    "score": (lambda: exact.nearest(QUERIES, CORPUS, 1, "hamming"), "`score_function` must be one"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()


def test_no_file_of_numbers(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(b"vectors")
    for name in ("a.npy", "b.npy"):
        with pytest.raises(ValueError, match="must be a NumPy file of numbers"):
            exact.nearest(QUERIES, tmp_path / name)
