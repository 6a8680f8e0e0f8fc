"""From a checkpoint of any format to one of another: everything it holds, nothing guessed.

It stands above weights/, whose files are tables of arrays, as a SavedModel is a program, too.
"""

import dataclasses
from pathlib import Path

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
    """
    checkpoint = weights.open_checkpoint(weights.resolve(source), config_file=config_file)
    contents, report = weights.contents_of(checkpoint)
    left_out = write(contents, folder, to, dtype)
    report.skipped += [(name, f"{to} has no place for it") for name in left_out]
    report.warnings += weights.lost(contents, to)
    return report


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
