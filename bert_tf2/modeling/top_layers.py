"""The top of a model: which of its variables lie there, training them alone, beginning them anew.

The top N layers are the last N of `num_hidden_layers`. Pooler and heads stand above them.
"""

from bert_tf2.modeling.frozen import freeze
from bert_tf2.modeling.layers import published_initializer
from bert_tf2.weights.units import block_of, depth_of, head_of, role_of


def top_blocks(config, layers, argument="layers"):
    """The names of the blocks that the top layers apply, a set.

    Args:
        config: an `EncoderConfig`.
        layers: int from 0 to `num_hidden_layers`.
        argument: what people call it, for messages.

    Raises:
        ValueError: another number, or one that would part layers that share their weights, as all
            of ALBERT's do.
    """
    names = config.block_names()
    each = len(names) // config.num_hidden_layers
    cuts = [len(names) - n * each for n in range(config.num_hidden_layers + 1)]
    allowed = [n for n, cut in enumerate(cuts) if not {*names[:cut]} & {*names[cut:]}]
    if isinstance(layers, bool) or layers not in allowed:
        shared = config.num_hidden_groups is not None
        wanted = f"one of {allowed}: the others share weights" if shared else f"0 … {allowed[-1]}"
        raise ValueError(f"`{argument}` must be {wanted}. Received: {layers!r}")
    return {*names[cuts[int(layers)] :]}


def in_top(names, blocks):
    """Of our names, those in these blocks and all heads; with a block, the pooler, too. A list."""

    def is_top(name):
        if block := block_of(name):
            return block in blocks
        return head_of(name) is not None or (bool(blocks) and depth_of(name) is None)

    return [name for name in names if is_top(name)]


def train_top(task, layers):
    """Freezes all of a task but its top layers, pooler and head; 0 leaves the head alone.

    Raises:
        ValueError: as `top_blocks`.
    """
    names = task.named_variables()
    kept = in_top(names, top_blocks(task.encoder.config, layers, "trainable_layers"))
    freeze(task, [name for name in names if name not in kept])


def begin_anew(task, layers):
    """Has the top layers and the pooler begin as a new model's do; 0 leaves all as it is.

    What layers close to the task learnt in pretraining is little use to it, and forgetting it
    steadies fine-tuning on few rows (Zhang et al. 2020, "Revisiting few-sample BERT fine-tuning",
    section 5): 1 to 6 layers.

    Returns:
        the names of the variables.

    Raises:
        ValueError: as `top_blocks`.
    """
    config, variables = task.encoder.config, task.encoder.named_variables()
    blocks = top_blocks(config, layers, "reinit_layers")
    names = in_top(variables, blocks) if blocks else []
    for name in names:
        variable, (_, part) = variables[name], role_of(name)
        if part == "kernel":  # an initializer each, since one gives equal shapes equal numbers
            variable.assign(published_initializer(config)(variable.shape, variable.dtype))
        else:
            variable.assign([float(part == "gamma")] * variable.shape[0])
    return names
