"""Where pieces stand in the text as it came, in characters, bytes and words, as graph operations.

There is no second tokenizer: ids are of the whole text, lengths of its single characters. Cleaning
makes of a character what it makes of it anywhere, so that counting leads back: piece to characters
of the cleaned text, and these to characters of the text. Only some rules look at more than one
character; a tokenizer says these in `settle`.

Letters: B batch, C characters of all texts one after another, P pieces of all texts, U units: the
characters of cleaned texts that are not white space. White space is not counted, so that it does
not matter how much of it cleaning puts in and takes away.
"""

from typing import NamedTuple

import tensorflow as tf

from bert_tf2.text.forms import to_strings
from bert_tf2.text.normalize import ALONE, WHITE


class Pieces(NamedTuple):
    """Pieces of texts: int32 RaggedTensors (B, pieces), or Tensors (pieces,) of a single text.

    Characters are those of Python's `text.decode("utf-8", "replace")`: of bytes that are not UTF-8,
    each part that might have begun a character is one. A piece has no white space at its ends; one
    of nothing but white space is empty and stands before the next other character. Pieces of one
    character all stand where it stands. Combining marks that cleaning drops belong to what they
    mark.

    Attributes:
        ids: the ids of the pieces, as calling the tokenizer gives them.
        starts, ends: characters of the text, as in `text[start:end]`.
        words: the number of the word within its text, from 0. A word is what stands between white
            space, cut at punctuation (of ASCII also symbols such as "+") and Chinese characters,
            each of which is a word. A piece of several words is of the first.
    """

    ids: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor
    words: tf.RaggedTensor


class Characters(NamedTuple):
    """The characters of texts as they came.

    Attributes:
        splits: int32 (B + 1,), where each text begins among all characters.
        units: int32 (C,), how many units cleaning makes of each.
        clings: bool (C,), whether it ends with the character before it.
        words: int32 (C,), the number of its word.
    """

    splits: tf.Tensor
    units: tf.Tensor
    clings: tf.Tensor
    words: tf.Tensor

    @classmethod
    def of(cls, texts, tokenizer):
        """Those of texts (B,) before a tokenizer cleans them."""
        chars = tf.strings.unicode_decode(texts, "UTF-8").with_row_splits_dtype(tf.int32)

        def kinds(letters):
            units, _ = seen(tokenizer.clean(letters), tokenizer.shows)
            matches = (tf.strings.regex_full_match(letters, p) for p in (WHITE, ALONE, r"\p{M}"))
            return tf.reduce_sum(units, 1), *matches

        units, white, alone, mark = each(chars.values, kinds)
        units, clings = tokenizer.settle(texts, chars, units, mark & (units == 0))
        row = owners(chars.row_splits)
        begins = row != before(row, -1)
        begins_word = ~white & (begins | alone | before(white | alone, True))
        count = sums(tf.cast(begins_word, tf.int32))  # (C + 1,)
        words = tf.maximum(count[1:] - tf.gather(tf.gather(count, chars.row_starts()), row) - 1, 0)
        return cls(chars.row_splits, units, clings & ~begins, words)


class Placing:
    """A tokenizer's `pieces`, and what its kind says for them."""

    @tf.autograph.experimental.do_not_convert  # AutoGraph takes a second, for nothing
    def pieces(self, texts):
        """The ids that a call gives, and where in its text each piece stands.

        Args, errors: as for a call.

        Returns:
            `Pieces` (ids, starts, ends, words), counted in characters; for bytes see `to_bytes`.
        """
        texts = to_strings(texts)
        flat = tf.reshape(texts, [-1])
        with tf.device("CPU:0"):  # with its strings
            found = locate(self.tokenize(flat, self.place), Characters.of(flat, self))
        return Pieces(*(column.values for column in found)) if texts.shape.rank == 0 else found

    def place(self, texts):
        """string (B,), cleaned -> int32 RaggedTensor (B, pieces, 3), as `placed` gives it."""
        raise NotImplementedError

    def shows(self, letters):
        """string (n,), characters of cleaned text -> bool (n,), which of them are units."""
        return ~tf.strings.regex_full_match(letters, WHITE)

    def settle(self, texts, chars, units, clings):
        """`units` and `clings` of `Characters`, where neighbours change what each is alone.

        Args:
            texts: string (B,), as they came.
            chars: int32 RaggedTensor (B, characters), their codes.
            units, clings: int32 and bool (C,), of each alone.
        """
        return units, clings


def locate(placed, chars):
    """Pieces in units -> `Pieces`.

    Args:
        placed: int32 RaggedTensor (B, pieces, 3), as of `placed`.
        chars: `Characters`.
    """
    ids, advance, extent = tf.unstack(placed.values, axis=1)  # (P,)
    row = owners(placed.row_splits)
    size = tf.size(chars.units)  # C
    units = sums(chars.units)  # (C + 1,)
    char_of = tf.concat([owners(units), [size]], 0)  # (U + 1,)
    # A character ends before the next one that does not cling.
    stops = tf.concat([tf.where(~chars.clings)[:, 0], [tf.cast(size, tf.int64)]], 0)
    end_of = tf.gather(tf.cast(stops, tf.int32), sums(tf.cast(~chars.clings, tf.int32))[1:])
    end_of = tf.concat([end_of, [size]], 0)  # (C + 1,)

    begin, until = tf.gather(chars.splits[:-1], row), tf.gather(chars.splits[1:], row)
    limit = tf.gather(units, until)
    unit = row_cumsum(placed.with_values(advance)) + tf.gather(units, begin)
    unit, end = tf.minimum(unit, limit), tf.minimum(unit + extent, limit)
    start = tf.where(unit < limit, tf.gather(char_of, unit), until)
    last = tf.gather(char_of, tf.maximum(end - 1, 0))
    end = tf.where(end > unit, tf.gather(end_of, last), start)
    words = tf.concat([chars.words, [0]], 0)
    words = tf.gather(words, tf.maximum(tf.minimum(start, until - 1), begin))
    return Pieces(*map(placed.with_values, (ids, start - begin, end - begin, words)))


def placed(ids, begins, ends, total):
    """Pieces as `AddedTokens` can put them between others: what each takes of its text.

    Args:
        ids: int32 RaggedTensor (B, pieces).
        begins, ends: int32 (P,), units of the piece's text.
        total: int32 (B,), the units of each text.

    Returns:
        int32 RaggedTensor (B, pieces, 3): the id, how many units later the next piece begins, and
        how many units the piece has, which is more if both are of one character.
    """
    row = owners(ids.row_splits)
    is_last = row != after(row, -1)
    following = tf.where(is_last, tf.gather(total, row), after(begins, 0))
    return ids.with_values(tf.stack([ids.values, following - begins, ends - begins], 1))


def seen(texts, shows):
    """texts (B,) -> int32 RaggedTensors (B, characters): 1 for units and else 0; their bytes.

    Args:
        texts: string (B,), cleaned.
        shows: function of string (n,), characters, to bool (n,), which of them are units; or to
            int (n,), of any other count.
    """
    chars, at = tf.strings.unicode_decode_with_offsets(texts, "UTF-8")
    units = each(chars.values, lambda letters: tf.cast(shows(letters), tf.int32))
    chars = chars.with_row_splits_dtype(tf.int32)
    return chars.with_values(units), chars.with_values(tf.cast(at.values, tf.int32))


def units_of(texts, weights, at, begins, ends):
    """Bytes of pieces -> units.

    Args:
        texts: string (B,).
        weights, at: int32 RaggedTensors (B, characters), units and first byte of each.
        begins, ends: int32 RaggedTensors (B, pieces), bytes.

    Returns:
        begins and ends, int32 (P,), in units, and int32 (B,), the units of each text.
    """
    bytes_before = sums(tf.strings.length(texts))  # (B + 1,)
    places = at.values + tf.gather(bytes_before, owners(at.row_splits))
    places = tf.concat([places, bytes_before[-1:]], 0)  # (C + 1,)
    row = owners(begins.row_splits)
    base = tf.gather(bytes_before, row)
    first, last = (
        tf.searchsorted(places, base + place, side="right") - 1
        for place in (begins.values, ends.values - 1)
    )
    units = sums(weights.values)  # (C + 1,)
    base = tf.gather(units, weights.row_splits)  # (B + 1,)
    end = tf.where(ends.values > begins.values, last + 1, first)
    begin, end = (tf.gather(units, place) - tf.gather(base, row) for place in (first, end))
    return begin, end, base[1:] - base[:-1]


def to_bytes(texts, places):
    """Characters of texts, such as `Pieces.starts`, -> bytes.

    Args:
        texts: string (B,).
        places: int32 RaggedTensor (B, n), characters, from 0 to as many as the text has.

    Returns:
        int32 RaggedTensor (B, n).
    """
    _, at = tf.strings.unicode_decode_with_offsets(texts, "UTF-8")
    at = tf.concat([tf.cast(at, tf.int32), tf.strings.length(texts)[:, tf.newaxis]], 1)
    base = tf.cast(tf.gather(at.row_starts(), owners(places.row_splits)), tf.int32)
    return places.with_values(tf.gather(at.values, base + places.values))


def up_to(place, chosen, chars):
    """bool (C,): what stands behind the place before each chosen place, up to that.

    Args:
        place: int64 (n,), ascending places among the `chars` (C,).
        chosen: bool (n,), the first of them false.
    """
    first, last = (tf.boolean_mask(at, chosen) for at in (before(place, 0), place))
    bounds = tf.concat([first, last], 0)[:, tf.newaxis] + 1
    steps = tf.concat([tf.ones_like(first), -tf.ones_like(last)], 0)
    return tf.cumsum(tf.scatter_nd(bounds, steps, [tf.size(chars, tf.int64) + 1]))[:-1] > 0


def each(codes, function):
    """What a function of string (different,) gives for the character of each code, int32 (C,)."""
    different, place = tf.unique(codes)
    results = function(tf.strings.unicode_encode(different[:, tf.newaxis], "UTF-8"))
    return tf.nest.map_structure(lambda values: tf.gather(values, place), results)


def before(values, first):
    """(n,) -> (n,): the value before each."""
    return tf.concat([tf.constant([first], values.dtype), values], 0)[:-1]


def after(values, last):
    """(n,) -> (n,): the value after each."""
    return tf.concat([values, tf.constant([last], values.dtype)], 0)[1:]


def owners(splits):
    """(rows + 1,) -> (values,): the row of each value.

    `value_rowids` is as large as all rows would be with the longest one's length.
    """
    steps = tf.raw_ops.DenseBincount(  # which takes a fifth of the time of `scatter_nd`
        input=splits[1:], size=splits[-1] + 1, weights=tf.zeros([0], splits.dtype)
    )
    return tf.cumsum(steps)[:-1]


def sums(counts):
    """int32 (n,) -> int32 (n + 1,): the sum of the first 0, 1, … n."""
    return tf.concat([[0], tf.cumsum(counts)], 0)


def row_cumsum(counts):
    """int32 RaggedTensor (B, n) -> int32 values: the sum of those before each in its row."""
    total = sums(counts.values)
    return total[:-1] - tf.gather(tf.gather(total, counts.row_starts()), owners(counts.row_splits))
