"""What AdamW accepts, refuses and remembers."""

import keras
import pytest

from bert_tf2.training.optimizers import AdamW
from bert_tf2.training.schedules import LinearWarmupDecay


def test_config_round_trip():
    optimizer = AdamW(
        LinearWarmupDecay(0.1, 10, 3), 0.02, 0.8, 0.99, 1e-5, 2.0, ["gamma"], "google", use_ema=True
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is AdamW
    assert again.get_config() == optimizer.get_config()
    assert again.get_config()["exclude_from_weight_decay"] == ["gamma"]


def test_float_rate_can_be_set():
    optimizer = AdamW(0.1)
    optimizer.learning_rate = 0.2
    assert float(optimizer.learning_rate) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "argument",
    [
        {"beta_1": 1.0},
        {"beta_2": -0.1},
        {"epsilon": 0.0},
        {"weight_decay": -0.01},
        {"weight_decay": None},
        {"clip_norm": 0.0},
        {"clipnorm": 1.0},
        {"global_clipnorm": 1.0},
        {"exclude_from_weight_decay": "bias"},
        {"exclude_from_weight_decay": ["(bias"]},
        {"reproduce": "bert"},
        {"reproduce": "google", "gradient_accumulation_steps": 2},
        {"reproduce": "google", "loss_scale_factor": 8.0},
    ],
)
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"`{next(iter(argument))}` .*Received: "):
        AdamW(**argument)
