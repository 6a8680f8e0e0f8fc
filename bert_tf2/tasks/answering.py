"""Raw text in, a task's answers out, without what Keras's `predict` costs."""

import logging

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bert_tf2.data import columns, labels, pipeline
from bert_tf2.tasks import feeding, process

LOGGER = logging.getLogger("bert_tf2")
AT_ONCE = 8  # windows


def answer(task, x, batch_size=32, verbose=0, **how):
    """The task's `answers`, batch by batch.

    Args:
        x: see `Task`.
        batch_size: rows at a time, of what is in memory.
        verbose: whether to show how far it is.
        **how: what `prepare` and `answers` of the task are told this time; and `model`, what gives
            the outputs to ids in the task's place, such as a `bilstm_of` it.

    Yields:
        for each batch, a dict of NumPy arrays (B, …).
    """
    process.check()
    x = feeding.as_dataset(task, x, labelled=False)
    if isinstance(x, tf.data.Dataset):
        batches = (_columns(task, element) for element in x)
    else:
        found, batch_size = task.read(x), pipeline.rows_a_batch(batch_size)
        rows = range(0, pipeline.count_rows(found), batch_size)
        rows = tqdm(rows, unit="batch", disable=not verbose)
        batches = ({k: v[i : i + batch_size] for k, v in found.items()} for i in rows)
    with labels.errors_named():
        for batch in batches:
            batch = {name: v for name, v in batch.items() if name not in columns.EXTRAS}
            batch = {name: v if tf.is_tensor(v) else tf.constant(v) for name, v in batch.items()}
            answers = _traced(task, batch, how)(**batch)
            answers = {name: value.numpy() for name, value in answers.items()}
            task.said_what_is_none = say_what_is_none(answers, task.said_what_is_none)
            yield answers


def say_what_is_none(found, said):
    """Says of answers, once, that they are of what is no number, and mean nothing.

    Args:
        found: dict of arrays. said: whether that was said already.

    Returns:
        whether it is said by now.
    """
    if not said and any(x.dtype.kind == "f" and np.isnan(x).any() for x in found.values()):
        LOGGER.warning(
            "The model gives NaN, which is no number, and its answers mean nothing: its weights "
            "are damaged, or its training diverged, as at too high a rate"
        )
        return True
    return said


def _columns(task, element):
    """The columns of an element of a dataset."""
    if isinstance(element, columns.Read):
        return element.columns
    element = element if isinstance(element, tuple) else (element,)
    found = task.batch_columns(*element)
    if feeding.may_be_pair(element):
        task.prepare(found)  # raises for a second text that is no label
    return found


def graph(task, model=None, **how):
    """The graph function of a task: columns by name -> its answers by name.

    Args:
        model: what gives the outputs to ids; default: the task. `part` of it where there are to be
            several such functions.
        **how: what `prepare` and `answers` of the task are told.
    """

    if model is None:
        model = task
    else:
        check_model(task, model)

    def answers(**found):
        inputs = task.prepare(found, **how)[0]
        return task.answers(inputs, _outputs(task, inputs, model), **how)

    return tf.function(answers, autograph=False)


def check_model(task, model):
    """Raises a ValueError for a Keras model of other outputs than the task's, in whose place it is
    to compute: classes would be other classes."""
    wanted, found = (getattr(getattr(x, "output", None), "shape", None) for x in (task, model))
    if wanted is not None and found is not None and wanted[1:] != found[1:]:
        raise ValueError(
            f"`model` must give what this {type(task).__name__} gives, {wanted[1:]} a text. "
            f"Received: {found[1:]}"
        )


def part(task):
    """The outputs of a task to its ids, as a function that is traced once for all that call it."""

    def outputs(inputs):
        return task(inputs)

    return tf.function(outputs, autograph=False)


def _outputs(task, inputs, model):
    """The outputs of a task; of windows a few at a time, since one text may have any number.

    Windows of like lengths go together and carry no longer padding than they need, whose outputs
    are zeros.
    """
    ids = {name: x for name, x in inputs.items() if name not in task.marks}
    if not task.reads_windows:
        return task.joined(inputs, model(ids))
    inputs = ids
    real = tf.cast(inputs["padding_mask"], tf.int32)
    rows, longest = tf.unstack(tf.shape(real))
    lengths = tf.reduce_max(real * tf.range(1, longest + 1), 1)  # to the last token
    order = tf.argsort(lengths)
    goes_on = [size is None for size in task.output.shape[1:]]  # along the tokens

    def body(start, found):
        chosen = order[start : start + AT_ONCE]
        length = tf.maximum(tf.reduce_max(tf.gather(lengths, chosen)), 1)  # of no rows, too
        outputs = model({name: tf.gather(x, chosen)[:, :length] for name, x in inputs.items()})
        outputs = tf.pad(outputs, [[0, 0], *([0, (longest - length) * more] for more in goes_on)])
        return start + AT_ONCE, found.write(start // AT_ONCE, outputs)

    found = tf.TensorArray(
        task.output.dtype, 1, True, element_shape=task.output.shape, infer_shape=False
    )
    _, found = tf.while_loop(
        lambda start, _: (start < rows) | (start == 0), body, (0, found), parallel_iterations=1
    )
    return tf.gather(found.concat(), tf.math.invert_permutation(order))


def _traced(task, batch, how):
    """That function for columns of such kinds, traced once for all their sizes."""
    graphs = feeding.graphs_of(task)
    specs = {name: _any_size(name, value) for name, value in sorted(batch.items())}
    key = (*specs.values(), *sorted(how.items()))
    if key not in graphs:
        graphs[key] = graph(task, **how).get_concrete_function(**specs)
    return graphs[key]


def _any_size(name, value):
    """The spec of a tensor, ragged or not, of that rank."""
    sizes = [None] * value.shape.rank
    if isinstance(value, tf.RaggedTensor):
        splits = value.row_splits.dtype
        return tf.RaggedTensorSpec(sizes, value.dtype, value.ragged_rank, splits)
    return tf.TensorSpec(sizes, value.dtype, name=name)
