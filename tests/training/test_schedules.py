"""The warm-up and decay of the learning rate."""

import json
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from closeness import FORMULA, assert_near
from keras.optimizers.schedules import CosineDecay, PolynomialDecay

from bert_tf2.training.optimizers import AdamW
from bert_tf2.training.schedules import (
    SCHEDULES,
    Joined,
    LinearWarmupDecay,
    polynomial,
    steps_until_zero,
)


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


# --- By name: the highest rate is 2, warm-up ends at step 4, all ends at step 12. -----------------


def half_wave(progress):
    return (1 - math.cos(math.pi * progress)) / 2


RISING = {
    "linear": lambda step: 2 * step / 4,
    "polynomial": lambda step: 2 * step / 4,
    "cosine": lambda step: 2 * step / 4,
    "constant": lambda step: 2 * step / 4,
    "one_cycle": lambda step: 2 / 25 + (2 - 2 / 25) * half_wave(step / 4),
}
FALLING = {  # of the part of all steps, and of the part of those after the warm-up, that is done
    "linear": lambda whole, rest: 2 * (1 - whole),
    "polynomial": lambda whole, rest: 2 * (1 - rest),
    "cosine": lambda whole, rest: 2 * (1 - half_wave(rest)),
    "constant": lambda whole, rest: 2,
    "one_cycle": lambda whole, rest: 2 * (1 - half_wave(rest)),
}


def rates(schedule, steps=range(15)):
    if not callable(schedule):
        return [schedule for _ in steps]
    compiled = tf.function(schedule)
    for step in steps:
        np.testing.assert_allclose(
            schedule(step), compiled(tf.constant(step, tf.int64)), rtol=FORMULA
        )
    return [float(schedule(step)) for step in steps]


@pytest.mark.parametrize("warmup_steps", [0, 4])
@pytest.mark.parametrize("name", list(SCHEDULES))
def test_equals_closed_form(name, warmup_steps):
    def expected(step):
        if step < warmup_steps:
            return RISING[name](step)
        step = min(step, 12)
        return FALLING[name](step / 12, (step - warmup_steps) / (12 - warmup_steps))

    found = rates(SCHEDULES[name](2.0, 12, warmup_steps))
    assert_near(found, [expected(step) for step in range(15)], FORMULA)


def test_polynomial_of_another_power():
    found = rates(polynomial(2.0, 12, 4, power=2.0))[4:]
    assert_near(found[:8], [2 * (1 - i / 8) ** 2 for i in range(8)], FORMULA)
    assert found[8:] == [0.0] * 3


@pytest.mark.parametrize("name", ["polynomial", "cosine", "one_cycle"])
def test_warm_up_to_the_end(name):
    found = rates(SCHEDULES[name](2.0, 4, 4), range(7))
    assert_near(found, [RISING[name](step) for step in range(5)] + [0, 0], FORMULA)


@pytest.mark.parametrize("warmup_steps", [0, 4])
@pytest.mark.parametrize("name", list(SCHEDULES))
def test_when_the_rate_is_zero(name, warmup_steps):
    schedule = SCHEDULES[name](2.0, 12, warmup_steps)
    end = steps_until_zero(schedule)
    assert end == AdamW(schedule).schedule_steps == (math.inf if name == "constant" else 12)
    if end == 12:
        assert rates(schedule)[11] > 0
        assert rates(schedule)[12:] == [0.0] * 3


@pytest.mark.parametrize(
    "schedule",
    [
        3e-5,
        CosineDecay(1.0, 10, alpha=0.1),
        PolynomialDecay(1.0, 10, 1e-4),
        PolynomialDecay(1.0, 10, 0.0, cycle=True),
        keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5),
        Joined(PolynomialDecay(1.0, 10, 0.0), 5, CosineDecay(1.0, 10, alpha=0.1)),
    ],
)
def test_a_rate_that_is_never_zero(schedule):
    assert steps_until_zero(schedule) == math.inf


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_saved_with_a_model(tmp_path, name):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(AdamW(SCHEDULES[name](2.0, 12, 4)), loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert again.get_config() == model.optimizer.get_config()
    assert again.schedule_steps == model.optimizer.schedule_steps
    for each in (model.optimizer, again):
        each.iterations.assign(6)
    assert float(again.learning_rate) == float(model.optimizer.learning_rate) > 0


def test_joined_needs_a_first_part():
    with pytest.raises(ValueError, match=r"`steps` must .*Received: steps=0"):
        Joined(CosineDecay(1.0, 1), 0, CosineDecay(1.0, 1))


@pytest.mark.parametrize("name", ["linear", "polynomial", "cosine", "one_cycle"])
@pytest.mark.parametrize("total_steps", [0, 10.5])
def test_bad_total_steps(name, total_steps):
    with pytest.raises(ValueError, match=f"`total_steps` must .*Received: .*{total_steps}"):
        SCHEDULES[name](1.0, total_steps, 0)


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
        np.testing.assert_allclose(
            ours, rates, rtol=FORMULA, atol=float(init_lr) * 1e-6, err_msg=name
        )
