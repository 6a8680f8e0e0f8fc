"""What `compile` understands, and what it refuses since it could not be done rightly."""

import inspect
import math

import keras
import numpy as np

from bert_tf2.training import losses, strategies
from bert_tf2.training.nonfinite import ACTIONS
from bert_tf2.training.recipes import finetuning_optimizer


def recipe_of(optimizer):
    """The recipe that a user named, a dict ready to be written as JSON; None for an optimizer.

    Raises:
        ValueError: a setting that no recipe has.
    """
    if optimizer is not None and not isinstance(optimizer, dict):
        return None
    known = [n for n in inspect.signature(finetuning_optimizer).parameters if n != "total_steps"]
    recipe = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in (optimizer or {}).items()
    }
    if unknown := [name for name in recipe if name not in known]:
        raise ValueError(f"A recipe's settings are {known}. Received: {unknown}")
    return recipe


def loss_of(given, own="sparse_categorical_crossentropy"):
    """The Keras loss that a user named; None for the task's own.

    Args:
        given: a `keras.losses.Loss`, a function of (targets, outputs), a name, or None; or a list
            or a dict of these, one an output.
        own: the name by which people call the task's own loss.

    Raises:
        ValueError: a loss that takes probabilities: heads give logits.
    """
    if given is None or given == own:
        return None
    if isinstance(given, dict):
        return {name: loss_of(one, None) for name, one in given.items()}
    if isinstance(given, list | tuple):
        return [loss_of(one, None) for one in given]
    found = keras.losses.get(given)
    check_takes_logits(found)
    return found if isinstance(found, keras.losses.Loss) else losses.OfFunction(found)


def softening_of(task, loss, label_smoothing, focal_gamma):
    """What the task's own loss is told of them: a dict, empty for neither.

    Raises:
        ValueError: out of range, or for a loss that knows nothing of them.
    """
    if not 0 <= label_smoothing < 1 or not 0 <= focal_gamma < math.inf:
        raise ValueError(
            "`label_smoothing` must be from 0 to below 1, and `focal_gamma` 0 or more. Received: "
            f"{label_smoothing}, {focal_gamma}"
        )
    given = {"label_smoothing": float(label_smoothing), "focal_gamma": float(focal_gamma)}
    given = {name: value for name, value in given.items() if value}
    if given and (loss is not None or not task.softens):
        what = "a loss of your own" if loss is not None else f"a {type(task).__name__}"
        raise ValueError(f"{' and '.join(given)} must be left out for {what}. Received: {given}")
    return given


def check_takes_logits(measure):
    """Raises for one of Keras's losses or metrics that takes what it gets for probabilities."""
    if isinstance(measure, keras.losses.Loss | keras.metrics.Metric):
        taken = measure.get_config().get("from_logits")
    else:
        keras_own = getattr(measure, "__module__", "").startswith("keras.")
        found = inspect.signature(measure).parameters.get("from_logits") if keras_own else None
        taken = None if found is None else found.default
    if taken is False:
        raise ValueError(
            "The head gives logits, and this takes them for probabilities: create it with "
            f"`from_logits=True`, or leave it out for the task's own. Received: {measure!r}"
        )


def check_step(task, optimizer, loss, parts, nonfinite, fgm, r_drop):
    """Raises for settings of a step that have no meaning, or whose parts would not add up."""
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
        raise ValueError(f"`micro_batches` must be an int from 1. Received: {parts!r}")
    google = getattr(optimizer, "reproduce", None)
    if parts > 1 and google:
        raise ValueError(
            "`micro_batches` must be 1 where the optimizer reproduces Google's norm. Received: "
            f"micro_batches={parts}"
        )
    replicas = task.distribute_strategy.num_replicas_in_sync
    means = (None, *losses.BY_ROWS, losses.BY_WEIGHT)
    for one in keras.tree.flatten(loss):
        reduction = getattr(one, "reduction", None)
        if (parts > 1 or replicas > 1) and reduction not in means:
            raise ValueError(
                "In micro-batches or on several replicas, the loss must be a mean over rows. "
                f"Received: a loss with reduction={reduction!r}"
            )
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
    if fgm and google:
        raise ValueError(
            "`fgm` must be 0 where the optimizer reproduces Google's norm, which knows one "
            f"gradient a word. Received: fgm={fgm}"
        )
    shapes = [output.shape for output in keras.tree.flatten(task.output)]
    if r_drop and [len(shape) for shape in shapes] != [2]:
        raise ValueError(
            "`r_drop` must be 0: it compares answers to whole texts, (B, C). "
            f"Received: r_drop={r_drop}, outputs {shapes}"
        )


def check_xla(task, jit_compile):
    """Raises for XLA asked of a model with dynamic shapes."""
    wanted = jit_compile is True or strategies.is_tpu(task.distribute_strategy)
    if wanted and task.drop_padding:
        raise ValueError(
            "XLA, and so a TPU, needs static shapes: build the model with `drop_padding=False`."
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


def check_trained(optimizer, variables):
    """Raises if an optimizer was built for other variables than are to be trained now."""
    known = getattr(optimizer, "inner_optimizer", optimizer)._trainable_variables  # keras-private
    if {id(v) for v in known} != {id(v) for v in variables}:
        raise ValueError(
            "What is trainable was changed after the optimizer began, which would not follow: call "
            f"`compile` with a new one. Received: {len(variables)} variables to train, and an "
            f"optimizer of {len(known)}"
        )
