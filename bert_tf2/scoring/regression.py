"""Scores of numbers: correlations and the error, as SciPy computes them."""

import numpy as np

from bert_tf2.scoring.arrays import ranks, table


def pearson(gold, predicted):
    """Pearson's correlation of two columns (n,). -> float in -1 … 1; NaN if one is constant.

    Raises:
        ValueError: other shapes, or a number that is not finite.
    """
    return _correlation(*_columns(gold, predicted))


def spearman(gold, predicted):
    """Spearman's: Pearson's of the ranks; equal numbers share the mean of theirs. As `pearson`."""
    return _correlation(*map(ranks, _columns(gold, predicted)))


def rmse(gold, predicted):
    """The root of the mean squared error of two columns (n,), in their unit. As `pearson`."""
    gold, predicted = _columns(gold, predicted)
    return float(np.sqrt(np.mean((gold - predicted) ** 2)))


def scores(gold, predicted, names=None):
    """Correlations and error of one or several outputs.

    Args:
        gold, predicted: numbers (n,) or (n, K).
        names: of K outputs; by default "0" … "K-1".

    Returns:
        dict of floats: "pearson", "spearman" and "rmse", the means over the outputs; and, of
        several outputs, "outputs": by name a dict of the same.

    Raises:
        ValueError: shapes that differ, or a number that is not finite.
    """
    gold, predicted = _tables(gold, predicted)
    kinds = {"pearson": pearson, "spearman": spearman, "rmse": rmse}
    outputs = [
        {kind: score(*columns) for kind, score in kinds.items()}
        for columns in zip(gold.T, predicted.T, strict=True)
    ]
    means = {kind: float(np.mean([output[kind] for output in outputs])) for kind in kinds}
    if len(outputs) == 1:
        return means
    names = range(len(outputs)) if names is None else names
    return means | {"outputs": dict(zip(map(str, names), outputs, strict=True))}


def _tables(gold, predicted):
    gold, predicted = table(gold, "gold"), table(predicted, "predicted")
    if gold.shape != predicted.shape:
        raise ValueError(
            f"`gold` and `predicted` must have one shape. Received: {gold.shape} and "
            f"{predicted.shape}"
        )
    return gold, predicted


def _columns(gold, predicted):
    gold, predicted = _tables(gold, predicted)
    if gold.shape[1] != 1:
        raise ValueError(f"Expected one column; `scores` takes several. Received: {gold.shape}")
    return gold[:, 0], predicted[:, 0]


def _correlation(gold, predicted):
    if min(np.ptp(gold), np.ptp(predicted)) == 0:
        return float("nan")
    gold, predicted = gold - gold.mean(), predicted - predicted.mean()
    cosine = gold / np.linalg.norm(gold) @ (predicted / np.linalg.norm(predicted))
    return float(np.clip(cosine, -1, 1))
