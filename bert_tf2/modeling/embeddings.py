"""ids -> tokens: the embeddings of every family.

Letters: B batch, L length, T tokens, V vocabulary, E embedding width, D width.

Sources: Devlin et al. 2018, figure 2; google-research/bert and albert `modeling.py`; DistilBERT and
RoBERTa in transformers.
"""

import contextlib

import keras
from keras import ops

from bert_tf2.modeling import positions
from bert_tf2.modeling.functions import dropout
from bert_tf2.modeling.layers import TokenLayer, register
from bert_tf2.modeling.layout import Layout
from bert_tf2.modeling.worn import on


@register
class Embeddings(TokenLayer):
    """ids -> tokens: the sum of token, position and segment rows, normalised.

    With one segment the segment ids do not matter, with none there is no such table. Where the
    config says so, a dense layer leads from E to D (Lan et al. 2019, section 3.1).

    Args:
        config, initializer, **kwargs: as in `TokenLayer`.
        lender: built `Embeddings` of the same sizes, whose tables and norm are read in the place of
            own ones (ELECTRA's generator: Clark et al. 2020, section 3.2). It trains and keeps
            them: this layer has none, and cannot be copied alone.
    """

    def __init__(self, config, initializer=None, lender=None, **kwargs):
        super().__init__(config, initializer, **kwargs)
        # A function, since Keras would count and save the lender's variables here a second time.
        self.lender = None if lender is None else lambda: lender
        self.normalize = self.norm() if lender is None else None
        self.seeds = keras.random.SeedGenerator()
        self.other_table = self.other_words = None
        projects = self.config.has_projection
        self.project = self.dense(self.config.hidden_size, "projection") if projects else None

    def build(self, *shapes):
        config, width = self.config, self.config.embedding_width
        if self.project:
            self.project.build((None, width))
        if self.lender:
            self.tables = {}
            return
        rows = {
            "token": config.vocab_size,
            "position": config.max_position_embeddings,
            "segment": config.type_vocab_size,
        }
        fixed = {"position": positions.sinusoids} if config.sinusoidal_positions else {}
        self.tables = {
            name: self.add_weight(
                shape=(count, width),
                initializer=fixed.get(name, self.initializer),
                trainable=name not in fixed,
                autocast=False,  # rows are cast when they are looked up, not the whole table
                name=name,
            )
            for name, count in rows.items()
            if count
        }
        self.normalize.build((None, width))

    def call(self, token_ids, segment_ids, layout, training=False):
        """token_ids, segment_ids (B, L) int32 -> (T, D)."""
        config, layout, source = self.config, Layout(**layout), self.source()
        if isinstance(layout.length, int) and layout.length > config.max_length:
            raise ValueError(
                f"Sequences can have at most {config.max_length} tokens. Received: {layout.length}"
            )
        rows = positions.rows_of(config, token_ids, layout)
        x = self._words(token_ids, layout)
        x = x + self.look_up(source.tables["position"], rows)
        if config.type_vocab_size == 1:
            x = x + ops.cast(source.tables["segment"], self.compute_dtype)  # (1, D)
        elif config.type_vocab_size:
            x = x + self._look_up_given(source.tables["segment"], layout.flat(segment_ids))
        seed = self.seeds.next() if training else None
        x = dropout(source.normalize(x, training=training), config.hidden_dropout_prob, seed)
        with on(layout):
            return self.project(x) if self.project else x

    def source(self):
        """The embeddings whose tables and norm are read: these, or those that lend theirs."""
        return self.lender() if self.lender else self

    def _words(self, token_ids, layout):
        """The row of the token table of each token, (T, E); or what `showing` has put there."""
        if self.other_words is None:
            return self._look_up_given(self.token_table(), layout.flat(token_ids))
        words = ops.reshape(self.other_words, (-1, self.config.embedding_width))
        words = words if layout.source is None else ops.take(words, layout.source, axis=0)
        return ops.cast(words, self.compute_dtype)

    def _look_up_given(self, table, ids):
        # `take` would count a negative id from the end; beyond the end, a CPU refuses it.
        return self.look_up(table, ops.where(ids < 0, table.shape[0], ids))

    def look_up(self, table, ids):
        """Rows of a table (V, E) of such numbers (T,) -> (T, E), in the compute dtype."""
        return ops.cast(ops.take(table, ids, axis=0), self.compute_dtype)

    def token_table(self):
        """What words are looked up in, (V, E): the variable, or what `reading` has put there."""
        source = self.source()
        return source.tables["token"] if source.other_table is None else source.other_table

    @contextlib.contextmanager
    def reading(self, table):
        """Within it, words are looked up in a tensor (V, E) in place of the variable."""
        self.other_table = table
        try:
            yield
        finally:
            self.other_table = None

    @contextlib.contextmanager
    def showing(self, words):
        """Within it, a tensor (B, L, E) stands in place of the words that are looked up."""
        self.other_words = words
        try:
            yield
        finally:
            self.other_words = None

    def compute_output_spec(self, token_ids, segment_ids, layout, training=False):
        return keras.KerasTensor((None, self.config.hidden_size), self.compute_dtype)
