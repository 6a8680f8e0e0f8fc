"""The moving average of the weights by Keras's own means, against NumPy."""

import contextlib

import keras
import numpy as np
import oracle
import pytest
import replicas
from closeness import BACKWARD, of_steps

import bert_tf2

LABELS = ["tea", "stone", "rain"]
TEXTS = ["The kettle hums.", "", "stone, rain & tea", "tea", "rain rain tea", "x", "stone", "a b"]
TARGETS = [LABELS[i % 3] for i in range(len(TEXTS))]
VALIDATION = TEXTS[::2], TARGETS[::2]
MOMENTUM = 0.9
EPOCHS = 3  # of two steps
TOLERANCE = of_steps(6)


class Record(keras.callbacks.Callback):
    """Keeps the weights, by name, after each step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(arrays(self.model))


def arrays(task):
    return {name: np.array(v.value) for name, v in task.named_variables().items() if v.trainable}


def average(steps):
    """Of the weights after each step, in float64; the first ones stand for what was before."""
    mean = {name: array.astype("float64") for name, array in steps[0].items()}
    for step in steps[1:]:
        mean = {n: MOMENTUM * x + (1 - MOMENTUM) * step[n] for n, x in mean.items()}
    return mean


def run(strategy=None, callbacks=(), **how):
    """-> the task after a run, the weights after each of its steps, and its history."""
    with strategy.scope() if strategy else contextlib.nullcontext():
        task = oracle.tiny_classifier(
            LABELS, config=oracle.with_dropout(oracle.SMALL, 0.0), dropout=0.0
        )
        # With a larger epsilon Adam does not scale up what is rounding in small gradients.
        optimizer = bert_tf2.AdamW(1e-3, epsilon=1e-3, use_ema=True, ema_momentum=MOMENTUM)
        task.compile(optimizer)
    record = Record()
    fitted = task.fit(
        TEXTS,
        TARGETS,
        batch_size=4,
        epochs=EPOCHS,
        shuffle=False,
        validation_data=VALIDATION,
        callbacks=[record, *callbacks],
        verbose=0,
        **how,
    )
    return task, record.steps, fitted.history


def assert_near(got, want):
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, atol=TOLERANCE, err_msg=name)


def test_fit_ends_with_the_average():
    task, steps, _ = run()
    assert len(steps) == 2 * EPOCHS
    want = average(steps)
    assert_near(arrays(task), want)
    last = np.abs(steps[-1]["classifier/kernel"] - want["classifier/kernel"])
    assert last.max() > 200 * TOLERANCE  # the average is not just the last step's


def on_replicas(strategy, out):
    task, steps, history = run(strategy)
    swapped, _, swapped_history = run(strategy, [keras.callbacks.SwapEMAWeights()])
    np.savez(
        out,
        **{f"average/{name}": array for name, array in arrays(task).items()},
        **{f"last/{name}": array for name, array in steps[-1].items()},
        **{f"swapped/{name}": array for name, array in arrays(swapped).items()},
        loss=history["loss"],
        swapped_loss=swapped_history["loss"],
        swapped_val_loss=swapped_history["val_loss"],
    )


@pytest.mark.full
def test_two_replicas_have_the_average_of_one_device(tmp_path):
    _, steps, history = run()
    replicas.call(__file__, "on_replicas", tmp_path / "two.npz")
    two = np.load(tmp_path / "two.npz")
    part = {
        kind: {n.removeprefix(kind): two[n] for n in two.files if n.startswith(kind)}
        for kind in ("average/", "last/", "swapped/")
    }
    assert_near(part["last/"], steps[-1])
    assert_near(part["average/"], average(steps))
    assert_near(part["swapped/"], average(steps))
    np.testing.assert_allclose(two["loss"], history["loss"], rtol=BACKWARD)
    np.testing.assert_allclose(two["swapped_loss"], history["loss"], rtol=BACKWARD)
    np.testing.assert_allclose(two["swapped_val_loss"], losses_of_averages(steps), rtol=BACKWARD)


def losses_of_averages(steps):
    """What `evaluate` says at the end of each epoch, with the average in the weights' place."""
    task = oracle.tiny_classifier(
        LABELS, config=oracle.with_dropout(oracle.SMALL, 0.0), dropout=0.0
    )
    losses = []
    for epoch in range(EPOCHS):
        for name, array in average(steps[: 2 * (epoch + 1)]).items():
            task.named_variables()[name].assign(array.astype("float32"))
        losses.append(task.evaluate(*VALIDATION, verbose=0, return_dict=True)["loss"])
    return losses


@pytest.mark.full
@pytest.mark.parametrize("on_epoch", [False, True])
def test_swapped_weights_are_validated_and_training_goes_on(on_epoch):
    """`SwapEMAWeights` puts the average in for `validation_data`, and the weights back."""
    _, steps, history = run()
    task, swapped_steps, swapped = run(callbacks=[keras.callbacks.SwapEMAWeights(on_epoch)])
    np.testing.assert_allclose(swapped["loss"], history["loss"], rtol=BACKWARD)
    np.testing.assert_allclose(swapped["val_loss"], losses_of_averages(steps), rtol=BACKWARD)
    assert np.abs(np.subtract(swapped["val_loss"], history["val_loss"])).min() > 1e-4
    assert_near(swapped_steps[-1], steps[-1])
    assert_near(arrays(task), average(steps))
