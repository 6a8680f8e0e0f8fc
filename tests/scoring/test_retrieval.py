"""Scores of rankings beside plain Python, scikit-learn, and the mean over all orders of equals."""

import itertools
import math

import numpy as np
import pytest
from sklearn import metrics

from bert_tf2.scoring import retrieval

R = np.random.default_rng(2)
IDS = [f"d{i}" for i in range(120)]
RANKED = [R.permutation(IDS)[:n].tolist() for n in (120, 110, 7, 0, 40)]
GRADES = [
    {str(i): int(R.integers(0, 3)) for i in R.choice(IDS, n, False)} | {"d3": 1}
    for n in (20, 1, 3, 2, 115)
]


def plain(ranked, grades, at):
    """The figures of one query, one place after another."""
    relevant = {i for i, grade in grades.items() if grade}
    right = [i in relevant for i in ranked]
    found = {}
    for k in at:
        found[f"accuracy@{k}"] = float(any(right[:k]))
        found[f"precision@{k}"] = sum(right[:k]) / k
        found[f"recall@{k}"] = sum(right[:k]) / len(relevant)
        found[f"mrr@{k}"] = next((1 / (i + 1) for i, hit in enumerate(right[:k]) if hit), 0.0)
        gain = sum(grades.get(i, 0) / math.log2(n + 2) for n, i in enumerate(ranked[:k]))
        best = sorted(grades.values(), reverse=True)[:k]
        found[f"ndcg@{k}"] = gain / sum(g / math.log2(n + 2) for n, g in enumerate(best))
        shares = [sum(right[: n + 1]) / (n + 1) for n, hit in enumerate(right[:k]) if hit]
        found[f"map@{k}"] = sum(shares) / min(k, len(relevant))
    return found


@pytest.mark.parametrize("graded", [False, True])
def test_retrieval(graded):
    at = (1, 3, 10, 100)
    known = GRADES
    if not graded:
        known = [{i for i, grade in grades.items() if grade} for grades in GRADES]
    got = retrieval.information_retrieval(RANKED, known, dict.fromkeys(retrieval.AT, at))
    ones = [g if graded else dict.fromkeys(g, 1) for g in known]
    each = [plain(*query, at) for query in zip(RANKED, ones, strict=True)]
    want = {name: np.mean([found[name] for found in each]) for name in each[0]}
    assert got == pytest.approx(want, abs=1e-12)
    assert {*retrieval.information_retrieval(RANKED, known)} == {
        *(f"{name}@{k}" for name in ("accuracy", "precision", "recall") for k in (1, 3, 5, 10)),
        *("ndcg@10", "mrr@10", "map@100"),
    }


def in_order(gold, k):
    """Reciprocal rank and nDCG of one order."""
    rank = next((1 / (i + 1) for i, hit in enumerate(gold[:k]) if hit), 0.0)
    gain = sum(hit / math.log2(i + 2) for i, hit in enumerate(gold[:k]))
    return rank, gain / sum(1 / math.log2(i + 2) for i in range(min(k, sum(gold))))


@pytest.mark.parametrize("k", [1, 3, 10])
def test_reranking(k):
    """Of equal scores each order counts alike."""
    gold = [[0, 1, 0, 1, 0, 0], [1, 0, 0], [0, 0, 1, 0]]
    scores = [[3, 2, 2, 2, 1, 1], [0.5, 0.1, 0.9], [1, 1, 1, 1]]
    wanted = []
    for query, values in zip(gold, scores, strict=True):
        orders = [
            order
            for order in itertools.permutations(range(len(query)))
            if [values[i] for i in order] == sorted(values, reverse=True)
        ]
        found = np.mean([in_order([query[i] for i in order], k) for order in orders], 0)
        np.testing.assert_allclose(found[1], metrics.ndcg_score([query], [values], k=k), atol=1e-12)
        wanted.append([metrics.average_precision_score(query, values), *found])
    got = retrieval.reranking([*gold, [1, 1], [0]], [*scores, [1, 2], [5]], at_k=k)
    assert list(got) == ["map", f"mrr@{k}", f"ndcg@{k}"]
    np.testing.assert_allclose([*got.values()], np.mean(wanted, 0), atol=1e-12)


def of(ranked=(("a",),), relevant=({"a"},), at=retrieval.AT):
    return retrieval.information_retrieval(ranked, relevant, at)


BAD = {
    "queries": (lambda: of(relevant=[]), "as many answers as gold queries"),
    "twice": (lambda: of([["a", "b", "a"]]), "name an id once.*query 0"),
    "none relevant": (lambda: of(relevant=[set()]), "one id or more.*query 0"),
    "grades": (lambda: of(relevant=[{"a": -1}]), "none below 0"),
    "no number": (lambda: of(relevant=[{"a": "x"}]), "grades that are finite"),
    "k": (lambda: of(at={"ndcg": (0,)}), "ints from 1"),
    "figure": (lambda: of(at={"err": (10,)}), "of some of accuracy"),
    "lengths": (lambda: retrieval.reranking([[0, 1]], [[0.1]]), "1 scores of query 0"),
    "gold": (lambda: retrieval.reranking([[0, 2]], [[0.1, 0.2]]), "0 or 1 for each"),
    "nothing to order": (lambda: retrieval.reranking([[1, 1]], [[0.1, 0.2]]), "a relevant text"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()
