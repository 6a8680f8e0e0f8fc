"""What a model computes on its way: the states and the attention of each layer, as outputs.

Letters: B batch, L length, T tokens, D width, S states (layers, and the embeddings before them).
"""

import contextlib

import keras
from keras import ops

from bert_tf2.modeling.layout import Layout, Sequences

PARTS = ("query", "key", "value")


def inner_outputs(model, encoder, states=(), heads=()):
    """Symbolic tensors inside a functional model, for outputs of another on the same inputs.

    Args:
        model: a `keras.Model` that was made of `encoder.encode`.
        encoder: that `Encoder`.
        states: numbers of layers from 0, the embeddings, on: their vectors (B, L, D), or (B, 1, D)
            of the first token where the model computes no other.
        heads: numbers of layers from 1 on: what attention makes of its input there.

    Returns:
        dict of `state_<i>`, and `query_<i>`, `key_<i>`, `value_<i>`, (B, L, D) each, zeros where
        padding is dropped.
    """
    blocks = {id(block) for block in encoder.parts["blocks"]}
    depths = model._nodes_by_depth  # keras-private: the graph, from its end on
    nodes = [n for depth in sorted(depths, reverse=True) for n in depths[depth]]
    nodes = [node for node in nodes if id(node.operation) in blocks]  # one a layer, in order
    steps = [(node.arguments.args[0], node.arguments.args[1], node.outputs[0]) for node in nodes]
    to_sequences = Sequences(dtype=encoder.policy)
    found = {}
    for i in states:
        (x, layout), out = steps[max(i - 1, 0)][:2], steps[max(i - 1, 0)][2]
        tokens = x if i == 0 else out
        only_first = i == len(nodes) and nodes[-1].arguments.kwargs.get("first_only")
        if only_first:
            found[f"state_{i}"] = ops.expand_dims(tokens, 1)
        else:
            found[f"state_{i}"] = to_sequences(tokens, layout)
    for i in heads:
        x, layout, _ = steps[i - 1]
        projected = Projected(nodes[i - 1].operation.attention, name=f"projected_{i}")
        found |= {f"{part}_{i}": made for part, made in projected(x, layout).items()}
    return found


class Projected(keras.layers.Layer):
    """What attention makes of its input, once more: queries, keys and values.

    Args:
        attention: a `SelfAttention`, which keeps its variables: it is not a part of this layer.
        **kwargs: `name`.
    """

    def __init__(self, attention, **kwargs):
        super().__init__(dtype=attention.dtype_policy, **kwargs)
        self.made_by = lambda: attention  # a function, as in `Taught`

    def call(self, x, layout):
        """x (T, D) -> dict of (B, L, D) by `PARTS`."""
        here = Layout(**layout)
        return {part: here.sequences(getattr(self.made_by(), part)(x)) for part in PARTS}

    def compute_output_spec(self, x, layout):
        batch, _, _, length = layout["bias"].shape
        shape = (batch, length, self.made_by().config.hidden_size)
        return {part: keras.KerasTensor(shape, self.compute_dtype) for part in PARTS}


class Taught(keras.layers.Layer):
    """Another model's outputs, without its dropout, its variables and a gradient.

    Args:
        model: a `keras.Model`. It is not a part of this layer: nothing of it is trained or saved.
        wearing: a function that gives a context to call it in, such as `Task.wearing`.
        **kwargs: `name`.
    """

    def __init__(self, model, wearing=contextlib.nullcontext, **kwargs):
        super().__init__(**kwargs)
        self.taught_by = lambda: model  # a function, since Keras would count its variables
        self.wearing = wearing

    def call(self, inputs):
        """As the model's."""
        with self.wearing():
            outputs = self.taught_by()(inputs, training=False)
        return keras.tree.map_structure(ops.stop_gradient, outputs)

    def compute_output_spec(self, inputs):
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, x.dtype), self.taught_by().output
        )
