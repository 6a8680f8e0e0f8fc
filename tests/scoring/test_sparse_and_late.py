"""How alike sparse vectors are, and texts of many vectors, beside dense NumPy in float64."""

import numpy as np
import pytest

from bert_tf2.scoring import late, sparse, vectors
from bert_tf2.scoring.ranked import ranked
from bert_tf2.scoring.sparse import SparseVectors

NEAR = 1e-6


def dense(rows, seed):
    found = np.random.default_rng(seed).normal(size=(rows, 30)).astype("float32")
    found[found < 0.7] = 0
    found[1] = 0  # a row of nothing
    return found


def of(array):
    rows = [(np.flatnonzero(row)[::-1], row[np.flatnonzero(row)[::-1]]) for row in array]
    return SparseVectors.of_rows(rows, array.shape[1])


@pytest.fixture(scope="module")
def pair():
    return dense(5, 0), dense(7, 1)


def test_rows(pair):
    array = pair[0]
    found = of(array)
    assert found.shape == (5, 30)
    np.testing.assert_array_equal(found.toarray(), array)
    np.testing.assert_array_equal(found.to_scipy().toarray(), array)
    assert found.to_scipy().has_canonical_format
    np.testing.assert_array_equal(found.take([3, 0]).toarray(), array[[3, 0]])
    np.testing.assert_array_equal(found.take(slice(1, None, 2)).toarray(), array[1::2])
    active = (array != 0).sum(1).mean()
    assert found.sparsity() == {"active_dims": active, "sparsity_ratio": 1 - active / 30}
    assert SparseVectors.of_rows([], 30).toarray().shape == (0, 30)


@pytest.mark.parametrize("name", sparse.SIMILARITIES)
def test_similarities_of_sparse_vectors(pair, name):
    a, b = pair
    want = vectors.similarity(a, b, name)
    np.testing.assert_allclose(sparse.similarity(of(a), of(b), name), want, atol=2e-6)
    got = sparse.similarity_pairwise(of(a), of(b[:5]), name)
    np.testing.assert_allclose(got, np.diag(want[:, :5]), atol=2e-6)


def texts(lengths, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 4)).astype("float32") for n in lengths]


@pytest.mark.parametrize("name", late.SIMILARITIES)
@pytest.mark.parametrize("at_once", [late.AT_ONCE, 30])
def test_similarities_of_many_vectors(name, at_once, monkeypatch):
    """Whether documents fit into a block or not."""
    monkeypatch.setattr(late, "AT_ONCE", at_once)
    a, b = texts([3, 1, 5], 0), texts([2, 9, 1, 4, 3], 1)
    want = np.array(
        [[sum(max(float(t @ u) for u in y) for t in x.astype("float64")) for y in b] for x in a]
    )
    if name == "meanmaxsim":
        want = want / [[3], [1], [5]]
    np.testing.assert_allclose(late.similarity(a, b, name), want, atol=NEAR)
    got = late.similarity_pairwise(a, b[:3], name)
    np.testing.assert_allclose(got, np.diag(want[:, :3]), atol=NEAR)
    np.testing.assert_allclose(late.similarity(a[0], b, name), want[:1], atol=NEAR)
    assert late.similarity(a, []).shape == (3, 0)


def test_texts_in_their_order():
    scores = np.array([1.0, 3.0, 3.0, -1.0], "float32")
    assert [row["corpus_id"] for row in ranked(scores, "abcd")] == [1, 2, 0, 3]
    assert ranked(scores, "abcd", 1, True) == [{"corpus_id": 1, "score": 3.0, "text": "b"}]


BAD = {
    "measure": (lambda a, b: sparse.similarity(a, b, "maxsim"), ValueError, "one of dot, cosine"),
    "kind": (lambda a, b: sparse.similarity(a.toarray(), b), TypeError, "must be SparseVectors"),
    "width": (
        lambda a, b: sparse.similarity(a, b._replace(width=9)),
        ValueError,
        "of one width. Received: 30 and 9",
    ),
    "rows": (sparse.similarity_pairwise, ValueError, "as many rows. Received: 5 and 7"),
    "row": (lambda a, b: a.row(5), IndexError, "from 0 to 4. Received: 5"),
    "number": (
        lambda a, b: SparseVectors.of_rows([([1], np.ones(1)), ([2], np.array([np.nan]))], 9),
        ValueError,
        "finite numbers.*row 1",
    ),
    "late measure": (lambda a, b: late.similarity([], [], "dot"), ValueError, "one of maxsim"),
    "late width": (
        lambda a, b: late.similarity([np.ones((2, 3))], [np.ones((2, 4))]),
        ValueError,
        r"of one width. Received: \[3, 4\]",
    ),
    "no tokens": (
        lambda a, b: late.similarity([np.ones((2, 3))], [np.ones((0, 3))]),
        ValueError,
        "`b` must have a token in each text. Received: none in 0",
    ),
    "late rows": (
        lambda a, b: late.similarity_pairwise([np.ones((2, 3))], []),
        ValueError,
        "as many rows. Received: 1 and 0",
    ),
    "top": (lambda a, b: ranked(np.ones(2), "ab", 0), ValueError, "`top_k` must be an int from 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(pair, name):
    call, kind, words = BAD[name]
    with pytest.raises(kind, match=words):
        call(*map(of, pair))
