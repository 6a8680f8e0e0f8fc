"""The conditional random field against sums over all sequences of tags, one by one."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf2.modeling.crf import CRF

CLASSES, RNG = 3, np.random.default_rng(4)
LENGTHS = [4, 2, 1, 0]
LOGITS = RNG.normal(0, 1, (4, 4, CLASSES)).astype("float32")
MASK = np.arange(4) < np.array(LENGTHS)[:, None]
TAGS = RNG.integers(0, CLASSES, (4, 4)).astype("int32")


@pytest.fixture(scope="module")
def crf():
    layer = CRF()
    layer(LOGITS)
    for weight in layer.weights:
        weight.assign(RNG.normal(0, 1, weight.shape))
    return layer


def scores(crf, row):
    """{tags: score} of all sequences that a row may have."""
    starts, ends, follows = (w.numpy() for w in (crf.starts, crf.ends, crf.transitions))
    found = {}
    for tags in itertools.product(range(CLASSES), repeat=LENGTHS[row]):
        score = sum(LOGITS[row, i, tag] for i, tag in enumerate(tags))
        score += sum(follows[a, b] for a, b in itertools.pairwise(tags))
        found[tags] = score + (starts[tags[0]] + ends[tags[-1]] if tags else 0)
    return found


@pytest.mark.parametrize("row", range(4))
def test_against_all_sequences(crf, row):
    all_scores = scores(crf, row)
    total = np.log(sum(np.exp(score) for score in all_scores.values()))
    tags = tuple(TAGS[row, : LENGTHS[row]])
    got = crf.log_likelihood(LOGITS, TAGS, MASK)[row]
    np.testing.assert_allclose(got, all_scores[tags] - total if tags else 0, atol=1e-5)
    best = max(all_scores, key=all_scores.get)
    assert tuple(crf.decode(LOGITS, MASK)[row].numpy()) == best + (0,) * (4 - len(best))
    shares = np.zeros((LENGTHS[row], CLASSES))
    for tags, score in all_scores.items():
        for place, tag in enumerate(tags):
            shares[place, tag] += np.exp(score - total)
    got = crf.marginals(LOGITS, MASK)[row][: LENGTHS[row]]
    np.testing.assert_allclose(got, shares, atol=1e-5)


def test_a_fresh_one_changes_nothing():
    layer = CRF()
    logits = layer(LOGITS)
    logs = np.take_along_axis(np.array(keras.ops.log_softmax(logits)), TAGS[..., None], -1)[..., 0]
    got = layer.log_likelihood(logits, TAGS, MASK)
    np.testing.assert_allclose(got, (logs * MASK).sum(1), atol=1e-5)
    np.testing.assert_array_equal(layer.decode(logits, MASK), LOGITS.argmax(-1) * MASK)


def test_one_place():
    layer = CRF()
    logits = layer(LOGITS[:, :1])
    np.testing.assert_array_equal(
        layer.decode(logits, MASK[:, :1])[:2, 0], LOGITS[:2, 0].argmax(-1)
    )


def test_gradients_under_xla(crf):
    """A loop keeps what they need in lists, of which XLA must know the size."""

    def slopes():
        with tf.GradientTape() as tape:
            likely = tf.reduce_sum(crf.log_likelihood(tf.constant(LOGITS), TAGS, MASK))
        return tape.gradient(likely, [weight.value for weight in crf.weights])

    for got, want in zip(tf.function(slopes, jit_compile=True)(), slopes(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
