"""Keras's `.weights.h5` as keras-hub publishes them: one file or shards, and beside it a head's.

`model.weights.h5` holds the encoder, `task.weights.h5` what a task adds to it. Both name things the
same, so the names of the second begin with `task/`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bert_tf2.weights.containers import hdf5
from bert_tf2.weights.containers.shards import files_of
from bert_tf2.weights.report import CheckpointError

_TASK_FILE, _TASK = "task.weights.h5", "task/"


def list_variables(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every variable.

    Args:
        path: a `.weights.h5` file, or the `.weights.json` of a sharded one.

    Raises:
        CheckpointError: a file is missing or none that `hdf5.list_variables` reads, or two shards
            hold the same variable.
    """
    listed = {}
    for prefix, file in _files(path):
        here = {prefix + name: kind for name, kind in hdf5.list_variables(file).items()}
        if twice := listed.keys() & here.keys():
            raise CheckpointError(f"{path}: two shards hold {', '.join(sorted(twice))}.")
        listed |= here
    return listed


def read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named variables, as `hdf5.read`.

    Raises:
        CheckpointError: as `list_variables`.
    """
    wanted, arrays = set(names), {}
    for prefix, file in _files(path):
        here = {prefix + name: name for name in hdf5.list_variables(file)}
        chosen = {ours: name for ours, name in here.items() if ours in wanted}
        found = hdf5.read(file, chosen.values())
        arrays |= {ours: found[name] for ours, name in chosen.items()}
    return arrays


def write(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes `file`, and a head beside it, not atomically: into a folder that nobody sees yet.

    Raises:
        OSError: it cannot be written.
    """
    head = {n.removeprefix(_TASK): array for n, array in arrays.items() if n.startswith(_TASK)}
    hdf5.write(file, {n: array for n, array in arrays.items() if not n.startswith(_TASK)})
    if head:
        hdf5.write(file.with_name(_TASK_FILE), head)


def _files(path: Path) -> list[tuple[str, Path]]:
    """(prefix of the names, file) of all that belongs to `path`."""
    files = files_of(path)
    head = path.with_name(_TASK_FILE)
    # A file of another name is no preset's, and what lies beside it is not its own.
    is_preset = path.name.startswith("model.weights.") and head.is_file()
    return [("", file) for file in files] + ([(_TASK, head)] if is_preset else [])
