"""Scores of pairs of texts that are alike or not, by a number that says how alike they are.

Definitions and names as in sentence-transformers, evaluation/binary_classification.py, triplet.py
and paraphrase_mining.py; of pairs with equal numbers all or none are taken, in whatever order they
come.
"""

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import average_precision, cuts, precision_recall_f1, same_length, table


def binary(gold, scores):
    """How well a threshold tells pairs that are alike from others.

    A threshold lies halfway between two different scores, or takes all pairs, or for accuracy none;
    of those that are best the highest counts.

    Args:
        gold: 0 or 1 (n,), of which 1 is alike.
        scores: numbers (n,), higher for more alike.

    Returns:
        dict of floats: "accuracy" and its "accuracy_threshold", from which on pairs are alike;
        "f1", its "f1_threshold", and there "precision", "recall" and "mcc", Matthews' correlation;
        and "ap", the average precision.

    Raises:
        ValueError: other shapes, a gold that is not 0 or 1, none that is 1, or a score that is not
            finite.
    """
    gold, scores = _columns(gold, scores)
    if not gold.any():
        raise ValueError(f"`gold` must hold a 1. Received: {shorten(gold.tolist())}")
    rows, ones = len(gold), int(gold.sum())
    at, right, given = cuts(gold, scores)
    thresholds = np.append((at[:-1] + at[1:]) / 2, at[-1:])
    accuracies = np.append(rows - ones, rows - ones + 2 * right - given) / rows
    best = int(np.argmax(accuracies))
    above = np.append(np.nextafter(at[0], np.inf), thresholds)
    found = {"accuracy": accuracies[best], "accuracy_threshold": above[best]}
    figures = precision_recall_f1(right, given, ones)
    best = int(np.argmax(figures["f1"]))
    found |= {name: values[best] for name, values in figures.items()}
    found |= {"f1_threshold": thresholds[best], "ap": average_precision(gold, scores)}
    found["mcc"] = _matthews(right[best], given[best], ones, rows)
    return {name: float(value) for name, value in found.items()}


def _matthews(right, given, ones, rows):
    """Of counts: right and all that are given, ones and all that are gold; 0 where undefined."""
    right, given = int(right), int(given)
    spread = given * (rows - given) * ones * (rows - ones)
    return (rows * right - given * ones) / spread**0.5 if spread else 0.0


def triplets(positives, negatives, margin=0.0):
    """The share of triplets whose positive is more alike to the anchor than the negative.

    Args:
        positives, negatives: numbers (n,), how alike each is to its anchor.
        margin: by how much more.

    Returns:
        float in 0 … 1.

    Raises:
        ValueError: other shapes, or a number that is not finite.
    """
    positives, negatives = _numbers(positives, "positives"), _numbers(negatives, "negatives")
    same_length(positives, negatives, "positives")
    return float(np.mean(positives > negatives + margin))


def mined(gold, scores, total):
    """How good pairs are that were found among many texts.

    Args:
        gold: 0 or 1 (n,) of each pair that was found, whether it is one.
        scores: numbers (n,), how alike they are.
        total: int, all pairs that there are to be found.

    Returns:
        dict of floats: "average_precision"; the best "f1", and its "precision", "recall" and
        "threshold", halfway to the next score. All are 0 where nothing right was found.

    Raises:
        ValueError: other shapes, numbers that are none, or a total below what was found.
    """
    gold, scores = _columns(gold, scores) if len(gold) else (np.zeros(0, bool), np.zeros(0))
    found = int(gold.sum())
    if not isinstance(total, int | np.integer) or total < max(found, 1):
        raise ValueError(
            f"`total` must be an int from {max(found, 1)}, the right pairs that were found. "
            f"Received: {shorten(total)}"
        )
    if not found:
        names = ("average_precision", "f1", "precision", "recall", "threshold")
        return dict.fromkeys(names, 0.0)
    at, right, given = cuts(gold, scores)
    figures = precision_recall_f1(right, given, total)
    best = int(np.argmax(figures["f1"]))
    threshold = (at[best] + at[min(best + 1, len(at) - 1)]) / 2
    recalled = average_precision(gold, scores) * found / total
    values = {"average_precision": recalled} | {n: x[best] for n, x in figures.items()}
    return {name: float(value) for name, value in (values | {"threshold": threshold}).items()}


def _numbers(values, name):
    found = table(values, name)
    if found.shape[1] != 1:
        raise ValueError(f"`{name}` must be of shape (n,). Received: {found.shape}")
    return found[:, 0]


def _columns(gold, scores):
    """gold -> booleans (n,); scores -> float64 (n,)."""
    gold, scores = _numbers(gold, "gold"), _numbers(scores, "scores")
    same_length(gold, scores)
    if not np.isin(gold, (0, 1)).all():
        raise ValueError(f"`gold` must hold 0 and 1. Received: {shorten(np.unique(gold).tolist())}")
    return gold.astype(bool), scores
