"""What each room's tests cost: a table at the end of every run.

Costs are seconds of processor time, of the tests and of the processes that they start, since these
hardly change when a machine has other work to do. A room over its budget is marked; nothing fails.
"""

import os
from collections import Counter

import pytest

# Room -> processor seconds of its default tests (`make test`). 1000 in all: 8 minutes of two cores.
BUDGETS = {
    "(top)": 15,
    "analysis": 8,
    "batch": 5,
    "benchmarks": 5,
    "cli": 95,
    "data": 35,
    "modeling": 52,
    "planning": 10,
    "published": 15,
    "reports": 5,
    "scoring": 5,
    "search": 20,
    "serving": 95,
    "tasks": 320,
    "text": 70,
    "training": 165,
    "vocabularies": 5,
    "weights": 75,
}


class Budget:
    """A pytest plugin: measures where tests run, adds up where they are reported."""

    def __init__(self, default_only):
        self.default_only = default_only
        self.before = 0.0

    def pytest_runtest_logstart(self):
        self.before = _processor_seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self):
        report = yield
        now = _processor_seconds()
        report.cpu, self.before = now - self.before, now  # travels with the report from a worker
        return report

    def pytest_terminal_summary(self, terminalreporter):
        reports = [r for all in terminalreporter.stats.values() for r in all if hasattr(r, "cpu")]
        if not reports:
            return
        seconds, tests = Counter(), Counter()
        for report in reports:
            room = room_of(report.nodeid)
            seconds[room] += report.cpu
            tests[room] += report.when == "call"
        terminalreporter.section("processor seconds of each room")
        for line in table(seconds, tests, self.default_only):
            terminalreporter.write_line(line)


def room_of(nodeid):
    """tests/text/test_packing.py::test_pairs -> text"""
    folders = nodeid.split("::")[0].removeprefix("tests/").split("/")[:-1]
    return folders[0] if folders else "(top)"


def table(seconds, tests, with_budget):
    """Lines of room, tests, seconds and, for the default suite, budget."""
    lines = [f"{'room':12}{'tests':>8}{'seconds':>10}" + f"{'budget':>8}" * with_budget]
    for room in sorted(seconds):
        line = f"{room:12}{tests[room]:8}{seconds[room]:10.1f}"
        if with_budget:
            budget = BUDGETS.get(room, 0)
            line += f"{budget:8}" + "   over its budget" * (seconds[room] > budget)
        lines.append(line)
    total = f"{'all':12}{tests.total():8}{seconds.total():10.1f}"
    return [*lines, total + f"{sum(BUDGETS.values()):8}" * with_budget]


def _processor_seconds():
    return sum(os.times()[:4])  # ours and our finished children's, in user and system
