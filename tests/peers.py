"""Programs that run in a peer's own environment (benchmarks/venvs.py builds it, once)."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import venvs


def run(peer, program, *arguments):
    """Runs a program of the tests; -> the JSON that its last line of output holds."""
    try:
        python = venvs.python_of(peer)
    except RuntimeError as error:
        pytest.skip(f"the environment of {peer} cannot be built here: {error}")
    done = subprocess.run(
        [python, Path(__file__).parent / program, *map(json.dumps, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
