"""The layers of a BERT-like encoder, on tokens (T, D).

Letters: B batch, L length, T tokens, D width, I inner width, N heads, H head size (D = N H).
A layer takes the `EncoderConfig` itself, and what it has to know of where tokens stand from a
`Layout` (layout.py).

Sources: Vaswani et al. 2017 (attention); Devlin et al. 2018, section 3; google-research/bert
`modeling.py`, whose arithmetic this follows to the rounding.
"""

import keras
from keras import ops

from bert_tf2.config import EncoderConfig
from bert_tf2.modeling.files_of_0_1 import with_config
from bert_tf2.modeling.functions import Norm, activate, dropout
from bert_tf2.modeling.layout import Firsts, Layout
from bert_tf2.modeling.worn import Dense, on, part_of, wearing, with_seeds

register = keras.saving.register_keras_serializable("bert_tf2")


def published_initializer(config):
    """Of kernels and tables: truncated normal (google-research/bert, `create_initializer`)."""
    return keras.initializers.TruncatedNormal(stddev=config.initializer_range)


class TokenLayer(keras.layers.Layer):
    """What layers on tokens share: the config, and parts that are called as in the units table.

    Args:
        config: an `EncoderConfig`, or its dict.
        initializer: of kernels and tables; None for the published one.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, config, initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.config = EncoderConfig(**config) if isinstance(config, dict) else config
        self.initializer = keras.initializers.get(initializer) or published_initializer(self.config)

    def dense(self, units, name, **how):
        how |= {"kernel_initializer": self.initializer, "dtype": self.dtype_policy}
        return Dense(units, name=name, **how)

    def norm(self, name="norm"):
        return Norm(epsilon=self.config.layer_norm_eps, name=name, dtype=self.dtype_policy)

    def units(self):
        """dict of the last words of units (`query`, `norm`) to the layers inside that are these."""
        return {x.name: x for x in vars(self).values() if isinstance(x, Dense | Norm)}

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        own = {"config": self.config.to_dict(), "initializer": initializer}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config):
        return super().from_config(with_config(config))


@register
class SelfAttention(TokenLayer):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2), and the norm beside it."""

    def __init__(self, config, initializer=None, **kwargs):
        super().__init__(config, initializer, **kwargs)
        self.query, self.key, self.value, self.project = (
            self.dense(self.config.hidden_size, name)
            for name in ("query", "key", "value", "output")
        )
        self.normalize = self.norm()

    def build(self, *shapes):
        for part in (self.query, self.key, self.value, self.project, self.normalize):
            part.build((None, self.config.hidden_size))

    def call(self, x, asking, layout, first_only=False, seed=None):
        """x (T, D), and who asks: all of x, or the first tokens (B, D) -> a vector for each who
        asks, and scores (B, N, L or 1, L). In training there is a drawn seed.
        """
        heads, width = self.config.num_attention_heads, self.config.hidden_size
        size = width // heads
        query = self.query(asking)
        if first_only:
            query = ops.reshape(query, (-1, heads, 1, size))
        else:
            query = layout.heads(query, heads)  # (B, N, L, H)
        with on(layout):
            key, value = layout.heads(self.key(x), heads), layout.heads(self.value(x), heads)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))  # (B, N, L, L)
        scores = ops.softmax(scores * size**-0.5 + layout.bias_of(first_only))
        dropped = dropout(scores, self.config.attention_probs_dropout_prob, seed)
        context = ops.matmul(dropped, value)  # (B, N, L, H)
        context = ops.reshape(context, (-1, width)) if first_only else layout.tokens(context)
        return self.project(context), scores


@register
class FeedForward(TokenLayer):
    """Two dense layers (Vaswani et al. 2017, section 3.3), and the norm beside them."""

    def __init__(self, config, initializer=None, **kwargs):
        super().__init__(config, initializer, **kwargs)
        self.widen = self.dense(self.config.intermediate_size, "intermediate")
        self.project = self.dense(self.config.hidden_size, "output")
        self.normalize = self.norm()

    def build(self, *shapes):
        self.widen.build((None, self.config.hidden_size))
        self.project.build((None, self.config.intermediate_size))
        self.normalize.build((None, self.config.hidden_size))

    def call(self, x, training=False):
        """x (T, D) -> (T, D)."""
        return self.project(activate(self.config.hidden_act, self.widen(x), training))  # (T, I)


@register
class Block(TokenLayer):
    """One encoder layer: self-attention, then feed-forward, each with its residual and norm.

    Args:
        config, initializer, **kwargs: as in `TokenLayer`.
        recompute: in training keep only the input, and compute the block again for its gradient
            (Chen et al. 2016): a third more arithmetic for a fraction of the memory, equal results.
    """

    def __init__(self, config, initializer=None, recompute=False, **kwargs):
        super().__init__(config, initializer, **kwargs)
        self.recompute = recompute
        self.seeds = keras.random.SeedGenerator()
        parts = {"initializer": self.initializer, "dtype": self.dtype_policy}
        self.attention = SelfAttention(self.config, name="attention", **parts)
        self.ffn = FeedForward(self.config, name="ffn", **parts)

    def build(self, *shapes):
        self.attention.build()
        self.ffn.build()

    def call(self, x, layout, first_only=False, training=False):
        """x (T, D) -> (T, D), or (B, D) for the first tokens only; and scores (B, N, L or 1, L)."""
        attention, ffn, bias = self.attention, self.ffn, layout["bias"]
        after_attention, after_ffn = self.config.output_dropouts
        # Drawn here, since a block that is computed again must drop the same values again.
        seeds = [self.seeds.next() if training else None for _ in range(3)]
        worn = with_seeds([*attention.units().values(), *ffn.units().values()], training)

        def join(part, out, x, rate, seed):
            out, adapter = dropout(out, rate, seed), part_of(part)
            out = out if adapter is None else adapter.join(part, out, x, training)
            return part.normalize(out + x, training=training)

        def run(x, bias):
            here = Layout(**layout | {"bias": bias})
            asking = here.first_tokens(x) if first_only else x  # (B, D) or (T, D)
            with wearing(worn), on(Firsts() if first_only else here):
                out, scores = attention.call(x, asking, here, first_only, seeds[0])
                x = join(attention, out, asking, after_attention, seeds[1])
                return join(ffn, ffn.call(x, training), x, after_ffn, seeds[2]), scores

        if not (self.recompute and training):
            return run(x, bias)
        # Scores come from a second path, which costs nothing where nobody reads them: a graph
        # leaves it out. As an output of the first they would be kept. What gradients flow to must
        # be an argument.
        out = keras.remat(lambda *given: run(*given)[0])(x, bias)
        # `remat` cannot take the sparse gradient of a gather that reads its output; the reshape,
        # which changes nothing, hands it on dense.
        return ops.reshape(out, ops.shape(out)), run(x, bias)[1]

    def compute_output_spec(self, x, layout, first_only=False, training=False):
        batch, _, _, length = layout["bias"].shape
        rows, asking = (batch, 1) if first_only else (x.shape[0], length)
        scores = (batch, self.config.num_attention_heads, asking, length)
        return (
            keras.KerasTensor((rows, x.shape[-1]), self.compute_dtype),
            keras.KerasTensor(scores, self.compute_dtype),
        )

    def get_config(self):
        return super().get_config() | {"recompute": self.recompute}
