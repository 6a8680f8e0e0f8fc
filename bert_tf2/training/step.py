"""One training step, the same on one device, on many, and in parts.

The loss of a step is a mean over everything in its batch, wherever the pieces of the batch lie. So
each piece (a replica's share of the batch, and of that a micro-batch) weighs by what it holds: its
gradients are those of `mean * size / total size`, and their plain sum is the batch's gradient.
After that sum, and only then, come unscaling, the check for overflow, clipping and one update.
"""

import keras
import tensorflow as tf

from bert_tf2.training import keras_hooks


def train_step(task, data):
    """Takes one step with the compiled optimizer, and updates loss and metrics.

    Runs on each replica.

    Args:
        task: a compiled model with `loss_sizes` and `loss_means` (see `Task`).
        data: (x, y) or (x, y, sample_weight), this replica's rows; there may be none.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    totals = sum_replicas([rows_of(x), *task.loss_sizes(x, y, weight)])
    if task.micro_batches == 1:
        gradients = _gradients(task, totals, x, y, weight)
    else:
        gradients = _gradients_in_parts(task, totals, x, y, weight)
    apply(task.optimizer, gradients, task.trainable_variables)


def test_step(task, data):
    """Adds a batch to the loss and the metrics of `evaluate`. Runs on each replica."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    totals = sum_replicas([rows_of(x), *task.loss_sizes(x, y, weight)])
    _loss(task, totals, x, y, weight, training=False)


def apply(optimizer, gradients, variables):
    """Sums gradients over replicas and takes one optimizer step with them."""
    pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
    if not pairs:
        raise ValueError("The loss depends on none of the trainable variables: nothing to train.")
    gradients, variables = zip(*pairs, strict=True)
    # Keras's optimizers square the gradients of a repeated embedding row one by one. The norm that
    # Google clips by has them one by one in the token table, which it alone looks up by rows.
    google = getattr(optimizer, "reproduce", None) == "google"
    gradients = [
        g if google and v.path.endswith("embeddings/token") else tf.convert_to_tensor(g)
        for g, v in zip(gradients, variables, strict=True)
    ]
    gradients = sum_replicas(gradients)
    with keras_hooks.gradients_summed(optimizer):
        optimizer.apply(gradients, variables)


def sum_replicas(tensors):
    """Each tensor's sum over all replicas; as it is where there is one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return list(tensors)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(tensors))


def rows_of(x):
    """The number of rows of a batch, a float32 scalar."""
    return tf.cast(tf.shape(tf.nest.flatten(x)[0])[0], tf.float32)


def _loss(task, totals, x, y, weight, training):
    """This piece's share of the loss of the whole batch. Updates loss and metrics."""
    y_pred = task(x, training=training)
    means = task.loss_means(x, y, y_pred, weight, training)
    all_rows, *totals = totals
    sizes = task.loss_sizes(x, y, weight)
    # A piece without anything to learn from has no mean (0 / 0), and adds nothing.
    shares = [
        tf.where(size > 0, mean, 0.0) * tf.math.divide_no_nan(size, total)
        for mean, size, total in zip(means, sizes, totals, strict=True)
    ]
    loss, rows = tf.add_n(shares), rows_of(x)
    task.record_loss(loss * tf.math.divide_no_nan(all_rows, rows), rows)
    task.compute_metrics(x, y, y_pred, sample_weight=weight)
    return loss


def _gradients(task, totals, x, y, weight):
    """This piece's share of the gradients, one per trainable variable; None where there is none."""
    with tf.GradientTape() as tape:
        loss = task.optimizer.scale_loss(_loss(task, totals, x, y, weight, training=True))
    return tape.gradient(loss, task.trainable_variables)


def _gradients_in_parts(task, totals, x, y, weight):
    """The same, of one micro-batch after another, in the memory of one."""
    data = (x, y, weight)
    rows = tf.shape(tf.nest.flatten(x)[0])[0]
    size = _part_size(task, x)
    variables = task.trainable_variables
    reached = [False] * len(variables)

    def body(start, *sums):
        part = tf.nest.map_structure(lambda t: _rows(t, start, size), data)
        found = _gradients(task, totals, *part)
        reached[:] = [g is not None for g in found]
        added = [s if g is None else s + g for s, g in zip(sums, found, strict=True)]
        return start + size, *added

    zeros = [tf.zeros(v.shape, v.dtype) for v in variables]
    _, *sums = tf.while_loop(
        lambda start, *_: start < rows,
        body,
        (tf.constant(0), *zeros),
        parallel_iterations=1,
    )
    return [s if found else None for s, found in zip(sums, reached, strict=True)]


def _part_size(task, x):
    """Rows of a micro-batch: an int under XLA, which needs to know it; else a scalar tensor."""
    parts, first = task.micro_batches, tf.nest.flatten(x)[0]
    if not task.jit_compile or task.distribute_strategy.num_replicas_in_sync > 1:
        rows = tf.shape(first)[0]
        return tf.maximum((rows + parts - 1) // parts, 1)
    known = first.shape[0]
    if known is None or known % parts:
        raise ValueError(
            "With `jit_compile=True`, batches must be of one size that `micro_batches` divides: "
            "give `fit` a tf.data.Dataset made by `.batch(size, drop_remainder=True)`. "
            f"Received: micro_batches={parts}, batches of {known or 'unknown'} rows"
        )
    return known // parts


def _rows(tensor, start, size):
    """`size` rows from `start` on, or as many as there are."""
    if tensor is None:
        return None
    if isinstance(size, int):
        others = tensor.shape.rank - 1
        return tf.slice(tensor, [start, *[0] * others], [size, *[-1] * others])
    return tensor[start : start + size]
