"""A step whose loss is of the outputs of the whole batch, computed in pieces.

Where the rows of a batch are each other's negatives, losses of parts do not add up. The outputs of
all pieces are computed first, without gradients; then the loss of all of them, and its gradient
with respect to these; then each piece once more, which hands its share of that on to the weights
(Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup"). So a
batch takes the memory of a part, and of its outputs.
"""

import tensorflow as tf

from bert_tf2.training.pieces import (
    added_up,
    of_all_replicas,
    part_of,
    part_size,
    rows_of,
    sum_replicas,
)
from bert_tf2.weights import units


def loss(task, batch):
    """This replica's share of the loss of the whole batch. Updates the metrics."""
    outputs = task(batch[0], training=False)
    share, _ = _loss_and_slope(task, batch, outputs)
    task.compute_metrics(batch[0], batch[1], outputs, sample_weight=batch[2])
    return share


def gradients(task, batch, moved=None):
    """This replica's share of the loss and of its gradients, as `step` has them.

    Args:
        moved: the index of a variable, and the values that the model reads in its place. Metrics
            are then not recorded.

    Returns:
        a scalar, and a list of one gradient per variable that a step changes; None where there is
        none.
    """
    in_parts = task.micro_batches > 1 or task.part_rows
    sources = list(task.stepped_variables)
    if moved is not None:
        index, sources[index] = moved
    with tf.GradientTape(watch_accessed_variables=not in_parts) as tape:
        if moved is not None:
            tape.watch(sources[index])
        if in_parts:
            drawn = [v for v in task.variables if units.is_state(v.path)]
            before = [tf.identity(v.value) for v in drawn]
            outputs = _outputs_of_parts(task, batch[0])
        else:
            outputs = task(batch[0], training=True)
            penalty = _penalty(task, rows_of(batch[0]))
    share, slope = _loss_and_slope(task, batch, outputs)
    if moved is None:
        task.compute_metrics(batch[0], batch[1], outputs, sample_weight=batch[2])
    if in_parts:
        for variable, value in zip(drawn, before, strict=True):
            variable.assign(value)  # so that the parts draw what they drew
        return _handed_on(task, batch[0], slope, sources, share, moved)
    scaled = [task.optimizer.scale_loss(x) for x in (slope, penalty)]
    return share + penalty, tape.gradient([outputs, penalty], sources, [scaled[0], scaled[1]])


def _loss_and_slope(task, batch, outputs):
    """This replica's share of the loss, and the gradient of all of it at these outputs."""
    (every, targets, weights), start = of_all_replicas((outputs, *batch[1:]))
    with tf.GradientTape() as tape:
        tape.watch(every)
        parts = task.losses(targets, every, weights).values()
        whole = tf.add_n([tf.math.divide_no_nan(total, size) for total, size in parts])
    rows = tf.shape(outputs)[0]
    slope = tape.gradient(whole, every)[start : start + rows]
    share = tf.math.divide_no_nan(tf.cast(rows, tf.float32), rows_of(every))
    return whole * share, slope


def _outputs_of_parts(task, inputs):
    """The outputs of one micro-batch after another; of those nothing else is kept."""
    rows, size = tf.shape(tf.nest.flatten(inputs)[0])[0], part_size(task, inputs)

    def body(start, found):
        outputs = task(part_of(inputs, start, size), training=True)
        return start + size, found.write(start // size, tf.cast(outputs, tf.float32))

    shape = task.blank_outputs(inputs).shape
    if isinstance(size, int):  # under XLA, which must know how many parts there are
        found = tf.TensorArray(tf.float32, shape[0] // size, element_shape=[size, *shape[1:]])
    else:
        found = tf.TensorArray(tf.float32, 1, True, infer_shape=False)
    _, found = tf.while_loop(
        lambda start, _: (start < rows) | (start == 0),
        body,
        (tf.constant(0), found),
        parallel_iterations=1,
    )
    outputs = tf.reshape(found.stack(), shape) if isinstance(size, int) else found.concat()
    return tf.ensure_shape(outputs, shape)


def _handed_on(task, inputs, slope, sources, share, moved):
    """The gradients of the loss, of one micro-batch after another, in the memory of one."""
    rows, size = tf.shape(slope)[0], part_size(task, inputs)
    (all_rows,) = sum_replicas([tf.cast(rows, tf.float32)])

    def find(start):
        with tf.GradientTape() as tape:
            if moved is not None:
                tape.watch(moved[1])
            outputs = task(part_of(inputs, start, size), training=True)
            penalty = _penalty(task, tf.cast(tf.shape(outputs)[0], tf.float32), all_rows)
        upstream = [part_of(slope, start, size), tf.ones([])]
        upstream = [task.optimizer.scale_loss(x) for x in upstream]
        return penalty, tape.gradient([outputs, penalty], sources, upstream)

    penalties, gradients = added_up(find, rows, size, sources)
    return share + penalties, gradients


def _penalty(task, rows, all_rows=None):
    """What layers add to the loss, as this piece's share: a scalar."""
    if not (penalties := task.penalties()):
        return tf.constant(0.0)
    if all_rows is None:
        (all_rows,) = sum_replicas([rows])
    return tf.add_n(penalties) * tf.math.divide_no_nan(rows, all_rows)
