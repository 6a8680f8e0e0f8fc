"""All that a checkpoint of any format holds, ready to be written in another."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.weights import names
from bert_tf2.weights.adapter_files import Stored
from bert_tf2.weights.checkpoint import Checkpoint, open_checkpoint
from bert_tf2.weights.loading import load, match
from bert_tf2.weights.report import Report
from bert_tf2.weights.tokenizer_source import TokenizerSource

GENERATOR = "generator"  # the folder of ELECTRA's, beside the files of its discriminator


@dataclasses.dataclass(frozen=True)
class Contents:
    """What there is to write, in whatever format.

    Attributes:
        config: the encoder's.
        arrays: our name -> array: a whole encoder and any heads; the pooler may be left out, as
            some models have none.
        tokenizer: its files, in memory, and its settings.
        labels: a classifier's class names.
        task: what a preset of ours keeps of a task besides: class name and settings.
        problem_type: what a classifier answers, as in `Checkpoint`.
        generator: of ELECTRA's pretraining, the contents of the generator, whose embeddings are the
            same; Google's format has both in one file, the others a folder of this name.
        slots: of an optimizer, "adam_m" and "adam_v" -> arrays as `arrays`, for Google's format.
        steps: that it has taken.
        adapters: name -> `adapter_files.Stored`, which only presets of ours hold.
    """

    config: EncoderConfig
    arrays: Mapping[str, np.ndarray]
    tokenizer: TokenizerSource = dataclasses.field(default_factory=TokenizerSource)
    labels: tuple[str, ...] | None = None
    task: Mapping | None = None
    problem_type: str | None = None
    generator: "Contents | None" = None
    slots: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    steps: int = 0
    adapters: Mapping[str, Stored] = dataclasses.field(default_factory=dict)


def contents_of(checkpoint: Checkpoint) -> tuple[Contents, Report]:
    """Reads all of a checkpoint, heads included.

    Raises:
        CheckpointError: as `loading.load`.
    """
    arrays, report = load(checkpoint, _shapes_in(checkpoint), optional_heads=False)
    tokenizer = checkpoint.tokenizer.in_memory()
    if tokenizer.refused:
        report.warnings.append(f"the tokenizer was left out. {tokenizer.refused}")
        tokenizer = TokenizerSource()
    task = dict(checkpoint.task) if checkpoint.task else None
    if made := task and task.pop("adapters", None):
        report.warnings.append(
            f"its adapters {', '.join(made['made'])} were left out: open it as the task that it is"
        )
    has_classes = any(name.endswith("classifier/bias") for name in arrays)
    if has_classes and checkpoint.labels_refused:
        report.warnings.append(f"the class names were left out. {checkpoint.labels_refused}")
    contents = Contents(
        config=checkpoint.config,
        arrays=arrays,
        tokenizer=tokenizer,
        labels=checkpoint.labels if has_classes else None,
        problem_type=checkpoint.problem_type if has_classes else None,
        task=task,
        generator=_generator(checkpoint, arrays, report),
    )
    return contents, report


def _generator(checkpoint: Checkpoint, arrays, report: Report) -> Contents | None:
    """What lies in the folder of ELECTRA's generator, if there is one."""
    folder = checkpoint.path.parent / GENERATOR
    if not folder.is_dir() or not any(names.head_of(name) == "rtd" for name in arrays):
        return None
    contents, told = contents_of(open_checkpoint(folder))
    report.warnings += [f"{GENERATOR}: {sentence}" for sentence in told.warnings]
    return contents


def _shapes_in(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Our name -> shape of a whole encoder and of the pooler and heads that the file has."""
    found, table = match(checkpoint).found, checkpoint.table
    heads = tuple({names.head_of(ours) for ours in found} - {None})
    shapes = names.expected_shapes(checkpoint.config, heads)
    for name in [name for name, shape in shapes.items() if None in shape]:  # any, as in the file
        shape = checkpoint.variables[found[name]][0] if name in found else ()
        shapes[name] = shape[::-1] if table[name].transposed else shape
    has_pooler = any(ours.startswith("pooler/") for ours in found)
    absent = [n for n in shapes if n not in found and n.startswith("vector/")]
    absent += [] if has_pooler else [n for n in shapes if n.startswith("pooler/")]
    return {n: s for n, s in shapes.items() if n not in absent}
