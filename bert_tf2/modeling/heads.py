"""What stands on an encoder: one vector for a text, logits of it or its tokens, masked words.

Letters: B batch, L length, P positions a row, T = B P, D width, E embedding width, V vocabulary,
K classes.

Sources: Devlin et al. 2018, sections 3.1 and 4.1; google-research/bert `run_classifier.py`, and
`run_pretraining.py`, `get_masked_lm_output`.
"""

import numbers

import keras
from keras import ops

from bert_tf2.modeling.functions import ACTIVATION_FUNCTIONS, activate
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.modeling.layers import TokenLayer, published_initializer
from bert_tf2.modeling.worn import Dense

# As the tables of names know them, for a `MaskedWords` called "mlm".
MASKED_WORDS_VARIABLES = (
    "mlm/transform/kernel",
    "mlm/transform/bias",
    "mlm/norm/gamma",
    "mlm/norm/beta",
    "mlm/bias",
)


# === One vector for a text ========================================================================


def pool_first(encoder, inputs, drop_padding=False, dropout=0.0):
    """The first token through the pooler, or what the family has in its place.

    That may be a dense layer of a classifier's own, "pre_classifier"
    (`EncoderConfig.classifier_act`).

    Args:
        encoder: an `Encoder`. inputs: as from `input_tensors()`.
        drop_padding: as in `Encoder.encode`.
        dropout: before "pre_classifier", where the config says so.

    Returns:
        symbolic (B, D).
    """
    config = encoder.config
    outputs = encoder.encode(inputs, drop_padding=drop_padding, first_only=True)
    x = outputs["first_output"]  # (B, D)
    if config.classifier_act is None:
        return outputs.get("pooled_output", x)
    if config.classifier_drops_first:
        x = _dropout(dropout, "first_dropout")(x)
    return _own_dense(x, encoder, "pre_classifier")


def pool_choice(encoder, inputs, drop_padding=False):
    """The first token through the pooler, or the dense layer that a choice has in its place.

    Unlike a classifier, a choice reads the pooler of every family that has one. Its own layer is
    "pre_choice"; arguments as `pool_first`.

    Returns:
        symbolic (B, D).
    """
    outputs = encoder.encode(inputs, drop_padding=drop_padding, first_only=True)
    if encoder.config.pooler:
        return outputs["pooled_output"]
    return _own_dense(outputs["first_output"], encoder, "pre_choice")


def _own_dense(x, encoder, name):
    """(B, D) -> (B, D): the dense layer of a head where others have the pooler."""
    return Dense(
        encoder.config.hidden_size,
        activation=ACTIVATION_FUNCTIONS[encoder.config.classifier_act or "tanh"],
        kernel_initializer=published_initializer(encoder.config),
        name=name,
        dtype=encoder.policy,
    )(x)


def pool_mean(encoder, inputs, drop_padding=False, dropout=0.0):
    """The mean of all tokens (Reimers & Gurevych 2019, section 3); arguments as `pool_first`."""
    tokens = encoder.encode(inputs, drop_padding=drop_padding)["sequence_output"]
    return mean_of_tokens(tokens, inputs["padding_mask"])


def mean_of_tokens(x, padding_mask):
    """x (B, L, D), padding_mask (B, L) -> (B, D); zeros for a row without tokens."""
    mask = ops.expand_dims(ops.cast(padding_mask, x.dtype), -1)
    return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)


POOLINGS = {"first": pool_first, "mean": pool_mean}
POOLINGS_OF_CHOICES = {"first": pool_choice, "mean": pool_mean}


def _dropout(rate, name):
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not 0 <= rate < 1:
        raise ValueError(f"`dropout` must be a number from 0 to below 1. Received: {rate!r}")
    return keras.layers.Dropout(rate, name=name)


def pooling_of(name, known=None):
    """The function of a pooling, one of `POOLINGS`, or of those `known`.

    Raises:
        ValueError: another name.
    """
    known = known or POOLINGS
    if name not in [*known]:
        raise ValueError(f"`pooling` must be one of {list(known)}. Received: {name!r}")
    return known[name]


def pooled(encoder, pooling, drop_padding, dropout):
    """A pooling by its name, as `pooling_of`: the model's inputs, and a symbolic (B, D)."""
    pool, inputs = pooling_of(pooling), input_tensors()
    return inputs, pool(encoder, inputs, drop_padding, dropout)


# === Logits =======================================================================================
# Each is a dense layer in float32, as the loss needs the digits, after dropout in training. The
# classes of transformers that they are named after drop `EncoderConfig.classifier_dropout`, but for
# spans and the second pretraining tasks, which drop nothing.


def classes(pooled, config, count, dropout, name="classifier"):
    """`…ForSequenceClassification`: K classes, labels, or numbers, of a text.

    Args:
        pooled: symbolic (B, D), or (B, L, D) for classes of tokens.
        config: the `EncoderConfig`, for the initializer.
        count: K, 1 or more. dropout: rate before the layer, in training.
        name: of the layer, as the units table has it.

    Returns:
        symbolic (B, K), or (B, L, K).
    """
    return _logits(_dropout(dropout, f"{name}_dropout")(pooled), config, count, name)


def token_classes(states, config, count, dropout):
    """`…ForTokenClassification`: (B, L, D) -> (B, L, K), as `classes`; "token_classifier"."""
    return classes(states, config, count, dropout, "token_classifier")


def spans(states, config):
    """`…ForQuestionAnswering`: (B, L, D) -> (B, L, 2), where answers start and end; "span"."""
    return _logits(states, config, 2, "span")


def choices(pooled, config, dropout):
    """`…ForMultipleChoice`: (B, D) of `pool_choice`, a choice a row -> (B, 1); "choice"."""
    return classes(pooled, config, 1, dropout, "choice")


def next_sentence(pooled, config, name="nsp"):
    """Do two texts stand in this order? (B, D) -> (B, 2), of which 0 is "yes".

    Args:
        name: "nsp", BERT's `…ForNextSentencePrediction`; or "sop", ALBERT's sentence order.
    """
    return _logits(pooled, config, 2, name)


def _logits(x, config, count, name):
    initializer = published_initializer(config)
    return Dense(count, kernel_initializer=initializer, name=name, dtype="float32")(x)


# === Words at masked positions ====================================================================


class MaskedWords(TokenLayer):
    """Sequences and positions in them -> logits over the vocabulary, float32.

    A dense layer into the width of the embeddings, activation, norm, then the product with the
    encoder's own token table and a bias for each word. The table is the very variable that the
    encoder looks words up in: a step trains it from both ends.

    The layer is built anew around its encoder whenever a model is, and has no config of its own: a
    task is copied by `from_config(get_config())`.

    Args:
        embeddings: the encoder's `Embeddings`, built.
        config: its `EncoderConfig`.
        initializer: of the dense layer's kernel; None for the published one.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, embeddings, config, initializer=None, **kwargs):
        super().__init__(config, initializer, **kwargs)
        self.transform = self.dense(config.embedding_width, "transform")
        self.normalize = self.norm()
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
        logits = self.logits(self.transformed(tokens_at(x, positions), training))
        return ops.reshape(logits, (-1, ops.shape(positions)[1], logits.shape[-1]))

    def transformed(self, x, training=False):
        """x (…, D) -> (…, E), which the table is multiplied with."""
        x = self.transform(x)
        x = activate(self.config.mlm_act or self.config.hidden_act, x, training)
        return self.normalize(x, training=training)

    def logits(self, x):
        """x (T, E) -> (T, V) float32."""
        table = ops.cast(self.token_table(), self.compute_dtype)  # (V, E)
        logits = ops.cast(ops.einsum("te,ve->tv", x, table), "float32")
        return logits + ops.cast(self.bias, "float32")

    def get_config(self):
        raise NotImplementedError(
            "A masked-word head shares its table with its encoder and cannot be copied alone. Copy "
            "the task: `MaskedLM.from_config(task.get_config())`, then `set_weights`."
        )

    def compute_output_spec(self, x, positions, training=False):
        return keras.KerasTensor((*positions.shape, self.config.vocab_size), "float32")


def tokens_at(x, positions):
    """x (B, L, D), positions (B, P) -> (T, D), row by row."""
    batch, length, width = ops.shape(x)
    starts = ops.arange(batch, dtype="int32") * length  # (B,)
    places = ops.reshape(positions + ops.expand_dims(starts, 1), (-1,))
    return ops.take(ops.reshape(x, (-1, width)), places, axis=0)


# === Words in the place of others ================================================================


class ReplacedWords(TokenLayer):
    """Of each token, whether another stood in its place: (B, L, D) -> logits (B, L), float32.

    Source: google-research/electra `run_pretraining.py`, `_get_discriminator_output`.
    """

    def __init__(self, config, initializer=None, **kwargs):
        super().__init__(config, initializer, **kwargs)
        self.transform = self.dense(self.config.hidden_size, "dense")
        self.score = keras.layers.Dense(
            1, kernel_initializer=self.initializer, name="logits", dtype="float32"
        )

    def build(self, *shapes):
        for layer in (self.transform, self.score):
            layer.build((None, self.config.hidden_size))

    def call(self, x, training=False):
        """x (B, L, D) -> (B, L)."""
        rows, length, width = ops.shape(x)
        x = self.transform(ops.reshape(x, (-1, width)))
        logits = self.score(activate(self.config.hidden_act, x, training))
        return ops.reshape(logits, (rows, length))

    def compute_output_spec(self, x, training=False):
        return keras.KerasTensor(x.shape[:2], "float32")


# === Choices ======================================================================================


class Fold(keras.layers.Layer):
    """(B, N, L) -> (B N, L): the choices of a row become rows."""

    def call(self, x):
        """x (B, N, L) -> (B N, L)."""
        return ops.reshape(x, (-1, ops.shape(x)[2]))


class Unfold(keras.layers.Layer):
    """A number for each of those rows -> (B, N)."""

    def call(self, scores, like):
        """scores (B N, 1), like (B, N, L) -> (B, N)."""
        return ops.reshape(scores, ops.shape(like)[:2])
