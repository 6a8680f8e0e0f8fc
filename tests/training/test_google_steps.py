"""Eight steps of Google's `run_classifier.py`, through `fit`."""

import googles
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD

from bert_tf2 import AdamW, Encoder, Preprocessor, TextClassifier, WordPieceTokenizer, weights
from bert_tf2.training.schedules import LinearWarmupDecay

TOLERANCE = BACKWARD  # eight steps of float32 on each side


@pytest.mark.full
@pytest.mark.parametrize("drop_padding", [False, True])
@pytest.mark.parametrize("steps", [2, 4, 8])
def test_eight_steps_of_googles_classifier(assets, drop_padding, steps):
    recorded = np.load(assets / "reference" / "training" / "bert_classifier.npz")
    config = weights.open_checkpoint(assets / "reference" / "bert_tiny").config
    config = oracle.with_dropout(config, 0.0)
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
    for name, array in googles.variables_of(task, recorded, "init").items():
        task.named_variables()[name].assign(array)
    task.compile(AdamW(LinearWarmupDecay(2e-3, 8, 2), reproduce="google"))
    inputs = googles.inputs_of(recorded, "in/")
    dataset = tf.data.Dataset.from_tensors((inputs, recorded["in/labels"]))
    losses = task.fit(dataset, epochs=steps, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, recorded["loss"][:steps], atol=TOLERANCE)
    want = googles.variables_of(task, recorded, f"step{steps}")
    for name, variable in task.named_variables().items():
        np.testing.assert_allclose(
            np.asarray(variable.value), want[name], atol=TOLERANCE, err_msg=name
        )
