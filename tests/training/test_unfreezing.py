"""One more layer from the top each epoch: what moves, what stays, and what goes on after a kill."""

import keras
import numpy as np
import oracle
import pytest
from closeness import FORWARD, assert_near, of_steps
from interrupted import StopAt

import bert_tf2

TEXTS, LABELS = ["tea", "a stone", "rain & tea"] * 2, ["tea", "stone", "rain"] * 2
CONFIG = oracle.with_dropout(oracle.SMALL, 0.0)
HEAD, TOP = ("classifier/",), ("classifier/", "pooler/", "layer_0/")
EACH_EPOCH = [HEAD, TOP, ("",)]


class Weights(keras.callbacks.Callback):
    """All weights before the run and after each epoch, and what a file would then call frozen."""

    def __init__(self):
        super().__init__()
        self.seen, self.frozen = [], []

    def on_train_begin(self, logs=None):
        self.seen.append(values(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(values(self.model))
        self.frozen += self.model.get_config()["frozen"]


def values(task):
    return {name: v.numpy() for name, v in task.named_variables().items()}


def fit(task, *callbacks, **settings):
    settings = {"batch_size": 3, "epochs": 3, "shuffle": False, "verbose": 0} | settings
    return task.fit(TEXTS, LABELS, callbacks=[*callbacks], **settings)


def made():
    return oracle.tiny_classifier(config=CONFIG)


@pytest.fixture(scope="module")
def alone():
    """A run of three epochs, two steps each, of its own recipe."""
    task, weights = made(), Weights()
    fit(task, weights, bert_tf2.GradualUnfreezing())
    return task, weights


def test_each_epoch_moves_one_layer_more(alone):
    task, weights = alone
    for epoch, starts in enumerate(EACH_EPOCH):
        before, after = weights.seen[epoch : epoch + 2]
        moved = {name for name in before if (before[name] != after[name]).any()}
        assert moved == {name for name in before if name.startswith(starts)}, epoch
    assert not weights.frozen
    assert [v.path for v in task.stepped_variables] == [v.path for v in task.trainable_variables]


def test_what_moves_takes_the_step_of_the_whole_model():
    task, whole = made(), made()
    before = values(task)
    for each, callbacks in ((task, [bert_tf2.GradualUnfreezing(start=1)]), (whole, [])):
        each.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        fit(each, *callbacks, epochs=1, batch_size=6)
    want = values(whole)
    for name, value in values(task).items():
        if name.startswith(TOP):
            assert_near(value, want[name], FORWARD, err_msg=name)
            assert (value != before[name]).any()
        else:
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    slots = {v.path: v.numpy().any() for v in task.optimizer.variables if "momentum" in v.path}
    assert len(slots) == len(task.trainable_variables)
    assert not any(moved for path, moved in slots.items() if "embeddings" in path)


@pytest.mark.full
def test_a_killed_run_goes_on_with_its_layers(alone, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        killed = made()
        saved = bert_tf2.Checkpoints(tmp_path, every=1)
        fit(killed, bert_tf2.GradualUnfreezing(), saved, StopAt(4))
    assert not killed.resting
    again = made()
    with pytest.raises(ValueError, match=r"another run: .*unfreezing.*\[0, 1\] there, None here"):
        fit(again, bert_tf2.Checkpoints(tmp_path))
    fit(again, bert_tf2.GradualUnfreezing(), bert_tf2.Checkpoints(tmp_path))
    want = values(alone[0])
    for name, value in values(again).items():
        assert_near(value, want[name], of_steps(6), err_msg=name)


def test_what_has_no_meaning_is_refused():
    for wrong in ({"start": -1}, {"every": 0}, {"every": 1.5}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be an int from"):
            bert_tf2.GradualUnfreezing(**wrong)
    unfreezing = bert_tf2.GradualUnfreezing()
    with pytest.raises(ValueError, match=r"one `GradualUnfreezing`\. Received: 2"):
        fit(made(), unfreezing, bert_tf2.GradualUnfreezing())
    with pytest.raises(ValueError, match="layers with weights of their own"):
        fit(oracle.tiny_classifier(config=oracle.TINIES["albert"]), unfreezing)
    task = made()
    task.compile(fgm=1.0)
    with pytest.raises(ValueError, match="`fgm` moves the token table"):
        fit(task, unfreezing)
