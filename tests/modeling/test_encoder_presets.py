"""What is built around an encoder from a checkpoint."""

import keras
import numpy as np
import pytest

from bert_tf2 import Encoder
from bert_tf2.modeling.encoder import input_tensors

IDS = {"token_ids": np.array([[1, 5, 3, 2], [1, 4, 0, 0]], "int32")}


@pytest.fixture
def encoder(reference):
    return Encoder.from_preset(reference / "transformers" / "albert")


def test_a_model_of_the_users_own_comes_back(encoder, tmp_path):
    inputs = input_tensors()
    outputs = keras.layers.Dense(2)(encoder.encode(inputs, drop_padding=True)["pooled_output"])
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    ids = IDS | {"segment_ids": 0 * IDS["token_ids"], "padding_mask": 0 * IDS["token_ids"] + 1}
    np.testing.assert_array_equal(again(ids), model(ids))


def test_a_clone_starts_from_the_published_initializer(encoder):
    """And not from memory as it was found."""
    inputs = input_tensors()
    model = keras.Model(inputs, encoder.encode(inputs)["pooled_output"])
    clone = keras.models.clone_model(model)
    kernels = [v.numpy() for v in clone.trainable_variables if len(v.shape) == 2]
    assert len(kernels) == len([v for v in model.trainable_variables if len(v.shape) == 2]) > 5
    largest = 2.3 * encoder.config.initializer_range  # truncated at two deviations, then scaled
    for kernel in kernels:
        assert 0 < np.abs(kernel).max() < largest
