"""Writing checkpoints: the name tables run from our names to theirs."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.weights import names, tf1
from bert_tf2.weights.report import fold


def to_format(
    arrays: Mapping[str, np.ndarray], config: EncoderConfig, format: str
) -> dict[str, np.ndarray]:
    """Our name -> array becomes their name -> float32 array, laid out as `format` stores it.

    Args:
        arrays: a whole encoder and any heads; the pooler may be left out, as some models have none.
        format: "google" or "huggingface".

    Raises:
        ValueError: a name has no place in the format, an encoder variable is missing, or a shape
            is not the config's.
    """
    table = names.variables(config, format)
    unknown = [name for name in arrays if name not in table]
    needed = [name for name in names.expected_shapes(config) if not name.startswith("pooler/")]
    missing = [name for name in needed if name not in arrays]
    if unknown or missing:
        raise ValueError(
            f"The arrays are not those of a {config.family} in {format} format. "
            f"Missing: {fold(missing)}. Without a place: {fold(unknown)}."
        )
    for name, array in arrays.items():
        shape = table[name].shape
        if len(shape) != np.ndim(array) or any(
            want not in (None, got) for want, got in zip(shape, np.shape(array), strict=True)
        ):
            raise ValueError(
                f"{name}: the config says {shape} (None: any). Received: {np.shape(array)}"
            )
    stored = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    return {
        table[name].theirs: np.ascontiguousarray(a.T if table[name].transposed else a)
        for name, a in stored.items()
    }


def save_google(
    folder: str | Path,
    config: EncoderConfig,
    arrays: Mapping[str, np.ndarray],
    vocabulary_lines: Iterable[str] | None = None,
    prefix: str = "bert_model.ckpt",
) -> Path:
    """Writes a folder as Google publishes them: config, checkpoint and `vocab.txt`.

    The folder appears once everything in it is complete. -> the checkpoint's prefix in it.

    Args:
        folder: a new or empty folder.
        arrays: our name -> array, as `to_format` takes them.
        vocabulary_lines: the entries of the vocabulary; None writes no `vocab.txt`.

    Raises:
        FileExistsError: `folder` exists and is not empty.
        ValueError: as `to_format`; or the vocabulary has more entries than the token table rows.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty. Name a new folder, or remove it.")
    words = config.to_google()
    lines = None if vocabulary_lines is None else list(vocabulary_lines)
    if lines is not None and len(lines) > config.vocab_size:
        raise ValueError(
            f"The vocabulary must have at most {config.vocab_size} entries, the config's "
            f"vocab_size. Received: {len(lines)}"
        )
    theirs = to_format(arrays, config, "google")
    with _complete_or_absent(folder) as partial:
        text = json.dumps(words, indent=2, sort_keys=True) + "\n"
        (partial / f"{config.family}_config.json").write_text(text, encoding="utf-8")
        if lines is not None:  # as bytes, so that no platform's line ends get in
            (partial / "vocab.txt").write_bytes("".join(f"{x}\n" for x in lines).encode("utf-8"))
        tf1.write(partial / prefix, theirs)
    return folder / prefix


@contextlib.contextmanager
def _complete_or_absent(folder: Path):
    """Yields a folder to fill, which takes its name once it is full, and vanishes on an error."""
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rmdir()  # only an empty one goes
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
