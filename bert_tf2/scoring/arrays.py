"""What all scores share: counts, columns of one length, shares of nothing, ranks, cuts."""

from collections.abc import Mapping

import numpy as np

from bert_tf2.messages import shorten


def checked_count(value, name):
    """An int from 1 itself; a ValueError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"`{name}` must be an int from 1. Received: {shorten(value)}")
    return int(value)


def checked_choice(value, choices, name):
    """One of `choices` itself; a ValueError for another."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. Received: {shorten(value)}"
        )
    return value


def listed(texts, name):
    """Texts as a list; a TypeError for one str, whose letters would pass for texts, or none."""
    if isinstance(texts, str | bytes | Mapping) or not hasattr(texts, "__iter__"):
        raise TypeError(
            f"`{name}` must be a list of str. Received: {shorten(texts)} ({type(texts).__name__})"
        )
    return list(texts)


def same_length(gold, answers, what="rows"):
    """Raises a ValueError unless there is an answer to each of one or more gold rows."""
    if len(gold) != len(answers) or len(gold) == 0:
        raise ValueError(
            f"Expected as many answers as gold {what}, and one or more. Received: {len(gold)} gold "
            f"and {len(answers)} answers"
        )


def table(values, name, kind="numbers"):
    """Numbers (n,) or (n, C) -> float64 array (n, C), all finite.

    Raises:
        ValueError: no numbers, one that is not finite, or another shape.
    """
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be {kind}. Received: {shorten(values)}") from error
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise ValueError(
            f"`{name}` must be finite {kind} of shape (n,) or (n, C). Received: shape "
            f"{np.shape(values)}, {np.size(found) - np.isfinite(found).sum()} of them not finite"
        )
    return found


def share(part, whole):
    """part / whole, and 0 of nothing; numbers or arrays."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(
        part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole != 0
    )


def precision_recall_f1(correct, predicted, gold):
    """Counts (numbers or arrays) -> dict of precision, recall and F1; 0 where there is nothing."""
    scores = {"precision": share(correct, predicted), "recall": share(correct, gold)}
    return scores | {"f1": share(2 * np.asarray(correct), np.asarray(predicted) + gold)}


def ranks(values):
    """The ranks of numbers (n,), from 1; equal ones share the mean of theirs. -> float64 (n,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def cuts(gold, scores):
    """Each way to cut rows in falling order of their scores, of which equal ones stay together.

    Args:
        gold: booleans (n,). scores: numbers (n,).

    Returns:
        the different scores (c,), falling; and the right and all rows from each on, int (c,).
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(falling[1:] != falling[:-1], True)  # of those that are equal
    return falling[last], np.cumsum(gold[order])[last], np.flatnonzero(last) + 1


def average_precision(gold, scores):
    """The precision at each cut, by the recall it adds, not interpolated; NaN where none is gold.

    Args:
        gold: booleans (n,). scores: numbers (n,).
    """
    if not gold.any():
        return np.nan
    _, correct, given = cuts(gold, scores)
    return float(np.diff(correct, prepend=0) @ (correct / given) / gold.sum())
