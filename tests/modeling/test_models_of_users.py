"""Keras models that people build on encoders: saved, cloned and joined, with equal numbers."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import oracle
import pytest

from bert_tf2 import Encoder
from bert_tf2.modeling.encoder import input_tensors

SHALLOW = dataclasses.replace(oracle.TINY, num_hidden_layers=1)
RELEASE = Path(__file__).parents[1] / "reference" / "release_0.1.0"


def encoded(output, **how):
    def model(encoder):
        inputs = input_tensors()
        return keras.Model(inputs, encoder.encode(inputs, **how)[output])

    return model


def of_its_own_tensors(encoder):
    return keras.Model(encoder.inputs, encoder.output["layer_outputs"][0])


def with_a_head(encoder):
    inputs = input_tensors()
    states = encoder.encode(inputs, drop_padding=True)["sequence_output"]
    pooled = keras.layers.GlobalAveragePooling1D()(states)
    return keras.Model(inputs, keras.layers.Dense(2)(pooled))


def called_as_a_layer(encoder):
    inputs = input_tensors()
    return keras.Model(inputs, keras.layers.Dense(2)(encoder(inputs)["sequence_output"]))


def two_called(encoder):
    inputs, other = input_tensors(), Encoder(encoder.config)
    outputs = [model(inputs)["sequence_output"] for model in (encoder, other)]
    return keras.Model(inputs, keras.layers.Concatenate()(outputs))


def two_encoded(encoder):
    inputs, other = input_tensors(), Encoder(encoder.config)
    outputs = [model.encode(inputs)["layer_outputs"][-1] for model in (encoder, other)]
    return keras.Model(inputs, keras.layers.Concatenate()(outputs))


def twice_encoded(encoder):
    """Two texts through the same layers."""
    inputs = [{n: keras.Input((None,), dtype="int32") for n in input_tensors()} for _ in range(2)]
    first, second = (encoder.encode(x, first_only=True)["first_output"] for x in inputs)
    return keras.Model(inputs, keras.layers.Dot(1)([first, second]))


def the_encoder(encoder):
    return encoder


MODELS = {
    "sequence_output": encoded("sequence_output"),
    "sequence_output without padding": encoded("sequence_output", drop_padding=True),
    "layer_outputs": encoded("layer_outputs"),
    "attention_scores": encoded("attention_scores"),
    "first_output": encoded("first_output", first_only=True),
    "first_output without padding": encoded("first_output", drop_padding=True, first_only=True),
} | {
    f.__name__: f
    for f in (
        of_its_own_tensors,
        with_a_head,
        called_as_a_layer,
        two_called,
        two_encoded,
        twice_encoded,
        the_encoder,
    )
}


def saved(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def cloned(model, folder):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


@pytest.mark.parametrize("copied", [saved, cloned])
@pytest.mark.parametrize("name", MODELS)
def test_a_copy_answers_alike(name, copied, tmp_path):
    encoder, _ = oracle.make_encoder(SHALLOW)
    model = MODELS[name](encoder)
    ids = oracle.random_inputs(encoder.config)
    ids = [ids, ids] if name == "twice_encoded" else ids
    got, want = copied(model, tmp_path)(ids), model(ids)
    for one, other in zip(keras.tree.flatten(got), keras.tree.flatten(want), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "family", ["albert, inner groups", "distilbert, sinusoidal", "electra", "roberta"]
)
def test_of_other_families(family, tmp_path):
    encoder, weights = oracle.make_encoder(oracle.TINIES[family])
    inputs = oracle.random_inputs(encoder.config)
    again = saved(of_its_own_tensors(encoder), tmp_path)
    want = oracle.forward(encoder.config, weights, inputs)["layer_outputs"][0]
    oracle.assert_close(again(inputs).numpy(), want, inputs)


def test_names_of_further_encoders():
    """Layers of a model have names of their own; variables are called the same in each encoder."""
    first, second = Encoder(oracle.TINY), Encoder(oracle.TINY)
    assert first.name != second.name
    assert list(first.named_variables()) == list(second.named_variables())
    trained = [[v.path for v in model.trainable_variables] for model in (first, second)]
    assert trained[0] == trained[1] == list(first.named_variables())
    assert Encoder.from_config(second.get_config()).name == second.name


def test_two_tasks_in_one_model():
    tasks, inputs = [oracle.tiny_classifier() for _ in range(2)], input_tensors()
    model = keras.Model(inputs, [task(inputs) for task in tasks])
    ids = oracle.random_inputs(oracle.TINY)
    for got, task in zip(model(ids), tasks, strict=True):
        np.testing.assert_array_equal(got, task(ids))


def test_a_model_that_0_1_saved_opens_and_answers():
    """There each layer had settings of its own."""
    sizes = {"vocab_size": 23, "hidden_size": 8, "num_attention_heads": 2, "embedding_size": 6}
    config = dataclasses.replace(
        oracle.TINIES["electra"], intermediate_size=12, max_position_embeddings=12, **sizes
    )
    model = keras.saving.load_model(RELEASE / "users_model.keras")
    inputs = oracle.random_inputs(config)
    want = oracle.forward(config, {v.path: v.numpy() for v in model.variables}, inputs)
    np.testing.assert_allclose(model(inputs), want["first_output"], atol=oracle.TOLERANCE)
