"""Programs that run in a peer's own environment.

`make peers` builds them once (benchmarks/venvs.py); where one is absent, its tests are skipped.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from benchmarks import venvs

HERE = Path(__file__).parent


def run(peer, program, *arguments):
    """Runs a program of this folder in a peer's environment.

    -> the JSON that its last line of output holds.
    """
    return _run([python_of(peer), HERE / program], arguments, os.environ)


def run_here(peer, program, *arguments):
    """The same in our own environment, with the peer's packages where we have none."""
    (packages,) = python_of(peer).parents[1].glob("lib/python*/site-packages")
    start = f"import sys, runpy; sys.path.append({str(packages)!r}); sys.argv.pop(0); "
    start += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", start, HERE / program]
    return _run(command, arguments, environment())


def run_in_ours(_, program, *arguments):
    """The same in our own environment, which has the packages."""
    return _run([sys.executable, HERE / program], arguments, os.environ)


def python_of(peer):
    """The interpreter of a peer's environment, or the test is skipped."""
    if not venvs.is_built(peer):
        pytest.skip(f"no environment of {peer}: `make peers` builds it")
    return venvs.python_of(peer)


def needs(peer, package):
    """Skips the test where a peer's environment is without a package."""
    if not any(python_of(peer).parents[1].glob(f"lib/python*/site-packages/{package}")):
        pytest.skip(f"no {package} in the environment of {peer}: `make peers` installs it")


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


def here(code):
    """Runs a program of our own in a fresh process. -> the JSON that its last line holds."""
    return _run([sys.executable, "-c", code], (), environment())
