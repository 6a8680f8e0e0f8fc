"""What several runs scored, together."""

import numbers
import statistics


def spread(runs):
    """Mean and standard deviation of figures.

    Args:
        runs: list of dicts of figures by name, one a run. What is no number, or not in all, is
            left out.

    Returns:
        two dicts of floats by name: the mean, and the standard deviation that the runs let expect
        of others (with n - 1); None for fewer than two.
    """
    columns = {name: [run.get(name) for run in runs] for name in runs[0]}
    columns = {n: c for n, c in columns.items() if all(isinstance(v, numbers.Real) for v in c)}
    mean = {name: float(statistics.fmean(column)) for name, column in columns.items()}
    several = len(runs) > 1
    return mean, {n: float(statistics.stdev(c)) if several else None for n, c in columns.items()}
