"""Processes that are killed, up to twenty times over, end as one that was left alone."""

import json
import random
import signal
import time

import numpy as np
import pytest
from processes import finish, start

import bert_tf2

KILLS = pytest.mark.parametrize(
    "kills", [pytest.param(1, marks=pytest.mark.full), pytest.param(20, marks=pytest.mark.soak)]
)
RUN = {"dropout": 0.1, "epochs": 20, "deterministic": True}  # three steps each


def same_bits(got, want):
    got, want = np.load(got), np.load(want)
    assert got.files == want.files
    return [name for name in want.files if not np.array_equal(got[name], want[name])]


def alone(folder, **settings):
    finish(start([RUN | settings | {"out": str(folder / "alone.npz")}]))
    return folder / "alone.npz"


@KILLS
def test_killed_at_random_steps(tmp_path, kills):
    """SIGKILL after a random step; at the end bit for bit the undisturbed run."""
    want = alone(tmp_path)
    generator = random.Random(11)
    settings = RUN | {"out": str(tmp_path / "out.npz")}
    for step in sorted(generator.sample(range(1, 60), kills)):
        saved = {"folder": str(tmp_path / "run"), "every": generator.choice([1, 2, 3])}
        killed = settings | {"checkpoints": saved, "kill_at": step}
        finish(start([killed]), -signal.SIGKILL)
    finish(start([settings | {"checkpoints": saved}]))
    assert not same_bits(settings["out"], want)


@KILLS
def test_killed_at_random_moments(tmp_path, kills):
    """SIGKILL from outside, in the middle of whatever it does, of a run that saves at each step."""
    epochs = 15 * kills + 30
    want = alone(tmp_path, epochs=epochs)
    generator = random.Random(12)
    folder, out = tmp_path / "run", tmp_path / "out.npz"
    settings = RUN | {"epochs": epochs, "checkpoints": {"folder": str(folder), "every": 1}}

    def newest():
        return [path.name for path in bert_tf2.Checkpoints(folder).found()][-1:]

    for _ in range(kills):
        process, before = start([settings | {"out": str(out)}]), newest()
        while process.poll() is None and newest() == before:
            time.sleep(0.05)
        time.sleep(generator.uniform(0, 1.0))
        process.kill()
        process.communicate()
        for found in bert_tf2.Checkpoints(folder).found():
            json.loads((found / "state.json").read_text())
    assert not out.exists()  # else not all of these were killed
    finish(start([settings | {"out": str(out)}]))
    assert not same_bits(out, want)
