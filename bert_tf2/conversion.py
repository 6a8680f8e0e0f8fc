"""From a checkpoint of any format to one of another: everything it holds, nothing guessed.

It stands above weights/, whose files are tables of arrays, as a SavedModel is a program, too.
"""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from bert_tf2 import weights

LOGGER = logging.getLogger("bert_tf2")
_IN_GENERATOR = f"{weights.GENERATOR}/"


def convert(source, folder, to, dtype="float32", config_file=None, ignore=()):
    """Writes a checkpoint in another format: encoder, heads, config and the tokenizer's files.

    A preset's adapters stay in a preset; in another format the active one is merged.

    A head that the other format has no place for is left out, and the report says so.

    Args:
        source: a registry name, a folder, a TensorFlow checkpoint's prefix or a file with weights.
        folder: a new or empty folder.
        to: "google", "huggingface", "keras_hub", "bert_tf2", or "tfhub", a reusable SavedModel (see
            `serving.hub.export_text_encoder`).
        dtype: of the stored numbers, see `weights.save`.
        config_file: the JSON config, where it does not lie beside the weights.
        ignore: patterns of names in the file to leave out, such as "task_specific/chunk".

    Returns:
        a `weights.Report`: what was read and what was left out, with why.

    Raises:
        weights.CheckpointError: the checkpoint is damaged, or holds what nothing here knows.
        ValueError: its task's active adapter is a bottleneck, which other formats than ours cannot
            hold; and as `weights.save`.
        FileExistsError, OSError: as `weights.save`.

    Examples:
        >>> bert_tf2.convert("uncased_L-4_H-512_A-8", "for_torch", to="huggingface").missing
        []
    """
    path = weights.resolve(source)
    checkpoint = weights.open_checkpoint(path, config_file=config_file, ignore=ignore)
    if checkpoint.task is None:  # what its folder lost, and the registry knows
        known = weights.known_sentences(path, checkpoint.config.max_length)
        checkpoint = dataclasses.replace(checkpoint, task=known)
    contents, report = contents_of(checkpoint, to)
    left_out = write(contents, folder, to, dtype)
    report.skipped += [(name, f"{to} has no place for it") for name in left_out]
    report.warnings += lost(contents, folder, to)
    return report


def contents_of(checkpoint, to):
    """All that a checkpoint holds: as `weights.contents_of`, and with the adapters of its task.

    Args:
        checkpoint: a `weights.Checkpoint`. to: the format that it is meant for: "bert_tf2" holds
            all adapters, others have the active one merged.

    Raises:
        ValueError: that is a bottleneck, or nothing is known of the task that has them.
    """
    said = checkpoint.task or {}
    if not said.get("adapters"):
        return weights.contents_of(checkpoint)
    import bert_tf2  # whose tasks the preset names

    if said.get("class") not in bert_tf2.__all__:
        raise ValueError(
            f"{checkpoint.path.parent} has adapters of a {said.get('class')}, which is no task "
            "here: open it as its own class and merge them (`merge_and_unload`)"
        )
    task = getattr(bert_tf2, said["class"]).from_preset(checkpoint.path.parent)
    return task.contents_for(to), task.load_report


def merged_contents_of(checkpoint):
    """As `contents_of`, with the active adapter merged and no others, whatever is to be written."""
    contents, report = contents_of(checkpoint, None)
    if contents.adapters:
        report.warnings += weights.lost_adapters(contents)
        alone = contents.task | {"adapters": None}
        contents = dataclasses.replace(contents, adapters={}, task=alone)
    return contents, report


def lost(contents, folder, to):
    """What a folder that `write` has written does not say of a `weights.Contents`: sentences."""
    said, name = weights.lost(contents, to), (contents.task or {}).get("class")
    if to == "bert_tf2" or not name:
        return said
    import bert_tf2  # whose tasks import TensorFlow
    from bert_tf2.tasks import kept_settings

    cls = getattr(bert_tf2, name, None)  # a task; or an Encoder, or of somebody's own
    return said + (kept_settings.lost(cls, folder, contents) if hasattr(cls, "settings") else [])


def average(sources, folder, to, dtype="float32", config_file=None):
    """Writes the mean of checkpoints of one model, such as the last ones of a run.

    Args:
        sources: two or more, as `convert` takes one. folder, to, dtype, config_file: see `convert`.

    Returns:
        our names of what the format has no place for.

    Raises:
        ValueError: fewer than two, or checkpoints of other sizes, with other heads, classes,
            settings or vocabularies; or with adapters.
        weights.CheckpointError, FileExistsError, OSError: as `convert`.
    """
    if len(sources) < 2:
        raise ValueError(f"There must be two checkpoints or more. Received: {len(sources)}")
    first, sums = None, {}
    for source in sources:
        checkpoint = weights.open_checkpoint(weights.resolve(source), config_file=config_file)
        if made := ((checkpoint.task or {}).get("adapters") or {}).get("made"):
            raise ValueError(
                f"{source} has adapters ({', '.join(made)}), of which there is no mean: merge them "
                "into the weights before (`merge_and_unload`)"
            )
        contents, report = weights.contents_of(checkpoint)
        for sentence in report.warnings:
            LOGGER.warning("%s: %s", source, sentence)
        if first is None:
            first, sums = contents, {n: np.zeros(x.shape) for n, x in _arrays(contents).items()}
        if other := [*_differing(contents, first), *_meaning_differs(contents, first)][:5]:
            raise ValueError(
                f"{source} must be of the same model as {sources[0]}, with the same heads, classes "
                f"and vocabulary. Other are: {', '.join(other)}"
            )
        for name, array in _arrays(contents).items():
            sums[name] += array
    means = {name: (x / len(sources)).astype("float32") for name, x in sums.items()}
    own = {name: means[name] for name in first.arrays}
    if (generator := first.generator) is not None:
        theirs = {name: means[_IN_GENERATOR + name] for name in generator.arrays}
        generator = dataclasses.replace(generator, arrays=theirs)
    return write(dataclasses.replace(first, arrays=own, generator=generator), folder, to, dtype)


def _arrays(contents):
    """Our name -> array, of the generator of an ELECTRA as well."""
    other = contents.generator.arrays if contents.generator else {}
    return {**contents.arrays, **{_IN_GENERATOR + name: x for name, x in other.items()}}


def _differing(one, other):
    """Names of the fields and arrays in which two models differ."""
    a, b = one.config.to_dict(), other.config.to_dict()
    here, there = _arrays(one), _arrays(other)
    arrays = [
        name
        for name in sorted(here.keys() | there.keys())
        if name not in here or name not in there or here[name].shape != there[name].shape
    ]
    return [*(name for name in a if a[name] != b[name]), *arrays]


def _meaning_differs(one, other):
    """What two models of the same sizes say otherwise of themselves, where both say it."""
    tasks = [contents.task or {} for contents in (one, other)]
    said = [
        {"labels": c.labels, "problem_type": c.problem_type, "task": task.get("class")}
        for c, task in zip((one, other), tasks, strict=True)
    ]
    pairs = [said, [task.get("settings") or {} for task in tasks]]
    pairs += [[c.tokenizer.with_case().settings for c in (one, other)]]
    pairs += [[c.tokenizer.files for c in (one, other)]]
    return [
        name
        for a, b in pairs
        for name in a.keys() & b.keys()
        if None not in (a[name], b[name]) and a[name] != b[name]
    ]


def write(contents, folder, to, dtype="float32"):
    """Writes a `weights.Contents`. -> our names of what the format has no place for.

    Args and errors are those of `convert`.
    """
    folder, left_out = Path(folder), weights.without_a_place(contents, to)
    arrays = {name: array for name, array in contents.arrays.items() if name not in left_out}
    contents = dataclasses.replace(contents, arrays=arrays)
    if contents.generator is not None and not _has_place(contents.generator, to):
        contents = dataclasses.replace(contents, generator=None)
        left_out.append(weights.GENERATOR)
    if to != "tfhub":
        weights.save(folder, contents, to, dtype)
        return left_out
    if dtype != "float32":
        raise ValueError(f"`dtype` must be float32 for tfhub. Received: {dtype!r}")
    from bert_tf2.serving.hub import export_contents  # imports TensorFlow

    return left_out + export_contents(contents, folder)


def _has_place(generator, to):
    """Whether a format holds a generator beside its discriminator."""
    if to == "tfhub":
        return False
    try:
        weights.check_writable(generator, to)
    except ValueError:
        return False
    return True
