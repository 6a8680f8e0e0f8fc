"""What every worker does: reads questions from stdin, a JSON object a line, answers on stdout.

    {"do": "prepare", "kind": "step", "threads": 1, …}  ->  {"ok": true, "versions": {…}, …}
    {"do": "round"}                                     ->  {"ok": true, "wall": 1.9, "cpu": 1.9, …}

A worker offers kinds of work: functions of the question that build and warm up, and return
`Prepared`. Between questions it is blocked on stdin and costs nothing. What libraries print goes to
stderr, which the runner keeps in a log.
"""

import importlib.metadata
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple


class Prepared(NamedTuple):
    """What a kind of work returns once it is built and warm.

    Attributes:
        round: does the work once; may return a dict that adds to, or replaces, what is measured.
        check: float array to be compared with the other peers', or None.
        notes: more to tell the runner, e.g. where the time of a start went.
    """

    round: Callable[[], dict | None] | None = None
    check: object = None
    notes: dict | None = None


def cpu_seconds():
    """User and system time of this process and all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_gib():
    """The most memory this process has held, in GiB (`VmHWM`)."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**20


class Clock:
    """Wall and CPU time since `start`."""

    def __init__(self):
        self.start()

    def start(self):
        self.wall, self.cpu = time.perf_counter(), cpu_seconds()

    def read(self):
        """-> dict of `wall` and `cpu`, in seconds."""
        return {"wall": time.perf_counter() - self.wall, "cpu": cpu_seconds() - self.cpu}


def pin(threads):
    """Keeps all threads of this process on the first `threads` processors it may use."""
    chosen = sorted(os.sched_getaffinity(0))[:threads]
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), chosen)
        except ProcessLookupError:  # it ended meanwhile
            continue


def phases(names, times):
    """Names of stretches and the times between them -> dict of seconds, rounded."""
    return {
        f"{name} s": round(end - start, 2)
        for name, start, end in zip(names, times[:-1], times[1:], strict=True)
    }


def versions(*packages):
    """dict of installed versions by package name."""
    return {name: importlib.metadata.version(name) for name in packages}


def serve(kinds, packages):
    """Answers questions until stdin ends.

    Args:
        kinds: dict of a kind of work to its function (question) -> `Prepared`.
        packages: names whose versions the results show.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries that print do not disturb the conversation
    prepared = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if question["do"] == "prepare":
                prepared, answer = _prepare(kinds, question)
                answer["versions"] = versions(*packages)
            else:
                answer = _round(prepared)
            answer = {"ok": True, **answer}
        except Exception as error:
            traceback.print_exc()
            first = (str(error).strip() or "no message").splitlines()[0][:200]
            answer = {"ok": False, "error": f"{type(error).__name__}: {first}"}
        print(json.dumps(answer), file=answers, flush=True)


def _prepare(kinds, question):
    if question["kind"] not in kinds:
        raise ValueError(f"{question['kind']} is not one of {list(kinds)}")
    if question.get("pin_first"):
        pin(question["threads"])
    prepared = kinds[question["kind"]](question)
    answer = {"notes": prepared.notes or {}}
    if prepared.check is not None:
        import numpy as np

        np.save(question["check_file"], np.asarray(prepared.check, "float32"))
        answer["check"] = question["check_file"]
    if question["kind"] == "startup":  # the whole life of the process is what is measured
        answer["whole"] = {"cpu": cpu_seconds(), "peak": peak_gib()}
    pin(question["threads"])
    return prepared, answer


def _round(prepared):
    clock = Clock()
    own = prepared.round() or {}
    return clock.read() | own | {"peak": peak_gib()}
