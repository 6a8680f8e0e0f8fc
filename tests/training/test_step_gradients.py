"""The gradients that a step of `fit` applies, against those of Google's own code.

Plain SGD with a learning rate of 1 takes the gradient off the weights, so the weights before less
those after are the very gradient that reached the optimizer: scaled by the pieces' shares, added up
over micro-batches and replicas. What float32 loses in the difference is below 2e-7.
"""

import contextlib
from pathlib import Path

import googles
import keras
import numpy as np
import oracle
import pytest
import replicas
import tensorflow as tf
from closeness import FORWARD

from bert_tf2 import Encoder, MaskedLM, Preprocessor, WordPieceTokenizer, weights
from bert_tf2.weights.filling import load_variables

pytestmark = pytest.mark.full
TOLERANCE = FORWARD  # the references' own float32 noise is up to 3e-6
TARGETS = {
    "masked_ids": "masked_lm_ids",
    "masked_weights": "masked_lm_weights",
    "next_sentence_labels": "next_sentence_labels",
}


def pretrainer(folder, strategy=None, drop_padding=True, micro_batches=1):
    """-> a MaskedLM with the checkpoint's weights, both heads' included, without dropout."""
    checkpoint = weights.open_checkpoint(folder)
    config = oracle.with_dropout(checkpoint.config, 0.0)
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])  # not asked
    with strategy.scope() if strategy else contextlib.nullcontext():
        task = MaskedLM(
            Encoder(config),
            Preprocessor(tokenizer, config.max_length),
            second_task=googles.SECOND_TASKS[folder.name],
            drop_padding=drop_padding,
        )
        assert load_variables(checkpoint, task.named_variables()).missing == []
        task.compile(keras.optimizers.SGD(1.0), micro_batches=micro_batches)
    return task


def gradients_of_a_step(task, golden):
    """-> our name -> what one step of `fit` on the recorded batch takes off the weights."""
    before = {name: np.array(v.value) for name, v in task.named_variables().items()}
    inputs = googles.inputs_of(golden) | {"masked_positions": golden["masked_lm_positions"]}
    targets = {ours: golden[theirs] for ours, theirs in TARGETS.items()}
    targets["next_sentence_labels"] = np.ravel(targets["next_sentence_labels"])
    one_batch = tf.data.Dataset.from_tensors((inputs, targets))
    loss = task.fit(one_batch, epochs=1, verbose=0).history["loss"]
    assert loss == pytest.approx([float(golden["total_loss"])], abs=TOLERANCE)
    return {name: before[name] - np.array(v.value) for name, v in task.named_variables().items()}


def assert_googles(folder, gradients):
    want = np.load(folder / "golden_grads.npz")
    config = weights.open_checkpoint(folder).config
    theirs = weights.to_format(gradients, config, "google")
    assert set(theirs) == set(want.files)
    for name, gradient in theirs.items():
        np.testing.assert_allclose(
            gradient, want[name], atol=TOLERANCE, err_msg=f"{folder.name}: {name}"
        )


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"drop_padding": False}, id="one device"),
        pytest.param({"micro_batches": 2}, id="two micro-batches, padding dropped"),
    ],
)
@pytest.mark.parametrize("name", googles.SECOND_TASKS)
def test_one_device(assets, name, how):
    folder = assets / "reference" / name
    task = pretrainer(folder, **how)
    assert_googles(folder, gradients_of_a_step(task, np.load(folder / "golden.npz")))


# Family, and how many micro-batches each of two replicas takes.
ON_REPLICAS = [
    *((name, 1) for name in googles.SECOND_TASKS),
    ("bert_tiny", 2),
    ("albert_tiny_v1", 2),
]


def step_everywhere(strategy, folder, out):
    """Runs on two replicas: a step of each."""
    for name, parts in ON_REPLICAS:
        task = pretrainer(Path(folder, name), strategy, micro_batches=parts)
        found = gradients_of_a_step(task, np.load(Path(folder, name, "golden.npz")))
        np.savez(Path(out, f"{name}_{parts}.npz"), **found)


def test_two_replicas(assets, tmp_path):
    """Their rows hold 24 and 17, and 9 and 3 tokens, and unequal numbers of predictions."""
    replicas.call(__file__, "step_everywhere", assets / "reference", tmp_path)
    for name, parts in ON_REPLICAS:
        found = dict(np.load(tmp_path / f"{name}_{parts}.npz"))
        assert_googles(assets / "reference" / name, found)
