"""The published recipes."""

import inspect

import keras
import numpy as np
import oracle
import pytest

from bert_tf2.cli.verbs import FLAGS
from bert_tf2.training import recipes, schedules
from bert_tf2.training.optimizers import LAMB, AdamW
from bert_tf2.training.recipes import finetuning_optimizer


def test_finetuning_recipe():
    optimizer = finetuning_optimizer(total_steps=105)
    config = optimizer.get_config()
    assert type(optimizer) is AdamW
    assert config["learning_rate"]["config"] == {
        "init_lr": 5e-5,
        "total_steps": 105,
        "warmup_steps": 10,
    }
    assert (config["weight_decay"], config["clip_norm"]) == (0.01, 1.0)
    assert config["layer_decay"] is None


def test_everything_else():
    optimizer = finetuning_optimizer(
        40, 1e-3, 0.25, 0.02, None, "polynomial", "lamb", layer_decay=0.8, power=2.0
    )
    assert type(optimizer) is LAMB
    config = optimizer.get_config()
    found = [config[name] for name in ("weight_decay", "clip_norm", "layer_decay")]
    assert found == [0.02, None, 0.8]
    rates = []
    for step in (5, 10, 25, 40):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([0.5e-3, 1e-3, 0.25e-3, 0.0])


@pytest.mark.parametrize("schedule", list(schedules.SCHEDULES))
def test_without_steps_the_rate_stays(schedule):
    optimizer = finetuning_optimizer(learning_rate=1e-4, schedule=schedule)
    assert isinstance(optimizer.learning_rate, keras.Variable)
    assert float(optimizer.learning_rate) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"warmup_proportion": 1.5}, r"`warmup_proportion` must .*warmup_proportion=1\.5"),
        ({"schedule": "line"}, r"`schedule` must be one of \['linear', .*'one_cycle'\].*'line'"),
        ({"optimizer": "adam"}, r"`optimizer` must be one of \['adamw', 'lamb'\].*'adam'"),
        ({"optimizer": ["lamb"]}, r"`optimizer` must be one of .*\['lamb'\]"),
        ({"learning_rate": -1.0}, r"`learning_rate` must .*-1\.0"),
        ({"layer_decay": 2.0}, r"`layer_decay` must .*2\.0"),
        ({"power": 2.0}, r"`power` must .*power=2\.0.*'linear'"),
        ({"schedule": "polynomial", "power": 0.0}, r"`power` must .*power=0\.0"),
    ],
)
@pytest.mark.parametrize("total_steps", [None, 100])
def test_bad_arguments(total_steps, arguments, words):
    with pytest.raises(ValueError, match=words):
        finetuning_optimizer(total_steps, **arguments)


TEXTS, LABELS = ["tea", "stone", "rain tea", "x"], ["tea", "stone", "rain", "tea"]


def test_a_recipe_by_name_trains_and_ends():
    """Of `compile`, with the steps that `fit` counts."""
    model = oracle.tiny_classifier(config=oracle.TINY)
    given = {"learning_rate": 3e-3, "schedule": "cosine", "optimizer": "lamb", "layer_decay": 0.5}
    model.compile(given, run_eagerly=True)
    kernels = {name: v for name, v in model.named_variables().items() if "output/kernel" in name}
    start = {name: v.numpy() for name, v in kernels.items()}
    model.fit(TEXTS, LABELS, epochs=1, batch_size=2, verbose=0)
    assert type(model.optimizer) is LAMB
    assert model.optimizer.schedule_steps == 2
    changes = {
        name: np.linalg.norm(v.numpy() - start[name]) / np.linalg.norm(start[name])
        for name, v in kernels.items()
    }
    layers = [[c for name, c in changes.items() if f"layer_{i}/" in name] for i in range(2)]
    # Both steps go as far as the rate says, 3e-3 and half of it, if not in one direction.
    for found, rate in zip(layers, [3e-3 / 8, 3e-3 / 4], strict=True):
        assert all(rate / 2 < change <= 1.51 * rate for change in found)
    with pytest.raises(ValueError, match="recipe's 2 steps are done"):
        model.fit(TEXTS, LABELS, epochs=2, initial_epoch=1, batch_size=2, verbose=0)


def test_the_shell_knows_the_same_names():
    for name, known in (("schedule", schedules.SCHEDULES), ("optimizer", recipes.OPTIMIZERS)):
        assert FLAGS[name].settings["enum_values"] == list(known)
    defaults = inspect.signature(finetuning_optimizer).parameters
    for name in ("schedule", "optimizer", "layer_decay"):
        assert FLAGS[name].default == defaults[name].default
