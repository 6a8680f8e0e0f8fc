"""FGM and R-Drop, against the same arithmetic written out step by step."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
import tiny_masked_lm
from closeness import BACKWARD, FORWARD, assert_near

from bert_tf2.training.step import divergence

TEXTS = ["tea tea", "The kettle hums.", "stone, rain & tea", "tea", "rain tea rain"]
LABELS = ["tea", "stone", "rain", "tea", "rain"]
FIT = {"batch_size": 5, "epochs": 1, "shuffle": False, "verbose": 0}


def classifier(dropout=0.0, **settings):
    keras.utils.set_random_seed(3)
    config = oracle.with_dropout(oracle.SMALL, dropout)
    task = oracle.tiny_classifier(config=config, dropout=dropout)
    task.compile(keras.optimizers.SGD(1.0), **settings)
    return task


def weights_of(task):
    return {name: np.array(v.value) for name, v in task.named_variables().items()}


def prepared(task):
    columns = task.read(TEXTS, LABELS)
    return task.prepare({name: tf.constant(column) for name, column in columns.items()})


def loss_and_gradients(task):
    inputs, targets, _ = prepared(task)
    names = [n for n, v in task.named_variables().items() if v.trainable]
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, task(inputs))
        loss = tf.reduce_mean(losses)
    found = tape.gradient(loss, [task.named_variables()[n].value for n in names])
    return float(loss), {
        n: tf.convert_to_tensor(g).numpy() for n, g in zip(names, found, strict=True)
    }


@pytest.mark.parametrize("parts", [1, pytest.param(2, marks=pytest.mark.full)])
def test_fgm_adds_the_gradients_at_moved_rows(parts):
    """Here the table is really moved, and moved back."""
    task, length = classifier(), 0.7
    before = weights_of(task)
    loss, first = loss_and_gradients(task)
    slope = first["embeddings/token"]
    table = task.named_variables()["embeddings/token"]
    table.assign(before["embeddings/token"] + length * slope / np.sqrt((slope**2).sum()))
    moved_loss, second = loss_and_gradients(task)
    assert moved_loss > loss + 0.01
    table.assign(before["embeddings/token"])

    task.compile(keras.optimizers.SGD(1.0), fgm=length, micro_batches=parts)
    assert task.fit(TEXTS, LABELS, **FIT).history["loss"][0] == pytest.approx(loss, rel=FORWARD)
    for name, after in weights_of(task).items():
        if name in first:
            want = before[name] - first[name] - second[name]
            assert_near(after, want, BACKWARD, err_msg=name)


@pytest.mark.full
def test_fgm_draws_other_dropouts_each_time():
    task = classifier(dropout=0.1, fgm=0.5)
    plain = classifier(dropout=0.1)
    seeds = [v for v in task.variables if v.path.endswith("seed_generator_state")]
    others = [v for v in plain.variables if v.path.endswith("seed_generator_state")]
    before = [np.array(v) for v in seeds]
    task.fit(TEXTS, LABELS, **FIT)
    plain.fit(TEXTS, LABELS, **FIT)
    assert seeds
    for start, twice, once in zip(before, seeds, others, strict=True):
        assert np.array_equal(start, once) == np.array_equal(start, twice)
        assert np.array_equal(start, once) or not np.array_equal(once, twice)


@pytest.mark.full
def test_fgm_reaches_a_tied_table():
    """The masked words' head reads the same table, moved too."""
    losses = []
    for length in (0.0, 0.5):
        keras.utils.set_random_seed(1)
        task = tiny_masked_lm.make()
        task.compile(keras.optimizers.SGD(0.1), fgm=length)
        losses.append(task.fit(tiny_masked_lm.TEXTS, epochs=2, verbose=0).history["loss"])
    assert losses[1][1] < losses[0][1] < losses[0][0]


def test_fgm_needs_a_table_to_move():
    task = classifier(fgm=0.5)
    task.encoder.trainable = False
    task.compile("sgd", fgm=0.5)
    with pytest.raises(ValueError, match="token table, which must be trainable"):
        task.fit(TEXTS, LABELS, **FIT)


def test_divergence():
    generator = np.random.default_rng(0)
    one, two = generator.normal(size=(2, 4, 3)).astype("float32")
    p, q = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (one, two))
    want = ((p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1)).mean() / 2
    assert float(divergence(one, two)) == pytest.approx(want, rel=BACKWARD)
    assert float(divergence(one, one)) == 0


@pytest.mark.full
def test_r_drop_is_the_loss_of_two_dropouts_and_their_divergence():
    task, other = classifier(0.3), classifier(0.3, r_drop=2.0)
    inputs, targets, _ = prepared(task)
    one, two = (task(inputs, training=True) for _ in range(2))
    assert np.abs(one - two).max() > 0.01
    losses = [
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        for logits in (one, two)
    ]
    want = (losses[0] + losses[1]) / 2 + 2.0 * divergence(one, two)
    got = other.fit(TEXTS, LABELS, **FIT).history["loss"][0]
    assert got == pytest.approx(float(want), rel=BACKWARD)
    assert other.evaluate(TEXTS, LABELS, verbose=0)[0] != got  # no dropout, nothing to compare


def test_r_drop_is_for_answers_to_whole_texts():
    with pytest.raises(ValueError, match=r"`r_drop` must be 0.*Received: r_drop=1"):
        tiny_masked_lm.make().compile(r_drop=1.0)
