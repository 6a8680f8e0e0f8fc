"""Heads of pretraining: what word stands at a masked position, and whether two texts belong so.

Letters: B batch, L length, P positions a row, T = B P, D width, E embedding width, V vocabulary.

Sources: Devlin et al. 2018, section 3.1; google-research/bert and albert `run_pretraining.py`
(`get_masked_lm_output`, `get_next_sentence_output`, `get_sentence_order_output`).
"""

import keras
from keras import ops

from bert_tf2.modeling.functions import activate
from bert_tf2.modeling.layers import TokenLayer, register

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
        width: D. embedding_width: E. vocab_size: V.
        activation: a key of `functions.ACTIVATION_FUNCTIONS`.
        epsilon: inside LayerNorm's square root.
        initializer: of the dense layer's kernel.
    """

    def __init__(
        self,
        embeddings,
        width,
        embedding_width,
        vocab_size,
        activation="gelu_tanh",
        epsilon=1e-12,
        initializer="glorot_uniform",
        **kwargs,
    ):
        settings = {
            "width": width,
            "embedding_width": embedding_width,
            "vocab_size": vocab_size,
            "activation": activation,
            "epsilon": epsilon,
            "initializer": initializer,
        }
        super().__init__(settings, **kwargs)
        self.transform = self.dense(embedding_width, "transform", initializer)
        self.normalize = self.norm(epsilon)
        # A function, since Keras would count and save a layer or variable here a second time.
        self.token_table = lambda: embeddings.tables["token"]

    @classmethod
    def for_encoder(cls, encoder, initializer, name="mlm"):
        """The head that fits an `Encoder`, with the family's activation."""
        config = encoder.config
        return cls(
            encoder.parts["embeddings"],
            config.hidden_size,
            config.embedding_width,
            config.vocab_size,
            activation=config.hidden_act,
            epsilon=config.layer_norm_eps,
            initializer=initializer,
            name=name,
            dtype=encoder.policy,
        )

    def build(self, *shapes):
        self.transform.build((None, self._settings["width"]))
        self.normalize.build((None, self._settings["embedding_width"]))
        self.bias = self.add_weight(
            shape=(self._settings["vocab_size"],), initializer="zeros", autocast=False, name="bias"
        )

    def call(self, x, positions, training=False):
        """x (B, L, D), positions (B, P) int32 -> (B, P, V) float32."""
        x = self.transform(tokens_at(x, positions))  # (T, E)
        x = activate(self._settings["activation"], x, training)
        x = self.normalize(x, training=training)
        table = ops.cast(self.token_table(), self.compute_dtype)  # (V, E)
        logits = ops.cast(ops.einsum("te,ve->tv", x, table), "float32")
        logits = logits + ops.cast(self.bias, "float32")
        return ops.reshape(logits, (-1, ops.shape(positions)[1], logits.shape[-1]))

    def compute_output_spec(self, x, positions, training=False):
        return keras.KerasTensor((*positions.shape, self._settings["vocab_size"]), "float32")


def tokens_at(x, positions):
    """x (B, L, D), positions (B, P) -> (T, D), row by row."""
    batch, length, width = ops.shape(x)
    starts = ops.arange(batch, dtype="int32") * length  # (B,)
    places = ops.reshape(positions + ops.expand_dims(starts, 1), (-1,))
    return ops.take(ops.reshape(x, (-1, width)), places, axis=0)


@register
class NextSentence(keras.layers.Dense):
    """A pooled output (B, D) -> logits (B, 2) float32: do two texts stand in this order?

    Class 0 is "yes". For BERT the other class is a second text from elsewhere (Devlin et al. 2018,
    section 3.1, task 2), for ALBERT the two texts swapped (Lan et al. 2019, section 3.1).

    Args:
        **kwargs: of `keras.layers.Dense`.
    """

    def __init__(self, units=2, dtype="float32", **kwargs):
        super().__init__(units, dtype=dtype, **kwargs)
