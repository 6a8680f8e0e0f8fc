"""Whatever a user may pass as data -> batches that a task takes."""

import logging

import tensorflow as tf

from bert_tf2.data import checks, columns, pipeline
from bert_tf2.text.forms import by_key

LOGGER = logging.getLogger("bert_tf2")


def dataset(
    task,
    x,
    y=None,
    sample_weight=None,
    batch_size=32,
    sampling=pipeline.ONCE,
    labelled=True,
    class_weight=None,
):
    """Whatever the user gave -> a `tf.data.Dataset` of `Batch`es; unlabelled, of inputs.

    Args:
        x, y, sample_weight, batch_size, class_weight: as in `Task.fit`.
        sampling: how to go through what is in memory, a `pipeline.Sampling`.
        labelled: whether there are labels to learn from, or to compare with.
    """
    finish = _finishing_traced(task, labelled, class_weight)
    if labelled:
        x, y = task.taken_apart(x, y)
    x = as_dataset(task, x, sampling.endless, labelled)
    if isinstance(x, tf.data.Dataset):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A dataset brings its labels and weights along: leave out `y` and `sample_weight`."
            )
        if isinstance(x.element_spec, pipeline.Batch):  # prepared already
            if class_weight is not None:
                raise ValueError(
                    "A dataset of prepared batches has its weights: give `class_weight` to what "
                    f"prepared it, `dataset`. Received: {class_weight}"
                )
            return x
        return pipeline.ahead(x, lambda *element: finish(_columns(task, element, labelled)))
    if labelled and y is None:
        raise ValueError("`y`, the labels, must be given with texts. Received: None")
    found = task.read(x, y if labelled else None, sample_weight)
    if sampling.order is not None:  # to be trained on
        for sentence in task.worth_saying(found):
            LOGGER.warning("%s", sentence)
    groups = None
    if sampling.shuffle and task.preprocessor.length_buckets:
        lengths = _row_lengths(task, found)
        groups = None if lengths is None else task.preprocessor.buckets_of(lengths)
    size = pipeline.rows_a_batch(batch_size)
    apart = None if sampling.order is None else task.apart(found, size)
    return pipeline.batches(found, finish, size, sampling, groups, apart)


def _row_lengths(task, found):
    """The tokens of each row of columns in memory, int (n,), of windows their own; None of ids."""
    if "tokens" in found or not {"text", "words"} & found.keys():
        return found.get("tokens")
    sides = tuple(task.packed_texts(found).values())
    lengths = task.preprocessor.lengths(sides if sides[1:] else sides[0])
    return lengths.reshape(pipeline.count_rows(found), -1).max(1)


def as_dataset(task, x, endless=False, labelled=True):
    """`columns.as_dataset`, of what that task reads."""

    def read(x, y=None, sample_weight=None):
        return task.read(x, y, sample_weight) if labelled else task.read(x)

    return columns.as_dataset(x, read, endless, task.row_types)


def batch(task, x, y=None, sample_weight=None, class_weight=None):
    """Rows in memory -> one `Batch`."""
    x, y = task.taken_apart(x, y)
    if y is None:
        raise ValueError("`y`, the labels, must be given with texts. Received: None")
    return _finishing(task, True, class_weight)(task.read(x, y, sample_weight))


def graphs_of(task):
    """The graphs that were traced for a task, by what they were traced for: a dict.

    A graph holds settings as constants: those of others than the task has now are forgotten.
    """
    tokenizer, plain = task.preprocessor.tokenizer, (bool, int, float, str)
    lengths = {name: x for name, x in vars(task.preprocessor).items() if name != "tokenizer"}
    rules = {name: x for name, x in vars(tokenizer).items() if isinstance(x, plain)}
    own = [getattr(task, name) for name in task.settings]
    settings = tokenizer, repr((lengths, rules, own))
    if settings != task.traced_for:
        task.graphs.clear()
        task.traced_for = settings
    return task.graphs


def _finishing_traced(task, labelled, class_weight):
    """The same for datasets, each of which would trace it anew."""
    finish = _finishing(task, labelled, class_weight)
    if class_weight is not None:
        return finish
    return graphs_of(task).setdefault(("prepare", labelled), tf.function(finish, autograph=False))


def _finishing(task, labelled, class_weight):
    """The in-graph function of the columns of some rows."""
    table = None if class_weight is None else task.class_weights(by_key(class_weight))

    def finish(found):
        inputs, targets, weights = task.prepare(found)
        inputs = {name: x for name, x in inputs.items() if name not in task.marks}
        if not labelled:
            return inputs
        if targets is None:
            raise ValueError(f"Data must be (x, y), and y hold {task.wanted}. Received: {[*found]}")
        if table is not None:
            weights = task.weigh(targets, weights, table)
        return pipeline.Batch(inputs, targets, weights)

    return finish


def _columns(task, element, labelled):
    """The columns of an element of a dataset: x, (x, y) or (x, y, sample_weight), or a `Read`.

    Where nothing is to be learnt, texts in the place of y stay: the first two of a pair that was
    meant are refused by `prepare`, as labels that are none.
    """
    if isinstance(element[0], columns.Read):
        return element[0].columns
    found = task.batch_columns(*(element if labelled or may_be_pair(element) else element[:1]))
    if next(iter(found.values())).shape.rank == 0:
        raise ValueError("The dataset must be batched: call `.batch(32)` on it.")
    return found


def may_be_pair(element):
    """Whether an element of a dataset is texts twice, which may be (x, y) or a pair."""
    return len(element) == 2 and all(
        isinstance(part, tf.Tensor) and part.dtype == tf.string and part.shape.rank == 1
        for part in element
    )


def say_what_is_lost(task, texts, joined=False):
    """Says once of a task that texts in memory are longer than it reads, and that most is unknown.

    Args:
        texts: columns of strings, one or two, as they are packed.
        joined: whether texts are joined into rows, or read in windows, and so not cut.
    """
    said = []
    if not task.said_what_is_cut and not joined:
        said += checks.cut_texts(texts, task.preprocessor)
        task.said_what_is_cut = bool(said)
    sample = min(int(next(iter(texts.values())).shape[0]), checks.SAMPLE)
    if sample > task.largest_sample:  # one text after another is looked at but once
        unknown = checks.unknown_texts(texts, task.preprocessor.tokenizer)
        task.largest_sample = checks.SAMPLE if unknown else sample
        said += unknown
    for sentence in said:
        LOGGER.warning("%s", sentence)
