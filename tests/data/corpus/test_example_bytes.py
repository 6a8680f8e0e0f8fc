"""Serialized examples: what protobuf reads of them, and writes of the same."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf2.data.corpus.example_bytes import FEATURES, examples


@settings(max_examples=25, deadline=None)
@given(
    most=st.sampled_from([1, 127, 128, 16_383, 16_384, 250_000, 2**28 - 1]),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 150)),
    seed=st.integers(0, 99),
)
def test_protobuf_reads_what_was_written(most, shape, seed):
    rng = np.random.default_rng(seed)
    rows = {name: rng.integers(0, most + 1, shape) for name in FEATURES}
    rows["masked_weights"] = rng.random(shape, np.float32)
    rows["next_sentence_labels"] = rows["token_ids"][:, 0] & 1
    found = examples(rows)
    assert len(found) == shape[0]
    for i, content in enumerate(found):
        example = tf.train.Example.FromString(content)
        for name, theirs in FEATURES.items():
            feature = example.features.feature[theirs]
            values = feature.int64_list.value or feature.float_list.value
            assert list(values) == np.atleast_1d(rows[name][i]).tolist()
        assert len(example.SerializeToString()) == len(content)
