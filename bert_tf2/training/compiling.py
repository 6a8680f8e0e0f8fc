"""What `compile` understands, and what it refuses since it could not be done rightly."""

import inspect
import math

import keras
import numpy as np

from bert_tf2.messages import checked_int
from bert_tf2.training import losses, strategies
from bert_tf2.training.nonfinite import ACTIONS
from bert_tf2.training.recipes import finetuning_optimizer

SOFTMAX = "sparse_categorical_crossentropy"
BY_SHAPES = ("accuracy", "acc")  # which Keras chooses by the shapes of targets and outputs


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


def loss_of(given, own=SOFTMAX):
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


def metrics_of(task, metrics, weighted_metrics):
    """What Keras is to be told of them, (metrics, weighted_metrics); the task's own for neither.

    A name of one of the task's own metrics, if it has one output, is that one. Where places of a
    row count nothing, all metrics are weighted.

    Raises:
        ValueError: an unknown name; a metric of probabilities where the head gives logits; both
            kinds, where they are one.
    """
    own = task.default_metrics()
    if metrics is None and weighted_metrics is None:
        metrics = own
    elif task.weighs_metrics and metrics is not None and weighted_metrics is not None:
        raise ValueError(
            f"`metrics` of a {type(task).__name__} are weighted, for places that count nothing: "
            f"give them all there. Received: `weighted_metrics` {weighted_metrics}"
        )
    alone = [] if own is None or isinstance(own, dict) else own  # one output's
    named = {getattr(metric, "name", metric): metric for metric in alone}

    def found(metric):
        metric = named.get(metric, metric) if isinstance(metric, str) else metric
        if metric is not None and metric not in BY_SHAPES:
            metric = keras.metrics.get(metric) if isinstance(metric, str) else metric
            if task.gives_logits:
                check_takes_logits(metric)
        return metric

    metrics, weighted_metrics = keras.tree.map_structure(found, (metrics, weighted_metrics))
    if task.weighs_metrics:
        return None, weighted_metrics if metrics is None else metrics
    return metrics, weighted_metrics


def check_takes_logits(measure):
    """Raises for one of Keras's losses or metrics that takes what it gets for probabilities."""
    if isinstance(measure, keras.losses.Loss | keras.metrics.Metric):
        said = measure.get_config()
    else:
        keras_own = getattr(measure, "__module__", "").startswith("keras.")
        known = inspect.signature(measure).parameters.values() if keras_own else ()
        said = {parameter.name: parameter.default for parameter in known}
    cuts = np.ravel(said.get("threshold") or said.get("thresholds") or ())
    counted = "thresholds" in said and not said.get("top_k") and not len(cuts)  # Keras's 1/2
    several = "num_thresholds" in said and not said.get("from_logits")  # from 0 to 1
    if said.get("from_logits") is False or ((cuts > 0) & (cuts < 1)).any() or counted or several:
        raise ValueError(
            "The head gives logits, and this takes them for probabilities: create it with "
            "`from_logits=True`, or a threshold of 0.0, the logit of 1/2; or leave it out for the "
            f"task's own. Received: {measure!r}"
        )


def check_step(task, optimizer, loss, parts, nonfinite, fgm, r_drop):
    """Raises for settings of a step that have no meaning, or whose parts would not add up."""
    checked_int("micro_batches", parts)
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
    if r_drop and ([len(shape) for shape in shapes] != [2] or task.own_loss != SOFTMAX):
        raise ValueError(
            "`r_drop` must be 0: it compares the probabilities of one class a text, (B, C). "
            f"Received: r_drop={r_drop}, outputs {shapes} of a loss {task.own_loss!r}"
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
