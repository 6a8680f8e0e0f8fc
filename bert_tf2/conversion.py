"""From a checkpoint of any format to one of another: everything it holds, nothing guessed.

It stands above weights/, whose files are tables of arrays, as a SavedModel is a program, too.
"""

from pathlib import Path

from bert_tf2 import weights


def convert(source, folder, to, dtype="float32", config_file=None):
    """Writes a checkpoint in another format: encoder, heads, config and the tokenizer's files.

    Args:
        source: a registry name, a folder, a TensorFlow checkpoint's prefix or a file with weights.
        folder: a new or empty folder.
        to: a format of `weights.save`, or "tfhub", a reusable SavedModel (see
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
    if left_out:
        report.warnings.append(f"{to} has no place for {', '.join(left_out)}: not written")
    return report


def write(contents, folder, to, dtype="float32"):
    """Writes a `weights.Contents`. -> our names of what the format has no place for.

    Args and errors are those of `convert`.
    """
    folder = Path(folder)
    if to != "tfhub":
        weights.save(folder, contents, to, dtype)
        return []
    if dtype != "float32":
        raise ValueError(f"`dtype` must be float32 for tfhub. Received: {dtype!r}")
    from bert_tf2.serving.hub import export_contents  # imports TensorFlow

    return export_contents(contents, folder)
