"""Gradients by hand against automatic ones, dropout's numbers, and blocks computed twice."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import BACKWARD, CANCELLED, assert_near

from bert_tf2.modeling import functions
from bert_tf2.modeling.encoder import Encoder, input_tensors

X = np.random.default_rng(0).normal(0, 2, (37, 24)).astype("float32")
UPSTREAM = np.random.default_rng(1).normal(0, 1, X.shape).astype("float32")


def both(function, variables=()):
    """A function's value and its gradients for x and the variables."""
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return [y, *tape.gradient(y, [x, *variables], UPSTREAM)]


@pytest.mark.parametrize("name", list(functions.ACTIVATION_FUNCTIONS))
def test_activation_in_training(name):
    plain = both(lambda x: functions.activate(name, tf.identity(x)))
    trained = both(lambda x: functions.activate(name, tf.identity(x), training=True))
    for one, other in zip(plain, trained, strict=True):
        assert_near(one, other, BACKWARD)  # 1 + tanh at x = -6 has one digit


def test_norm_in_training():
    norm = functions.Norm(epsilon=1e-12)
    norm.build((None, X.shape[1]))
    norm.gamma.assign(X[0])
    norm.beta.assign(X[1])
    variables = [norm.gamma.value, norm.beta.value]
    plain = both(lambda x: norm(x, training=False), variables)
    trained = both(lambda x: norm(x, training=True), variables)
    for one, other in zip(plain, trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=2 * BACKWARD, atol=BACKWARD)  # sums of 37 rows


def test_norm_in_training_computes_in_float32():
    norm = functions.Norm(epsilon=1e-12, dtype="mixed_bfloat16")
    x = tf.cast(tf.constant(X), "bfloat16")
    assert norm(x, training=True).dtype == "bfloat16"
    exact = functions.Norm(epsilon=1e-12)(tf.cast(x, "float32"))
    np.testing.assert_array_equal(norm(x, training=True), tf.cast(exact, "bfloat16"))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout(rate):
    seeds = keras.random.SeedGenerator(7)
    ones = np.ones((1001, 301), "float32")
    seed = seeds.next()
    out = np.asarray(functions.dropout(ones, rate, seed))
    assert set(np.unique(out)) == {0, out.max()}
    spread = (rate * (1 - rate) / out.size) ** 0.5
    assert abs((out == 0).mean() - rate) < 5 * spread
    assert abs(out.mean() - 1) < 5 * spread / (1 - rate)
    columns = np.corrcoef(out[:, :-1].ravel(), out[:, 1:].ravel())[0, 1]
    assert abs(columns) < 5 / out.size**0.5  # two values share a draw; they must not agree
    np.testing.assert_array_equal(out, functions.dropout(ones, rate, seed))
    assert (out != np.asarray(functions.dropout(ones, rate, seeds.next()))).any()


def test_dropout_off():
    assert functions.dropout(X, 0.1, None) is X
    assert functions.dropout(X, 0.0, [1, 2]) is X


def one_step(config, drop_padding, recompute=False, training=True):
    """Loss and gradients of one step, from equal weights and equal seeds."""
    keras.utils.set_random_seed(3)
    encoder = Encoder(config, recompute=recompute)
    inputs = input_tensors()
    model = keras.Model(inputs, encoder.encode(inputs, drop_padding)["sequence_output"])
    ids = np.array([[1, 5, 3, 5], [1, 4, 0, 0]], "int32")
    batch = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": (ids > 0).astype("int32")}

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(batch, training=training) ** 3)
        variables = encoder.named_variables()
        return loss, tape.gradient(loss, {n: v.value for n, v in variables.items() if v.trainable})

    return step()


def assert_same_step(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=CANCELLED)  # a sum that cancels
    ones, others = (
        {n: tf.convert_to_tensor(g).numpy() for n, g in gradients.items() if g is not None}
        for _, gradients in (one, other)
    )
    assert ones.keys() == others.keys()
    noise = 1e-6 * max(abs(g).max() for g in ones.values())  # of float32 sums
    for name, gradient in ones.items():
        np.testing.assert_allclose(gradient, others[name], rtol=CANCELLED, atol=noise, err_msg=name)


RECOMPUTED = [(drop, family) for drop in (True, False) for family in ("bert", "albert", "mpnet")]


@pytest.mark.parametrize(
    ("drop_padding", "family"), by_default(RECOMPUTED, [(True, "albert"), (False, "mpnet")])
)
def test_recompute_changes_nothing(drop_padding, family):
    config = oracle.TINIES[family]  # with dropout
    steps = [one_step(config, drop_padding, recompute) for recompute in (False, True)]
    assert_same_step(*steps)


@pytest.mark.full
@pytest.mark.parametrize("act", ["gelu_tanh", "gelu_erf"])
def test_training_without_dropout_is_inference(act):
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = dataclasses.replace(oracle.TINY, hidden_act=act, **off)
    assert_same_step(*[one_step(config, True, training=training) for training in (False, True)])


PEAK = """
import sys
import numpy as np, tensorflow as tf
from bert_tf2.config import EncoderConfig
from bert_tf2.modeling.encoder import Encoder

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

encoder = Encoder(EncoderConfig(100, 256, 8, 4, 1024), recompute=sys.argv[1] == "True")

@tf.function
def step(ids):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder({"token_ids": ids}, training=True)["pooled_output"] ** 2)
    return [tf.convert_to_tensor(g) for g in tape.gradient(loss, encoder.trainable_variables)]

step(tf.ones((1, 128), tf.int32))
before = peak()
step(tf.ones((16, 128), tf.int32))
print(peak() - before)
"""


@pytest.mark.full
def test_recompute_keeps_less():
    """Eight layers keep their inputs and one its insides: less than half of eight's insides."""

    def kilobytes(recompute):
        command = [sys.executable, "-c", PEAK, str(recompute)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.splitlines()[-1])

    assert kilobytes(True) < 0.5 * kilobytes(False)


def test_recompute_is_saved():
    encoder = Encoder(oracle.TINY, recompute=True)
    assert Encoder.from_config(encoder.get_config()).parts["blocks"][0].recompute
