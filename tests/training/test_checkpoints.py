"""Runs that are killed and started again end as one that was left alone."""

import os
import signal
import subprocess

import keras
import numpy as np
import oracle
import pytest
from closeness import FORWARD, assert_near, of_steps
from interrupted import StopAt

import bert_tf2

TEXTS = ["tea tea", "The kettle hums.", "stone, rain & tea", "tea", "rain tea rain"] * 4
LABELS = [["tea", "stone", "rain"][i % 3] for i in range(len(TEXTS))]


def classifier(dropout=0.1, seed=5):
    keras.utils.set_random_seed(seed)
    return oracle.tiny_classifier(dropout=dropout)


def fit(task, *callbacks, **settings):
    settings = {"batch_size": 8, "epochs": 3, "verbose": 0} | settings
    return task.fit(TEXTS, LABELS, callbacks=list(callbacks), **settings)


def weights_of(task):
    return {name: np.array(v.value) for name, v in task.named_variables().items()}


def assert_same(got, want):
    for name, array in want.items():
        # One process computes with as many threads as are free: sums may round otherwise.
        assert_near(got[name], array, of_steps(9), err_msg=name)


@pytest.mark.parametrize("stop_at, every", [(5, 2), (6, None)])
def test_interrupted_at_a_step_and_started_again(tmp_path, stop_at, every):
    alone = classifier()
    want = fit(alone).history
    checkpoints = bert_tf2.Checkpoints(tmp_path, every=every)
    with pytest.raises(KeyboardInterrupt):
        fit(classifier(), checkpoints, StopAt(stop_at))
    again = classifier(seed=6)  # the run's own comes back
    got = fit(again, bert_tf2.Checkpoints(tmp_path, every=every)).history
    assert_same(weights_of(again), weights_of(alone))
    assert got.keys() == want.keys()
    for name, values in want.items():
        assert_near(got[name], values, FORWARD)


def test_steps_per_epoch_that_are_no_whole_pass(tmp_path):
    """The data go on from epoch to epoch, and after an interruption."""
    alone = classifier()
    fit(alone, epochs=4, steps_per_epoch=2)
    with pytest.raises(KeyboardInterrupt):
        checkpoints = bert_tf2.Checkpoints(tmp_path, every=1)
        fit(classifier(), checkpoints, StopAt(5), epochs=4, steps_per_epoch=2)
    again = classifier()
    fit(again, bert_tf2.Checkpoints(tmp_path, every=1), epochs=4, steps_per_epoch=2)
    assert_same(weights_of(again), weights_of(alone))


def test_interrupted_after_an_execution_that_the_data_did_not_fill(tmp_path):
    """Three batches, two steps at a time; the run ends while the first epoch is validated."""

    class Stop(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            raise KeyboardInterrupt

    def run(*callbacks):
        task = classifier()
        task.compile({"learning_rate": 1e-3}, steps_per_execution=2)
        fit(task, *callbacks, validation_data=(TEXTS[:8], LABELS[:8]))
        return task

    alone = run()
    with pytest.raises(KeyboardInterrupt):
        run(bert_tf2.Checkpoints(tmp_path, every=1), Stop())
    again = run(bert_tf2.Checkpoints(tmp_path, every=1))
    assert int(again.optimizer.iterations.numpy()) == 9
    assert_same(weights_of(again), weights_of(alone))


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, second = classifier(), classifier()
    want = fit(first, bert_tf2.Checkpoints(tmp_path)).history
    got = fit(second, bert_tf2.Checkpoints(tmp_path)).history
    assert got == want
    assert_same(weights_of(second), weights_of(first))


def test_the_newest_and_the_best_are_kept(tmp_path):
    checkpoints = bert_tf2.Checkpoints(tmp_path, every=1, keep=2, monitor="loss", mode="max")
    fit(classifier(0.0), checkpoints)  # the loss falls, so the first epoch has the "best"
    names = [path.name for path in checkpoints.found()]
    assert names == [f"epoch-{e:04d}-step-{s:09d}" for e, s in [(1, 0), (2, 3), (3, 0)]]


def test_another_run_is_refused(tmp_path):
    fit(classifier(), bert_tf2.Checkpoints(tmp_path))
    with pytest.raises(ValueError, match=r"another run.*batch_size.*8 there, 4 here"):
        fit(classifier(), bert_tf2.Checkpoints(tmp_path), batch_size=4)
    other = oracle.tiny_classifier(labels=["a", "b"])
    with pytest.raises(ValueError, match="classifier/kernel"):
        other.fit(
            TEXTS,
            ["ab"[i % 2] for i in range(len(TEXTS))],
            batch_size=8,
            callbacks=[bert_tf2.Checkpoints(tmp_path)],
            verbose=0,
        )


def test_a_moving_average_is_not_taken_for_the_weights(tmp_path):
    """`SwapEMAWeights` has the average in their place at the end of an epoch."""

    def run(*callbacks):
        task = classifier()
        task.compile({"learning_rate": 1e-3, "ema_momentum": 0.5})
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        fit(task, swap, *callbacks)
        return task

    alone = run()
    with pytest.raises(KeyboardInterrupt):
        run(bert_tf2.Checkpoints(tmp_path), StopAt(5))
    assert_same(weights_of(run(bert_tf2.Checkpoints(tmp_path))), weights_of(alone))


@pytest.mark.parametrize("setting", [{"every": 0}, {"keep": 0}, {"mode": "best"}])
def test_bad_settings(tmp_path, setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        bert_tf2.Checkpoints(tmp_path, **setting)


def test_an_unknown_metric(tmp_path):
    with pytest.raises(ValueError, match=r"accuracy.*loss.*Received: 'f1'"):
        fit(classifier(), bert_tf2.Checkpoints(tmp_path, monitor="f1"))


def test_sigterm_saves_the_step_at_hand(tmp_path):
    class Terminate(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(self.model.optimizer.iterations.numpy()) == 4:
                os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        fit(classifier(), bert_tf2.Checkpoints(tmp_path), Terminate())
    assert stopped.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert bert_tf2.Checkpoints(tmp_path).found()[-1].name == "epoch-0001-step-000000002"


# --- A disk that is full. -------------------------------------------------------------------------


@pytest.mark.full
def test_a_full_disk_costs_no_checkpoint(tmp_path):
    """Real ENOSPC: a file system of 1 MB, mounted for the test."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        task, checkpoints = classifier(), bert_tf2.Checkpoints(folder, every=1, keep=100)
        with pytest.raises(OSError, match=r"saving .* failed"):
            fit(task, checkpoints)
        found = checkpoints.found()
        assert found and not list(folder.glob(".epoch-*"))
        assert len(found) < 12  # and not all of them
        (folder / found[0].name / "state.json").unlink()  # makes room
        for path in (folder / found[0].name).iterdir():
            path.unlink()
        whole = classifier()
        fit(whole)
        again = classifier()
        with pytest.raises(OSError, match=r"saving .* failed"):
            fit(again, bert_tf2.Checkpoints(folder, every=1, keep=100))
        assert_same(weights_of(again), weights_of(whole))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
