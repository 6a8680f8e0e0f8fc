"""From a checkpoint of any format to one of another: everything it holds, nothing guessed."""

from pathlib import Path

from bert_tf2.weights import names
from bert_tf2.weights.checkpoint import Checkpoint, open_checkpoint
from bert_tf2.weights.loading import load, match
from bert_tf2.weights.registry import resolve
from bert_tf2.weights.report import Report
from bert_tf2.weights.saving import Contents, save


def convert(source, folder, to="huggingface", dtype="float32", config_file=None) -> Report:
    """Writes a checkpoint in another format: encoder, heads, config and the tokenizer's files.

    A head that the other format has no place for is left out, and the report says so.

    Args:
        source: a registry name, a folder, a TF1 checkpoint prefix or a file with weights.
        folder: a new or empty folder.
        to: "google", "huggingface", "keras_hub", "tfhub" or "bert_tf2" (see `saving.WRITERS`).
        dtype: of the stored numbers, see `saving.save`.
        config_file: the JSON config, where it does not lie beside the weights.

    Returns:
        what was read and what was left out, with why.

    Raises:
        weights.CheckpointError: the checkpoint is damaged, or holds what nothing here knows.
        ValueError, FileExistsError, OSError: as `saving.save`.
    """
    checkpoint = open_checkpoint(resolve(source), config_file=config_file)
    contents, report = contents_of(checkpoint, to)
    save(Path(folder), contents, to, dtype)
    return report


def contents_of(checkpoint: Checkpoint, to: str | None = None) -> tuple[Contents, Report]:
    """Reads all of a checkpoint, heads included.

    Args:
        to: the format it is read for; heads that this has no name for are not read. None: all.

    Raises:
        CheckpointError: as `loading.load`.
    """
    shapes = _shapes_in(checkpoint)
    if to is not None:
        table = names.variables(checkpoint.config, to)
        shapes = {n: s for n, s in shapes.items() if n in table or names.head_of(n) is None}
    arrays, report = load(checkpoint, shapes, optional_heads=False)
    files = {name: file.read_bytes() for name, file in checkpoint.tokenizer_files.items()}
    has_classes = any(name.endswith("classifier/bias") for name in arrays)
    contents = Contents(
        config=checkpoint.config,
        arrays=arrays,
        tokenizer_files=files,
        lowercase=checkpoint.lowercase,
        labels=checkpoint.labels if has_classes else None,
        task=checkpoint.task,
    )
    return contents, report


def _shapes_in(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Our name -> shape of a whole encoder and of the pooler and heads that the file has."""
    found = match(checkpoint).found
    heads = tuple({names.head_of(ours) for ours in found} - {None})
    labels = None
    for name in ("classifier/bias", "token_classifier/bias"):
        if name in found:
            ((labels,), _) = checkpoint.variables[found[name]]
    shapes = names.expected_shapes(checkpoint.config, heads, labels)
    has_pooler = any(ours.startswith("pooler/") for ours in found)
    return {n: s for n, s in shapes.items() if has_pooler or not n.startswith("pooler/")}
