"""Texts into numbers: in every form of y, against a plain mean of squares."""

import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD

import bert_tf2
from bert_tf2.data import numbers
from bert_tf2.training.metrics import Pearson

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea"]
Y = [1.0, 2.5, 0.0, -3.0]


@pytest.fixture(scope="module")
def task():
    return oracle.tiny_task(bert_tf2.TextRegressor)


@pytest.mark.parametrize(
    "y",
    [
        Y,
        tuple(Y),
        np.array(Y),
        np.array(Y)[:, None],
        tf.constant(Y),
        [[value] for value in Y],
        [1, 2.5, np.float32(0), -3],
    ],
)
def test_forms(y):
    np.testing.assert_array_equal(numbers.numbers(y, ["score"], 4), np.array(Y)[:, None])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["1.0", "2", "3", "4"], "text is not read as a number here. Received at index 0"),
        ([1.0, float("nan"), 1, 1], "finite.*index 1"),
        ([1.0, None, 1, 1], "finite.*index 1"),
        ([True, False, True, True], "finite.*index 0"),
        ([1.0, 2.0], "one number a text: 4. Received: 2"),
        ([[1.0, 2.0]] * 4, "1 numbers a row"),
    ],
)
def test_refused(y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        numbers.numbers(y, ["score"], 4)


def test_loss_scores_and_metrics(task):
    got = task.predict(TEXTS, verbose=0)[:, 0].astype("float64")
    scores = task.evaluate(TEXTS, Y, verbose=0, return_dict=True)
    square = ((got - Y) ** 2).mean()
    assert scores == pytest.approx(
        {
            "loss": square,
            "rmse": square**0.5,
            "pearson": np.corrcoef(got, Y)[0, 1],
        },
        rel=1e-4,
    )
    np.testing.assert_allclose(task.predict_scores(TEXTS), got, rtol=BACKWARD)
    data = tf.data.Dataset.from_tensor_slices((TEXTS, Y)).batch(2)
    assert task.evaluate(data, verbose=0)[0] == pytest.approx(square, rel=1e-5)


def test_huggingface_says_regression_and_keeps_one_output(task, tmp_path):
    task.save_to_preset(tmp_path / "hf", "huggingface")
    again = bert_tf2.TextRegressor.from_preset(tmp_path / "hf")
    assert again.labels == ["score"]
    np.testing.assert_array_equal(again.predict_scores(TEXTS), task.predict_scores(TEXTS))
    with pytest.raises(ValueError, match="Open it as a TextRegressor"):
        bert_tf2.TextClassifier.from_preset(tmp_path / "hf")


@pytest.mark.parametrize("value", [0.1, 2.3])
def test_equal_numbers_have_no_correlation(value):
    """Whatever rounding leaves of their spread, over however many batches."""
    metric, equal = Pearson(), np.full((3333, 1), value, np.float32)
    for given in (equal, np.arange(3333, dtype="float32")[:, None]):
        metric.reset_state()
        for _ in range(3):
            metric.update_state(equal, given)
        assert float(metric.result()) == 0


def test_class_weight_means_nothing(task):
    with pytest.raises(ValueError, match="has no classes"):
        task.fit(TEXTS, Y, class_weight={0: 1.0})
    with pytest.raises(ValueError, match="must be left out for a TextRegressor"):
        task.compile("sgd", label_smoothing=0.1)
