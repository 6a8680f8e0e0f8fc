"""`pytorch_model.bin`, one file or shards with an index: list and read, by PyTorch alone.

Such files are pickles, which can run code. `torch.load(weights_only=True)` is PyTorch's reader that
builds tensors and nothing else; where torch is not installed, the file stays closed.
"""

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bert_tf2.weights.containers.shards import files_of
from bert_tf2.weights.report import CheckpointError

_SAFE = (2, 6)  # PyTorch from which on `weights_only` runs nothing


def list_variables(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every tensor.

    Args:
        path: a `.bin` file, or the `.bin.index.json` of a sharded one.

    Raises:
        CheckpointError: torch is not installed, a file is damaged or missing, or it holds anything
            but tensors.
    """
    return {
        name: (tuple(tensor.shape), _dtype(path, name, tensor))
        for name, tensor in sorted(_tensors(path, _stamp(path)).items())
    }


def read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named tensors as arrays of their own dtype; bfloat16 is widened to float32.

    Raises:
        CheckpointError: as `list_variables`.
    """
    tensors = _tensors(path, _stamp(path))
    return {name: _array(tensors[name]) for name in names}


def _array(tensor) -> np.ndarray:
    # NumPy has no bfloat16, and the caller widens 16-bit floats anyhow.
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _dtype(path: Path, name: str, tensor) -> np.dtype:
    import ml_dtypes  # noqa: F401 (teaches NumPy the word bfloat16)

    word = str(tensor.dtype).removeprefix("torch.")
    try:
        return np.dtype(word)
    except TypeError as error:
        raise CheckpointError(f"{path}: {name} is stored as {word}, which NumPy lacks.") from error


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=1)  # to list is to open, and to read comes next; tensors are mapped
def _tensors(path: Path, stamp: tuple[int, int]) -> dict:
    """Every tensor of the file, or of its shards."""
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            f"{path} is a pickle, which can run code: only torch opens it safely, and torch is not "
            "installed. `pip install torch`, or convert the file to safetensors where torch is, "
            "with `save_pretrained(..., safe_serialization=True)` of transformers."
        ) from error
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE:
        raise CheckpointError(
            f"{path} is a pickle, and before PyTorch 2.6 even `weights_only` could be made to run "
            f"code (CVE-2025-32434). Received: {torch.__version__}. `pip install -U torch`"
        )
    tensors = {}
    for file in files_of(path):
        tensors |= _load(torch, file)
    strangers = [str(name) for name, value in tensors.items() if not torch.is_tensor(value)]
    if strangers:
        raise CheckpointError(f"{path} must hold tensors alone. Received also: {strangers[:8]}")
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _load(torch, file: Path) -> dict:
    for mapped in (True, False):  # files from before PyTorch 1.6 are no zip, and cannot be mapped
        try:
            found = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
            break
        except Exception as error:  # torch, pickle and zipfile raise what they like
            if not mapped or "mmap" not in str(error):
                raise CheckpointError(
                    f"{file} cannot be read as PyTorch weights. It is damaged, only a Git LFS "
                    "pointer, or holds more than tensors, which is never loaded. torch says: "
                    f"{str(error)[:300]}"
                ) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} must hold a dict. Received: {type(found).__name__}")
    return found
