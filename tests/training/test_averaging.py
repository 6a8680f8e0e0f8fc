"""The mean of a run's weights, also of one that was interrupted."""

import keras
import numpy as np
import oracle
import pytest
from closeness import FORMULA, assert_near, of_steps

import bert_tf2

TEXTS = ["tea tea", "The kettle hums.", "stone, rain & tea", "tea", "rain tea rain"] * 2
LABELS = [["tea", "stone", "rain"][i % 3] for i in range(len(TEXTS))]


class Watch(keras.callbacks.Callback):
    """Keeps the weights after each epoch; interrupts after one of them."""

    def __init__(self, until=None):
        super().__init__()
        self.until, self.seen = until, []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(weights_of(self.model))
        if epoch == self.until:
            raise KeyboardInterrupt


def weights_of(task):
    return {name: np.array(v.value) for name, v in task.named_variables().items()}


def fit(*callbacks):
    keras.utils.set_random_seed(1)
    task = oracle.tiny_classifier()
    task.compile({"learning_rate": 1e-3})
    task.fit(TEXTS, LABELS, batch_size=5, epochs=4, callbacks=list(callbacks), verbose=0)
    return weights_of(task)


@pytest.mark.full
@pytest.mark.parametrize("start", [pytest.param(0, marks=pytest.mark.full), 2])
def test_the_run_ends_with_the_mean_of_its_epochs(start):
    watch = Watch()
    got = fit(bert_tf2.AverageWeights(start), watch)
    assert np.abs(watch.seen[0]["classifier/kernel"] - got["classifier/kernel"]).max() > 1e-4
    for name, value in got.items():
        want = np.mean([seen[name] for seen in watch.seen[start:]], axis=0)
        assert_near(value, want, FORMULA, err_msg=name)


@pytest.mark.full
def test_an_interrupted_run_goes_on_with_its_mean(tmp_path):
    want = fit(bert_tf2.AverageWeights())
    with pytest.raises(KeyboardInterrupt):
        fit(bert_tf2.AverageWeights(), bert_tf2.Checkpoints(tmp_path), Watch(until=2))
    for _ in range(2):  # a finished run gives its mean again
        got = fit(bert_tf2.AverageWeights(), bert_tf2.Checkpoints(tmp_path))
        for name, value in got.items():
            assert_near(value, want[name], of_steps(16), err_msg=name)


@pytest.mark.full
def test_each_fit_has_a_mean_of_its_own():
    average = bert_tf2.AverageWeights(start_epoch=3)
    first = fit(average)
    second = fit(average)
    for name, value in first.items():
        assert_near(second[name], value, of_steps(16), err_msg=name)


def test_bad_start():
    with pytest.raises(ValueError, match=r"`start_epoch` must be 0 or more. Received: -1"):
        bert_tf2.AverageWeights(-1)
