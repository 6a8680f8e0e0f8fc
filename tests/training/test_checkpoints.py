"""Runs that are killed and started again end as one that was left alone."""

import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import types

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import FORWARD, assert_near, of_steps
from interrupted import StopAt

import bert_tf2
from bert_tf2.training import checkpoint_store as store

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
        # One process computes with as many threads as are free: sums may round otherwise. A softmax
        # does not see the biases of keys, so that their gradients are roundings alone.
        tolerance = 9 * 1e-3 if name.endswith("key/bias") else of_steps(9)
        assert_near(got[name], array, tolerance, err_msg=name)


@pytest.mark.parametrize(
    "stop_at, every, damaged", [pytest.param(5, 2, False, marks=pytest.mark.full), (6, 2, True)]
)
def test_interrupted_at_a_step_and_started_again(tmp_path, caplog, stop_at, every, damaged):
    alone = classifier()
    want = fit(alone).history
    checkpoints = bert_tf2.Checkpoints(tmp_path, every=every)
    with pytest.raises(KeyboardInterrupt):
        fit(classifier(), checkpoints, StopAt(stop_at))
    if damaged:
        flip(checkpoints.found()[-1] / DATA)
    again = classifier(seed=6)  # the run's own comes back
    got = fit(again, bert_tf2.Checkpoints(tmp_path, every=every)).history
    assert_same(weights_of(again), weights_of(alone))
    assert got.keys() == want.keys()
    for name, values in want.items():
        assert_near(got[name], values, FORWARD)
    assert ("is damaged and set aside as damaged-epoch-0001-step-" in caplog.text) == damaged
    assert len(list(tmp_path.glob("damaged-*"))) == damaged


@pytest.mark.full
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


@pytest.mark.full
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


@pytest.mark.full
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


@pytest.mark.full
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


# --- Of variables without a model: what becomes of the folder. ------------------------------------

DATA, INDEX, STATE = "variables.data-00000-of-00001", "variables.index", "state.json"
RUN = {"epochs": 20_000, "batches": 3, "batch_size": 8, "steps_per_execution": 1}


class Untrained:
    """What `Checkpoints` asks of a model, with one variable and an optimizer that counts."""

    metrics_variables, metrics = (), ()
    distribute_strategy = tf.distribute.get_strategy()

    def __init__(self, value=0.0, shape=(4,)):
        self.variables = [keras.Variable(np.full(shape, value, "float32"), name="kernel")]
        self.iterations = keras.Variable(0, dtype="int64", trainable=False, name="iterations")
        self.optimizer = types.SimpleNamespace(variables=[self.iterations])


def opened(folder, seed=1, value=0.0, run=RUN, **settings):
    """-> `Checkpoints` in a run; where it goes on; the variable's value."""
    model, checkpoints = Untrained(value), bert_tf2.Checkpoints(folder, **settings)
    checkpoints.set_model(model)
    place = checkpoints.restore(model, run | {"shuffle_seed": seed})
    return checkpoints, place, float(model.variables[0].value[0])


def run_to(folder, *places, **settings):
    """A run of another process that saved at (epoch, step), with the step as its variable."""
    checkpoints, _, _ = opened(folder, **settings)
    for number, (epoch, step) in enumerate(places, 1):
        checkpoints.model.variables[0].assign(np.full(4, number, "float32"))
        checkpoints.model.iterations.assign(epoch * RUN["batches"] + step)
        checkpoints.save(epoch, step)
    checkpoints.release()
    return checkpoints


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def flip(file, place=-9):
    content = bytearray(file.read_bytes())
    content[place] ^= 64
    file.write_bytes(content)


def rewrite(file, release=None, **changes):
    """Changes a state; of 0.1.0, which wrote no checksums into it, if asked."""
    state = json.loads(file.read_text()) | changes
    for name in ("index", "digest", "ahead") if release else ():
        del state[name]
    file.write_text(json.dumps(state))


def exchange(path, *files):
    for name in files:
        shutil.copy(sorted(path.parent.glob("epoch-*"))[0] / name, path / name)


DAMAGE = {
    "empty state": lambda p: (p / STATE).write_text(""),
    "cut state": lambda p: (p / STATE).write_text((p / STATE).read_text()[:90]),
    "no state": lambda p: (p / STATE).unlink(),
    "state that is no object": lambda p: (p / STATE).write_text("[]"),
    "state without a field": lambda p: (p / STATE).write_text('{"format": 1}'),
    "another step": lambda p: rewrite(p / STATE, step=1),
    "another epoch": lambda p: rewrite(p / STATE, epoch=0),
    "finished": lambda p: rewrite(p / STATE, finished=True),
    "another step, old": lambda p: rewrite(p / STATE, "0.1.0", step=1),
    "another epoch, old": lambda p: rewrite(p / STATE, "0.1.0", epoch=7),
    "null for a step, old": lambda p: rewrite(p / STATE, "0.1.0", step=None),
    "flipped bit in the state": lambda p: flip(p / STATE, 40),
    "flipped bit in the index": lambda p: flip(p / INDEX, 60),
    "flipped bit in the data": lambda p: flip(p / DATA),
    "flipped bit in the data, old": lambda p: (rewrite(p / STATE, "0.1.0"), flip(p / DATA)),
    "no index": lambda p: (p / INDEX).unlink(),
    "no data": lambda p: (p / DATA).unlink(),
    "cut data": lambda p: os.truncate(p / DATA, 5),
    "empty index": lambda p: os.truncate(p / INDEX, 0),
    "a FIFO": lambda p: ((p / INDEX).unlink(), os.mkfifo(p / INDEX)),
    "a folder": lambda p: ((p / STATE).unlink(), (p / STATE).mkdir()),
    "another's state": lambda p: exchange(p, STATE),
    "another's variables": lambda p: exchange(p, DATA, INDEX),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_set_aside(tmp_path, caplog, damage):
    """The newest, then the one before it, then the last one."""
    run_to(tmp_path, (1, 0), (1, 2), (2, 0), keep=3)
    wanted = [((1, 2, 1), 2.0), ((1, 0, 1), 1.0), (None, 0.0)]
    for count, (place, value) in enumerate(wanted, 1):
        if count == 3 and damage.startswith("another's"):
            break  # there is no other
        newest = store.found(tmp_path)[-1]
        DAMAGE[damage](newest)
        caplog.clear()
        checkpoints, *got = opened(tmp_path, seed=3)
        checkpoints.release()
        assert got == [place, value]
        assert f"{newest} is damaged and set aside as damaged-{newest.name}: " in caplog.text
        assert len(list(tmp_path.glob("damaged-*"))) == count


@pytest.mark.parametrize("place", [(1, 1), (3, 0)])
@pytest.mark.parametrize("signed", [True, False])
def test_a_place_that_the_optimizer_has_not_reached(tmp_path, caplog, place, signed):
    """All else fits: the folder's name, the state, its checksum."""
    run_to(tmp_path, (1, 0), (2, 0))
    newest = store.found(tmp_path)[-1]
    moved = store.place(tmp_path, *place)
    newest.rename(moved)
    state = json.loads((moved / STATE).read_text()) | {"epoch": place[0], "step": place[1]}
    del state["digest"]
    if signed:
        text = json.dumps(state, sort_keys=True)
        state["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (moved / STATE).write_text(json.dumps(state))
    checkpoints, *got = opened(tmp_path)
    checkpoints.release()
    assert got == [(1, 0, 1), 1.0]
    assert f"{moved} is damaged and set aside" in caplog.text
    assert "the optimizer has taken another number of steps" in caplog.text


def test_a_checkpoint_of_a_release_before(tmp_path):
    run_to(tmp_path, (1, 0), (1, 2))
    for path in store.found(tmp_path):
        rewrite(path / STATE, "0.1.0")
    checkpoints, *got = opened(tmp_path)
    checkpoints.release()
    assert got == [(1, 2, 1), 2.0]


def test_the_order_is_that_of_numbers_and_strangers_are_left_alone(tmp_path):
    strangers = ["epoch-zzz", "epoch-0001", "epoch-0001-step-x", ".epoch-0003-step-000000000.1"]
    for name in strangers:  # the last is a draft of a process that lives
        (tmp_path / name).mkdir()
    (tmp_path / "epoch-0009-step-000000000").touch()
    run_to(tmp_path, (9998, 0), (9999, 0), (9999, 2), (9999, 2), (10_000, 0), keep=4)
    assert [path.name for path in store.found(tmp_path)] == [
        "epoch-9999-step-000000000",
        "epoch-9999-step-000000002",
        "epoch-9999-step-000000002b",
        "epoch-10000-step-000000000",
    ]
    checkpoints, *got = opened(tmp_path)
    checkpoints.release()
    assert got == [(10_000, 0, 1), 5.0]
    assert set(strangers) < set(names(tmp_path))


def test_drafts_of_dead_processes_go(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f".epoch-0003-step-000000000.{dead.pid}").mkdir()
    (tmp_path / f".epoch-0004-step-000000000.{dead.pid}.abc").mkdir()
    run_to(tmp_path, (1, 0))
    assert names(tmp_path) == ["epoch-0001-step-000000000"]


def test_the_newest_and_the_best_are_kept(tmp_path):
    checkpoints, _, _ = opened(tmp_path, keep=1, monitor="loss", mode="max")
    for epoch, loss in enumerate([0.3, 0.5, 0.4, math.nan], 1):
        checkpoints.on_epoch_begin(epoch - 1)
        checkpoints.on_epoch_end(epoch - 1, {"loss": loss})
    assert names(tmp_path)[1:] == ["epoch-0002-step-000000000", "epoch-0004-step-000000000"]
    checkpoints.release()
    checkpoints, place, _ = opened(tmp_path, keep=1, monitor="loss", mode="max")
    assert place[0] == 4
    checkpoints.save(5, 0, 0.45)
    assert names(tmp_path)[1:] == ["epoch-0002-step-000000000", "epoch-0005-step-000000000"]
    checkpoints.release()


def test_pruning_never_stops_a_run(tmp_path, monkeypatch, caplog):
    checkpoints, _, _ = opened(tmp_path, keep=1)
    checkpoints.save(1, 0)
    (tmp_path / "epoch-0001-step-000000000" / STATE).write_text("")  # damaged, and older
    checkpoints.save(2, 0)
    assert names(tmp_path) == [".lock", "epoch-0002-step-000000000"]
    monkeypatch.setattr(store, "remove", lambda path: path.rmdir())
    checkpoints.save(3, 0)
    assert checkpoints.failure is None and "cannot be removed" in caplog.text
    checkpoints.release()


def test_a_folder_has_one_run_at_a_time(tmp_path):
    first, _, _ = opened(tmp_path)
    first.save(1, 0)
    with pytest.raises(OSError, match="in use by another run"):
        opened(tmp_path)
    first.release()
    with pytest.raises(ValueError, match=r"of another run: .*'epochs': '20000 there, 1 here'"):
        opened(tmp_path, run=RUN | {"epochs": 1})
    second, place, _ = opened(tmp_path)  # the refused one has let go of it
    assert place[0] == 1
    second.release()
    assert names(tmp_path) == ["epoch-0001-step-000000000"]


def test_settings_tell_runs_apart(tmp_path):
    """Those that differ are shown, and no others, of however many."""
    same = {f"setting_{i}": "x" * 99 for i in range(9)}
    run_to(tmp_path, (1, 0), settings=same | {"seed": 1})
    with pytest.raises(ValueError, match=r"of another run: {'seed': '1 there, 2 here'}\."):
        opened(tmp_path, settings=same | {"seed": 2})
    assert opened(tmp_path, settings=same | {"seed": 1, "new": 1})[1] == (1, 0, 1)


@pytest.mark.parametrize("other", [{"shape": (5,)}, {"value": 1}])
def test_variables_of_another_model(tmp_path, other):
    run_to(tmp_path, (1, 0))
    model = Untrained(**other)
    if "value" in other:
        model.variables[0] = keras.Variable(np.ones(4, "float16"), name="kernel")
    with pytest.raises(ValueError, match=r"of another model or optimizer: \['model/0/kernel'\]"):
        bert_tf2.Checkpoints(tmp_path).restore(model, RUN | {"shuffle_seed": 1})
    assert names(tmp_path) == ["epoch-0001-step-000000000"]


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
