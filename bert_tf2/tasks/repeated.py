"""One training many times over, from several seeds or on several folds: how sure is a figure?"""

import numbers

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns
from bert_tf2.scoring.spread import spread


def over_seeds(run, seeds=(1, 2, 3)):
    """Calls `run(seed)` for each seed, after `keras.utils.set_random_seed(seed)`.

    Args:
        run: function of a seed that makes, trains and scores a task; it returns figures by name.
        seeds: ints, no two alike.

    Returns:
        dict: "seeds", by seed its figures; "mean" and "std", by name a float: see `scoring.spread`.

    Raises:
        ValueError: no seeds, or the same twice.

    Examples:
        >>> names = ["bad", "good"]
        >>> def run(seed):
        ...     clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=names)
        ...     clf.fit(texts, labels)
        ...     return clf.evaluate(dev_texts, dev_labels, return_dict=True)
        >>> figures = bert_tf2.over_seeds(run, seeds=[1, 2, 3])
        >>> figures["mean"], figures["std"]  # each a dict by the names of the figures
    """
    seeds = list(seeds)
    if not seeds or len({*seeds}) < len(seeds):
        raise ValueError(f"`seeds` must be one or more, no two alike. Received: {seeds}")
    found = {}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        found[seed] = run(seed)
    mean, std = spread([*found.values()])
    return {"seeds": found, "mean": mean, "std": std}


def cross_validate(
    make_task, x, y=None, folds=5, seed=0, score=None, callbacks=None, groups=None, **fit
):
    """Trains on all folds but one, and scores on that, for each fold.

    Rows are dealt to the folds by chance. Where y are classes (str, int or bool, one a row), each
    class by itself, so that folds differ by at most one row of each. Questions about one text, and
    choices for one, are in the same fold: a text that was learned from is no test. Blank
    texts are none.

    Args:
        make_task: function without arguments -> a new task, compiled or not. Each begins from
            `seed`, so that folds differ by their rows alone.
        x, y: data in memory, as for `fit`.
        folds: int from 2.
        seed: of the folds, of each task and of its training: `keras.utils.set_random_seed`.
        score: function of (task, x, y) -> figures by name; default `task.evaluate`.
        callbacks: function of a fold's number, from 0 -> a list of callbacks: none belongs to two
            runs.
        groups: list of n, of which equal ones are in one fold, and are dealt by their sizes:
            `articles` of `read_squad`, authors, days. Default: contexts, of questions; texts, of
            choices; of others each row by itself.
        **fit: of `fit`, such as `epochs`. The fold that is scored is not to choose an epoch by.

    Returns:
        dict: "folds", a list of figures; "mean" and "std", by name a float: see `scoring.spread`.

    Raises:
        ValueError: fewer rows, or groups, than folds, a wrong number of groups, a dataset,
            callbacks that are a list, settings of `fit` that have no meaning here, or tasks that
            share an encoder.

    Examples:
        >>> names = ["bad", "good"]
        >>> def make_task():
        ...     return bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=names)
        >>> found = bert_tf2.cross_validate(make_task, texts, labels, folds=2, epochs=1)
        >>> found["mean"]["accuracy"]
        0.75
    """
    if callbacks is not None and not callable(callbacks):
        raise ValueError(
            "`callbacks` must be a function of the fold's number, which makes new ones. Received: "
            f"{callbacks!r}"
        )
    if {"validation_data", "validation_split", "sample_weight"} & set(fit):
        raise ValueError(
            "`validation_data`, `validation_split` and `sample_weight` must be left out: each fold "
            f"is scored when its training has ended. Received: {sorted(fit)}"
        )
    keras.utils.set_random_seed(seed)
    task = make_task()
    rows, part = columns.by_rows(task.read_texts, x, y)
    if isinstance(folds, bool) or not isinstance(folds, numbers.Integral) or not 2 <= folds <= rows:
        raise ValueError(
            f"`folds` must be an int from 2 to the number of rows, {rows}. Received: {folds!r}"
        )
    fold_of, found = dealt(y, rows, folds, seed, _groups(groups, task, part, rows)), []
    for fold in range(folds):
        if fold:
            before = task.encoder
            keras.utils.set_random_seed(seed)
            task = make_task()
            if task.encoder is before:
                raise ValueError(
                    "`make_task` must make a task with an encoder of its own each time. Received: "
                    "one that has learnt from the fold that it would be scored on"
                )
        learnt, scored = (
            part(np.flatnonzero(which)) for which in (fold_of != fold, fold_of == fold)
        )
        task.fit(*learnt, callbacks=callbacks and callbacks(fold), **fit)
        found.append((score or _evaluated)(task, *scored))
    mean, std = spread(found)
    return {"folds": found, "mean": mean, "std": std}


def _evaluated(task, x, y):
    return task.evaluate(x, y, verbose=0, return_dict=True)


def _groups(given, task, part, rows):
    """What is dealt as one: a list of n, or None."""
    name = getattr(task, "together", None)  # of questions and choices: the column of texts
    if given is None and name is None:
        return None
    if given is None:
        column = part(np.arange(rows))[0].get(name)  # None of ids
        texts = [] if column is None else column.numpy().tolist()  # blank ones are about nothing
        return [text if text.strip() else row for row, text in enumerate(texts)] or None
    if len(given) != rows:
        raise ValueError(f"`groups` must be one a row: {rows}. Received: {len(given)}")
    return list(given)


def dealt(y, rows, folds, seed, groups=None):
    """The fold of each row, an int array (n,): see `cross_validate`."""
    if groups is not None:
        return _dealt_together(groups, folds, seed)
    order = np.random.default_rng(seed).permutation(rows)
    names = _class_names(y)
    if len(names) == rows:
        order = order[np.argsort(names[order], kind="stable")]
    fold_of = np.empty(rows, int)
    fold_of[order] = np.arange(rows) % folds
    return fold_of


def _dealt_together(groups, folds, seed):
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(numbers) < 2:
        raise ValueError(
            f"All {len(groups)} rows are about one text, or of one group, which are in one fold: "
            "give rows of two or more, or, to part them all the same, `groups`, one a row"
        )
    if len(numbers) < folds:
        raise ValueError(
            f"`folds` must be an int from 2 to {len(numbers)}, the different texts, or `groups`. "
            f"Received: {folds}"
        )
    of_row = np.array([numbers[group] for group in groups])
    sizes, held = np.bincount(of_row), np.zeros(folds, int)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold_of = np.empty(len(sizes), int)
    for group in order[np.argsort(-sizes[order], kind="stable")]:  # large ones first, to fit
        fold_of[group] = held.argmin()
        held[fold_of[group]] += sizes[group]
    return fold_of[of_row]


def _class_names(y):
    """Of classes, the name of each row's; else nothing."""
    if y is None or isinstance(y, dict):
        return np.array([])
    y = y.numpy() if tf.is_tensor(y) else y
    one_each = all(isinstance(v, str | bytes | numbers.Integral | np.bool_) for v in y)
    return np.array([str(v) for v in y] if one_each else [])
