"""Scores of pairs beside scikit-learn and every threshold tried in turn."""

import numpy as np
import pytest
from sklearn import metrics

from bert_tf2.scoring import pairs

R = np.random.default_rng(4)
GOLD = R.integers(0, 2, 60)
SCORES = {
    "different": R.normal(size=60),
    "equal ones": np.round(GOLD + R.normal(size=60), 0),
    "right": GOLD - 0.5,
    "wrong": 1 - 2.0 * GOLD,
}


def tried(gold, scores):
    """Each threshold that takes other pairs -> its figures, by scikit-learn."""
    values = np.unique(scores)[::-1]
    between = [*(values[:-1] + values[1:]) / 2, values[-1]]
    for threshold in [np.nextafter(values[0], np.inf), *between]:
        given = (scores >= threshold).astype(int)
        yield {
            "threshold": threshold,
            "accuracy": metrics.accuracy_score(gold, given),
            "f1": metrics.f1_score(gold, given, zero_division=0),
            "precision": metrics.precision_score(gold, given, zero_division=0),
            "recall": metrics.recall_score(gold, given),
            "mcc": metrics.matthews_corrcoef(gold, given),
        }


@pytest.mark.parametrize("name", SCORES)
def test_thresholds(name):
    scores = SCORES[name]
    got, all_tried = pairs.binary(GOLD, scores), list(tried(GOLD, scores))
    best = max(all_tried, key=lambda found: found["accuracy"])
    want = {"accuracy": best["accuracy"], "accuracy_threshold": best["threshold"]}
    best = max(all_tried, key=lambda found: found["f1"])
    want |= {"f1_threshold": best.pop("threshold")} | {n: best[n] for n in best if n != "accuracy"}
    want["ap"] = metrics.average_precision_score(GOLD, scores)
    assert got == pytest.approx(want, abs=1e-12)


def test_scores_that_tell_nothing():
    got = pairs.binary([0, 1, 0], [2.0, 2.0, 2.0])
    want = {"accuracy": 2 / 3, "f1": 0.5, "recall": 1, "f1_threshold": 2, "mcc": 0, "ap": 1 / 3}
    assert {name: got[name] for name in want} == pytest.approx(want)
    assert got["accuracy_threshold"] > 2


def test_triplets():
    assert pairs.triplets([0.9, 0.5, 0.2], [0.1, 0.5, 0.1]) == pytest.approx(2 / 3)
    assert pairs.triplets([0.9, 0.5, 0.2], [0.1, 0.5, 0.1], margin=0.5) == pytest.approx(1 / 3)


def test_what_was_mined():
    """By hand: right, right, wrong, right of five; and two of equal score, in either order."""
    got = pairs.mined([1, 1, 0, 1], [0.9, 0.8, 0.7, 0.6], 5)
    assert got == pytest.approx(
        {
            "average_precision": (1 + 1 + 3 / 4) / 5,
            "f1": 2 * 3 / (4 + 5),
            "precision": 3 / 4,
            "recall": 3 / 5,
            "threshold": 0.6,
        }
    )
    got = pairs.mined([1, 0, 0], [0.9, 0.8, 0.6], 2)
    assert (got["threshold"], got["f1"]) == pytest.approx((0.85, 2 / 3))
    both = [pairs.mined(gold, [0.5, 0.5], 1) for gold in ([1, 0], [0, 1])]
    assert both[0] == both[1] and both[0]["average_precision"] == 0.5
    assert {*pairs.mined([], [], 3).values()} == {*pairs.mined([0], [1.0], 3).values()} == {0.0}


BAD = {
    "gold": (lambda: pairs.binary([0, 2], [0.1, 0.2]), "must hold 0 and 1"),
    "no gold": (lambda: pairs.binary([0, 0], [0.1, 0.2]), "must hold a 1"),
    "length": (lambda: pairs.binary([0, 1], [0.1]), "as many answers"),
    "NaN": (lambda: pairs.binary([0, 1], [0.1, np.nan]), "finite"),
    "shape": (lambda: pairs.triplets([[0, 1]], [[0, 1]]), r"of shape \(n,\)"),
    "total": (lambda: pairs.mined([1, 1], [0.1, 0.2], 1), "an int from 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()
