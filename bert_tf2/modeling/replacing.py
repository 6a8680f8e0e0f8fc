"""A generator's words in the place of hidden ones (Clark et al. 2020, section 3.1).

Letters: B batch, L length, P positions a row, V vocabulary.
"""

import keras
from keras import ops

SEED = 0  # where nothing is learnt


@keras.saving.register_keras_serializable("bert_tf2")
class Replace(keras.layers.Layer):
    """Draws a word for each hidden one, by its probability, without a gradient.

    In training others each time; else always the same.

    Args:
        temperature: what logits are divided by; 0 takes the likeliest word.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature
        self.seeds = keras.random.SeedGenerator()

    def call(self, logits, inputs, training=False):
        """Logits (B, P, V) float32; inputs, a dict of int32 `token_ids` (B, L), and (B, P)
        `masked_positions`, `masked_ids` and float32 `masked_weights`, 0 for no position
        -> token ids (B, L) with the drawn words, and float32 (B, L), 1 where one is another.
        """
        positions, right = inputs["masked_positions"], inputs["masked_ids"]
        kept, ids = inputs["masked_weights"] > 0, inputs["token_ids"]
        drawn = self._drawn(ops.stop_gradient(logits), training)
        # What is no position is 0, where no word is hidden, and keeps what stands there.
        places = ops.where(kept, positions, 0)
        first = ops.broadcast_to(ids[:, :1], ops.shape(places))
        words = ops.where(kept, drawn, first)
        other = ops.cast(ops.logical_and(kept, drawn != right), "float32")
        rows = ops.broadcast_to(
            ops.expand_dims(ops.arange(ops.shape(ids)[0], dtype="int32"), 1), ops.shape(places)
        )
        where = ops.reshape(ops.stack([rows, places], -1), (-1, 2))
        shown = ops.scatter_update(ids, where, ops.reshape(words, (-1,)))
        replaced = ops.cast(ops.zeros_like(ids), "float32")
        return shown, ops.scatter_update(replaced, where, ops.reshape(other, (-1,)))

    def _drawn(self, logits, training):
        """(B, P, V) -> int32 (B, P)."""
        if not self.temperature:
            return ops.cast(ops.argmax(logits, -1), "int32")
        rows, count, words = ops.shape(logits)
        flat = ops.reshape(logits, (-1, words)) / self.temperature
        seed = self.seeds if training else SEED
        drawn = keras.random.categorical(flat, 1, dtype="int32", seed=seed)
        return ops.reshape(drawn, (rows, count))

    def compute_output_spec(self, logits, inputs, training=False):
        shape = inputs["token_ids"].shape
        return keras.KerasTensor(shape, "int32"), keras.KerasTensor(shape, "float32")

    def get_config(self):
        return super().get_config() | {"temperature": self.temperature}
