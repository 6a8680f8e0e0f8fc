"""A task's training step, in every form it has, against the long way: padding kept, plain forms."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import BACKWARD

from bert_tf2 import Encoder, TextClassifier

LABELS = ["tea", "stone", "rain"]
TEXTS = ["The kettle hums.", "", "stone, rain & tea", "tea", "rain rain tea", "x", "stone", "a b"]
TARGETS = [LABELS[i % 3] for i in range(len(TEXTS))]


def loss_and_gradients(classifier, training):
    inputs, labels = classifier.preprocessor(TEXTS), tf.constant([0, 1, 2, 0, 1, 2, 0, 1])
    trained = {id(variable) for variable in classifier.trainable_variables}
    variables = {n: v for n, v in classifier.named_variables().items() if id(v) in trained}

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = classifier(inputs, training=training)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
        return loss, tape.gradient(loss, {name: v.value for name, v in variables.items()})

    loss, gradients = step()
    return loss, {name: tf.convert_to_tensor(g).numpy() for name, g in gradients.items()}


STEPS = [(family, pooling) for family in oracle.TINIES for pooling in ("first", "mean")]
QUICK = (
    ("albert, groups", "mean"),
    ("distilbert", "first"),
    ("electra", "mean"),
    ("mpnet", "first"),
)


@pytest.mark.parametrize(("family", "pooling"), by_default(STEPS, QUICK))
def test_every_family_and_pooling(family, pooling):
    """Dropping padding, the first token only, and gradients by hand change no number."""
    config = oracle.with_dropout(oracle.TINIES[family], 0.0)
    steps = []
    for drop_padding in (False, True):
        classifier = oracle.tiny_classifier(
            config=config, drop_padding=drop_padding, pooling=pooling, dropout=0.0
        )
        steps.append(loss_and_gradients(classifier, training=drop_padding))
    (want_loss, want), (loss, got) = steps
    np.testing.assert_allclose(loss, want_loss, rtol=BACKWARD)
    assert got.keys() == want.keys()
    for name, gradient in got.items():  # the same sums in another order
        atol = 1e-5 * max(0.1, np.abs(want[name]).max())
        np.testing.assert_allclose(gradient, want[name], atol=atol, rtol=BACKWARD, err_msg=name)


def classifier_in(policy):
    base = oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0))
    classifier = TextClassifier(
        Encoder(base.encoder.config, dtype=policy), base.preprocessor, LABELS, dropout=0.0
    )
    for name, variable in classifier.named_variables().items():
        variable.assign(base.named_variables()[name].value)
    return classifier


@pytest.mark.parametrize(
    "policy, tolerance",
    [
        pytest.param("float64", 1e-5, marks=pytest.mark.full),
        ("mixed_bfloat16", 0.05),
        pytest.param("bfloat16", 0.1, marks=pytest.mark.full),
    ],
)
def test_fit_in_every_policy(policy, tolerance):
    """Losses of three steps beside float32's: bfloat16 has 8 bits, in its pure policy all over."""
    losses = []
    for dtype in ("float32", policy):
        classifier = classifier_in(dtype)
        classifier.compile(keras.optimizers.SGD(0.1))
        fitted = classifier.fit(TEXTS, TARGETS, batch_size=8, epochs=3, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"])
    assert losses[0][2] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=tolerance)


@pytest.mark.full
def test_eager_steps_are_the_same():
    losses = []
    for run_eagerly in (False, True):
        classifier = classifier_in("float32")
        classifier.compile(run_eagerly=run_eagerly)
        fitted = classifier.fit(TEXTS, TARGETS, batch_size=8, epochs=3, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=BACKWARD)


@pytest.mark.full
def test_float16_needs_a_scaled_loss():
    classifier = classifier_in("mixed_float16")
    with pytest.raises(ValueError, match=r"LossScaleOptimizer.*mixed_float16.*AdamW"):
        classifier.fit(TEXTS, TARGETS, verbose=0)
    classifier.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)))
    history = classifier.fit(TEXTS, TARGETS, batch_size=8, epochs=3, verbose=0).history
    assert history["loss"][2] < history["loss"][0]
