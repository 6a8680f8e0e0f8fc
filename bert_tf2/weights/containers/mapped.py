"""A piece of a file as an array, for the containers whose numbers lie there as they are."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

_MAPPED = 1 << 20  # bytes from which on a tensor is worth a mapping, which holds a file handle


def view(file: Path, start: int, shape: Iterable[int], dtype: np.dtype) -> np.ndarray:
    """The tensor at byte `start`, mapped for itself, so that its pages leave memory with it."""
    shape = tuple(shape)
    count = math.prod(shape)
    if count * dtype.itemsize < _MAPPED:
        return np.fromfile(file, dtype, count, offset=start).reshape(shape)
    return np.asarray(np.memmap(file, dtype, "r", start, shape))


def widened(array: np.ndarray) -> np.ndarray:
    """16-bit floats as float32, anything else as it is."""
    return array.astype(np.float32) if array.dtype.name in ("float16", "bfloat16") else array
