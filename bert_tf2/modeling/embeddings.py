"""ids -> tokens: the embeddings of every family.

Letters: B batch, L length, T tokens, V vocabulary, P positions, S segments, E embedding width,
D width.

Sources: Devlin et al. 2018, figure 2; google-research/bert and albert `modeling.py`; DistilBERT and
RoBERTa in transformers.
"""

import contextlib

import keras
import numpy as np
from keras import ops

from bert_tf2.modeling.functions import dropout
from bert_tf2.modeling.layers import TokenLayer, register
from bert_tf2.modeling.layout import Layout


@register
class Embeddings(TokenLayer):
    """ids -> tokens: the sum of token, position and segment rows, normalised.

    Args:
        vocab_size, max_positions, num_segments: rows of the three tables (V, P, S). With one
            segment the segment ids do not matter, with none there is no such table.
        width: D, or E where a dense layer follows.
        dropout: rate after the norm, in training only.
        epsilon: inside LayerNorm's square root.
        initializer: of the tables.
        output_width: D, where a dense layer leads to it from E (Lan et al. 2019, section 3.1).
        padding_id: see `position_padding_id` of `EncoderConfig`.
        sinusoidal: fixed positions (Vaswani et al. 2017, section 3.5), sines at even columns.
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
        output_width=None,
        padding_id=None,
        sinusoidal=False,
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
            "output_width": output_width,
            "padding_id": padding_id,
            "sinusoidal": sinusoidal,
        }
        super().__init__(settings, **kwargs)
        self.normalize = self.norm(epsilon)
        self.seeds = keras.random.SeedGenerator()
        self.other_table = None
        self.project = self.dense(output_width, "projection", initializer) if output_width else None

    def build(self, *shapes):
        rows = {"token": "vocab_size", "position": "max_positions", "segment": "num_segments"}
        width = self._settings["width"]
        fixed = {"position": sinusoids} if self._settings["sinusoidal"] else {}
        self.tables = {
            name: self.add_weight(
                shape=(self._settings[size], width),
                initializer=fixed.get(name)
                or keras.initializers.get(self._settings["initializer"]),
                trainable=name not in fixed,
                autocast=False,  # rows are cast when they are looked up, not the whole table
                name=name,
            )
            for name, size in rows.items()
            if self._settings[size]
        }
        self.normalize.build((None, width))
        if self.project:
            self.project.build((None, width))

    def call(self, token_ids, segment_ids, layout, training=False):
        """token_ids, segment_ids (B, L) int32 -> (T, D)."""
        layout = Layout(**layout)
        padding_id, segments = self._settings["padding_id"], self._settings["num_segments"]
        longest = self._settings["max_positions"] - (0 if padding_id is None else padding_id + 1)
        if isinstance(layout.length, int) and layout.length > longest:
            raise ValueError(
                f"Sequences can have at most {longest} tokens. Received: {layout.length}"
            )
        positions = layout.positions()
        if padding_id is not None:
            positions = layout.flat(_count_from(padding_id, token_ids))
        x = self._look_up(self.token_table(), layout.flat(token_ids))
        x = x + self._look_up(self.tables["position"], positions)
        if segments == 1:
            x = x + ops.cast(self.tables["segment"], self.compute_dtype)  # (1, D)
        elif segments:
            x = x + self._look_up(self.tables["segment"], layout.flat(segment_ids))
        seed = self.seeds.next() if training else None
        x = dropout(self.normalize(x, training=training), self._settings["dropout"], seed)
        return self.project(x) if self.project else x

    def _look_up(self, table, ids):
        return ops.cast(ops.take(table, ids, axis=0), self.compute_dtype)

    def token_table(self):
        """What words are looked up in, (V, E): the variable, or what `reading` has put there."""
        return self.tables["token"] if self.other_table is None else self.other_table

    @contextlib.contextmanager
    def reading(self, table):
        """Within it, words are looked up in a tensor (V, E) in place of the variable."""
        self.other_table = table
        try:
            yield
        finally:
            self.other_table = None

    def compute_output_spec(self, token_ids, segment_ids, layout, training=False):
        width = self._settings["output_width"] or self._settings["width"]
        return keras.KerasTensor((None, width), self.compute_dtype)


def sinusoids(shape, dtype=None):
    """An initialiser of (P, E) fixed positions: sines and cosines of falling frequency by turns."""
    position, column = np.ogrid[: shape[0], : shape[1]]
    angle = position / 10000.0 ** (2 * (column // 2) / shape[1])
    return ops.convert_to_tensor(np.where(column % 2, np.cos(angle), np.sin(angle)), dtype)


def _count_from(padding_id, token_ids):
    """(B, L) -> (B, L): the n-th token that is no padding gets `padding_id + n`, padding its id."""
    real = ops.cast(token_ids != padding_id, "int32")
    return ops.cumsum(real, axis=1) * real + padding_id
