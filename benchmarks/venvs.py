"""One virtual environment a peer, from its pinned requirements, built once.

`python -m benchmarks.venvs transformers model_garden` builds those that are named.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TIME_LIMIT = 1200  # seconds an installation may take


def python_of(peer):
    """The interpreter that runs a peer's worker: ours is this one.

    `BENCH_VENV_<peer>` names an environment to use instead of building one.

    Raises:
        RuntimeError: it cannot be installed; the message is the last line of what failed.
    """
    if peer in ("ours", "runtimes", "limit"):
        return Path(sys.executable)
    if given := os.environ.get(f"BENCH_VENV_{peer}"):
        return Path(given, "bin", "python")
    folder, pins = _places(peer)
    if not is_built(peer):
        _build(folder, pins)
        (folder / _BUILT).write_text(pins.read_text())
    return folder / "bin" / "python"


def is_built(peer):
    """Whether `python_of` has nothing to install."""
    folder, pins = _places(peer)
    built = folder / _BUILT
    given = f"BENCH_VENV_{peer}" in os.environ
    return given or (built.is_file() and _lines(pins) <= _lines(built))


_BUILT = "installed.txt"  # the pins that an environment was built from


def _lines(file):
    return {*file.read_text().splitlines()}


def _places(peer):
    return HERE / ".venvs" / peer, HERE / "peers" / f"{peer}.txt"


def _build(folder, pins):
    print(f"Installing {pins.stem} into {folder} (once, a few minutes) …", flush=True)
    if not (folder / _BUILT).is_file():  # one of other pins is brought to these
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", folder)
    _run(folder / "bin" / "pip", "install", "--disable-pip-version-check", "-r", pins)


def _run(*command):
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name} was not done after {TIME_LIMIT} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{name} failed and said nothing"]
        raise RuntimeError(lines[-1])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(python_of(name))
