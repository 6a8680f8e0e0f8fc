"""Published recipes, ready to hand to `compile`."""

import keras

from bert_tf2.training.optimizers import LAMB, AdamW
from bert_tf2.training.schedules import SCHEDULES, Rates

OPTIMIZERS = {"adamw": AdamW, "lamb": LAMB}


def finetuning_optimizer(
    total_steps=None,
    learning_rate=5e-5,
    warmup_proportion=0.1,
    weight_decay=0.01,
    clip_norm=1.0,
    schedule="linear",
    optimizer="adamw",
    layer_decay=None,
    power=None,
    ema_momentum=None,
    bias_correction=False,
):
    """Returns Google's optimizer for fine-tuning BERT, or a relative of it.

    The defaults are those of google-research/bert: `run_classifier.py` (flags `learning_rate` and
    `warmup_proportion`; `num_warmup_steps = int(num_train_steps * warmup_proportion)`) and
    `create_optimizer` in `optimization.py` (decay 0.01, clipping at 1.0).

    Args:
        total_steps: int, batches per epoch times epochs. The rate falls to 0 at this step. None
            (default), where it is not known, keeps the rate constant.
        learning_rate: float, where the warm-up aims. For "lamb", ALBERT's authors name 3e-4 to
            5e-4.
        warmup_proportion: float from 0 to 1, the share of the steps that warms up.
        weight_decay: float, 0 for none. Norms and biases never decay.
        clip_norm: float, the largest global norm of a step's gradients, or None.
        schedule: a name in `schedules.SCHEDULES`: "linear", Google's; "polynomial", which falls
            from the warm-up's end; "cosine"; "constant", which stays after the warm-up; or
            "one_cycle".
        optimizer: "adamw" or "lamb".
        layer_decay: float above 0, at most 1, by which each layer's rate is lower than that of the
            next; None (default) for one rate everywhere. ELECTRA has 0.8 (small, base) and 0.9
            (large).
        power: float above 0, of the schedule "polynomial". Defaults to 1, a line.
        ema_momentum: float from 0 to 1: also keep the moving average of the weights, such as 0.999,
            for `keras.callbacks.SwapEMAWeights` or `optimizer.finalize_variable_values`. None
            (default): do not.
        bias_correction: as in `AdamW`; True is worth trying where there are few texts.

    Returns:
        a `bert_tf2.training.optimizers.AdamW` or `LAMB`.

    Raises:
        ValueError: an unknown name, or an argument outside its range.
    """
    _check_known("schedule", schedule, SCHEDULES)
    _check_known("optimizer", optimizer, OPTIMIZERS)
    if learning_rate < 0:
        raise ValueError(f"`learning_rate` must be 0 or more. Received: {learning_rate}")
    if not 0 <= warmup_proportion <= 1:
        raise ValueError(
            "`warmup_proportion` must lie between 0 and 1. "
            f"Received: warmup_proportion={warmup_proportion}"
        )
    if power is not None and (schedule != "polynomial" or power <= 0):
        raise ValueError(
            '`power` must be above 0, and left out unless `schedule` is "polynomial". '
            f"Received: power={power}, schedule={schedule!r}"
        )
    rate = float(learning_rate)
    if total_steps is not None:
        options = {} if power is None else {"power": power}
        warmup_steps = int(total_steps * warmup_proportion)
        rate = SCHEDULES[schedule](rate, total_steps, warmup_steps, **options)
        if not isinstance(rate, float):
            rate = Rates(rate, total_steps)
    average = {} if ema_momentum is None else {"use_ema": True, "ema_momentum": ema_momentum}
    own = {"weight_decay": weight_decay, "clip_norm": clip_norm, "layer_decay": layer_decay}
    return OPTIMIZERS[optimizer](rate, bias_correction=bias_correction, **own, **average)


def restart(optimizer, variables, total_steps, recipe):
    """Has an optimizer begin its recipe anew, for a new number of steps, in the graphs it is in.

    Args:
        optimizer: what `finetuning_optimizer` gave for that recipe.
        variables: those that are to be trained.
        total_steps, recipe: as in `finetuning_optimizer`.

    Returns:
        whether it could. It cannot where it trains others, or on several replicas.
    """
    known = [id(v) for v in getattr(optimizer, "_trainable_variables", [])]  # keras-private
    rates = getattr(optimizer, "_learning_rate", None)  # keras-private: the schedule, or a variable
    if known != [id(v) for v in variables]:
        return False
    planned = finetuning_optimizer(total_steps, **recipe)._learning_rate  # keras-private: as above
    if type(rates) is not type(planned):
        return False
    rates.assign(planned)
    for variable in optimizer.variables:
        if variable is not rates:
            variable.assign(keras.ops.zeros_like(variable))
    return True


def _check_known(argument, name, table):
    if name not in list(table):
        raise ValueError(f"`{argument}` must be one of {list(table)}. Received: {name!r}")
