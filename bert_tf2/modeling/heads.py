"""The head that says which word stands at a masked position.

Letters: B batch, L length, P positions a row, T = B P, D width, E embedding width, V vocabulary.

Sources: Devlin et al. 2018, section 3.1; google-research/bert `run_pretraining.py`,
`get_masked_lm_output`.
"""

import keras
from keras import ops

from bert_tf2.modeling.functions import activate
from bert_tf2.modeling.layers import TokenLayer

# As the tables of names know them, for a `MaskedWords` called "mlm".
MASKED_WORDS_VARIABLES = (
    "mlm/transform/kernel",
    "mlm/transform/bias",
    "mlm/norm/gamma",
    "mlm/norm/beta",
    "mlm/bias",
)


class MaskedWords(TokenLayer):
    """Sequences and positions in them -> logits over the vocabulary, float32.

    A dense layer into the width of the embeddings, activation, norm, then the product with the
    encoder's own token table and a bias for each word. The table is the very variable that the
    encoder looks words up in: a step trains it from both ends.

    The layer is built anew around its encoder whenever a model is, and has no config of its own.

    Args:
        embeddings: the encoder's `Embeddings`, built.
        config: its `EncoderConfig`.
        initializer: of the dense layer's kernel.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, embeddings, config, initializer, **kwargs):
        super().__init__({"initializer": initializer}, **kwargs)
        self.config = config
        self.transform = self.dense(config.embedding_width, "transform", initializer)
        self.normalize = self.norm(config.layer_norm_eps)
        # A function, since Keras would count and save a layer or variable here a second time.
        self.token_table = embeddings.token_table

    def build(self, *shapes):
        self.transform.build((None, self.config.hidden_size))
        self.normalize.build((None, self.config.embedding_width))
        self.bias = self.add_weight(
            shape=(self.config.vocab_size,), initializer="zeros", autocast=False, name="bias"
        )

    def call(self, x, positions, training=False):
        """x (B, L, D), positions (B, P) int32 -> (B, P, V) float32."""
        x = self.transform(tokens_at(x, positions))  # (T, E)
        x = activate(self.config.hidden_act, x, training)
        x = self.normalize(x, training=training)
        table = ops.cast(self.token_table(), self.compute_dtype)  # (V, E)
        logits = ops.cast(ops.einsum("te,ve->tv", x, table), "float32")
        logits = logits + ops.cast(self.bias, "float32")
        return ops.reshape(logits, (-1, ops.shape(positions)[1], logits.shape[-1]))

    def compute_output_spec(self, x, positions, training=False):
        return keras.KerasTensor((*positions.shape, self.config.vocab_size), "float32")


def tokens_at(x, positions):
    """x (B, L, D), positions (B, P) -> (T, D), row by row."""
    batch, length, width = ops.shape(x)
    starts = ops.arange(batch, dtype="int32") * length  # (B,)
    places = ops.reshape(positions + ops.expand_dims(starts, 1), (-1,))
    return ops.take(ops.reshape(x, (-1, width)), places, axis=0)
