"""What feeds the steps."""

import pytest
import tensorflow as tf

from bert_tf2.data import pipeline


@pytest.mark.parametrize("chosen", [None, True, False])
def test_the_tuner_is_off_unless_the_user_chose(chosen):
    """Iterators wait for it when they end; `fit` on a small model took twice its time."""
    dataset = tf.data.Dataset.from_tensor_slices(["a", "b"]).batch(1)
    if chosen is not None:
        options = tf.data.Options()
        options.autotune.enabled = chosen
        dataset = dataset.with_options(options)
    tokenized = pipeline.tokenized(dataset, tf.strings.length)
    assert tokenized.options().autotune.enabled is bool(chosen)
    assert [x.tolist() for x in tokenized.as_numpy_iterator()] == [[1], [1]]


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_once_in_order_or_not(shuffle):
    columns = (tf.strings.as_string(tf.range(100)), tf.range(100))
    batches = list(pipeline.batches(columns, tf.strings.to_number, 8, shuffle))
    assert [len(texts) for texts, _ in batches] == 12 * [8] + [4]
    rows = [int(x) for _, numbers in batches for x in numbers]
    assert sorted(rows) == list(range(100))
    assert (rows == list(range(100))) is not shuffle
    assert rows == [int(x) for texts, _ in batches for x in texts]
