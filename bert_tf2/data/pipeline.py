"""Python lists of texts -> tf.data: shuffled, batched, tokenized in parallel with the step."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Order:
    """The order in which the rows of data in memory come: new each epoch, and made of two numbers.

    A dataset of `batches` reads them whenever it is iterated anew, so a run that goes on where
    another one stopped sees the rows in the order of that one.

    Args:
        seed: int.
    """

    def __init__(self, seed):
        with tf.init_scope(), tf.device("CPU:0"):
            self.state = tf.Variable([seed, 0], dtype=tf.int64, trainable=False, name="order")

    def start(self, epoch, seed=None):
        """Sets the epoch, and perhaps the seed, of the next iteration."""
        self.state.assign([self.seed if seed is None else seed, epoch])

    @property
    def seed(self):
        return int(self.state[0])

    def __call__(self, rows, passes=0):
        """0 … rows - 1, shuffled, int64 (rows,), for `passes` after the epoch that was set."""
        rows = tf.range(rows, dtype=tf.int64)
        seed = self.state + tf.stack([0, tf.cast(passes, tf.int64)])
        return tf.random.experimental.stateless_shuffle(rows, seed)


# AutoGraph, which tf.data calls on whatever it maps, rewrites the source of all that is called:
# seconds for a tokenizer, which has nothing to rewrite.
as_written = tf.autograph.experimental.do_not_convert


class Batch(NamedTuple):
    """Rows ready for a model. A dataset of these is prepared, and is not prepared again.

    Attributes:
        inputs: dict of tensors (B, …).
        targets: a tensor (B, …), or a dict of them.
        weights: float32 of the same structure, what each target counts.
    """

    inputs: dict
    targets: object
    weights: object


class Sampling(NamedTuple):
    """How a training run goes through its data; as it stands here, any other pass does.

    Attributes:
        order: the `Order` of the run, or None.
        shuffle: whether the rows come in it.
        endless: one pass after another, instead of one.
        drop_remainder: leave out what does not fill a batch, so that all have one known size.
    """

    order: Order | None = None
    shuffle: bool = False
    endless: bool = False
    drop_remainder: bool = False


ONCE = Sampling()


def batches(columns, prepare, batch_size=32, sampling=ONCE, groups=None, apart=None):
    """In-memory columns -> batches ready for a model.

    Args:
        columns: a structure of tensors or arrays (n, …), ragged ones too.
        prepare: in-graph function of such a structure of B rows.
        batch_size: rows a batch; the last one may be smaller.
        sampling: a `Sampling`.
        groups: int (n,): batches then hold rows of one group only, in the order in which they
            fill; a group's last batch, at the end of the epoch, may be smaller.
        apart: in the place of groups, a `no_duplicates.Apart`, which says what is in a batch.

    Returns:
        a tf.data.Dataset of what `prepare` gives.
    """
    order, shuffle, endless, drop_remainder = sampling
    columns = tf.nest.map_structure(
        lambda x: x if isinstance(x, tf.RaggedTensor) else tf.convert_to_tensor(x), columns
    )
    rows = count_rows(columns)
    if groups is not None:
        groups = tf.constant(groups, tf.int64)

    @as_written
    def numbers(passes):
        """One pass over the row numbers, in batches."""
        chosen = order(rows, passes) if shuffle else tf.range(rows, dtype=tf.int64)
        if apart is not None:
            chosen, sizes = tf.numpy_function(apart, [chosen], (tf.int64, tf.int64), stateful=False)
            ends = tf.cumsum(tf.ensure_shape(sizes, [apart.batches]))
            chosen = tf.ensure_shape(chosen, [None])
            ends = tf.data.Dataset.from_tensor_slices((ends - sizes, ends))
            return ends.map(as_written(lambda start, end: chosen[start:end]))
        chosen = tf.data.Dataset.from_tensor_slices(chosen)
        if groups is None:
            return chosen.batch(batch_size, drop_remainder)
        return chosen.group_by_window(
            key_func=as_written(lambda row: groups[row]),
            reduce_func=as_written(lambda _, window: window.batch(batch_size, drop_remainder)),
            window_size=batch_size,
        )

    sizes = [rows] if groups is None else np.unique(groups, return_counts=True)[1]
    steps = sum(
        (int(size) if drop_remainder else int(size) + batch_size - 1) // batch_size
        for size in sizes
    )
    steps = steps if apart is None else apart.batches
    steps = tf.data.INFINITE_CARDINALITY if endless else steps
    dataset = tf.data.Dataset.range(np.iinfo("int64").max if endless else 1).flat_map(numbers)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    gather = as_written(lambda row: tf.nest.map_structure(lambda x: tf.gather(x, row), columns))
    dataset = dataset.map(gather)
    return ahead(dataset, prepare)


def rows_a_batch(batch_size):
    """The rows of a batch as a user gives them, 32 for None.

    Raises:
        ValueError: no int from 1.
    """
    size = 32 if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"`batch_size` must be an int from 1. Received: {batch_size!r}")
    return int(size)


def count_rows(columns):
    """The n of a structure of columns (n, …) in memory."""
    first = tf.nest.flatten(columns)[0]
    return int(first.nrows() if isinstance(first, tf.RaggedTensor) else len(first))


def ahead(dataset, function):
    """Maps a function over a batched dataset, ahead of the step that needs its results."""
    # A batch takes about a millisecond to tokenize: a few at a time keep ahead of any step.
    several = min(4, os.cpu_count() or 1)
    chosen = dataset.options().autotune.enabled
    dataset = dataset.map(as_written(function), num_parallel_calls=several).prefetch(several)
    if chosen is None:
        # TensorFlow's tuner sleeps for 10, 20, 40 ... ms, up to a minute, and the end of `fit`,
        # `evaluate` or `predict` waits until it wakes up: up to half of all the time (2.21).
        options = tf.data.Options()
        options.autotune.enabled = False
        dataset = dataset.with_options(options)
    return dataset


def with_cardinality(dataset):
    """The same dataset, which now knows how many batches it has.

    The recipe asks for it. A dataset that does not know is gone through once.

    Raises:
        ValueError: it has none, or never ends.
    """
    size = int(dataset.cardinality())
    if size == tf.data.INFINITE_CARDINALITY:
        raise ValueError("The dataset never ends: give `steps_per_epoch`.")
    if size == tf.data.UNKNOWN_CARDINALITY:
        size = int(dataset.reduce(tf.constant(0, tf.int64), lambda count, *_: count + 1))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    if size == 0:
        raise ValueError(
            "There must be at least one row to learn from, or one full batch of them with "
            "`drop_remainder`. Received: none."
        )
    return dataset
