"""One of two workers is killed, up to ten times over: the chief or the other one."""

import random

import numpy as np
import pytest
from closeness import assert_near, of_steps
from processes import finish, two_workers

RUN = {"dropout": 0.1, "epochs": 10, "deterministic": True}  # three steps each


@pytest.mark.parametrize(
    "kills", [pytest.param(2, marks=pytest.mark.full), pytest.param(10, marks=pytest.mark.soak)]
)
def test_one_of_two_workers_is_killed(tmp_path, kills):
    """At a random step; the survivor is stopped, and both are started again."""
    undisturbed, files = two_workers(tmp_path, **RUN)
    for process in undisturbed:
        finish(process)
    want = dict(np.load(files[0]))
    for file in files:
        file.unlink()
    generator = random.Random(13)
    settings = RUN | {"checkpoints": {"folder": str(tmp_path / "run"), "every": 1}}
    victims = [0, 1] * (kills // 2)
    generator.shuffle(victims)
    steps = sorted(generator.sample(range(1, 30), kills))
    for victim, step in zip(victims, steps, strict=True):
        processes, _ = two_workers(tmp_path, **settings | {"kill_at": step, "killed": victim})
        assert processes[victim].wait(timeout=300) == -9
        processes[1 - victim].kill()
        for process in processes:
            process.communicate()
    processes, files = two_workers(tmp_path, **settings)
    for process in processes:
        finish(process)
    for file in files:
        got = np.load(file)
        for name in want:  # two processes: sums may come in another order
            if name.startswith(("weight", "history")):
                assert_near(got[name], want[name], of_steps(30, rate=3e-4), err_msg=name)
