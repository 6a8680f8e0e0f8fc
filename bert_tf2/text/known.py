"""Looking strings up in the graph, without a hash table, whose resource an export would lose."""

import numpy as np
import tensorflow as tf

_BUCKETS = 2**62  # of hashes: so many that no two strings are expected in one


class Known:
    """Some strings and an id for each.

    Args:
        strings: list of bytes, all different, none of them b"\\xff".
        ids: list of ints.
    """

    def __init__(self, strings, ids):
        strings = np.array([*strings, b"\xff"], object)  # which is in no text
        hashes = tf.strings.to_hash_bucket_fast(tf.constant(strings), _BUCKETS).numpy()
        # Of two with one hash, one is left out. The greatest number of all ends every search.
        hashes, first = np.unique(hashes, return_index=True)
        self._hashes = tf.constant(np.append(hashes, np.iinfo(np.int64).max))
        self._strings = tf.constant(np.append(strings[first], b"\xff"))
        self._ids = tf.constant(np.append(np.append(ids, 0)[first], 0).astype(np.int32))

    def find(self, strings):
        """string (S,) -> bool (S,), which are known, and int32 (known,), the ids of these."""
        hashes = tf.strings.to_hash_bucket_fast(strings, _BUCKETS)
        place = tf.searchsorted(self._hashes, hashes, out_type=tf.int64)
        known = tf.gather(self._strings, place) == strings
        return known, tf.gather(self._ids, tf.boolean_mask(place, known))
