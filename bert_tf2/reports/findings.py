"""Answers beside gold -> what a report says of them: how far sureness holds, the worst mistakes."""

import numpy as np

BINS = 10
MOST = 50  # mistakes that are shown


def calibration(sure, right):
    """How often answers are right, by how sure the model is of them (Guo et al. 2017).

    Args:
        sure: floats in 0 … 1, (n,); NaN is not sure at all.
        right: whether each answer is right, (n,).

    Returns:
        dict: "expected_error", the mean distance of sureness and share of right answers, by rows;
        and "bins", of each tenth that has rows "rows", "sure" (their mean) and "right" (the share).
    """
    sure, right = np.nan_to_num(np.asarray(sure, np.float64)), np.asarray(right, bool)
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    bins = []
    for number in np.unique(place):
        those = place == number
        means = {"sure": float(sure[those].mean()), "right": float(right[those].mean())}
        bins.append({"rows": int(those.sum())} | means)
    error = sum(b["rows"] * abs(b["sure"] - b["right"]) for b in bins) / len(sure)
    return {"expected_error": float(error), "bins": bins}


def worst(badness):
    """The numbers of the rows with the largest badness, largest first; those of 0 are left out."""
    badness = np.asarray(badness, np.float64)
    order = np.argsort(-badness, kind="stable")[:MOST]
    return [int(i) for i in order if badness[i] > 0]
