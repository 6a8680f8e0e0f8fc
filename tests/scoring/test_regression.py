"""Scores of numbers, beside SciPy's."""

import numpy as np
import pytest
from scipy import stats

from bert_tf2.scoring import regression

RANDOM = np.random.default_rng(14)


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (RANDOM.random(50), RANDOM.random(50)),
        (RANDOM.integers(0, 6, 200), RANDOM.integers(0, 6, 200)),  # many are equal
        (np.linspace(0, 5, 9), 1e6 + np.linspace(0, 5, 9) ** 3),
        ([1.0, 2.0], [2.0, 1.0]),
        (RANDOM.random(50).astype("float32"), RANDOM.random(50).astype("float32")),
    ],
)
def test_one_output(gold, predicted):
    found = regression.scores(gold, predicted)
    sides = np.asarray(gold, "float64"), np.asarray(predicted, "float64")
    assert found["pearson"] == pytest.approx(stats.pearsonr(*sides)[0], abs=1e-9)
    assert found["spearman"] == pytest.approx(stats.spearmanr(*sides)[0], abs=1e-12)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((sides[0] - sides[1]) ** 2)))
    assert regression.pearson(gold, predicted) == found["pearson"]


def test_several_outputs():
    gold, predicted = RANDOM.random((2, 30, 3))
    found = regression.scores(gold, predicted, names=["a", "b", "c"])
    for name, *columns in zip("abc", gold.T, predicted.T, strict=True):
        assert found["outputs"][name] == regression.scores(*columns)
    each = [scores["spearman"] for scores in found["outputs"].values()]
    assert found["spearman"] == pytest.approx(np.mean(each))


def test_a_constant_has_no_correlation():
    found = regression.scores([0.1] * 3, [1.0, 2.0, 3.0])
    assert np.isnan(found["pearson"])
    assert np.isnan(found["spearman"])
    assert found["rmse"] > 0


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([1.0, 2.0], [1.0], "one shape"),
        ([1.0, np.inf], [1.0, 2.0], "`gold` must be finite"),
        ([], [], "`gold` must be finite"),
        (["x"], [1.0], "`gold` must be numbers"),
        ([[1.0]], [[[1.0]]], "`predicted` must be finite numbers of shape"),
    ],
)
def test_wrong_numbers(gold, predicted, message):
    with pytest.raises(ValueError, match=message):
        regression.scores(gold, predicted)
    with pytest.raises(ValueError, match="one column"):
        regression.rmse([[1.0, 2.0]], [[1.0, 2.0]])
