"""Python lists of texts -> tf.data: shuffled, batched, tokenized in parallel with the step."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

TEXT_KEYS = ("text", "text_pair")


def as_texts(x):
    """Brings what a user may pass as texts into one form.

    Args:
        x: a list of str, a NumPy array of str or a 1-D string tensor; a tuple of two of these for
            pairs; or a dict with `text` and optionally `text_pair`.

    Returns:
        a tuple of one or two 1-D string tensors of equal length.

    Raises:
        TypeError: not strings.
        ValueError: no text at all, unknown dict keys, or two sides of different length.
    """
    if isinstance(x, dict):
        if not {"text"} <= set(x) <= set(TEXT_KEYS):
            raise ValueError(f"A dict of texts has keys {list(TEXT_KEYS)}. Received: {list(x)}")
        x = tuple(x[key] for key in TEXT_KEYS if x.get(key) is not None)
    sides = x if isinstance(x, tuple) else (x,)
    if len(sides) not in (1, 2):
        raise ValueError(f"A tuple of texts is a pair of lists. Received {len(sides)} entries.")
    sides = tuple(_strings(side) for side in sides)
    sizes = [int(side.shape[0]) for side in sides]
    if len(set(sizes)) != 1:
        raise ValueError(f"Both sides of a pair must be equally long. Received: {sizes}")
    if sizes[0] == 0:
        raise ValueError("There must be at least one text. Received an empty list.")
    return sides


def _strings(side):
    expected = "Texts must be a list of str (or a 1-D array or tensor of strings)."
    if isinstance(side, str | bytes):
        raise TypeError(f"{expected} Received one bare string: put it in a list.")
    if not tf.is_tensor(side):
        side = list(side)
        bad = next((i for i, text in enumerate(side) if not isinstance(text, str | bytes)), None)
        if bad is not None:
            raise TypeError(f"{expected} Received at index {bad}: {side[bad]!r}")
        side = [t.encode("utf-8", "surrogatepass") if isinstance(t, str) else t for t in side]
        side = tf.constant(side, tf.string, shape=(len(side),))
    if side.dtype != tf.string or side.shape.rank != 1:
        raise TypeError(f"{expected} Received: {side.dtype.name} of shape {side.shape}")
    return side


def is_sized(x):
    """Whether x is data in memory, and not a generator."""
    return hasattr(x, "__len__") or tf.is_tensor(x)


def is_pair(x):
    """Whether texts, or a dataset's texts, come in pairs."""
    if isinstance(x, tf.data.Dataset):
        x = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
    if isinstance(x, dict):
        return x.get(TEXT_KEYS[1]) is not None
    return isinstance(x, tuple) and len(x) == 2


def as_weights(weights, count):
    """Sample weights as float32 (count,); a ValueError if there are more or fewer."""
    weights = np.asarray(weights, np.float32)
    if weights.shape != (count,):
        raise ValueError(
            f"`sample_weight` must hold one number a text: {count}. Received shape: {weights.shape}"
        )
    return weights


def as_ids(labels, names, count=None):
    """Class names or numbers -> class numbers.

    Args:
        labels: list or array of class names (str), or of integers in [0, len(names)).
        names: the class names, in order.
        count: how many labels there must be, if known.

    Returns:
        int32 array (n,).

    Raises:
        ValueError: a label that is not a class, said with its index; or a wrong count.
    """
    labels = [x.decode() if isinstance(x, bytes) else x for x in np.asarray(labels).tolist()]
    if count is not None and len(labels) != count:
        raise ValueError(f"There must be one label a text: {count}. Received: {len(labels)}")
    number = {name: i for i, name in enumerate(names)}
    ids = np.empty(len(labels), np.int32)
    for i, label in enumerate(labels):
        known = number.get(label) if isinstance(label, str) else label
        if not isinstance(known, int) or isinstance(known, bool) or not 0 <= known < len(names):
            raise ValueError(f"Label {label!r} at index {i} is not a class. Classes: {list(names)}")
        ids[i] = known
    return ids


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


class Passing(NamedTuple):
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


ONCE = Passing()


def batches(columns, prepare, batch_size=32, passing=ONCE, groups=None):
    """In-memory columns -> batches ready for a model.

    Args:
        columns: a structure of tensors or arrays (n, …), ragged ones too.
        prepare: in-graph function of such a structure of B rows.
        batch_size: rows a batch; the last one may be smaller.
        passing: a `Passing`.
        groups: int (n,): batches then hold rows of one group only, in the order in which they
            fill; a group's last batch, at the end of the epoch, may be smaller.

    Returns:
        a tf.data.Dataset of what `prepare` gives.
    """
    order, shuffle, endless, drop_remainder = passing
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
    steps = tf.data.INFINITE_CARDINALITY if endless else steps
    dataset = tf.data.Dataset.range(np.iinfo("int64").max if endless else 1).flat_map(numbers)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    gather = as_written(lambda row: tf.nest.map_structure(lambda x: tf.gather(x, row), columns))
    dataset = dataset.map(gather)
    return ahead(dataset, prepare)


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


def triple(data):
    """What `validation_data` may be, (x, y), (x, y, weight) or x alone -> (x, y, weight)."""
    several = isinstance(data, tuple | list) and len(data) in (2, 3)
    if several and not isinstance(data[0], str | bytes):
        return (*data, None)[:3]
    return data, None, None


def counted(dataset):
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
