"""The published recipes."""

import pytest

from bert_tf2.training.recipes import finetuning_optimizer


def test_finetuning_recipe():
    optimizer = finetuning_optimizer(total_steps=105)
    config = optimizer.get_config()
    assert config["learning_rate"]["config"] == {
        "init_lr": 5e-5,
        "total_steps": 105,
        "warmup_steps": 10,
    }
    assert (config["weight_decay"], config["clip_norm"]) == (0.01, 1.0)
    with pytest.raises(ValueError, match=r"warmup_proportion.*Received: .*1\.5"):
        finetuning_optimizer(100, warmup_proportion=1.5)
