"""From a checkpoint of any format to one of another: everything it holds, nothing guessed.

It stands above weights/, whose files are tables of arrays, as a SavedModel is a program, too.
"""

import dataclasses
from pathlib import Path

import numpy as np

from bert_tf2 import weights


def convert(source, folder, to, dtype="float32", config_file=None):
    """Writes a checkpoint in another format: encoder, heads, config and the tokenizer's files.

    A head that the other format has no place for is left out, and the report says so.

    Args:
        source: a registry name, a folder, a TensorFlow checkpoint's prefix or a file with weights.
        folder: a new or empty folder.
        to: "google", "huggingface", "keras_hub", "bert_tf2", or "tfhub", a reusable SavedModel (see
            `serving.hub.export_text_encoder`).
        dtype: of the stored numbers, see `weights.save`.
        config_file: the JSON config, where it does not lie beside the weights.

    Returns:
        a `weights.Report`: what was read and what was left out, with why.

    Raises:
        weights.CheckpointError: the checkpoint is damaged, or holds what nothing here knows.
        ValueError, FileExistsError, OSError: as `weights.save`.

    Examples:
        >>> bert_tf2.convert("uncased_L-4_H-512_A-8", "for_torch", to="huggingface").missing
        []
    """
    path = weights.resolve(source)
    checkpoint = weights.open_checkpoint(path, config_file=config_file)
    if checkpoint.task is None:  # what its folder lost, and the registry knows
        known = weights.known_sentences(path, checkpoint.config.max_length)
        checkpoint = dataclasses.replace(checkpoint, task=known)
    contents, report = weights.contents_of(checkpoint)
    left_out = write(contents, folder, to, dtype)
    report.skipped += [(name, f"{to} has no place for it") for name in left_out]
    report.warnings += weights.lost(contents, to)
    return report


def average(sources, folder, to, dtype="float32", config_file=None):
    """Writes the mean of checkpoints of one model, such as the last ones of a run.

    Args:
        sources: two or more, as `convert` takes one. folder, to, dtype, config_file: see `convert`.

    Returns:
        our names of what the format has no place for.

    Raises:
        ValueError: fewer than two, or checkpoints of other sizes or with other heads.
        weights.CheckpointError, FileExistsError, OSError: as `convert`.
    """
    if len(sources) < 2:
        raise ValueError(f"There must be two checkpoints or more. Received: {len(sources)}")
    first, sums = None, {}
    for source in sources:
        checkpoint = weights.open_checkpoint(weights.resolve(source), config_file=config_file)
        contents, _ = weights.contents_of(checkpoint)
        if first is None:
            first, sums = contents, {n: np.zeros(x.shape) for n, x in contents.arrays.items()}
        shapes = {name: x.shape for name, x in contents.arrays.items()}
        if contents.config != first.config or shapes != {n: x.shape for n, x in sums.items()}:
            raise ValueError(
                f"{source} must be of the same model as {sources[0]}, with the same heads. Other "
                f"are: {', '.join(_differing(contents, first)) or 'fields of the config'}"
            )
        for name, array in contents.arrays.items():
            sums[name] += array
    means = {name: (x / len(sources)).astype("float32") for name, x in sums.items()}
    return write(dataclasses.replace(first, arrays=means), folder, to, dtype)


def _differing(one, other):
    """Names of the fields and arrays in which two models differ."""
    a, b = one.config.to_dict(), other.config.to_dict()
    arrays = [
        name
        for name in sorted(one.arrays.keys() | other.arrays.keys())
        if np.shape(one.arrays.get(name)) != np.shape(other.arrays.get(name))
    ]
    return [*(name for name in a if a[name] != b[name]), *arrays][:5]


def write(contents, folder, to, dtype="float32"):
    """Writes a `weights.Contents`. -> our names of what the format has no place for.

    Args and errors are those of `convert`.
    """
    folder, left_out = Path(folder), weights.without_a_place(contents, to)
    arrays = {name: array for name, array in contents.arrays.items() if name not in left_out}
    contents = dataclasses.replace(contents, arrays=arrays)
    if to != "tfhub":
        weights.save(folder, contents, to, dtype)
        return left_out
    if dtype != "float32":
        raise ValueError(f"`dtype` must be float32 for tfhub. Received: {dtype!r}")
    from bert_tf2.serving.hub import export_contents  # imports TensorFlow

    return left_out + export_contents(contents, folder)
