"""Logistic regression on vectors, as scikit-learn's default has it. Plain NumPy.

It is smooth and convex: L-BFGS (Nocedal & Wright 2006, algorithm 7.4) finds its one minimum.

Letters: n rows, D width, C classes.
"""

import numpy as np

MEMORY = 10  # steps that the curvature is told by
STEPS = 500


def fit_logistic(x, y, classes, inverse_penalty=1.0, tolerance=1e-6):
    """The weights that lower `inverse_penalty`·(sum of cross-entropies) + (squared weights) / 2.

    Args:
        x: (n, D). y: int (n,), from 0. classes: C.
        inverse_penalty: scikit-learn's `C`; the intercept is not penalized.
        tolerance: the largest slope, by all rows, that is left.

    Returns:
        float64 (D, C) and (C,): weights and intercepts, of which logits are `x @ weights + b`.
    """
    x = np.asarray(x, "float64")
    x1, gold = np.concatenate([x, np.ones((len(x), 1))], 1), np.eye(classes)[y]
    kept = np.append(np.ones(x.shape[1]), 0)[:, None]  # what is penalized

    def loss_and_slope(w):
        logits = x1 @ w
        logits -= logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        loss = -inverse_penalty * (gold * logs).sum() + (kept * w * w).sum() / 2
        return loss, inverse_penalty * x1.T @ (np.exp(logs) - gold) + kept * w

    w = _minimum(loss_and_slope, np.zeros((x1.shape[1], classes)), tolerance * len(x))
    w[-1] -= w[-1].mean()  # intercepts are free up to a constant
    return w[:-1], w[-1]


def _minimum(loss_and_slope, w, tolerance):
    """Where a convex function is least, by L-BFGS."""
    steps, turns = [], []
    loss, slope = loss_and_slope(w)
    for _ in range(STEPS):
        if np.abs(slope).max() <= tolerance:
            break
        direction = _direction(slope, steps, turns)
        rate, fall = 1.0 if steps else 1 / max(1.0, np.abs(slope).sum()), (slope * direction).sum()
        while True:
            new = w + rate * direction
            new_loss, new_slope = loss_and_slope(new)
            if new_loss <= loss + 1e-4 * rate * fall or rate < 1e-12:
                break
            rate /= 2
        if (step := new - w).any() and (step * (new_slope - slope)).sum() > 0:
            steps, turns = [*steps, step][-MEMORY:], [*turns, new_slope - slope][-MEMORY:]
        w, loss, slope = new, new_loss, new_slope
        if rate < 1e-12:  # as low as numbers tell
            break
    return w


def _direction(slope, steps, turns):
    """Minus the slope by the inverse of the curvature, which the last steps tell."""
    q, known = -slope, []
    for step, turn in zip(reversed(steps), reversed(turns), strict=True):
        share = (step * q).sum() / (step * turn).sum()
        q = q - share * turn
        known.append(share)
    if steps:
        q = q * (steps[-1] * turns[-1]).sum() / (turns[-1] * turns[-1]).sum()
    for step, turn, share in zip(steps, turns, reversed(known), strict=True):
        q = q + (share - (turn * q).sum() / (step * turn).sum()) * step
    return q
