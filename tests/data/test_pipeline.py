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
    tokenized = pipeline.ahead(dataset, tf.strings.length)
    assert tokenized.options().autotune.enabled is bool(chosen)
    assert [x.tolist() for x in tokenized.as_numpy_iterator()] == [[1], [1]]


@pytest.mark.parametrize("groups", [None, [i % 3 for i in range(100)]])
@pytest.mark.parametrize("order", [None, pipeline.Order(7)])
def test_every_row_once_in_order_or_not(order, groups):
    columns = (tf.strings.as_string(tf.range(100)), tf.range(100))
    sampling = pipeline.Sampling(order, shuffle=order is not None)
    dataset = pipeline.batches(
        columns, lambda texts, rows: (tf.strings.to_number(texts), rows), 8, sampling, groups
    )
    batches = list(dataset)
    sizes = [8] * 12 + [4] if groups is None else [8] * 12 + [2, 1, 1]
    assert sorted(map(len, (texts for texts, _ in batches))) == sorted(sizes)
    assert int(dataset.cardinality()) == len(batches)
    rows = [int(x) for _, numbers in batches for x in numbers]
    assert sorted(rows) == list(range(100))
    assert (rows == list(range(100))) is (order is None and groups is None)
    assert rows == [int(x) for texts, _ in batches for x in texts]
    if groups:
        assert all(len({groups[int(x)] for x in numbers}) == 1 for _, numbers in batches)


def test_the_order_is_a_function_of_seed_and_epoch():
    def passes(seed, epochs):
        order, rows = pipeline.Order(seed), tf.range(50)
        dataset = pipeline.batches(
            (rows, rows), lambda *both: both, 8, pipeline.Sampling(order, True)
        )
        for epoch in epochs:
            order.start(epoch)
            yield [int(x) for _, numbers in dataset for x in numbers]

    first, second, again = passes(1, [0, 1, 0])
    assert first == again != second
    assert next(passes(1, [1])) == second
    assert next(passes(2, [0])) != first
    order = pipeline.Order(1)
    sampling = pipeline.Sampling(order, shuffle=True, endless=True)
    endless = pipeline.batches((tf.range(50), tf.range(50)), lambda *both: both, 8, sampling)
    rows = [int(x) for _, numbers in endless.take(14) for x in numbers]
    assert (rows[:50], rows[50:]) == (first, second)


@pytest.mark.parametrize("groups", [None, [0, 1] * 5])
def test_batches_of_one_known_size(groups):
    """Of ten rows in threes, or of two groups of five."""
    sampling = pipeline.Sampling(pipeline.Order(1), shuffle=True, drop_remainder=True)
    steps = 3 if groups is None else 2
    dataset = pipeline.batches((tf.range(10),), lambda x: {"x": x}, 3, sampling, groups)
    assert dataset.element_spec["x"].shape == (3,)
    assert int(dataset.cardinality()) == len(list(dataset)) == steps
