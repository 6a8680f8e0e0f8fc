"""A SentencePiece model in graphs: its pieces, and where they stand."""

import functools

import numpy as np
import tensorflow as tf

from bert_tf2.text import offsets
from bert_tf2.text.normalize import update_rows
from bert_tf2.text.pieces_text import edges_of, is_amid, shorten_runs, strangers

UNDERLINE = "▁"  # stands for a space, and begins a word
LONG = 4096  # bytes of a text that is looked through for long runs of unknown characters


class PieceModel:
    """A SentencePiece model as tensorflow_text runs it.

    Its operation makes a resource, and a function that is exported may hold none that nobody
    tracks. So each graph makes its own, from the model's bytes in the graph.
    """

    def __init__(self, content):
        self._content = content
        try:
            self._eager = self._open(tf.int32)
            size = int(self._eager.vocab_size())
        except tf.errors.OpError as error:
            raise ValueError(
                f"The file must be a SentencePiece model. Received: {len(content)} bytes that "
                "SentencePiece cannot read. Is the file complete?"
            ) from error
        self.pieces = [p.decode("utf-8") for p in self._eager.id_to_string(np.arange(size)).numpy()]
        sizes = [len(piece.replace(UNDERLINE, "")) for piece in self.pieces]
        sizes[self.unknown] = 1
        self._sizes = tf.constant(sizes)  # by id

    def _open(self, out_type):
        import tensorflow_text

        return tensorflow_text.SentencepieceTokenizer(self._content, out_type=out_type)

    def ids(self, texts):
        """string (B,) -> int32 RaggedTensor (B, pieces)."""
        return self._run(lambda opened: opened.tokenize(self._shortened(texts)))

    def sizes(self, letters):
        """string (n,), characters -> int32 (n,): how many the model makes of each; no spaces."""
        return tf.reduce_sum(tf.gather(self._sizes, self.ids(letters)), 1)

    def located(self, texts, sizes):
        """Pieces and where they stand, as SentencePiece itself tells it.

        Args:
            texts: string (B,).
            sizes: function of characters as `sizes`, 0 for those that are no units.

        Returns:
            ids, int32 RaggedTensor (B, pieces), and as `offsets.units_of`.
        """
        short = self._shortened(texts)
        ids, begins, ends = self._run(lambda opened: opened.tokenize_with_offsets(short))
        begins, ends = (tf.cast(places, tf.int32) for places in (begins, ends))
        made, at = offsets.seen(texts, sizes)
        units = made.with_values(tf.cast(made.values > 0, tf.int32))
        weights, at = self._weights(texts, short, units, at)
        begin, end, total = offsets.units_of(short, weights, at, begins, ends)
        # Of a character that becomes several, SentencePiece tells where it ends to the last piece
        # only. Another that has more than its units become has a part of the next one.
        row = offsets.owners(ids.row_splits)
        base = tf.gather(offsets.sums(total), row)
        become = offsets.sums(tf.boolean_mask(made.values, made.values > 0))
        become = tf.gather(become, base + end) - tf.gather(become, base + begin)
        lacks = (tf.gather(self._sizes, ids.values) > become) & (ids.values != self.unknown)
        end = tf.minimum(end + tf.cast(lacks, tf.int32), tf.gather(total, row))
        return ids, begin, end, total

    def _weights(self, texts, short, units, at):
        """`weights` and `at` of `units_of` for shortened texts: the units left out count too."""
        size = tf.size(units.values)

        def of_short():
            chars = tf.strings.unicode_decode(texts, "UTF-8")
            is_long = tf.gather(self._is_long(texts), offsets.owners(chars.row_splits))
            kept = tf.where(~(is_amid(chars, self._strangers) & is_long))[:, 0]
            _, at = tf.strings.unicode_decode_with_offsets(short, "UTF-8")
            return [tf.cast(places, tf.int32) for places in (kept, at.values, at.row_splits)]

        kept, places, splits = tf.cond(
            tf.reduce_any(self._is_long(texts)),
            of_short,
            lambda: [tf.range(size), at.values, at.row_splits],
        )
        before = offsets.sums(units.values)
        until = tf.concat([kept, [size]], 0)[1:]
        at = tf.RaggedTensor.from_row_splits(places, splits, validate=False)
        return at.with_values(tf.gather(before, until) - tf.gather(before, kept)), at

    def _is_long(self, texts):
        return tf.strings.length(texts) > LONG

    def _shortened(self, texts):
        # A run of characters that are in no piece is one unknown piece, however long it is, and
        # SentencePiece takes a time that grows with its square: the middle of long ones may go.
        return update_rows(
            texts, self._is_long(texts), lambda rows: shorten_runs(rows, self._strangers)
        )

    @functools.cached_property
    def _strangers(self):
        """The edges of the ranges of characters that are in no piece; none if it spells bytes."""
        spells_bytes = "<0x00>" in self.pieces
        return edges_of(()) if spells_bytes else strangers(set("".join(self.pieces)))

    def _run(self, call):
        """Calls a function with the opened model: once a graph, of which each has the bytes."""
        if tf.executing_eagerly():
            return self._eagerly(call)
        opened = tf.compat.v1.get_collection_ref(self)  # of this graph
        if not opened:
            opened.append(self._open(tf.int32))
        return call(opened[0])

    def _eagerly(self, call):
        """Calls a function with the opened model; anew where TensorFlow has let go of it.

        It does when a seed is set (`keras.utils.set_random_seed`), with its cache of kernels.
        """
        try:
            return call(self._eager)
        except tf.errors.NotFoundError:
            self._eager = self._open(tf.int32)
            return call(self._eager)

    @functools.cached_property
    def unknown(self):
        """int: the id of whatever is no piece."""
        return self.id_of("")

    def id_of(self, piece):
        """int: the id of a piece, or the unknown one's."""
        return int(self._eagerly(lambda opened: opened.string_to_id(tf.constant(piece))))

    def cut(self, text):
        """list of str: the pieces of a text, unknown characters as they are."""
        return [piece.decode("utf-8") for piece in self._open(tf.string).tokenize(text).numpy()]
