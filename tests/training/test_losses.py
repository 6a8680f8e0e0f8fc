"""Losses as sums and sizes, beside Keras's own and beside formulas in NumPy."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD

from bert_tf2.training import losses

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (5, 3)).astype("float32")
CLASSES = np.array([0, 2, 1, 1, 0], "int32")
MANY = RNG.integers(0, 2, (5, 3)).astype("float32")
WEIGHTS = np.array([1, 0.5, 2, 0, 1], "float32")
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
YES = 1 / (1 + np.exp(-LOGITS))


def tensors(*arrays):
    return map(tf.constant, arrays)


def mean(found):
    return float(found[0] / found[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_classes(smoothing, gamma):
    target = np.eye(3)[CLASSES] * (1 - smoothing) + smoothing / 3
    values = -(target * (1 - SHARES) ** gamma * np.log(SHARES)).sum(1)
    got = losses.cross_entropy(*tensors(CLASSES, LOGITS, WEIGHTS), False, smoothing, gamma)
    assert mean(got) == pytest.approx((values * WEIGHTS).sum() / 5, rel=1e-5)
    if not gamma:
        keras_own = keras.losses.CategoricalCrossentropy(True, label_smoothing=smoothing)
        assert mean(got) == pytest.approx(
            float(keras_own(np.eye(3)[CLASSES], LOGITS, WEIGHTS)), rel=1e-5
        )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_row_that_is_answered_for_certain_has_a_slope(gamma):
    """A probability that float32 has as 1, whose distance to 1 is then 0."""
    logits = tf.Variable([[60.0, 0.0, -60.0], [0.0, 60.0, -60.0]])
    with tf.GradientTape() as tape:
        total, _ = losses.cross_entropy(tf.constant([0, 0]), logits, tf.ones(2), False, 0.3, gamma)
    # The probabilities less the smoothed targets; gamma leaves those that are far as they are.
    want = [[0.2, -0.1, -0.1], [-0.8, 0.9, -0.1]]
    np.testing.assert_allclose(tape.gradient(total, logits), want, atol=1e-3 if gamma else 1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_labels(smoothing, gamma):
    target = MANY * (1 - smoothing) + smoothing / 2
    values = -target * (1 - YES) ** gamma * np.log(YES)
    values -= (1 - target) * YES**gamma * np.log(1 - YES)
    got = losses.binary_cross_entropy(*tensors(MANY, LOGITS, WEIGHTS), smoothing, gamma)
    assert mean(got) == pytest.approx((values * WEIGHTS[:, None]).sum() / 15, rel=1e-5)
    if not gamma:
        keras_own = keras.losses.BinaryCrossentropy(True, label_smoothing=smoothing)
        assert mean(got) == pytest.approx(float(keras_own(MANY, LOGITS, WEIGHTS)), rel=1e-5)


def test_numbers():
    got = losses.squared_error(*tensors(MANY, LOGITS, WEIGHTS))
    want = keras.losses.MeanSquaredError()(MANY, LOGITS, WEIGHTS)
    assert mean(got) == pytest.approx(float(want), rel=1e-5)


TEXTS, LABELS = ["tea", "a stone", "rain"], ["tea", "stone", "rain"]


def own(targets, logits):
    return keras.ops.sum(logits, -1)


class Doubled(keras.losses.Loss):
    def call(self, targets, logits):
        return 2 * keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)


@pytest.mark.parametrize("given, parts", [(Doubled(), 3), (own, 1)])
def test_the_loss_that_compile_was_given_is_the_one_that_is_lowered(given, parts):
    task = oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0))
    logits = task.predict(TEXTS, verbose=0)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    want = logits.sum(1).mean() if given is own else -2 * np.log(np.diag(shares)).mean()
    task.compile("sgd", loss=given, micro_batches=parts)
    assert task.evaluate(TEXTS, LABELS, verbose=0)[0] == pytest.approx(want, rel=BACKWARD)
    bias = task.named_variables()["classifier/bias"]
    before = bias.numpy()
    history = task.fit(TEXTS, LABELS, batch_size=3, epochs=1, verbose=0).history
    assert history["loss"][0] == pytest.approx(want, rel=BACKWARD)
    slope = np.ones(3) if given is own else 2 * (shares - np.eye(3)).mean(0)
    np.testing.assert_allclose(bias.numpy(), before - 0.01 * slope, atol=1e-6)


def test_softening_reaches_the_loss_and_comes_back_from_a_file(tmp_path):
    task = oracle.tiny_classifier()
    plain = task.evaluate(TEXTS, LABELS, verbose=0)[0]
    task.compile("sgd", label_smoothing=0.1, focal_gamma=2.0)
    logits = task.predict(TEXTS, verbose=0)
    given = tensors(np.arange(3), logits, np.ones(3, "float32"))
    want = mean(losses.cross_entropy(*given, False, 0.1, 2.0))
    got = task.evaluate(TEXTS, LABELS, verbose=0)[0]
    assert got == pytest.approx(want, rel=BACKWARD)
    assert abs(got - plain) > 0.01
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert again.evaluate(TEXTS, LABELS, verbose=0)[0] == pytest.approx(got, rel=BACKWARD)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1.0}, "from 0 to below 1"),
        ({"focal_gamma": -1}, "from 0 to below 1"),
        ({"label_smoothing": 0.1, "loss": keras.losses.MeanSquaredError()}, "a loss of your own"),
    ],
)
def test_softening_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        oracle.tiny_classifier().compile("sgd", **settings)
