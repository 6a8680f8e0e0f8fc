"""Which cases of a test run by default."""

import pytest


def by_default(every, these):
    """Parameters of `pytest.mark.parametrize`: `these` run by default, the others are `full`."""
    assert set(these) <= {*every}
    return [case if case in these else _full(case) for case in every]


def _full(case):
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.full)
