"""Programs that run in a peer's own environment (benchmarks/venvs.py builds it, once)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from benchmarks import venvs

TESTS = Path(__file__).parent


def run(peer, program, *arguments):
    """Runs a program of the tests in a peer's environment.

    -> the JSON that its last line of output holds.
    """
    return _run([_python_of(peer), TESTS / program], arguments, os.environ)


def run_here(peer, program, *arguments):
    """The same in our own environment, with the peer's packages where we have none."""
    (packages,) = _python_of(peer).parents[1].glob("lib/python*/site-packages")
    start = f"import sys, runpy; sys.path.append({str(packages)!r}); sys.argv.pop(0); "
    start += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", start, TESTS / program]
    return _run(command, arguments, environment())


def _python_of(peer):
    try:
        return venvs.python_of(peer)
    except RuntimeError as error:
        pytest.skip(f"the environment of {peer} cannot be built here: {error}")


def _run(command, arguments, variables):
    done = subprocess.run(
        [*command, *map(json.dumps, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=variables,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
