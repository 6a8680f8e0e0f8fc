"""Logistic regression beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bert_tf2.training.logistic import fit_logistic

R = np.random.default_rng(8)


@pytest.mark.parametrize(("rows", "classes", "penalty"), [(30, 2, 1.0), (200, 5, 0.1), (9, 3, 50)])
def test_it_is_scikit_learns(rows, classes, penalty):
    y = np.arange(rows) % classes
    x = R.normal(size=(rows, 20)) + 0.7 * R.normal(size=(classes, 20))[y]
    weights, bias = fit_logistic(x, y, classes, penalty)
    want = LogisticRegression(C=penalty, tol=1e-9, max_iter=5000).fit(x, y)
    logits = x @ weights + bias
    shares = np.exp(logits - logits.max(1, keepdims=True))
    if classes == 2:  # one logit there, whose weights are penalized once and not twice
        want = LogisticRegression(C=2 * penalty, tol=1e-9, max_iter=5000).fit(x, y)
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(shares, want.predict_proba(x), atol=2e-4)


def test_rows_that_are_told_apart_exactly_have_an_end():
    weights, bias = fit_logistic([[1.0, 0], [0, 1.0]], [0, 1], 2)
    assert np.isfinite(weights).all() and weights[0, 0] > 0 > weights[0, 1]
    np.testing.assert_allclose(bias, 0, atol=1e-4)
