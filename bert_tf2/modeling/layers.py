"""The layers of a BERT-like encoder, on tokens (T, D).

Letters: B batch, L length, T tokens, D width, I inner width, N heads, H head size (D = N H).
Every layer that looks across tokens takes the tensors of a `Layout` (layout.py) as its second
argument.

Sources: Vaswani et al. 2017 (attention); Devlin et al. 2018, section 3; google-research/bert
`modeling.py`, whose arithmetic this follows to the rounding.
"""

import keras
from keras import ops

from bert_tf2.modeling.functions import Norm, activate, dropout
from bert_tf2.modeling.layout import Layout

register = keras.saving.register_keras_serializable("bert_tf2")


def published_initializer(config):
    """Of kernels and tables: truncated normal (google-research/bert, `create_initializer`)."""
    return keras.initializers.TruncatedNormal(stddev=config.initializer_range)


class TokenLayer(keras.layers.Layer):
    """What layers on tokens share: settings kept for `get_config`, and parts with fixed names."""

    def __init__(self, settings, name=None, dtype=None, trainable=True):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self._settings = settings

    def dense(self, units, name, initializer):
        return keras.layers.Dense(
            units, kernel_initializer=initializer, name=name, dtype=self.dtype_policy
        )

    def norm(self, epsilon):
        return Norm(epsilon=epsilon, name="norm", dtype=self.dtype_policy)

    def get_config(self):
        initializer = keras.initializers.get(self._settings["initializer"])
        written = {"initializer": keras.initializers.serialize(initializer)}
        return super().get_config() | self._settings | written


@register
class SelfAttention(TokenLayer):
    """Multi-head self-attention with its residual and norm (Vaswani et al. 2017, section 3.2).

    Args:
        width: D. num_heads: N.
        dropout: after the output product. attention_dropout: on the attention weights.
        epsilon: inside LayerNorm's square root.
        initializer: of the kernels.
    """

    def __init__(
        self,
        width,
        num_heads,
        dropout=0.1,
        attention_dropout=0.1,
        epsilon=1e-12,
        initializer="glorot_uniform",
        **kwargs,
    ):
        settings = {
            "width": width,
            "num_heads": num_heads,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
            "epsilon": epsilon,
            "initializer": initializer,
        }
        super().__init__(settings, **kwargs)
        self.num_heads = num_heads
        self.scale = (width // num_heads) ** -0.5
        self.query = self.dense(width, "query", initializer)
        self.key = self.dense(width, "key", initializer)
        self.value = self.dense(width, "value", initializer)
        self.project = self.dense(width, "output", initializer)
        self.normalize = self.norm(epsilon)

    def build(self, *shapes):
        for part in (self.query, self.key, self.value, self.project, self.normalize):
            part.build((None, self._settings["width"]))

    def call(self, x, layout, seeds=(None, None), first_only=False):
        """x (T, D) -> (T, D), or (B, D) for the first tokens only; and scores (B, N, L or 1, L).

        In training there are two drawn seeds, for the attention weights and for the output.
        """
        layout = Layout(**layout)
        asking = ops.take(x, layout.first, axis=0) if first_only else x  # (B, D) or (T, D)
        query = self.query(asking)
        if first_only:
            query = ops.reshape(query, (-1, self.num_heads, 1, x.shape[-1] // self.num_heads))
        else:
            query = layout.heads(query, self.num_heads)  # (B, N, L, H)
        key = layout.heads(self.key(x), self.num_heads)
        value = layout.heads(self.value(x), self.num_heads)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))  # (B, N, L, L)
        scores = ops.softmax(scores * self.scale + layout.bias)
        dropped = dropout(scores, self._settings["attention_dropout"], seeds[0])
        context = ops.matmul(dropped, value)  # (B, N, L, H)
        context = ops.reshape(context, (-1, x.shape[-1])) if first_only else layout.tokens(context)
        out = dropout(self.project(context), self._settings["dropout"], seeds[1])
        return self.normalize(out + asking, training=seeds[1] is not None), scores

    def compute_output_spec(self, x, layout, seeds=(None, None), first_only=False):
        batch, _, _, length = layout["bias"].shape
        scores = (batch, self.num_heads, 1 if first_only else length, length)
        rows = batch if first_only else x.shape[0]
        return (
            keras.KerasTensor((rows, x.shape[-1]), self.compute_dtype),
            keras.KerasTensor(scores, self.compute_dtype),
        )


@register
class FeedForward(TokenLayer):
    """Two dense layers with their residual and norm (Vaswani et al. 2017, section 3.3).

    Args:
        width: D. inner_width: I.
        activation: a key of `functions.ACTIVATION_FUNCTIONS`.
        dropout: after the second product.
        epsilon: inside LayerNorm's square root.
        initializer: of the kernels.
    """

    def __init__(
        self,
        width,
        inner_width,
        activation="gelu_tanh",
        dropout=0.1,
        epsilon=1e-12,
        initializer="glorot_uniform",
        **kwargs,
    ):
        settings = {
            "width": width,
            "inner_width": inner_width,
            "activation": activation,
            "dropout": dropout,
            "epsilon": epsilon,
            "initializer": initializer,
        }
        super().__init__(settings, **kwargs)
        self.widen = self.dense(inner_width, "intermediate", initializer)
        self.project = self.dense(width, "output", initializer)
        self.normalize = self.norm(epsilon)

    def build(self, *shapes):
        width, inner_width = self._settings["width"], self._settings["inner_width"]
        self.widen.build((None, width))
        self.project.build((None, inner_width))
        self.normalize.build((None, width))

    def call(self, x, seed=None):
        """x (T, D) -> (T, D); in training with a drawn seed."""
        training = seed is not None
        inner = activate(self._settings["activation"], self.widen(x), training)  # (T, I)
        out = dropout(self.project(inner), self._settings["dropout"], seed)
        return self.normalize(out + x, training=training)

    def compute_output_spec(self, x, seed=None):
        return keras.KerasTensor(x.shape, self.compute_dtype)


@register
class Block(TokenLayer):
    """One encoder layer: self-attention, then feed-forward.

    Args:
        width, num_heads, inner_width: D, N, I.
        activation, dropout, attention_dropout, epsilon, initializer: as in the parts.
        attention_output_dropout: instead of `dropout` in the attention; None for the same.
        recompute: in training keep only the input, and compute the block again for its gradient
            (Chen et al. 2016): a third more arithmetic for a fraction of the memory, equal results.
    """

    def __init__(
        self,
        width,
        num_heads,
        inner_width,
        activation="gelu_tanh",
        dropout=0.1,
        attention_dropout=0.1,
        epsilon=1e-12,
        initializer="glorot_uniform",
        attention_output_dropout=None,
        recompute=False,
        **kwargs,
    ):
        common = {"dropout": dropout, "epsilon": epsilon, "initializer": initializer}
        attention = {"num_heads": num_heads, "attention_dropout": attention_dropout}
        ffn = {"inner_width": inner_width, "activation": activation}
        own = {"width": width, "attention_output_dropout": attention_output_dropout}
        super().__init__(own | attention | ffn | common | {"recompute": recompute}, **kwargs)
        self.recompute = recompute
        self.seeds = keras.random.SeedGenerator()
        common["dtype"] = self.dtype_policy
        if attention_output_dropout is not None:
            attention["dropout"] = attention_output_dropout
        self.attention = SelfAttention(width, name="attention", **common | attention)
        self.ffn = FeedForward(width, name="ffn", **ffn, **common)

    def build(self, *shapes):
        self.attention.build()
        self.ffn.build()

    def call(self, x, layout, first_only=False, training=False):
        """x (T, D) -> (T, D) or (B, D), and attention scores (B, N, L or 1, L)."""
        # Drawn here, since a block that is computed again must drop the same values again.
        seeds = [self.seeds.next() if training else None for _ in range(3)]

        def run(x):
            x, scores = self.attention(x, layout, seeds=seeds[:2], first_only=first_only)
            return self.ffn(x, seed=seeds[2]), scores

        if not (self.recompute and training):
            return run(x)
        # Scores come from a second path, which costs nothing where nobody reads them: a graph
        # leaves it out. As an output of the first they would be kept.
        out = keras.remat(lambda x: run(x)[0])(x)
        # `remat` cannot take the sparse gradient of a gather that reads its output; the reshape,
        # which changes nothing, hands it on dense.
        return ops.reshape(out, ops.shape(out)), run(x)[1]

    def compute_output_spec(self, x, layout, first_only=False, training=False):
        return self.attention.compute_output_spec(x, layout, first_only=first_only)
