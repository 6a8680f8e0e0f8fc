"""Scores of classes: one a row, or several (definitions and names as in scikit-learn)."""

import functools
import math
import numbers

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import (
    average_precision,
    cuts,
    precision_recall_f1,
    ranks,
    same_length,
    share,
    table,
)

# === One class a row ==============================================================================


def confusion(gold, predicted, labels=None):
    """How often each class was taken for each.

    Args:
        gold, predicted: lists of class names; or both of numbers, or both of booleans.
        labels: the classes, in order; by default all that occur, sorted.

    Returns:
        the names, a list of str, and an int64 array (C, C): rows gold, columns predicted.

    Raises:
        ValueError: no rows, a count that differs, a class that is none of `labels`, or names on
            one side and numbers on the other, which can mean their positions.
    """
    same_length(gold, predicted)
    kinds = {_kind(x): x for x in (*gold, *predicted)}
    if len(kinds) > 1 or None in kinds:
        raise ValueError(
            "`gold` and `predicted` must both be names, both numbers or both booleans. Received: "
            f"{shorten(list(kinds.values()))}"
        )
    gold, predicted = list(map(_spelt, gold)), list(map(_spelt, predicted))
    found = {*gold, *predicted}
    names = sorted(found) if labels is None else list(map(_spelt, labels))
    if strange := found.difference(names):
        raise ValueError(
            f"`labels` must name every class. Received: {shorten(names)}, and rows of "
            f"{shorten(sorted(strange))}"
        )
    number = {name: index for index, name in enumerate(names)}
    pairs = [number[g] * len(names) + number[p] for g, p in zip(gold, predicted, strict=True)]
    return names, np.bincount(pairs, minlength=len(names) ** 2).reshape(len(names), -1)


def _kind(label):
    """What a label is: str, bool or float, for any number; None for what is no label."""
    if isinstance(label, str):
        return str
    if isinstance(label, bool | np.bool_):
        return bool
    return float if isinstance(label, numbers.Real) and math.isfinite(label) else None


def _spelt(label):
    """A label's name: 1.0 and 1 are one class."""
    whole = _kind(label) is float and label == int(label)
    return str(int(label) if whole else label)


def scores(gold, predicted, labels=None):
    """Accuracy, F1 and Matthews' correlation of predicted classes.

    Arguments and errors are those of `confusion`.

    Returns:
        dict of floats in 0 … 1: "accuracy", "macro_f1" (the mean over classes), "micro_f1" (over
        rows: the accuracy), "weighted_f1" (by rows of a class), and "matthews", in -1 … 1; and
        "classes", by name a dict of "precision", "recall", "f1" and "support", its gold rows.
    """
    names, counts = confusion(gold, predicted, labels)
    correct, support = np.diag(counts), counts.sum(1)
    by_class = precision_recall_f1(correct, counts.sum(0), support)
    accuracy = float(correct.sum() / counts.sum())
    return {
        "accuracy": accuracy,
        "macro_f1": float(by_class["f1"].mean()),
        "micro_f1": accuracy,
        "weighted_f1": float(np.average(by_class["f1"], weights=support)),
        "matthews": _matthews(counts),
        "classes": _by_name(names, by_class | {"support": support}),
    }


def binary_f1(gold, predicted, positive="1"):
    """F1 of one class, as MRPC and QQP are scored: that of "1". -> float.

    Raises:
        ValueError: as `confusion`; or the positive class never occurs.
    """
    names, counts = confusion(gold, predicted)
    if str(positive) not in names:
        raise ValueError(
            f"`positive` must be a class that occurs. Received: {positive!r}, of {shorten(names)}"
        )
    index = names.index(str(positive))
    counted = counts[index, index], counts[:, index].sum(), counts[index].sum()
    return float(precision_recall_f1(*counted)["f1"])


def matthews(gold, predicted):
    """Matthews' correlation, of two or more classes (Gorodkin 2004); 0 where it is undefined.

    Arguments and errors are those of `confusion`. -> float in -1 … 1.
    """
    return _matthews(confusion(gold, predicted)[1])


def _matthews(counts):
    rows, gold, predicted = counts.sum(), counts.sum(1), counts.sum(0)
    # Python's integers: a product of four counts is beyond int64 from some ten thousand rows on.
    both = int(np.trace(counts)) * int(rows) - int(gold @ predicted)
    gold_spread = int(rows) ** 2 - int(gold @ gold)
    spread = int(rows) ** 2 - int(predicted @ predicted)
    return both / (gold_spread * spread) ** 0.5 if gold_spread * spread else 0.0


# === Several labels a row =========================================================================


def multi_label(gold, probabilities, thresholds=0.5, names=None):
    """Scores of labels of which a row may have several, or none.

    Args:
        gold: 0 or 1 (n, C).
        probabilities: floats in 0 … 1 (n, C). A label is given from its threshold on.
        thresholds: a float, or (C,).
        names: of the labels; by default "0" … "C-1".

    Returns:
        dict of floats: "micro_f1", "macro_f1", "roc_auc" and "map" (mean average precision), the
        last two over the labels for which they are defined; "accuracy", the share of rows with
        exactly their labels; and "labels", by name a dict of "precision", "recall", "f1",
        "roc_auc" (NaN where all rows, or none, have the label), "average_precision" (NaN where
        none has), "threshold" and "support".

    Raises:
        ValueError: other shapes or values.
    """
    gold, probabilities = _checked(gold, probabilities)
    width = gold.shape[1]
    names = [str(x) for x in (range(width) if names is None else names)]
    if len(names) != width or np.shape(thresholds) not in ((), (width,)):
        raise ValueError(
            f"`names` and `thresholds` must be one for each of {width} labels. Received: "
            f"{len(names)} names, thresholds of shape {np.shape(thresholds)}"
        )
    given = probabilities >= np.asarray(thresholds)
    counts = (gold & given).sum(0), given.sum(0), gold.sum(0)
    by_label = precision_recall_f1(*counts) | {
        "roc_auc": _each(_roc_auc, gold, probabilities),
        "average_precision": _each(average_precision, gold, probabilities),
        "threshold": np.broadcast_to(np.asarray(thresholds, np.float64), width),
        "support": counts[2],
    }
    return {
        "micro_f1": float(precision_recall_f1(*map(np.sum, counts))["f1"]),
        "macro_f1": float(by_label["f1"].mean()),
        "accuracy": float((gold == given).all(1).mean()),
        "roc_auc": _mean(by_label["roc_auc"]),
        "map": _mean(by_label["average_precision"]),
        "labels": _by_name(names, by_label),
    }


def tune_thresholds(gold, probabilities):
    """For each label the threshold that gives it the best F1 on these rows.

    All thresholds are tried that tell rows apart. Each lies halfway between two probabilities, and
    of those with equal F1 the one next to 0.5 is taken; it is 0.5 for a label that no row has.

    Args:
        gold: 0 or 1 (n, C).
        probabilities: floats in 0 … 1 (n, C).

    Returns:
        (C,), of the probabilities' dtype if they are floats: a label is given where
        `probability >= threshold`.

    Raises:
        ValueError: other shapes or values.
    """
    dtype = np.result_type(np.asarray(probabilities).dtype, np.float16)
    gold, probabilities = _checked(gold, probabilities)
    return _each(functools.partial(_threshold, dtype=dtype), gold, probabilities).astype(dtype)


def _each(function, gold, probabilities):
    """A function of one label, of each. -> float64 (C,)"""
    return np.array([function(*x) for x in zip(gold.T, probabilities.T, strict=True)], np.float64)


def _threshold(gold, probabilities, dtype):
    if not gold.any():
        return 0.5
    upper, correct, given = cuts(gold, probabilities)
    f1 = share(2.0 * correct, given + gold.sum())
    lower = np.append(upper[1:], 0.0)
    between = ((upper + lower) / 2).astype(dtype)
    between = np.where(between > lower, between, upper)  # halfway may round to the one below
    best = between[f1 == f1.max()]
    return best[np.argmin(np.abs(best - 0.5))]


def _roc_auc(gold, probabilities):
    """The share of pairs of a row with the label and one without that are told apart."""
    ones = int(gold.sum())
    pairs = ones * (len(gold) - ones)
    if not pairs:
        return np.nan
    return (ranks(probabilities)[gold].sum() - ones * (ones + 1) / 2) / pairs


def _checked(gold, probabilities):
    gold, probabilities = table(gold, "gold", "0 or 1"), table(probabilities, "probabilities")
    if gold.shape != probabilities.shape:
        raise ValueError(
            f"`gold` and `probabilities` must have one shape. Received: {gold.shape} and "
            f"{probabilities.shape}"
        )
    if not np.isin(gold, (0, 1)).all():
        raise ValueError(f"`gold` must hold 0 and 1. Received: {shorten(np.unique(gold).tolist())}")
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(
            "`probabilities` must lie in 0 … 1. Received: "
            f"{probabilities.min():g} … {probabilities.max():g}: are they logits?"
        )
    return gold.astype(bool), probabilities


def _mean(values):
    """The mean of what is defined; NaN of nothing."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _by_name(names, columns):
    """Arrays (C,) by kind of score -> by name a dict of Python's numbers."""
    return {
        name: {kind: values[i].item() for kind, values in columns.items()}
        for i, name in enumerate(names)
    }
