"""The warm-up and decay of the learning rate."""

import json
import re

import keras
import numpy as np
import pytest

from bert_tf2.training.schedules import LinearWarmupDecay


def google_rate(step, init_lr, total_steps, warmup_steps):
    """Google's schedule restated in plain Python."""
    if step < warmup_steps:
        return init_lr * step / warmup_steps
    return init_lr * (1 - min(step, total_steps) / total_steps)


@pytest.mark.parametrize("warmup_steps", [0, 1, 3, 10])
def test_equals_plain_python(warmup_steps):
    schedule = LinearWarmupDecay(0.1, total_steps=10, warmup_steps=warmup_steps)
    rates = [float(schedule(step)) for step in range(13)]
    expected = [google_rate(step, 0.1, 10, warmup_steps) for step in range(13)]
    np.testing.assert_allclose(rates, expected, atol=1e-8)


def test_warm_up_ends_on_the_line_from_step_zero():
    schedule = LinearWarmupDecay(1.0, total_steps=10, warmup_steps=4)
    assert float(schedule(3)) == pytest.approx(0.75)
    assert float(schedule(4)) == pytest.approx(0.6)
    assert float(schedule(10)) == float(schedule(1000)) == 0.0


def test_config_round_trip():
    schedule = LinearWarmupDecay(3e-5, total_steps=100, warmup_steps=7)
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    assert isinstance(again, LinearWarmupDecay)
    assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    "arguments, named",
    [
        ((-1e-5, 10, 0), "init_lr"),
        ((1e-5, 0, 0), "total_steps"),
        ((1e-5, 10.5, 0), "total_steps"),
        ((1e-5, 10, 11), "warmup_steps"),
        ((1e-5, 10, -1), "warmup_steps"),
        ((1e-5, 10, 0.1), "warmup_steps"),
    ],
)
def test_bad_arguments(arguments, named):
    with pytest.raises(ValueError, match=rf"`{named}` must .*Received: "):
        LinearWarmupDecay(*arguments)


@pytest.mark.full
def test_equals_google(assets):
    recorded = json.loads((assets / "reference/optimizer/bert_lr_schedules.json").read_text())
    schedules = {name: rates for name, rates in recorded.items() if name.startswith("bert")}
    assert schedules
    for name, rates in schedules.items():
        init_lr, total, warmup = re.fullmatch(
            r"bert lr=(\S+) steps=(\d+) warmup=(\d+)", name
        ).groups()
        schedule = LinearWarmupDecay(float(init_lr), int(total), int(warmup))
        ours = [float(schedule(step)) for step in range(len(rates))]
        np.testing.assert_allclose(ours, rates, rtol=1e-6, atol=float(init_lr) * 1e-6, err_msg=name)
