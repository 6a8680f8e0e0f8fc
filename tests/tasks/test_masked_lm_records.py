"""Masked words learnt from records: both losses, several replicas, and Google's steps."""

import googles
import keras
import numpy as np
import oracle
import pytest
import replicas
import tensorflow as tf
import tiny_masked_lm
from closeness import BACKWARD, FORWARD, assert_near
from tiny_masked_lm import TOKENIZER

from bert_tf2 import Encoder, MaskedLM, Preprocessor, WordPieceTokenizer, weights
from bert_tf2.training.optimizers import AdamW
from bert_tf2.training.schedules import LinearWarmupDecay


@pytest.mark.parametrize("second", [None, "nsp", "sop"])
def test_records_give_the_losses_of_the_published_code(second):
    task = tiny_masked_lm.make(second_task=second)
    inputs, targets = tiny_masked_lm.records()
    outputs = task(inputs)
    logits = outputs["mlm"] if second else outputs
    want, accuracy = tiny_masked_lm.mean_loss(
        logits, targets["masked_ids"], targets["masked_weights"]
    )
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
    for data in ((inputs, targets), (dataset.batch(6),)):
        got = task.evaluate(*data, verbose=0, return_dict=True)
        mlm = got["mlm_loss"] if second else got["loss"]
        assert mlm == pytest.approx(want, rel=BACKWARD)
        assert got["mlm_accuracy"] == pytest.approx(accuracy, rel=BACKWARD)
        if second:
            labels = targets["next_sentence_labels"]
            loss, accuracy_2 = tiny_masked_lm.mean_loss(outputs[second], labels, np.ones(6))
            assert got["loss"] == pytest.approx(want + loss, rel=BACKWARD)
            assert got[f"{second}_accuracy"] == pytest.approx(accuracy_2, rel=BACKWARD)
    parts = task.evaluate(inputs, targets, batch_size=2, verbose=0, return_dict=True)
    assert parts["mlm_perplexity"] == pytest.approx(np.exp(want), rel=BACKWARD)
    assert parts["mlm_accuracy"] == pytest.approx(accuracy, rel=BACKWARD)


@pytest.mark.full
def test_both_tasks_learn():
    keras.utils.set_random_seed(1)
    task = tiny_masked_lm.make(second_task="nsp")
    task.compile({"learning_rate": 1e-2})
    inputs, targets = tiny_masked_lm.records()
    history = task.fit(
        inputs, targets, 3, epochs=20, validation_data=(inputs, targets), verbose=0
    ).history
    assert history["mlm_loss"][-1] < history["mlm_loss"][0] / 2
    assert history["nsp_loss"][-1] < history["nsp_loss"][0]
    assert history["val_nsp_accuracy"][-1] == 1.0


def steps(strategy):
    """Losses and weights of a few steps."""
    with strategy.scope():
        task = tiny_masked_lm.make(second_task="nsp")
        task.compile(keras.optimizers.SGD(0.5))
    dataset = tf.data.Dataset.from_tensor_slices(tiny_masked_lm.records(7))
    loss = task.fit(dataset.batch(4), epochs=2, verbose=0).history["loss"]
    weights = [np.ravel(v) for v in task.named_variables().values()]
    return np.concatenate([loss, *weights])


def one_and_two_replicas(two):
    one_device, two_devices = steps(tf.distribute.get_strategy()), steps(two)
    assert len(one_device) > 10_000
    assert_near(two_devices, one_device, FORWARD)


@pytest.mark.full
def test_two_replicas_take_the_step_of_one():
    """Their shares of the rows and of the predictions are unequal: 2, 2; 2, 1 and 7, 5; 3, 1."""
    replicas.call(__file__, "one_and_two_replicas")


def test_records_without_labels_for_the_second_task():
    inputs, targets = tiny_masked_lm.records()
    del targets["next_sentence_labels"]
    assert tiny_masked_lm.make().evaluate(inputs, targets, verbose=0)
    with pytest.raises(ValueError, match="next_sentence_labels"):
        tiny_masked_lm.make(second_task="sop").fit(inputs, targets, verbose=0)


# --- The original, step by step. ------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("drop_padding", [False, True])
def test_eight_steps_of_googles_pretraining(assets, drop_padding):
    recorded = np.load(assets / "reference" / "training" / "bert_pretrain.npz")
    folder = assets / "reference" / "bert_tiny"
    config = oracle.with_dropout(weights.open_checkpoint(folder).config, 0.0)
    tokenizer = WordPieceTokenizer(TOKENIZER.vocabulary[: config.vocab_size])
    task = MaskedLM(
        Encoder(config),
        Preprocessor(tokenizer, config.max_length),
        second_task="nsp",
        drop_padding=drop_padding,
    )
    for name, array in googles.variables_of(task, recorded, "init").items():
        task.named_variables()[name].assign(array)
    inputs = googles.inputs_of(recorded, "in/")
    inputs["masked_positions"] = recorded["in/masked_lm_positions"]
    targets = {
        "masked_ids": recorded["in/masked_lm_ids"],
        "masked_weights": recorded["in/masked_lm_weights"],
        "next_sentence_labels": recorded["in/next_sentence_labels"],
    }
    one_batch = tf.data.Dataset.from_tensors((inputs, targets))
    # The token table is an output, too, so no gradient is sparse, neither Google's nor ours.
    task.compile(AdamW(LinearWarmupDecay(2e-3, 8, 2), reproduce="google"))
    losses = []
    for step in range(8):
        losses += task.fit(one_batch, epochs=1, verbose=0).history["loss"]
        if step + 1 in (2, 4, 8):
            want = googles.variables_of(task, recorded, f"step{step + 1}")
            for name, variable in task.named_variables().items():
                np.testing.assert_allclose(
                    variable, want[name], atol=BACKWARD, err_msg=f"{name}, step {step + 1}"
                )
    losses.append(task.evaluate(one_batch, verbose=0, return_dict=True)["loss"])
    np.testing.assert_allclose(losses, recorded["loss"], atol=BACKWARD)
