"""What of a model is kept from training, in words that a file can hold."""

import logging

LOGGER = logging.getLogger("bert_tf2")


def frozen(model):
    """The names of a model's variables that are not trained.

    Args:
        model: an `Encoder` or a task, whose `named_variables` these are.
    """
    return [name for name, variable in model.named_variables().items() if not variable.trainable]


def freeze(model, names):
    """Keeps from training what `frozen` has listed of an equal model.

    Raises:
        ValueError: the model has no such variable.
    """
    variables = model.named_variables()
    if unknown := [name for name in names if name not in variables]:
        raise ValueError(f"What is frozen must be variables of the model. Received: {unknown[:5]}")
    for name in names:
        variables[name].trainable = False
    known = {id(variable): variable for variable in variables.values()}
    for layer in model._flatten_layers():  # keras-private: it, and all that is in it
        inside = [known[id(v)] for v in layer.variables if id(v) in known]
        if inside and not any(v.trainable for v in inside):
            layer.trainable = False


def freeze_as_saved(model, names, hint=""):
    """`freeze`, and says so, as nothing shows it; `hint` is how all is trained."""
    freeze(model, names)
    if names:
        LOGGER.info("frozen, as it was saved: %d variables%s", len(names), hint)
