"""The pieces in which a batch is computed: a replica's rows, and of these a micro-batch's."""

import tensorflow as tf


def sum_replicas(tensors):
    """Each tensor's sum over all replicas; as it is where there is one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return list(tensors)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(tensors))


def of_all_replicas(tensors):
    """The rows of all replicas, one replica's after another's.

    Args:
        tensors: a structure of tensors (B, …), this replica's rows; there may be none.

    Returns:
        the same structure of tensors (rows of all, …), without gradients; and where this replica's
        rows begin in them, an int32 scalar.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors, tf.constant(0)
    mine, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    rows = tf.shape(tf.nest.flatten(tensors)[0])[0]
    (counts,) = sum_replicas([tf.one_hot(mine, replicas, dtype=tf.int32) * rows])
    start, total = tf.reduce_sum(counts[:mine]), tf.reduce_sum(counts)

    def placed(x):
        """In its place among zeros: the sum over replicas is then of one each."""
        around = [[start, total - start - rows], *[[0, 0]] * (x.shape.rank - 1)]
        return tf.pad(tf.stop_gradient(x), around)

    # One after another: those of one call must be of one dtype.
    flat = [sum_replicas([placed(x)])[0] for x in tf.nest.flatten(tensors)]
    return tf.nest.pack_sequence_as(tensors, flat), start


def rows_of(x):
    """The number of rows of a batch, a float32 scalar."""
    return tf.cast(tf.shape(tf.nest.flatten(x)[0])[0], tf.float32)


def part_size(task, x):
    """Rows of a micro-batch: an int under XLA, which needs to know it; else a scalar tensor."""
    parts, first = task.micro_batches, tf.nest.flatten(x)[0]
    fixed = task.part_rows
    if not task.jit_compile or task.distribute_strategy.num_replicas_in_sync > 1:
        rows = tf.shape(first)[0]
        return tf.constant(fixed) if fixed else tf.maximum((rows + parts - 1) // parts, 1)
    known = first.shape[0]
    if known is None or known % (fixed or parts):
        raise ValueError(
            "With `jit_compile=True`, batches must be of one size that `micro_batches` divides: "
            "give `fit` a tf.data.Dataset made by `.batch(size, drop_remainder=True)`. "
            f"Received: micro_batches={parts}, batches of {known or 'unknown'} rows"
        )
    return fixed or known // parts


def part_of(batch, start, size):
    """A structure of tensors -> its `size` rows from `start` on, or as many as there are."""
    return tf.nest.map_structure(lambda tensor: _rows(tensor, start, size), batch)


def _rows(tensor, start, size):
    if tensor is None:
        return None
    if isinstance(size, int):
        others = tensor.shape.rank - 1
        return tf.slice(tensor, [start, *[0] * others], [size, *[-1] * others])
    return tensor[start : start + size]


def added_up(find, rows, size, variables):
    """A number and gradients of one micro-batch after another, in the memory of one.

    Args:
        find: function of where a micro-batch begins -> a scalar, and a gradient per variable or
            None.
        rows, size: of the batch, and of a micro-batch.
        variables: whose gradients they are.

    Returns:
        the sums of all; None where a variable has no gradient.
    """
    reached = [False] * len(variables)

    def body(start, number, *sums):
        more, found = find(start)
        reached[:] = [g is not None for g in found]
        added = [s if g is None else s + g for s, g in zip(sums, found, strict=True)]
        return start + size, number + more, *added

    zeros = [tf.zeros(v.shape, v.dtype) for v in variables]
    _, number, *sums = tf.while_loop(
        lambda start, *_: start < rows,
        body,
        (tf.constant(0), tf.constant(0.0), *zeros),
        parallel_iterations=1,
    )
    return number, [s if found else None for s, found in zip(sums, reached, strict=True)]
