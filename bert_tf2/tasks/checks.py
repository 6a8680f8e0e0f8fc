"""What `compile` and `fit` refuse, since it could not be done rightly."""

import math

import keras
import tensorflow as tf

from bert_tf2.training.nonfinite import ACTIONS


def check_parts(optimizer, loss, parts, replicas, reductions):
    """Raises for a loss or an optimizer of which parts of a batch do not add up."""
    if not isinstance(parts, int) or parts < 1:
        raise ValueError(f"`micro_batches` must be an int from 1. Received: {parts!r}")
    reduction = getattr(loss, "reduction", None)
    if (parts > 1 or replicas > 1) and reduction not in (None, *reductions):
        raise ValueError(
            "In micro-batches or on several replicas, the loss must be a mean over rows. "
            f"Received: a loss with reduction={reduction!r}"
        )
    if parts > 1 and getattr(optimizer, "reproduce", None):
        raise ValueError(
            "`micro_batches` must be 1 where the optimizer reproduces Google's norm. Received: "
            f"micro_batches={parts}"
        )


def check_settings(optimizer, nonfinite, fgm, r_drop):
    """Raises for settings of a step that have no meaning."""
    if nonfinite not in ACTIONS:
        raise ValueError(f"`nonfinite` must be one of {list(ACTIONS)}. Received: {nonfinite!r}")
    if nonfinite and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "`nonfinite` must be left out with a LossScaleOptimizer, which skips such steps and "
            f"scales the loss down. Received: nonfinite={nonfinite!r}"
        )
    for name, value in {"fgm": fgm, "r_drop": r_drop}.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be 0 or more. Received: {value}")
    if fgm and getattr(optimizer, "reproduce", None):
        raise ValueError(
            "`fgm` must be 0 where the optimizer reproduces Google's norm, which knows one "
            f"gradient a word. Received: fgm={fgm}"
        )


def check_endless(run):
    """Raises for a dataset that ends before its epochs do: the place in it could not be found."""
    if run["steps_per_epoch"] is not None and run["batches"] != tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "With `Checkpoints` and `steps_per_epoch`, the dataset must not end: call "
            f"`.repeat()` on it. Received: a dataset of {run['batches']} batches"
        )


def check_loss_scaling(policy, optimizer):
    """Raises for float16, whose small gradients become zero, unless the loss is scaled up."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if policy.compute_dtype == "float16" and not scaled:
        raise ValueError(
            "Training in float16 needs a keras.optimizers.LossScaleOptimizer in `compile`; "
            '"mixed_bfloat16" needs none. Received: '
            f"dtype={policy.name!r} and {type(optimizer).__name__}"
        )
