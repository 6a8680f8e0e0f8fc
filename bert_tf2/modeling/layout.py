"""Where tokens stand: between rows of tokens and batches of sentences.

Letters: B batch, L length, T tokens, D width, N heads, H head size (D = N H).

Dense layers work on tokens, (T, D); attention works on sentences, (B, N, L, H). With every position
kept T = B L and the way between is a reshape, which suits static shapes, XLA and TPUs. With padding
dropped T is the number of real tokens, and the way is a gather: half the time of a training step on
real sentences. Both give equal answers at every real token.
"""

import keras
from keras import ops

from bert_tf2.messages import checked_bool
from bert_tf2.modeling.functions import incoming

MASKED = -10000.0  # added to the score of a masked position: google-research/bert modeling.py


@keras.saving.register_keras_serializable("bert_tf2")
class Arrange(keras.layers.Layer):
    """Works out, once for all layers, which positions are computed.

    A row whose first position is masked is kept whole: Google's code, which only shifts masked
    scores, lets the tokens of such a row attend to each other, and so do we.

    Args:
        num_heads: N.
        drop_padding: leave masked positions out of all dense layers. Needs dynamic shapes.
    """

    def __init__(self, num_heads, drop_padding=False, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.drop_padding = checked_bool("drop_padding", drop_padding)

    def call(self, padding_mask, relative=None, also=None):
        """padding_mask (B, L), what `RelativePositions` gives (1, N, L, L), and a mask (B, L) of
        positions to be computed that nobody attends to -> the tensors of a `Layout`, as a dict.
        """
        batch, length = ops.shape(padding_mask)
        bias = (1.0 - ops.cast(padding_mask, self.compute_dtype)) * MASKED
        bias = ops.expand_dims(ops.expand_dims(bias, 1), 1)  # (B, 1, 1, L)
        bias = bias if relative is None else bias + relative  # (B, N, L, L)
        starts = ops.arange(batch, dtype="int32") * length  # (B,)
        if not self.drop_padding:
            return {"bias": bias, "first": starts}
        kept = ops.logical_or(padding_mask != 0, padding_mask[:, :1] == 0)
        kept = kept if also is None else ops.logical_or(kept, also != 0)
        kept = ops.reshape(kept, (-1,))  # (B L,)
        source = ops.cast(ops.nonzero(kept)[0], "int32")  # (T,)
        # A dropped position shows the token before it. Any finite values would do there: nobody
        # attends to them, and what they compute is dropped again.
        slot = ops.cumsum(ops.cast(kept, "int32")) - 1  # (B L,)
        heads = ops.arange(self.num_heads, dtype="int32")
        by_sentence = ops.reshape(slot, (batch, 1, length)) * self.num_heads + heads[:, None]
        row = (source // length)[:, None] * self.num_heads + heads  # (T, N)
        return {
            "bias": bias,
            "first": ops.take(slot, starts, axis=0),
            "source": source,
            "slot": slot,
            "kept": ops.cast(kept, self.compute_dtype),
            "head_slot": ops.reshape(by_sentence, (-1,)),
            "head_source": ops.reshape(row * length + (source % length)[:, None], (-1,)),
        }

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "drop_padding": self.drop_padding,
        }


class Layout:
    """The way from tokens (T, D) to sentences and back.

    Args:
        bias: (B, 1, 1, L) or (B, N, L, L), added to attention scores.
        first: (B,) int32, the row of each sentence's first token.

    and where padding is dropped (None where all positions are kept):
        source: (T,) int32, the position 0 … B L - 1 of each token.
        slot: (B L,) int32, the token shown at each position.
        kept: (B L,), 1 where the position is a token, else 0.
        head_slot: (B N L,) int32 and head_source: (T N,) int32, the same two ways for single heads:
            rows of (T N, H) shown in (B N L, H), and back. One gather takes tokens to heads,
            without a transpose.
    """

    def __init__(
        self, bias, first, source=None, slot=None, kept=None, head_slot=None, head_source=None
    ):
        self.bias, self.first, self.source, self.slot, self.kept = bias, first, source, slot, kept
        self.head_slot, self.head_source = head_slot, head_source
        self.batch, _, _, self.length = ops.shape(bias)

    def bias_of(self, first_only):
        """What is added to the scores of all tokens, or of the first ones only."""
        return self.bias[:, :, :1] if first_only and self.bias.shape[2] != 1 else self.bias

    def first_tokens(self, x):
        """(T, D) -> (B, D)."""
        return rows_of(x, self.first)

    def flat(self, x):
        """(B, L) -> (T,), for ids."""
        x = ops.reshape(x, (-1,))
        return x if self.source is None else rows_of(x, self.source)

    def positions(self):
        """(T,) int32: the column of each token."""
        if self.source is not None:
            return self.source % self.length
        columns = ops.arange(self.length, dtype="int32")
        return ops.reshape(ops.tile(columns, [self.batch]), (-1,))

    def sequences(self, x):
        """(T, D) -> (B, L, D), zeros at dropped positions."""
        shape = (self.batch, self.length, x.shape[-1])
        if self.source is None:
            return ops.reshape(x, shape)
        kept = ops.reshape(self.kept, (self.batch, self.length, 1))

        @ops.custom_gradient
        def show(x):
            def grad(*args, upstream=None):
                rows = ops.reshape(incoming(args, upstream), (-1, shape[-1]))
                return rows_of(rows, self.source)

            return ops.reshape(rows_of(x, self.slot), shape) * kept, grad

        return show(x)

    def flat_sequences(self, x):
        """(B, L, D) -> (T, D), the way back from `sequences`."""
        x = ops.reshape(x, (-1, x.shape[-1]))
        return x if self.source is None else rows_of(x, self.source)

    def heads(self, x, num_heads):
        """(T, D) -> (B, N, L, H), whatever at dropped positions."""
        size = x.shape[-1] // num_heads
        if self.source is None:
            x = ops.reshape(x, (self.batch, self.length, num_heads, size))
            return ops.transpose(x, (0, 2, 1, 3))
        shape = (self.batch, num_heads, self.length, size)

        @ops.custom_gradient
        def spread(x):
            def grad(*args, upstream=None):
                return self._collect(incoming(args, upstream))

            return self._spread(x, shape), grad

        return spread(x)

    def tokens(self, x):
        """(B, N, L, H) -> (T, D)."""
        _, num_heads, _, size = x.shape
        if self.source is None:
            return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, num_heads * size))
        shape = (self.batch, num_heads, self.length, size)
        kept = ops.reshape(self.kept, (self.batch, 1, self.length, 1))

        @ops.custom_gradient
        def collect(x):
            def grad(*args, upstream=None):
                return self._spread(incoming(args, upstream), shape) * kept

            return self._collect(x), grad

        return collect(x)

    # Each of the next two is the other's gradient. Left to itself a gather's gradient is a sum over
    # segments, three times as slow as the gather.

    def _spread(self, x, shape):
        """(T, D) -> (B, N, L, H), the `shape`."""
        rows = ops.reshape(x, (-1, shape[-1]))  # (T N, H)
        return ops.reshape(rows_of(rows, self.head_slot), shape)

    def _collect(self, x):
        """(B, N, L, H) -> (T, D)."""
        width = x.shape[1] * x.shape[-1]
        rows = ops.reshape(x, (-1, x.shape[-1]))  # (B N L, H)
        return ops.reshape(rows_of(rows, self.head_source), (-1, width))


def rows_of(x, places):
    """x (n, …), places (m,) of its rows, 0 or more -> (m, …).

    `take` has nine nodes for places that count from the end, a fifth of a block's; none does.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.take(x, places, axis=0)
    import tensorflow as tf

    return tf.gather(x, places)


class Firsts:
    """Where first tokens stand: (B, D) are sequences of one each."""

    def sequences(self, x):
        """(B, D) -> (B, 1, D)."""
        return ops.expand_dims(x, 1)

    def flat_sequences(self, x):
        """(B, 1, D) -> (B, D)."""
        return ops.squeeze(x, 1)


@keras.saving.register_keras_serializable("bert_tf2")
class Sequences(keras.layers.Layer):
    """Tokens back in their sentences: (T, D) -> (B, L, D), zeros at dropped positions."""

    def call(self, x, layout):
        return Layout(**layout).sequences(x)

    def get_config(self):  # Keras's own cannot write the dtype policy that it is built with
        return super().get_config()

    def compute_output_spec(self, x, layout):
        batch, _, _, length = layout["bias"].shape
        return keras.KerasTensor((batch, length, x.shape[-1]), self.compute_dtype)
