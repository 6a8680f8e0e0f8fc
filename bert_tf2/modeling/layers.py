"""The layers of a BERT-like encoder, on tokens (T, D).

Letters: B batch, L length, T tokens, D width, I inner width, N heads, H head size (D = N H),
V vocabulary, P positions, S segments. Every layer that looks across tokens takes the tensors of a
`Layout` (layout.py) as its second argument.

Sources: Vaswani et al. 2017 (attention); Devlin et al. 2018, section 3; google-research/bert
`modeling.py`, whose arithmetic this follows to the rounding.
"""

import keras
from keras import ops

from bert_tf2.modeling.layout import Layout

register = keras.saving.register_keras_serializable("bert_tf2")


@register
def gelu_tanh(x):
    """GELU, tanh approximation. In this shape TensorFlow fuses it with the product before it."""
    return 0.5 * x * (1.0 + ops.tanh(0.79788456 * (x + 0.044715 * x * x * x)))


@register
def gelu_erf(x):
    """GELU, exact (Hendrycks & Gimpel 2016). In this shape TensorFlow fuses it too."""
    return 0.5 * x * (1.0 + ops.erf(x * 0.70710678))


ACTIVATION_FUNCTIONS = {
    "gelu_tanh": gelu_tanh,
    "gelu_erf": gelu_erf,
    "relu": ops.relu,
    "tanh": ops.tanh,
    "linear": None,
}


class _TokenLayer(keras.layers.Layer):
    """What the layers below share: settings kept for `get_config`, and parts with fixed names."""

    def __init__(self, settings, name=None, dtype=None, trainable=True):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self._settings = settings

    def dense(self, units, name, initializer, activation=None):
        return keras.layers.Dense(
            units,
            activation=ACTIVATION_FUNCTIONS[activation or "linear"],
            kernel_initializer=initializer,
            name=name,
            dtype=self.dtype_policy,
        )

    def norm(self, epsilon):
        return keras.layers.LayerNormalization(
            epsilon=epsilon, name="norm", dtype=self.dtype_policy
        )

    def dropout(self, rate, name="dropout"):
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype_policy)

    def get_config(self):
        return super().get_config() | self._settings


@register
class Embeddings(_TokenLayer):
    """ids -> tokens: the sum of token, position and segment rows, normalised.

    Args:
        vocab_size, max_positions, num_segments: rows of the three tables (V, P, S).
        width: D.
        dropout: rate after the norm, in training only.
        epsilon: inside LayerNorm's square root.
        initializer: of the tables.
    """

    def __init__(
        self,
        vocab_size,
        max_positions,
        num_segments,
        width,
        dropout=0.1,
        epsilon=1e-12,
        initializer="glorot_uniform",
        **kwargs,
    ):
        settings = {
            "vocab_size": vocab_size,
            "max_positions": max_positions,
            "num_segments": num_segments,
            "width": width,
            "dropout": dropout,
            "epsilon": epsilon,
            "initializer": initializer,
        }
        super().__init__(settings, **kwargs)
        self.normalize = self.norm(epsilon)
        self.drop = self.dropout(dropout)

    def build(self, *shapes):
        rows = {"token": "vocab_size", "position": "max_positions", "segment": "num_segments"}
        width = self._settings["width"]
        self.tables = {
            name: self.add_weight(
                shape=(self._settings[size], width),
                initializer=keras.initializers.get(self._settings["initializer"]),
                name=name,
            )
            for name, size in rows.items()
        }
        self.normalize.build((None, width))

    def call(self, token_ids, segment_ids, layout):
        """token_ids, segment_ids (B, L) int32 -> (T, D)."""
        layout = Layout(**layout)
        longest = self._settings["max_positions"]
        if isinstance(layout.length, int) and layout.length > longest:
            raise ValueError(
                f"Sequences can have at most {longest} tokens. Received: {layout.length}"
            )
        x = (
            self._look_up("token", layout.flat(token_ids))
            + self._look_up("position", layout.positions())
            + self._look_up("segment", layout.flat(segment_ids))
        )  # (T, D)
        return self.drop(self.normalize(x))

    def _look_up(self, table, ids):
        return ops.cast(ops.take(self.tables[table], ids, axis=0), self.compute_dtype)

    def compute_output_spec(self, token_ids, segment_ids, layout):
        return keras.KerasTensor((None, self._settings["width"]), self.compute_dtype)


@register
class SelfAttention(_TokenLayer):
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
        self.drop = self.dropout(dropout)
        self.drop_scores = self.dropout(attention_dropout, "attention_dropout")

    def build(self, *shapes):
        for part in (self.query, self.key, self.value, self.project, self.normalize):
            part.build((None, self._settings["width"]))

    def call(self, x, layout, first_only=False):
        """x (T, D) -> (T, D), or (B, D) for the first tokens only; and scores (B, N, L or 1, L)."""
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
        context = ops.matmul(self.drop_scores(scores), value)  # (B, N, L, H)
        context = ops.reshape(context, (-1, x.shape[-1])) if first_only else layout.tokens(context)
        return self.normalize(self.drop(self.project(context)) + asking), scores

    def compute_output_spec(self, x, layout, first_only=False):
        batch, _, _, length = layout["bias"].shape
        scores = (batch, self.num_heads, 1 if first_only else length, length)
        rows = batch if first_only else x.shape[0]
        return (
            keras.KerasTensor((rows, x.shape[-1]), self.compute_dtype),
            keras.KerasTensor(scores, self.compute_dtype),
        )


@register
class FeedForward(_TokenLayer):
    """Two dense layers with their residual and norm (Vaswani et al. 2017, section 3.3).

    Args:
        width: D. inner_width: I.
        activation: a key of `ACTIVATION_FUNCTIONS`.
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
        self.widen = self.dense(inner_width, "intermediate", initializer, activation)
        self.project = self.dense(width, "output", initializer)
        self.normalize = self.norm(epsilon)
        self.drop = self.dropout(dropout)

    def build(self, *shapes):
        width, inner_width = self._settings["width"], self._settings["inner_width"]
        self.widen.build((None, width))
        self.project.build((None, inner_width))
        self.normalize.build((None, width))

    def call(self, x):
        """x (T, D) -> (T, D)."""
        return self.normalize(self.drop(self.project(self.widen(x))) + x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, self.compute_dtype)


@register
class Block(_TokenLayer):
    """One encoder layer: self-attention, then feed-forward.

    Args:
        width, num_heads, inner_width: D, N, I.
        activation, dropout, attention_dropout, epsilon, initializer: as in the parts.
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
        **kwargs,
    ):
        common = {"dropout": dropout, "epsilon": epsilon, "initializer": initializer}
        attention = {"num_heads": num_heads, "attention_dropout": attention_dropout}
        ffn = {"inner_width": inner_width, "activation": activation}
        super().__init__({"width": width} | attention | ffn | common, **kwargs)
        common["dtype"] = self.dtype_policy
        self.attention = SelfAttention(width, name="attention", **attention, **common)
        self.ffn = FeedForward(width, name="ffn", **ffn, **common)

    def build(self, *shapes):
        self.attention.build()
        self.ffn.build()

    def call(self, x, layout, first_only=False):
        """x (T, D) -> (T, D) or (B, D), and attention scores (B, N, L or 1, L)."""
        x, scores = self.attention(x, layout, first_only=first_only)
        return self.ffn(x), scores

    def compute_output_spec(self, x, layout, first_only=False):
        return self.attention.compute_output_spec(x, layout, first_only=first_only)
