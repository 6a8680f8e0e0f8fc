"""Arrays in one HDF5 file, each under its path of groups: list, read and write.

h5py, which Keras brings along, finds the arrays. Their numbers are then taken from the file itself,
where they lie as they are: nothing is unpacked, and no array is larger than the file, whatever its
header declares. Links to elsewhere and compressed arrays, which Keras does not write, are refused.
"""

import contextlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bert_tf2.files import check_regular
from bert_tf2.weights.containers import mapped
from bert_tf2.weights.report import CheckpointError

_DEEPEST = 32  # groups in groups; Keras nests about ten


class _Array(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int  # its first byte in the file


def list_variables(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every array.

    Raises:
        CheckpointError: the file is truncated, damaged or no HDF5, or holds anything but arrays of
            numbers, stored plainly, in groups.
    """
    return {name: (array.shape, array.dtype) for name, array in sorted(_arrays(path).items())}


def read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays, of their own dtype; 16-bit floats are widened to float32.

    Large ones are read-only views of the file, as those of containers/safetensors.py.

    Raises:
        CheckpointError: as `list_variables`.
    """
    arrays = _arrays(path)
    found = {name: arrays[name] for name in names}
    return {
        name: mapped.widened(mapped.view(path, array.start, array.shape, array.dtype))
        for name, array in found.items()
    }


def write(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes one file, not atomically: into a folder that nobody sees yet.

    Raises:
        OSError: it cannot be written.
    """
    import h5py

    with h5py.File(file, "w") as root:
        for name, array in arrays.items():
            root.create_dataset(name, data=array)


def _arrays(path: Path) -> dict[str, _Array]:
    """Where every array lies, by its path of groups."""
    import h5py

    size, found, seen = check_regular(path, error=CheckpointError), {}, set()

    def visit(prefix: str, group, depth: int) -> None:
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or depth > _DEEPEST:
            raise CheckpointError(f"{path}: the group {prefix} lies in itself or far too deep.")
        seen.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise CheckpointError(f"{path}: {prefix}{name} is a link to elsewhere.")
            item = group[name]
            if isinstance(item, h5py.Group):
                visit(f"{prefix}{name}/", item, depth + 1)
            else:
                found[prefix + name] = _place(path, f"{prefix}{name}", item, size)

    # Without a lock, which some network file systems refuse.
    with _damage_named(path), h5py.File(path, "r", locking=False) as root:
        visit("", root, 0)
    return found


def _place(path: Path, name: str, item, size: int) -> _Array:
    """The array in an HDF5 dataset, if it is one of numbers and lies in the file as it is."""
    import h5py
    import ml_dtypes

    if not isinstance(item, h5py.Dataset) or item.shape is None:
        raise CheckpointError(f"{path}: {name} is no array.")
    # HDF5 has no bfloat16: Keras stores two bytes without meaning, and says in an attribute what.
    is_bfloat16 = item.dtype == np.dtype("V2") and item.attrs.get("dtype") == "bfloat16"
    dtype = np.dtype(ml_dtypes.bfloat16) if is_bfloat16 else item.dtype
    plain = item.id.get_type() == h5py.h5t.py_create(item.dtype)
    if not plain or (dtype.kind not in "biuf" and not is_bfloat16):
        raise CheckpointError(f"{path}: {name} is no array of numbers, but of {item.dtype}.")
    if item.chunks or item.external or item.is_virtual:
        raise CheckpointError(
            f"{path}: {name} is stored in pieces, compressed or in another file. Save it as Keras "
            "does: `save_weights` or `save_to_preset` of the model."
        )
    start, needed = item.id.get_offset(), math.prod(item.shape) * dtype.itemsize
    if needed and (start is None or start + needed > size):
        raise CheckpointError(
            f"{path} ({size} bytes): {name} declares {needed} bytes, which are not there. The file "
            "is truncated or damaged; get it again."
        )
    return _Array(tuple(item.shape), dtype, start or 0)


@contextlib.contextmanager
def _damage_named(path: Path):
    """Turns the many errors of a damaged file into one that names it."""
    try:
        yield
    except CheckpointError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as HDF5. It is truncated, "
            f"damaged, or only a Git LFS pointer; get it again. h5py says: {error}"
        ) from error
