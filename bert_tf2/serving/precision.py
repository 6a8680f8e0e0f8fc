"""The same task in fewer bits."""

from bert_tf2.modeling.heads import MaskedWords
from bert_tf2.serving.int8 import quantize_dense, quantize_tables

PRECISIONS = ("float32", "bfloat16", "int8")


def check_precision(precision):
    """Raises ValueError unless it is None or one of `PRECISIONS`."""
    if precision not in (None, *PRECISIONS):
        raise ValueError(f"`precision` must be one of {list(PRECISIONS)}. Received: {precision!r}")


def at_precision(task, precision):
    """The task that computes so, with its active adapter merged; the one given is left alone.

    Args:
        task: a task model.
        precision: None: the task itself, with the dtype policy it has.
            "float32": a copy with that dtype policy, or the task itself if it has it.
            "bfloat16": a copy with the dtype policy "bfloat16": weights and results of every layer
            of the encoder in 16 bits. Norms are worked out in float32, as Keras does, and heads
            compute in float32, as they do in training.
            "int8": a float32 copy whose encoder's dense layers and tables are in 8 bits: see
            `int8.quantize_dense`. It is for tracing only.

    Raises:
        ValueError: another precision.
    """
    check_precision(precision)
    if task.active_adapter is not None and task.adapters[task.active_adapter].can_merge:
        task = task.merge_and_unload()
    if precision in (None, task.encoder.policy.name):
        return task
    copy = copy_of(task, "bfloat16" if precision == "bfloat16" else "float32")
    if precision == "int8":
        # A head of words multiplies with their table, which is then there in float32 anyway.
        multiplied = any(isinstance(layer, MaskedWords) for layer in copy.layers)
        quantize_dense(copy.encoder)
        quantize_tables(copy.encoder.parts["embeddings"], ["token"] if multiplied else [])
    return copy


def copy_of(task, policy, **others):
    """A task with the same numbers under a dtype policy for the encoder.

    Args:
        task: a task model, which is left alone.
        policy: a Keras dtype policy.
        **others: of its config, to be different: `drop_padding`.
    """
    config = task.get_config() | others
    config["encoder"]["config"] |= {"dtype": policy, "initializer": "zeros"}
    copy = type(task).from_config(config)
    copy.preprocessor = task.preprocessor  # a config has no vocabulary
    variables = copy.named_variables()
    for name, variable in task.named_variables().items():
        variables[name].assign(variable.value)
    for name, adapter in task.adapters.items():
        copy.adapters[name].set_weights(adapter.get_weights())
    return copy
