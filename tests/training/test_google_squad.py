"""Eight steps of Google's `run_squad.py`, through `fit` of a `QuestionAnswerer` on ids."""

import googles
import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD, FORWARD

from bert_tf2 import AdamW, Encoder, Preprocessor, QuestionAnswerer, WordPieceTokenizer, weights
from bert_tf2.training.schedules import LinearWarmupDecay

pytestmark = pytest.mark.full
TOLERANCE = BACKWARD  # eight steps of float32 on each side
GOOGLES = {"reproduce": "google", "drop_padding": False}


def spans(assets, recorded, **how):
    config = weights.open_checkpoint(assets / "reference" / "bert_tiny").config
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])  # not asked
    encoder = Encoder(oracle.with_dropout(config, 0.0))
    task = QuestionAnswerer(encoder, Preprocessor(tokenizer, config.max_length), **how)
    for name, array in googles.variables_of(task, recorded, "init").items():
        task.named_variables()[name].assign(array)
    task.compile(AdamW(LinearWarmupDecay(2e-3, 8, 2), reproduce="google"))
    return task


def one_batch(recorded):
    inputs = googles.inputs_of(recorded, "in/")
    targets = np.stack([recorded["in/start_positions"], recorded["in/end_positions"]], 1)
    return tf.data.Dataset.from_tensors((inputs, targets))


def assert_weights(task, want, step=8):
    for name, variable in task.named_variables().items():
        if name != "span/bias":
            np.testing.assert_allclose(
                variable, want[name], atol=TOLERANCE, err_msg=f"{name}, step {step}"
            )


@pytest.fixture
def recorded(assets):
    arrays = np.load(assets / "reference" / "training" / "bert_squad.npz")
    assert arrays["in/input_mask"].sum(1).tolist() == [24, 17, 9, 3]
    # The loss does not depend on the bias (softmax): Adam scales up what is only rounding.
    assert np.abs(arrays["grad0/cls/squad/output_bias"]).max() < 1e-6
    return arrays


def test_eight_steps_of_googles_span_model(assets, recorded):
    task, data = spans(assets, recorded, **GOOGLES), one_batch(recorded)
    losses = []
    for step in range(1, 9):
        losses += task.fit(data, epochs=1, verbose=0).history["loss"]
        if step in (2, 4, 8):
            assert_weights(task, googles.variables_of(task, recorded, f"step{step}"), step)
    losses.append(task.evaluate(data, verbose=0)[0])
    np.testing.assert_allclose(losses, recorded["loss"], atol=TOLERANCE)


def test_the_first_steps_gradients(assets, recorded):
    """Also of the token table, whose gradient is sparse here, and of the pooler, which has none."""
    task = spans(assets, recorded, **GOOGLES)
    task.compile(keras.optimizers.SGD(1.0))
    before = {name: np.array(v.value) for name, v in task.named_variables().items()}
    task.fit(one_batch(recorded), epochs=1, verbose=0)
    none = {  # the recording leaves them out
        f"grad0/bert/pooler/dense/{part}": np.zeros_like(before[f"pooler/{part}"])
        for part in ("kernel", "bias")
    }
    want = googles.variables_of(task, none | dict(recorded), "grad0")
    for name, variable in task.named_variables().items():
        got = before[name] - np.array(variable.value)
        np.testing.assert_allclose(got, want[name], atol=FORWARD, err_msg=name)


def test_padding_can_be_dropped_where_the_loss_leaves_it_out(assets, recorded):
    """Google's does not: at dropped padding there would be other logits to count."""
    data, runs = one_batch(recorded), []
    for drop_padding in (False, True):
        task = spans(assets, recorded, drop_padding=drop_padding)
        losses = task.fit(data, epochs=8, verbose=0).history["loss"]
        runs.append((losses, {n: np.array(v.value) for n, v in task.named_variables().items()}))
    (want_losses, want), (losses, _) = runs
    np.testing.assert_allclose(losses, want_losses, atol=TOLERANCE)
    assert_weights(task, want)
    first = spans(assets, recorded).evaluate(data, verbose=0)[0]
    assert abs(first - recorded["loss"][0]) > 0.01
