"""Raw text in, a task's answers out, without what Keras's `predict` costs."""

import tensorflow as tf
from tqdm import tqdm

from bert_tf2.data import columns, labels, pipeline
from bert_tf2.tasks import process


def answer(task, x, batch_size=32, verbose=0):
    """The task's `answers`, batch by batch.

    Args:
        x: see `Task`.
        batch_size: rows at a time, of what is in memory.
        verbose: whether to show how far it is.

    Yields:
        for each batch, a dict of NumPy arrays (B, …).
    """
    process.check()
    x = columns.as_dataset(x)
    if isinstance(x, tf.data.Dataset):
        batches = (task.batch_columns(*(e if isinstance(e, tuple) else (e,))) for e in x)
    else:
        found = task.read(x)
        rows = range(0, pipeline.count_rows(found), batch_size)
        rows = tqdm(rows, unit="batch", disable=not verbose)
        batches = ({k: v[i : i + batch_size] for k, v in found.items()} for i in rows)
    with labels.errors_named():
        for batch in batches:
            batch = {name: v for name, v in batch.items() if name not in columns.EXTRAS}
            batch = {name: v if tf.is_tensor(v) else tf.constant(v) for name, v in batch.items()}
            yield {name: v.numpy() for name, v in _traced(task, batch)(**batch).items()}


def graph(task):
    """The graph function of a task: columns by name -> its answers by name."""

    def answers(**found):
        inputs = task.prepare(found)[0]
        return task.answers(inputs, task(inputs))

    return tf.function(answers, autograph=False)


def _traced(task, batch):
    """That function for columns of such kinds, traced once for all their sizes."""
    specs = {name: _any_size(name, value) for name, value in sorted(batch.items())}
    key = tuple(specs.values())
    if key not in task.graphs:
        task.graphs[key] = graph(task).get_concrete_function(**specs)
    return task.graphs[key]


def _any_size(name, value):
    """The spec of a tensor, ragged or not, of that rank."""
    sizes = [None] * value.shape.rank
    if isinstance(value, tf.RaggedTensor):
        return tf.RaggedTensorSpec(sizes, value.dtype, value.ragged_rank)
    return tf.TensorSpec(sizes, value.dtype, name=name)
