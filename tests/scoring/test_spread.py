"""The mean of several runs and how far they lie apart."""

import numpy as np
import pytest

from bert_tf2.scoring.spread import spread


def test_mean_and_deviation_are_numpys():
    runs = [{"f1": 0.8, "n": 3, "by_class": {}}, {"f1": 0.9, "n": 5, "x": 1.0}, {"f1": 0.7, "n": 4}]
    mean, std = spread(runs)
    assert mean.keys() == std.keys() == {"f1", "n"}
    for name in mean:
        column = [run[name] for run in runs]
        assert mean[name] == pytest.approx(np.mean(column), rel=1e-15)
        assert std[name] == pytest.approx(np.std(column, ddof=1), rel=1e-15)
    assert spread(runs[:1]) == ({"f1": 0.8, "n": 3.0}, {"f1": None, "n": None})
