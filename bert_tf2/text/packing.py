"""Strings to model inputs: special tokens, segments, truncation and padding.

Letters: B batch, L length. The rules are those of google-research/bert, `run_classifier.py`
(`convert_single_example`, `_truncate_seq_pair`), in closed form, with core TensorFlow operations.
"""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2 import weights
from bert_tf2.messages import checked_bool, checked_int
from bert_tf2.text.forms import named_texts, to_strings
from bert_tf2.text.string_layers import TextLayer
from bert_tf2.text.tokenizer import Tokenizer


def pack(
    first,
    second=None,
    *,
    special_ids,
    max_length,
    pad_to_max_length=False,
    length_buckets=(),
    separators=1,
    second_segment=1,
):
    """`[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, cut to a length and padded.

    A pair too long loses tokens from the end of its longer text, one at a time, and from the second
    one when they are level. A second text without tokens, before or after that, is no second text.

    Args:
        first: int32 RaggedTensor (B, tokens).
        second: the same, or `None`.
        special_ids: the ids of "[CLS]", "[SEP]" and "[PAD]", in this order.
        max_length: int, the longest L.
        pad_to_max_length: bool. Default `False`: L is that of the longest row.
        length_buckets: ascending ints; L is the first of them, or else `max_length`, that is not
            below the longest row.
        separators: int, how many "[SEP]" stand between a and b: RoBERTa has two.
        second_segment: int, the segment id of b and its "[SEP]": RoBERTa has only 0.

    Returns:
        dict of int32 tensors (B, L): `token_ids`, `segment_ids` (0 but for `second_segment`) and
        `padding_mask` (1 for tokens, 0 for padding).
    """
    if second is None:
        second = tf.RaggedTensor.from_row_splits(
            tf.zeros([0], first.dtype), tf.zeros_like(first.row_splits), validate=False
        )
    a, b = truncated_lengths(first.row_lengths(), second.row_lengths(), max_length, separators)
    total = packed_lengths(a, b, separators)  # (B,)
    # An empty batch has length 2, as a batch of empty texts.
    length = max_length if pad_to_max_length else tf.reduce_max(tf.concat([total, [2]], 0))
    if length_buckets and not pad_to_max_length:
        lengths = tf.constant([*length_buckets, max_length], total.dtype)
        length = lengths[tf.searchsorted(lengths, [length])[0]]
    position = tf.range(tf.cast(length, a.dtype))[tf.newaxis]  # (1, L)
    a, b, total = a[:, tf.newaxis], b[:, tf.newaxis], total[:, tf.newaxis]  # (B, 1)
    begin = 1 + a + separators  # of b

    # Every position's place in one long vector of all ids, the special ones at its end.
    values = tf.concat([first.values, second.values, special_ids], 0)
    cls, sep, pad = tf.unstack(tf.size(values, a.dtype) - tf.constant([3, 2, 1], a.dtype))
    in_first = first.row_starts()[:, tf.newaxis] + position - 1
    in_second = (
        tf.size(first.values, a.dtype) + second.row_starts()[:, tf.newaxis] + position - begin
    )
    place = tf.where(position < total, sep, pad)  # (B, L)
    place = tf.where((position >= begin) & (position < begin + b), in_second, place)
    place = tf.where((position > 0) & (position <= a), in_first, place)
    place = tf.where(position == 0, cls, place)
    valid = position < total
    return {
        "token_ids": tf.gather(values, place),
        "segment_ids": second_segment * tf.cast(valid & (position >= begin), tf.int32),
        "padding_mask": tf.cast(valid, tf.int32),
    }


def packed_lengths(a, b, separators=1):
    """int (B,): the length of each row, special tokens included."""
    return 2 + a + b + separators * tf.cast(b > 0, b.dtype)


def truncated_lengths(a, b, max_length, separators=1):
    """How many tokens of each text are kept (B,), without the reference's loop.

    The loop shortens the longer text until the two are level and then both in turn, the second
    first: a text no longer than its half of the room is never touched, the other gets the rest.
    """
    room = tf.maximum(max_length - 2 - separators * tf.cast(b > 0, a.dtype), 0)
    a = tf.minimum(a, tf.maximum(room - b, (room + 1) // 2))
    return a, tf.minimum(b, room - a)


@keras.saving.register_keras_serializable("bert_tf2")
class Preprocessor:
    """Texts, or pairs of texts, to the inputs of a model.

    It works eagerly, in tf.function and tf.data, and in exported SavedModels.

    Args:
        tokenizer: a tokenizer of this package.
        max_length: int >= 3, the longest L, special tokens included. Default 512.
        pad_to_max_length: bool; pad to `max_length` (static shapes: TPU, XLA), or (default) only
            to the longest row of a batch.
        length_buckets: ints below `max_length`: pad to the first of them that is long enough, so
            that lengths are few. Training on texts in memory, shuffled, then puts texts of one
            bucket into a batch; XLA compiles twice a bucket, for full batches and the last one.
            Default: none.

    Raises:
        ValueError: `max_length` below 3, buckets that are not below it, or `pad_to_max_length`,
            which leaves one length, together with buckets.

    Examples:
        >>> tokenizer = bert_tf2.WordPieceTokenizer("vocab.txt")
        >>> preprocess = bert_tf2.Preprocessor(tokenizer, max_length=128)
        >>> inputs = preprocess(["one text", "another"])  # a list of texts
        >>> inputs = preprocess((["a question"], ["an answer"]))  # a tuple of two: pairs
        >>> inputs = preprocess({"text": ["a question"], "text_pair": ["an answer"]})
    """

    def __init__(self, tokenizer, max_length=512, pad_to_max_length=False, length_buckets=()):
        self.max_length = checked_int("max_length", max_length, 3)  # [CLS], one token and [SEP]
        self.pad_to_max_length = checked_bool("pad_to_max_length", pad_to_max_length)
        buckets = length_buckets if np.iterable(length_buckets) else [length_buckets]
        self.length_buckets = sorted({checked_int("length_buckets", x) for x in buckets})
        if pad_to_max_length and self.length_buckets:
            raise ValueError(
                "`length_buckets` must be left out with `pad_to_max_length=True`: all is padded to "
                f"`max_length`. Received: {length_buckets}"
            )
        self.tokenizer = tokenizer
        ends = self.length_buckets[:1] + self.length_buckets[-1:]
        if not all(3 <= x < max_length for x in ends):
            raise ValueError(
                f"`length_buckets` must lie between 3 and {max_length - 1}, below `max_length`. "
                f"Received: {length_buckets}"
            )

    @tf.autograph.experimental.do_not_convert  # AutoGraph takes a second, for nothing
    def __call__(self, texts):
        """Model inputs of a batch.

        Args:
            texts: B texts (list of str, NumPy array, string tensor), or B pairs: a tuple of two
                such batches, a list of tuples, or a mapping or a table of `text` and perhaps
                `text_pair`. A single str (or a tuple of two) gives outputs without the B.

        Returns:
            dict of int32 tensors (B, L): `token_ids`, `segment_ids`, `padding_mask`.

        Raises:
            TypeError: neither text nor a pair of texts.
            ValueError: a pair of batches of different sizes.
        """
        symbols = texts if isinstance(texts, (list, tuple)) else (texts,)
        if any(isinstance(text, keras.KerasTensor) for text in symbols):
            return TextLayer(self)(texts)
        first, second = split_pair(texts)
        first = to_strings(first)
        second = None if second is None else _same_shape(to_strings(second), first)
        packed = self.packed(*self._tokenize(first, second))
        if first.shape.rank == 0:
            return {name: values[0] for name, values in packed.items()}
        return packed

    def packed(self, first, second=None):
        """Model inputs of ids, int32 RaggedTensors (B, tokens): see `pack`."""
        return self._packed(first, second, self.pad_to_max_length, self.length_buckets)

    def padded(self, first, second=None):
        """As `packed`, with L the longest in any case."""
        return self._packed(first, second, True, ())

    def _packed(self, first, second, pad_to_max_length, length_buckets):
        return pack(
            first,
            second,
            separators=self.tokenizer.pair_separators,
            second_segment=self.tokenizer.second_segment,
            special_ids=[
                self.tokenizer.cls_token_id,
                self.tokenizer.sep_token_id,
                self.tokenizer.pad_token_id,
            ],
            max_length=self.max_length,
            pad_to_max_length=pad_to_max_length,
            length_buckets=length_buckets,
        )

    def lengths(self, texts):
        """The tokens that each text or pair has with its special ones, before any is cut.

        Args:
            texts: B texts, or a pair of such batches, as for a call.

        Returns:
            int array (B,).
        """
        return packed_lengths(*self._row_lengths(texts), self.tokenizer.pair_separators).numpy()

    def buckets(self, texts):
        """The length, of `length_buckets` or `max_length`, that each text alone would be padded to.

        Args, returns: as `lengths`.
        """
        return self.buckets_of(self.lengths(texts))

    def buckets_of(self, lengths):
        """The same of lengths, int (B,), as `lengths` gives them."""
        longest = np.array([*self.length_buckets, self.max_length])
        return longest[np.searchsorted(longest, np.minimum(lengths, self.max_length))]

    def _row_lengths(self, texts):
        """The tokens of first and second texts, int (B,) each."""
        first, second = split_pair(texts)
        second = None if second is None else to_strings(second)
        first, second = self._tokenize(to_strings(first), second)
        a = first.row_lengths()
        return a, tf.zeros_like(a) if second is None else second.row_lengths()

    def _tokenize(self, first, second):
        """Both texts' ids, in one run of the tokenizer; None for a second text that is not."""
        first = tf.reshape(first, [-1])
        if second is None:
            return self.tokenizer(first), None
        ids = self.tokenizer(tf.concat([first, tf.reshape(second, [-1])], 0))
        count = tf.size(first) if first.shape[0] is None else first.shape[0]
        return ids[:count], ids[count:]

    @classmethod
    def from_preset(cls, preset, max_length=None, **kwargs):
        """That of a published checkpoint (registry name) or of a folder.

        Args:
            preset: str or Path.
            max_length: int; default: what the tokenizer says, at most the encoder's positions.
            **kwargs: as for the class.

        Raises:
            ValueError: the checkpoint lacks the tokenizer's files.
        """
        checkpoint = weights.open_checkpoint(weights.resolve(preset))
        said = checkpoint.tokenizer.settings.get("max_length", checkpoint.config.max_length)
        length = min(said, checkpoint.config.max_length) if max_length is None else max_length
        return cls(Tokenizer.from_checkpoint(checkpoint), length, **kwargs)

    def get_config(self):
        """The settings, the tokenizer's among them, without its vocabulary."""
        return {
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "max_length": self.max_length,
            "pad_to_max_length": self.pad_to_max_length,
            "length_buckets": self.length_buckets,
        }

    @classmethod
    def from_config(cls, config):
        """A preprocessor with these settings; its tokenizer waits for `load_assets`."""
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})

    def save_assets(self, folder):
        """Writes the tokenizer's vocabulary into a folder."""
        self.tokenizer.save_assets(folder)

    def load_assets(self, folder):
        """Reads the tokenizer's vocabulary from a folder."""
        self.tokenizer.load_assets(folder)


def split_pair(texts):
    """First and second texts (the latter perhaps `None`) of what `Preprocessor` takes."""
    first, second = (*named_texts(texts).values(), None)[:2]
    return first, second


def _same_shape(second, first):
    """The second texts, once there are as many as first ones."""
    if not second.shape.is_compatible_with(first.shape):
        raise ValueError(
            "Both texts of a pair must come in equal number. "
            f"Received: shapes {first.shape} and {second.shape}"
        )
    check = tf.debugging.assert_equal(
        tf.shape(first), tf.shape(second), "Both texts of a pair must come in equal number."
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(second)
