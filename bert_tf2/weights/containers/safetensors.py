"""Arrays in safetensors form, one file or shards with an index: list, read and write.

https://huggingface.co/docs/safetensors. Files are memory-mapped, and pickles are never opened.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bert_tf2.weights.containers import mapped
from bert_tf2.weights.containers.shards import files_of
from bert_tf2.weights.report import CheckpointError

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def list_variables(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every tensor, from the headers.

    Args:
        path: a `.safetensors` file, or the `.safetensors.index.json` of a sharded one.

    Raises:
        CheckpointError: a file is missing, truncated or no safetensors, or a dtype is not known.
    """
    listed = {}
    for file in files_of(path):
        with _open(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118 (a handle, no dict)
                header = tensors.get_slice(name)
                listed[name] = (tuple(header.get_shape()), _dtype(file, name, header.get_dtype()))
    return dict(sorted(listed.items()))


def read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named tensors as arrays of their own dtype; 16-bit floats are widened to float32.

    Large ones are read-only views of the file, which is mapped and not copied. They show what the
    file holds when they are looked at: copy what is to outlive it.

    Raises:
        CheckpointError: as `list_variables`.
    """
    wanted, arrays = set(names), {}
    for file in files_of(path):
        with _open(file) as tensors:  # which checks that header and file agree
            here = wanted.intersection(tensors.keys())
        start, header = _header(file)
        for name in here:
            entry = header[name]
            dtype, place = _dtype(file, name, entry["dtype"]), start + entry["data_offsets"][0]
            arrays[name] = mapped.widened(mapped.view(file, place, entry["shape"], dtype))
    return arrays


def said(file: Path) -> dict[str, str]:
    """The words that stand beside the tensors of one file.

    Raises:
        CheckpointError: as `list_variables`.
    """
    with _open(file) as tensors:
        return dict(tensors.metadata() or {})


def write(
    file: Path, arrays: Mapping[str, np.ndarray], words: Mapping[str, str] | None = None
) -> None:
    """Writes one file, not atomically: into a folder that nobody sees yet.

    Args:
        words: what is to stand beside the tensors.

    Raises:
        OSError: it cannot be written.
    """
    import safetensors
    from safetensors.numpy import save_file

    try:
        # transformers refuses a file that does not say whose tensors they are.
        save_file(dict(arrays), file, metadata={"format": "pt"} | dict(words or {}))
    except safetensors.SafetensorError as error:
        raise OSError(f"{file} cannot be written. safetensors says: {error}") from error


def _header(file: Path) -> tuple[int, dict[str, dict]]:
    """Where the data begins, and each tensor's dtype, shape and place from there on."""
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return 8 + length, json.loads(stream.read(length))


@contextlib.contextmanager
def _open(file: Path):
    import ml_dtypes  # noqa: F401 (teaches NumPy the word bfloat16)
    import safetensors

    try:
        with safetensors.safe_open(file, framework="numpy") as tensors:
            yield tensors
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{file} ({file.stat().st_size} bytes) cannot be read as safetensors. It is truncated, "
            f"damaged, or only a Git LFS pointer; get it again. safetensors says: {error}"
        ) from error


def _dtype(file: Path, name: str, word: str) -> np.dtype:
    if word not in _DTYPES:
        raise CheckpointError(
            f"{file}: {name} is stored as {word}; known are {', '.join(_DTYPES)}."
        )
    return np.dtype(_DTYPES[word])
