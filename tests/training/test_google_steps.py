"""Eight steps of Google's `run_classifier.py`, through `fit`."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from bert_tf2 import AdamW, Encoder, Preprocessor, TextClassifier, WordPieceTokenizer, weights
from bert_tf2.training.schedules import LinearWarmupDecay
from bert_tf2.weights import names

TOLERANCE = 1e-5  # eight steps of float32 on each side


def without_dropout(config):
    rates = {name: 0.0 for name in config.to_dict() if name.endswith("dropout_prob")}
    return dataclasses.replace(config, **rates)


def recorded_variables(task, recorded, prefix):
    """Our name -> array, as recorded under Google's names; the classifier is stored transposed."""
    table = names.variables(task.encoder.config, "google")
    arrays = {}
    for name in task.named_variables():
        theirs = {"classifier/kernel": "output_weights", "classifier/bias": "output_bias"}
        array = recorded[f"{prefix}/{theirs.get(name) or table[name].theirs}"]
        transposed = name == "classifier/kernel" or (name in table and table[name].transposed)
        arrays[name] = array.T if transposed else array
    return arrays


@pytest.mark.full
@pytest.mark.parametrize("drop_padding", [False, True])
@pytest.mark.parametrize("steps", [2, 4, 8])
def test_eight_steps_of_googles_classifier(assets, drop_padding, steps):
    recorded = np.load(assets / "reference" / "training" / "bert_classifier.npz")
    config = without_dropout(weights.open_checkpoint(assets / "reference" / "bert_tiny").config)
    tokenizer = WordPieceTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(195))]
    )
    task = TextClassifier(
        Encoder(config),
        Preprocessor(tokenizer, config.max_length),
        labels=3,
        dropout=0.0,
        drop_padding=drop_padding,
    )
    for name, array in recorded_variables(task, recorded, "init").items():
        task.named_variables()[name].assign(array)
    task.compile(AdamW(LinearWarmupDecay(2e-3, 8, 2), reproduce="google"))
    inputs = {
        "input_word_ids": recorded["in/input_ids"],
        "input_mask": recorded["in/input_mask"],
        "input_type_ids": recorded["in/segment_ids"],
    }
    dataset = tf.data.Dataset.from_tensors((inputs, recorded["in/labels"]))
    losses = task.fit(dataset, epochs=steps, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, recorded["loss"][:steps], atol=TOLERANCE)
    want = recorded_variables(task, recorded, f"step{steps}")
    for name, variable in task.named_variables().items():
        np.testing.assert_allclose(
            np.asarray(variable.value), want[name], atol=TOLERANCE, err_msg=name
        )
