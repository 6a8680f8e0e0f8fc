"""One training step, the same on one device, on many, and in parts.

The loss of a step is a mean over everything in its batch, wherever the pieces of the batch lie. So
each piece (a replica's share of the batch, and of that a micro-batch) weighs by what it holds: its
gradients are those of `mean * size / total size`, and their plain sum is the batch's gradient.
After that sum, and only then, come unscaling, the check for overflow, clipping and one update.
Losses that are no such mean, of rows that are each other's negatives, are in `whole_batch.py`.

Letters: B rows of a piece, C classes.
"""

import functools

import tensorflow as tf

from bert_tf2.training import keras_hooks, losses, whole_batch
from bert_tf2.training.pieces import added_up, part_of, part_size, rows_of, sum_replicas
from bert_tf2.weights import units


def train_step(task, batch):
    """Takes one step with the compiled optimizer, and updates loss and metrics.

    Runs on each replica.

    Args:
        task: a compiled model with `losses` and the settings of a step (see `Task.compile`).
        batch: (inputs, targets, weights), this replica's rows; there may be none.
    """
    find = functools.partial(_way_to_gradients(task), task, batch)
    loss, gradients = find()
    if task.fgm:
        gradients = _with_adversary(task, gradients, find)
    finite = apply(task, gradients)
    _record(task, batch, loss, finite)


def test_step(task, batch):
    """Adds a batch to the loss and the metrics of `evaluate`. Runs on each replica."""
    if task.of_whole_batch:
        _record(task, batch, whole_batch.loss(task, batch))
    else:
        _record(task, batch, _loss(task, batch, training=False))


def _way_to_gradients(task):
    """The function of (task, batch, moved) that finds them."""
    in_parts = task.micro_batches > 1 or task.part_rows
    if task.of_whole_batch and (in_parts or task.distribute_strategy.num_replicas_in_sync > 1):
        return whole_batch.gradients
    return _gradients_in_parts if in_parts else _gradients


def apply(task, gradients):
    """Sums gradients over replicas and takes one optimizer step with them.

    Returns:
        whether it was taken, a bool scalar; always True without `nonfinite`.
    """
    optimizer = task.optimizer
    pairs = [(g, v) for g, v in zip(gradients, task.stepped_variables, strict=True)]
    pairs = [(g, v) for g, v in pairs if g is not None]
    if not pairs:
        raise ValueError("The loss depends on none of the trainable variables: nothing to train.")
    gradients, variables = zip(*pairs, strict=True)
    # Keras's optimizers square the gradients of a repeated embedding row one by one. The norm that
    # Google clips by has them one by one in the token table, which it alone looks up by rows.
    google = getattr(optimizer, "reproduce", None) == "google"
    gradients = [
        g
        if google and units.role_of(v.path) == (units.TOKEN_TABLE, "")
        else tf.convert_to_tensor(g)
        for g, v in zip(gradients, variables, strict=True)
    ]

    def take(gradients):
        with keras_hooks.gradients_summed(optimizer):
            optimizer.apply(gradients, variables)

    gradients = sum_replicas(gradients)
    if task.finite_steps is None:
        take(gradients)
        return True
    return task.finite_steps.guard(take, gradients)


def _record(task, batch, loss, taken=True):
    """Adds this replica's share of a batch's loss to the loss of the epoch, if the step counts."""
    rows = rows_of(batch[0])
    (all_rows,) = sum_replicas([rows])
    mean = loss * tf.math.divide_no_nan(all_rows, rows)
    # A step that is left out must not make the whole epoch's mean loss NaN.
    task.record_loss(tf.where(taken, mean, 0.0), tf.where(taken, rows, 0.0))


def _loss(task, batch, totals=None, training=True, recorded=True):
    """This piece's share of the loss of the whole batch. Updates the metrics.

    Args:
        totals: the sizes of the whole batch's losses, where this piece is a micro-batch.
    """
    inputs, targets, weights = batch
    outputs = task(inputs, training=training)
    parts = losses_of(task, batch, outputs)
    if training and task.r_drop:
        again = task(inputs, training=True)
        others = losses_of(task, batch, again)
        parts = {name: ((total + others[name][0]) / 2, n) for name, (total, n) in parts.items()}
        rows = rows_of(inputs)
        parts["r_drop"] = (task.r_drop * divergence(outputs, again) * rows, rows)
    if totals is None:
        totals = total_sizes(parts)
    if recorded:
        task.compute_metrics(inputs, targets, outputs, sample_weight=weights)
    # A piece without anything to learn from may have a sum that is NaN, and adds nothing.
    return tf.add_n(
        [
            tf.math.divide_no_nan(tf.where(size > 0, total, 0.0), totals[name])
            for name, (total, size) in parts.items()
        ]
    )


def losses_of(task, batch, outputs):
    """`task.losses` of a batch, or the loss that `compile` was given; and what layers add to it,
    such as a regulariser's penalty."""
    inputs, targets, weights = batch
    if task.given_loss is None:
        parts = dict(task.losses(targets, outputs, weights))
    else:
        parts = losses.compiled(task.given_loss, targets, outputs, weights)
    if penalties := task.penalties():
        rows = rows_of(inputs)
        parts["penalties"] = (tf.add_n(penalties) * rows, rows)
    return parts


def total_sizes(parts):
    """{name: (sum, size)} of a replica -> {name: size} over all replicas."""
    sizes = sum_replicas([size for _, size in parts.values()])
    return dict(zip(parts, sizes, strict=True))


def divergence(logits, others):
    """How far two answers lie apart (Liang et al. 2021, "R-Drop", equation 2).

    Args:
        logits, others: (B, C).

    Returns:
        the mean over rows of the mean of both Kullback-Leibler divergences, a scalar.
    """
    one, two = tf.nn.log_softmax(logits), tf.nn.log_softmax(others)
    both = tf.reduce_sum((tf.exp(one) - tf.exp(two)) * (one - two), axis=-1)  # (B,)
    return tf.reduce_mean(both) / 2


def _with_adversary(task, gradients, find):
    """Adds the gradients at token rows moved to where the loss grows fastest (Miyato et al. 2017).

    All rows are moved by `task.fgm` in all, along the gradient of the whole batch.
    """
    embeddings, variables = task.encoder.parts["embeddings"], task.stepped_variables
    table = embeddings.token_table()
    index = next((i for i, variable in enumerate(variables) if variable is table), None)
    if index is None:
        raise ValueError("`fgm` moves the token table, which must be trainable here, and is not.")
    gradients = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    (slope,) = sum_replicas([gradients[index]])
    moved = table + task.fgm * tf.math.divide_no_nan(slope, tf.norm(slope))
    with embeddings.reading(moved):
        _, again = find(moved=(index, moved))
    return [g if a is None else g + a for g, a in zip(gradients, again, strict=True)]


def _gradients(task, batch, totals=None, moved=None):
    """This piece's share of the loss and of its gradients.

    Args:
        totals: see `_loss`.
        moved: the index of a variable, and the values that the model reads in its place. Metrics
            are then not recorded.

    Returns:
        a scalar, and a list of one gradient per variable that a step changes, scaled as the
        optimizer wants it; None where there is none.
    """
    sources = list(task.stepped_variables)
    with tf.GradientTape() as tape:
        if moved is not None:
            index, sources[index] = moved
            tape.watch(sources[index])
        loss = _loss(task, batch, totals, recorded=moved is None)
        scaled = task.optimizer.scale_loss(loss)
    return loss, tape.gradient(scaled, sources)


def _gradients_in_parts(task, batch, moved=None):
    """The same, of one micro-batch after another, in the memory of one."""
    inputs = batch[0]
    # Sizes follow from targets and weights, so what is not computed yet may stand for outputs.
    parts = losses_of(task, batch, task.blank_outputs(inputs))
    if task.r_drop:
        parts["r_drop"] = (0.0, rows_of(inputs))
    totals = total_sizes(parts)
    rows = tf.shape(tf.nest.flatten(inputs)[0])[0]
    size = part_size(task, inputs)

    def find(start):
        return _gradients(task, part_of(tuple(batch), start, size), totals, moved)

    return added_up(find, rows, size, task.stepped_variables)
