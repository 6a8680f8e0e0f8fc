"""A bias on attention by distance, in every layout, against the oracle and its gradient."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf

from bert_tf2.modeling.encoder import Encoder, input_tensors
from bert_tf2.modeling.positions import buckets

CONFIG = dataclasses.replace(
    oracle.TINY, relative_buckets=8, position_padding_id=1, max_position_embeddings=200
)


@pytest.fixture(scope="module")
def model():
    return oracle.make_encoder(CONFIG)


@pytest.mark.parametrize("how", [{}, {"drop_padding": True}])
@pytest.mark.parametrize("length", [12, 150])
def test_every_layer_equals_the_oracle(model, how, length):
    encoder, weights = model
    inputs = oracle.random_inputs(CONFIG, batch=2 if length > 100 else 5, length=length)
    symbolic = input_tensors()
    got = keras.Model(symbolic, encoder.encode(symbolic, **how)["layer_outputs"])(inputs)
    real = inputs["padding_mask"][..., None] if how else 1
    want = oracle.forward(CONFIG, weights, inputs)["layer_outputs"]
    for one, other in zip(got, want, strict=True):
        oracle.assert_close(one.numpy(), other * real, inputs)


@pytest.mark.parametrize("drop_padding", [False, True])
def test_first_token_only(model, drop_padding):
    encoder, weights = model
    symbolic, inputs = input_tensors(), oracle.random_inputs(CONFIG)
    outputs = encoder.encode(symbolic, drop_padding=drop_padding, first_only=True)
    want = oracle.forward(CONFIG, weights, inputs)["pooled_output"]
    oracle.assert_close(
        keras.Model(symbolic, outputs)(inputs)["pooled_output"].numpy(), want, inputs
    )


def test_its_table_learns():
    """The gradient, against a difference of the oracle's losses."""
    encoder, weights = oracle.make_encoder(CONFIG)
    inputs = oracle.random_inputs(CONFIG, batch=3, length=6)
    found = oracle.gradients(encoder, inputs, drop_padding=True)["positions/relative"]

    def loss(table):
        changed = weights | {"positions/relative": table}
        return np.sum((oracle.forward(CONFIG, changed, inputs)["pooled_output"] - 0.3) ** 2)

    table = weights["positions/relative"].astype("float64")
    direction = np.random.default_rng(1).standard_normal(table.shape)
    numeric = (loss(table + 1e-5 * direction) - loss(table - 1e-5 * direction)) / 2e-5
    assert np.sum(found * direction) == pytest.approx(numeric, abs=1e-4, rel=1e-3)


def test_buckets_are_t5s():
    """Single steps up to 8 on each side, then ranges that grow up to 128, the rest in the last."""
    right = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 11]
    rows = buckets(32)
    assert len(rows) == 257
    np.testing.assert_array_equal(rows[128 : 128 + 24], np.add(right, np.sign(range(24)) * 16))
    np.testing.assert_array_equal(rows[128 : 128 - 24 : -1], right)
    assert (rows[0], rows[-1]) == (15, 31)


def test_saved_and_computed_again_in_training(tmp_path):
    encoder = Encoder(CONFIG, recompute=True)
    inputs = oracle.random_inputs(CONFIG)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(again(inputs)["pooled_output"], encoder(inputs)["pooled_output"])

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encoder(inputs, training=True)["pooled_output"] ** 2)
        return tape.gradient(loss, encoder.named_variables()["positions/relative"].value)

    assert np.abs(tf.convert_to_tensor(gradient())).max() > 0
