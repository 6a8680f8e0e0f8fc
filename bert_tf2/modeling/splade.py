"""A weight for each piece of the vocabulary: what SPLADE makes of a masked-word head.

Letters: B batch, L length, D width, E embedding width, V vocabulary.

Source: Formal et al. 2021, "SPLADE", equation 1, and "SPLADE v2", equation 6 (the largest in place
of the sum); Geng et al. 2025, arXiv 2504.14839, for the logarithm taken twice.
"""

import keras
from keras import ops

from bert_tf2.messages import shorten
from bert_tf2.modeling.heads import MaskedWords

STRATEGIES = ("max", "sum")
# How often log(1 + x) is taken, by sentence-transformers' name of it.
ACTIVATIONS = {"relu": 1, "log1p_relu": 2}
AT_ONCE = 1 << 24  # logits that are held at a time: 64 MB


def checked(pooling_strategy, activation_function):
    """Raises ValueError for what is none of `STRATEGIES` and `ACTIVATIONS`."""
    known = {
        "pooling_strategy": (pooling_strategy, STRATEGIES),
        "activation_function": (activation_function, (*ACTIVATIONS,)),
    }
    for name, (given, wanted) in known.items():
        if given not in wanted:
            raise ValueError(f"`{name}` must be one of {wanted}. Received: {shorten(given)}")


class SparseWords(MaskedWords):
    """Sequences -> the weight of each piece in a text, float32 (B, V), none below 0.

    That is log(1 + max(logit, 0)), the largest or the sum over the tokens of the text. The logits
    of all its tokens are never held together: a block of columns follows the other, unless
    `in_one` is set, for a graph that is to have no loop.

    Args:
        embeddings, config, initializer: as of `MaskedWords`.
        pooling_strategy: one of `STRATEGIES`. activation_function: one of `ACTIVATIONS`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self, embeddings, config, pooling_strategy="max", activation_function="relu", **kwargs
    ):
        super().__init__(embeddings, config, **kwargs)
        checked(pooling_strategy, activation_function)
        self.pooling_strategy, self.activation_function = pooling_strategy, activation_function
        self.in_one = False

    def call(self, x, mask, training=False):
        """x (B, L, D), mask int32 (B, L) of the tokens that count -> (B, V)."""
        x = self.transformed(x, training)  # (B, L, E)
        rows, length, _ = ops.shape(x)
        tokens = max(1, AT_ONCE // self.config.vocab_size)
        found = ops.zeros((rows, self.config.vocab_size), "float32")
        if self.in_one:
            found = self.with_tokens(found, x, mask)
        elif isinstance(rows, int) and isinstance(length, int):
            step = max(1, tokens // max(rows, 1))
            for start in range(0, length, step):
                found = self.with_block(found, x, mask, start, step)
        else:
            step = ops.maximum(1, tokens // ops.maximum(rows, 1))
            _, found = ops.while_loop(
                lambda start, found: start < length,
                lambda start, found: (start + step, self.with_block(found, x, mask, start, step)),
                (0, found),
            )
        return self.logarithm(found) if self.pooling_strategy == "max" else found

    def with_block(self, found, x, mask, start, step):
        """`found` (B, V), and what a block of columns adds to it."""
        return self.with_tokens(found, x[:, start : start + step], mask[:, start : start + step])

    def with_tokens(self, found, x, mask):
        """`found` (B, V), and what tokens (B, L, E) add to it."""
        logits = self.logits(ops.reshape(x, (-1, x.shape[-1])))
        logits = ops.reshape(logits, (*ops.shape(x)[:2], self.config.vocab_size))
        weights = ops.where(ops.expand_dims(mask != 0, -1), ops.relu(logits), 0.0)
        if self.pooling_strategy == "max":  # its logarithm is the largest logarithm
            return ops.maximum(found, ops.max(weights, 1))
        return found + ops.sum(self.logarithm(weights), 1)

    def logarithm(self, x):
        """log(1 + x), as often as the activation asks for."""
        for _ in range(ACTIVATIONS[self.activation_function]):
            x = ops.log1p(x)
        return x

    def compute_output_spec(self, x, mask, training=False):
        return keras.KerasTensor((x.shape[0], self.config.vocab_size), "float32")
