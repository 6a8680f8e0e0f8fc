"""Byte-pair merging of many words at once, as graph operations on constants.

Letters: W words, S symbols of all words one after another, M merges of one step. A symbol is the id
of a piece, at first of a byte, or the stop that follows each word.

There is no hash table, as its resource would have to be tracked by whoever exports a function:
sorted keys and a binary search do the same.
"""

import numpy as np
import tensorflow as tf

from bert_tf2.text.known import Known

LONG = 200  # bytes of a word that is merged by windows
_WINDOW, _OVERLAP = 64, 32  # bytes; of one parity windows must not overlap: at least 2 to 1
_NEVER = np.iinfo(np.int64).max  # the rank of a pair that does not merge


class Merges:
    """The pairs that merge, by rank, and the words known to become a single piece.

    Args:
        byte_ids: list of 256 ints, the id of each byte.
        merges: list of (left, right, merged) ids, in the order of their rank.
        spellings: list of bytes, the pieces by id.
        whole_words: bool, take a word that is a piece as it is, whatever merging makes of it.
    """

    def __init__(self, byte_ids, merges, spellings, whole_words=False):
        table = np.array(merges, np.int64).reshape(-1, 3)
        self._stop = len(spellings)  # in no pair
        keys = table[:, 0] * (self._stop + 1) + table[:, 1]
        order = np.argsort(keys)
        # The greatest key of all comes last, so that every search ends within the table.
        self._keys = tf.constant(np.append(keys[order], np.iinfo(np.int64).max))
        self._ranks = tf.constant(np.append(order, _NEVER))
        self._merged = tf.constant(table[:, 2])  # by rank
        self._byte_ids = tf.constant(byte_ids, tf.int64)
        self._sizes = tf.constant([len(s) for s in spellings], tf.int64)  # by id
        self._known = self._single_pieces(spellings, whole_words)

    def ids(self, words):
        """string (W,), empty ones among them -> int32 RaggedTensor (W, pieces)."""
        known, ids = self._known.find(words)  # (W,)
        rest = tf.where(~known & (words != ""))[:, 0]
        values, rows = self._merge_any(tf.gather(words, rest))
        single = tf.RaggedTensor.from_row_lengths(ids, tf.cast(known, tf.int64), validate=False)
        several = tf.RaggedTensor.from_value_rowids(
            values, tf.gather(rest, rows), nrows=tf.size(words, tf.int64), validate=False
        )
        return tf.concat([single, several], axis=1)  # a row is empty in one of them

    def _single_pieces(self, spellings, whole_words):
        """The pieces that merging makes of their own bytes; most words are one of these."""
        words = np.array([s for s in dict.fromkeys(spellings) if s], object)
        if whole_words:
            index = {spelling: index for index, spelling in enumerate(spellings)}
            return Known(words, [index[word] for word in words])
        values, rows = (t.numpy() for t in self._merge(tf.constant(words)))
        alone = np.flatnonzero(np.bincount(rows, minlength=len(words)) == 1)
        return Known(words[alone], values[np.isin(rows, alone)])

    def _merge_any(self, words):
        """As `_merge`, with long words apart: each step of that costs as much as all words have."""
        is_long = tf.strings.length(words) > LONG

        def apart():
            short, long = tf.where(~is_long)[:, 0], tf.where(is_long)[:, 0]
            values, rows = self._merge(tf.gather(words, short))
            more, of = self._merge_long(tf.gather(words, long))
            rows = tf.concat([tf.gather(short, rows), tf.gather(long, of)], 0)
            order = tf.argsort(rows, stable=True)
            return tf.gather(tf.concat([values, more], 0), order), tf.gather(rows, order)

        return tf.cond(tf.reduce_any(is_long), apart, lambda: self._merge(words))

    def _merge_long(self, words):
        """`_merge` by windows that overlap: words are cut where two windows agree on a piece.

        A list of pieces is what merging makes of their bytes if it makes each two neighbours of
        their own bytes: the first merge across a boundary would be the first in these two as well.
        So windows are joined at a piece that both have. Where two have none, as in "abcabcabc…",
        they become one; such words take few steps, since all equal pairs merge at once.
        """
        size = tf.strings.length(words, unit="BYTE")
        counts = tf.cast((size + _WINDOW - 1) // _WINDOW, tf.int64)
        word = tf.repeat(tf.range(tf.size(words, tf.int64)), counts)
        begin = _WINDOW * (tf.range(tf.size(word, tf.int64)) - tf.repeat(_before(counts), counts))

        def step(word, begin, *_):
            joined, values, of = self._windows(words, word, begin)
            whole = tf.reduce_all(joined)
            return tf.boolean_mask(word, joined), tf.boolean_mask(begin, joined), values, of, whole

        *_, values, of, _ = tf.while_loop(
            lambda *state: ~state[-1],
            step,
            [word, begin, tf.zeros([0], tf.int32), tf.zeros([0], tf.int64), tf.constant(False)],
            shape_invariants=[tf.TensorShape([None])] * 4 + [tf.TensorShape([])],
            parallel_iterations=1,
        )
        return values, of

    def _windows(self, words, word, begin):
        """Merges windows (K,), each from `begin` in a word to where the next begins, and beyond.

        -> which are joined with the one before (K,), the pieces kept, and the word of each.
        """
        size = tf.cast(tf.strings.length(words), tf.int64)
        base, size = tf.gather(_before(size), word), tf.gather(size, word)
        is_last = tf.concat([word[1:] != word[:-1], [True]], 0)
        end = tf.where(is_last, size, tf.concat([begin[1:], [0]], 0))
        left, right = tf.maximum(begin - _OVERLAP, 0), tf.minimum(end + _OVERLAP, size)
        values, rows = self._merge(tf.strings.substr(tf.gather(words, word), left, right - left))
        place = _before(tf.gather(self._sizes, values))  # of each piece, in all words together
        place += tf.gather(base + left - tf.math.segment_min(place, rows), rows)
        # Of one parity no two windows overlap, so that the pieces of each ascend.
        key, odd = place * (self._stop + 1) + tf.cast(values, tf.int64), rows % 2 == 1
        in_both = tf.where(odd, _is_in(key, key[~odd]), _is_in(key, key[odd]))
        in_both &= place < tf.gather(base + begin + _OVERLAP, rows)  # with the window before
        joint = tf.math.segment_min(tf.where(in_both, place, _NEVER), rows)  # (K,)
        joint = tf.where(begin == 0, base, joint)
        until = tf.where(is_last, _NEVER, tf.concat([joint[1:], [_NEVER]], 0))
        kept = (place >= tf.gather(joint, rows)) & (place < tf.gather(until, rows))
        of = tf.gather(word, tf.boolean_mask(rows, kept))
        return joint != _NEVER, tf.boolean_mask(values, kept), of

    def _merge(self, words):
        """string (W,), none empty -> int32 (pieces,), and int64 (pieces,): the word each is of."""
        text = tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8)
        symbols = tf.RaggedTensor.from_row_lengths(
            tf.gather(self._byte_ids, tf.cast(text, tf.int32)),
            tf.cast(tf.strings.length(words), tf.int64),
            validate=False,
        )
        stops = tf.fill([tf.size(words), 1], tf.constant(self._stop, tf.int64))
        symbols = tf.concat([symbols, stops], axis=1)
        symbols, word = _merge_all(
            symbols.values,
            symbols.value_rowids(),
            self._keys,
            self._ranks,
            self._merged,
            self._stop,
        )
        place = tf.where(symbols != self._stop)[:, 0]
        return tf.cast(tf.gather(symbols, place), tf.int32), tf.gather(word, place)


_INTEGERS = tf.TensorSpec([None], tf.int64)


@tf.function(autograph=False, input_signature=[_INTEGERS] * 5 + [tf.TensorSpec([], tf.int64)])
def _merge_all(symbols, word, keys, ranks, merged, stop):
    """Merges until no pair of any word has a rank. -> symbols (S,) and their words (S,)."""

    def rank_of(left, right):
        return _look_up(keys, ranks, left * (stop + 1) + right)

    def step(symbols, word, rank):
        """Merges, in every word, all occurrences of its pair of lowest rank."""
        lowest = tf.gather(tf.math.segment_min(rank, word), word)
        place = _without_overlaps(tf.where((rank == lowest) & (rank != _NEVER)))  # (M, 1)
        new = tf.gather(merged, tf.gather_nd(rank, place))
        symbols = tf.tensor_scatter_nd_update(symbols, place, new)
        # Each takes in the symbol after it, so that those behind move up by one.
        gone = tf.scatter_nd(place + 1, tf.ones_like(new, tf.bool), tf.shape(symbols, tf.int64))
        kept = tf.where(~gone)[:, 0]
        symbols, word, rank = (tf.gather(x, kept) for x in (symbols, word, rank))
        place -= tf.range(tf.size(new, tf.int64))[:, tf.newaxis]
        place = tf.concat([place, tf.maximum(place - 1, 0)], 0)  # both pairs it is now in
        fresh = rank_of(tf.gather_nd(symbols, place), tf.gather_nd(symbols, place + 1))
        return symbols, word, tf.tensor_scatter_nd_update(rank, place, fresh)

    with tf.device("CPU:0"):  # where the strings are, and many small steps are quickest
        followers = tf.concat([symbols, [stop]], 0)[1:]
        symbols, word, _ = tf.while_loop(
            lambda symbols, word, rank: tf.reduce_any(rank != _NEVER),
            step,
            [symbols, word, rank_of(symbols, followers)],
            shape_invariants=[tf.TensorShape([None])] * 3,
            parallel_iterations=1,
        )
        return symbols, word


def _before(counts):
    """int64 (N,): the sum of all counts before each."""
    return tf.cumsum(counts, exclusive=True)


def _is_in(keys, table):
    """bool (N,): which keys are in an ascending table."""
    table = tf.concat([table, [_NEVER]], 0)
    return tf.gather(table, _search(table, keys)) == keys


def _look_up(keys, ranks, wanted):
    """int64 (N,): the rank of each key, or `_NEVER`."""
    place = _search(keys, wanted)
    return tf.where(tf.gather(keys, place) == wanted, tf.gather(ranks, place), _NEVER)


def _search(table, values):
    """int64 (N,): the first place of an ascending table that is not below each value."""
    return tf.searchsorted(table, values, out_type=tf.int64)


def _without_overlaps(place):
    """The first, third, … of each run of places (M, 1): of "aaaa" the pairs that do not overlap."""
    index = place[:, 0]
    follows = tf.concat([[False], index[1:] == index[:-1] + 1], 0)

    def every_other():
        begin = tf.where(~follows)[:, 0]  # of each run
        run = tf.cumsum(tf.cast(~follows, tf.int64)) - 1
        return tf.boolean_mask(
            place, (tf.range(tf.size(run, tf.int64)) - tf.gather(begin, run)) % 2 == 0
        )

    return tf.cond(tf.reduce_any(follows), every_other, lambda: place)
