"""What every test shares: where the reference assets are, and quiet TensorFlow."""

import contextlib
import ctypes
import gc
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import budget
import pytest

BEGAN = time.monotonic()
os.environ.setdefault("BERT_TF2_CACHE", str(Path(__file__).parents[1] / "checkpoints"))
ASSETS = Path(os.environ.get("BERT_TF2_ASSETS", Path(__file__).parents[2] / "shared" / "assets"))
REFERENCE = Path(__file__).parent / "reference"


def pytest_addoption(parser):
    about = "a number that chooses three of the tests marked soak, and the file that comes first"
    parser.addoption("--day", type=int, metavar="NUMBER", help=about)
    about = "tests that have not begun when so many minutes are over are skipped"
    parser.addoption("--minutes", type=float, help=about)


def pytest_collection_modifyitems(config, items):
    day = config.option.day
    if day is None:
        return
    soak = [item for item in items if item.get_closest_marker("soak")]
    apart = max(1, len(soak) // 3)  # neighbours are alike
    chosen = soak[day % apart :: apart][:3]
    config.hook.pytest_deselected(items=[item for item in soak if item not in chosen])
    others = [item for item in items if item not in soak]
    files = [*dict.fromkeys(item.path for item in others)]
    place = {file: (i - 7 * day) % len(files) for i, file in enumerate(files)}
    items[:] = chosen + sorted(others, key=lambda item: place[item.path])


def pytest_runtest_setup(item):
    minutes = item.config.option.minutes
    if minutes is not None and time.monotonic() - BEGAN > 60 * minutes:
        pytest.skip("no time is left: another day begins with other files")


def pytest_configure(config):
    gc.set_threshold(50_000, 20, 50)  # traces make objects by the million, and little garbage
    default = config.option.markexpr == "not full and not soak"
    config.pluginmanager.register(budget.Budget(default), "budget")


@pytest.fixture(scope="module", autouse=True)
def bounded_memory():
    """What a file's tests leave behind goes, once it is more than five GiB: graphs are garbage in
    circles, and looking for it takes a second."""
    yield
    status = Path("/proc/self/status")
    if status.is_file() and int(status.read_text().split("VmRSS:")[1].split()[0]) > 5 << 20:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def assets():
    """The folder of third-party references; tests that use it carry the mark `full`."""
    if not ASSETS.is_dir():
        pytest.skip(f"no reference assets at {ASSETS}: set BERT_TF2_ASSETS to their folder")
    return ASSETS


@pytest.fixture(scope="session")
def reference():
    """The references committed with the project."""
    return REFERENCE


@pytest.fixture(scope="session")
def minilm():
    """The folder of all-MiniLM-L6-v2, downloaded by the registry if it is not there."""
    from bert_tf2 import weights

    return weights.resolve("all-MiniLM-L6-v2")


def pytest_make_parametrize_id(val, argname):
    """Bytes are called by their argument: what is compressed holds the time, and every worker must
    find tests of the same names."""
    return argname if isinstance(val, bytes) else None
