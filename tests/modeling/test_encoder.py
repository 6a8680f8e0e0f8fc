"""The encoder against the NumPy oracle: every layer, mask and layout, and its gradients."""

import dataclasses
import tracemalloc

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import CANCELLED

from bert_tf2 import Encoder
from bert_tf2.modeling.encoder import input_tensors, rename_inputs

INPUTS = [oracle.random_inputs(oracle.TINY), oracle.odd_masks(oracle.TINY)]


@pytest.fixture(scope="module")
def model():
    return oracle.make_encoder()


@pytest.mark.parametrize("inputs", INPUTS)
def test_every_layer_equals_the_oracle(model, inputs):
    encoder, weights = model
    outputs = encoder(inputs)
    expected = oracle.forward(encoder.config, weights, inputs)
    for got, want in zip(outputs["layer_outputs"], expected["layer_outputs"], strict=True):
        oracle.assert_close(got.numpy(), want, inputs)
    np.testing.assert_array_equal(outputs["sequence_output"], outputs["layer_outputs"][-1])
    oracle.assert_close(outputs["pooled_output"].numpy(), expected["pooled_output"], inputs)
    for got, want in zip(
        encoder.attention_scores(inputs), expected["attention_scores"], strict=True
    ):
        oracle.assert_close(got.numpy(), want, inputs)


@pytest.mark.parametrize("hidden_act", oracle.ACTIVATIONS)
def test_activations(hidden_act):
    encoder, weights = oracle.make_encoder(dataclasses.replace(oracle.TINY, hidden_act=hidden_act))
    inputs = oracle.random_inputs(oracle.TINY)
    expected = oracle.forward(encoder.config, weights, inputs)["pooled_output"]
    np.testing.assert_allclose(encoder(inputs)["pooled_output"], expected, atol=oracle.TOLERANCE)


@pytest.mark.parametrize("inputs", INPUTS)
def test_dropping_padding_changes_nothing_at_tokens(model, inputs):
    encoder, weights = model
    symbolic = input_tensors()
    dropped = keras.Model(symbolic, encoder.encode(symbolic, drop_padding=True))(inputs)
    expected = oracle.forward(encoder.config, weights, inputs)
    mask = inputs["padding_mask"]
    computed = np.where(mask[:, :1] == 0, 1, mask)  # rows that start masked are kept whole
    for got, want in zip(dropped["layer_outputs"], expected["layer_outputs"], strict=True):
        oracle.assert_close(got.numpy(), want * computed[..., None], inputs)
    oracle.assert_close(dropped["pooled_output"].numpy(), expected["pooled_output"], inputs)


@pytest.mark.parametrize("drop_padding", [False, True])
@pytest.mark.parametrize("inputs", INPUTS)
def test_first_token_only(model, inputs, drop_padding):
    encoder, weights = model
    symbolic = input_tensors()
    outputs = encoder.encode(symbolic, drop_padding=drop_padding, first_only=True)
    got = keras.Model(symbolic, outputs)(inputs)["pooled_output"]
    expected = oracle.forward(encoder.config, weights, inputs)["pooled_output"]
    oracle.assert_close(got.numpy(), expected, inputs)


@pytest.mark.parametrize("inputs", INPUTS)
def test_gradients_of_the_short_ways_equal_those_of_the_long_one(model, inputs):
    encoder, _ = model
    want = oracle.gradients(encoder, inputs)
    for how in ({"drop_padding": True}, {"drop_padding": True, "first_only": True}):
        for name, got in oracle.gradients(encoder, inputs, **how).items():
            # the same sums in another order, relative to the largest entry
            atol = 2e-5 * max(1.0, np.abs(want[name]).max())
            np.testing.assert_allclose(got, want[name], atol=atol, err_msg=name)


def test_gradients_equal_numeric_ones_of_the_oracle():
    encoder, weights = oracle.make_encoder()
    inputs = oracle.random_inputs(oracle.TINY, batch=3, length=6)
    names = list(encoder.named_variables())
    found = oracle.gradients(encoder, inputs, drop_padding=True)

    def loss(changed):
        return np.sum((oracle.forward(encoder.config, changed, inputs)["pooled_output"] - 0.3) ** 2)

    generator = np.random.default_rng(1)
    for name in names[1::3]:
        direction = generator.standard_normal(weights[name].shape)
        direction /= np.linalg.norm(direction)
        step = 1e-5 * direction
        high, low = (weights | {name: weights[name].astype("float64") + s} for s in (step, -step))
        numeric = (loss(high) - loss(low)) / 2e-5
        assert np.sum(found[name] * direction) == pytest.approx(numeric, abs=CANCELLED, rel=1e-3), (
            name
        )


def test_keras_file_round_trip_is_bitwise(model, tmp_path):
    encoder, _ = model
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert again.config == encoder.config
    inputs = oracle.random_inputs(oracle.TINY)
    np.testing.assert_array_equal(again(inputs)["pooled_output"], encoder(inputs)["pooled_output"])


def test_input_names_of_google_and_hugging_face():
    inputs = oracle.random_inputs(oracle.TINY)
    names = ("input_word_ids", "input_type_ids", "input_mask")
    google = dict(zip(names, inputs.values(), strict=True))
    assert rename_inputs(google).keys() == inputs.keys()
    filled = rename_inputs({"input_ids": inputs["token_ids"]})
    assert np.all(filled["segment_ids"] == 0)
    assert np.all(filled["padding_mask"] == 1)
    with pytest.raises(ValueError, match="Received: \\['words'\\]"):
        rename_inputs({"words": 1})


def test_a_sequence_longer_than_the_position_table_is_refused(model):
    encoder, _ = model
    ids = np.ones((1, 21), "int32")
    with pytest.raises(ValueError, match=r"at most 20 tokens. Received: 21"):
        encoder({"token_ids": ids})


def test_mixed_bfloat16_stays_close():
    encoder, weights = oracle.make_encoder()
    half = Encoder(oracle.TINY, dtype="mixed_bfloat16")
    for name, variable in half.named_variables().items():
        variable.assign(weights[name])
    inputs = oracle.random_inputs(oracle.TINY)
    got = half(inputs)["pooled_output"]
    assert got.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(got, "float32"), encoder(inputs)["pooled_output"], atol=0.1)


def test_dropout_is_on_in_training_only(model):
    encoder, _ = model
    inputs = oracle.random_inputs(oracle.TINY)
    calm = encoder(inputs, training=False)["pooled_output"]
    np.testing.assert_array_equal(encoder(inputs)["pooled_output"], calm)
    assert np.abs(encoder(inputs, training=True)["pooled_output"] - calm).max() > 1e-3


# --- predict --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [None, ["layer_outputs"], ["pooled_output", "layer_outputs"]])
def test_predict_gives_what_is_asked_for(model, outputs):
    encoder, _ = model
    inputs = oracle.random_inputs(oracle.TINY)
    found = encoder.predict(inputs, batch_size=2, verbose=0, outputs=outputs)
    assert list(found) == (outputs or ["sequence_output", "pooled_output"])
    called = encoder(inputs)
    for name, got in found.items():
        for one, other in zip(
            keras.tree.flatten(got), keras.tree.flatten(called[name]), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=oracle.TOLERANCE)


def test_predict_keeps_no_more_than_that():
    encoder, _ = oracle.make_encoder(dataclasses.replace(oracle.TINY, num_hidden_layers=12))
    inputs = oracle.random_inputs(oracle.TINY, batch=400, length=20)
    encoder.predict(inputs, batch_size=100, verbose=0)
    tracemalloc.start()
    found = encoder.predict(inputs, batch_size=100, verbose=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * found["sequence_output"].nbytes  # by batch, and joined; 24 of all layers


@pytest.mark.parametrize("outputs", [["states"], "sequence_output", []])
def test_predict_of_an_unknown_output(model, outputs):
    with pytest.raises(ValueError, match=r"`outputs` must be a list of some of .*Received: "):
        model[0].predict(oracle.random_inputs(oracle.TINY), verbose=0, outputs=outputs)


# --- Ids that no table answers to. ----------------------------------------------------------------

IDS = np.ones((2, 3), "int32")
WRONG = {
    "negative": ({"token_ids": IDS * [1, -1, 1]}, r"`token_ids`.* from 0 to 96. Received: -1 at "),
    "beyond the vocabulary": ({"token_ids": IDS * 97}, r"`token_ids`.*Received: 97 at \(0, 0\)"),
    "not whole": ({"token_ids": IDS * 1.5}, r"`token_ids` must be whole .*Received: 1.5"),
    "NaN": ({"token_ids": IDS * np.nan}, r"`token_ids` must be whole .*Received: nan"),
    "text": ({"token_ids": [["a", "b"]]}, r"`token_ids` must be whole .*Received: .*dtype "),
    "one row": ({"token_ids": IDS[0]}, r"`token_ids` must be .*shape \(B, L\).*Received: shape"),
    "ragged": ({"token_ids": [[1, 2], [1]]}, r"`token_ids` must have rows of one length"),
    "segments": ({"token_ids": IDS, "segment_ids": IDS * 2}, r"`segment_ids`.*Received: 2"),
    "mask": ({"token_ids": IDS, "padding_mask": IDS * -1}, r"`padding_mask`.*Received: -1"),
    "their name": ({"input_ids": IDS * -1}, r"`token_ids`.*Received: -1"),
    "shapes": ({"token_ids": IDS, "padding_mask": IDS[:, :2]}, r"one shape .*Received: "),
}
WAYS = {
    "call": lambda encoder, x: encoder(x),
    "call on tensors": lambda encoder, x: encoder(keras.tree.map_structure(tf.constant, x)),
    "predict": lambda encoder, x: encoder.predict(x, verbose=0),
    "attention_scores": lambda encoder, x: encoder.attention_scores(x),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("way", WAYS)
def test_ids_that_no_table_answers_to(model, way, kind):
    inputs, message = WRONG[kind]
    if way == "call on tensors" and kind == "ragged":
        inputs = {"token_ids": IDS * -1}
        message = "Received: -1"
    with pytest.raises(ValueError, match=message):
        WAYS[way](model[0], inputs)


@pytest.mark.parametrize("wrong", [-1, 97])
@pytest.mark.parametrize("name", ["token_ids", "segment_ids"])
def test_in_a_graph_a_cpu_stops_at_them(model, name, wrong):
    symbolic = input_tensors()
    user = keras.Model(symbolic, model[0].encode(symbolic)["pooled_output"])
    inputs = {"token_ids": IDS, "segment_ids": 0 * IDS, "padding_mask": IDS} | {name: IDS * wrong}
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not in"):
        user.predict(inputs, verbose=0)
