"""An adapter of a task and its small files: a folder that peft knows, too."""

import json
import logging
from pathlib import Path

import keras

from bert_tf2.messages import checked_bool, shorten
from bert_tf2.modeling.adapters import array_of
from bert_tf2.weights import adapter_files
from bert_tf2.weights.report import CheckpointError, fold

LOGGER = logging.getLogger("bert_tf2")
# Settings that are found on data after training, and how each is set: a task has one for all.
TUNED = {"thresholds": "set_thresholds", "null_score_diff_threshold": "set_asking"}
MEANING = ("problem_type", "objective", "pooling")  # settings: what a head answers, of what


def save_adapter(task, folder, name=None, format=None, base_name=None):
    """Writes an adapter and its head alone, as peft does: two files, of megabytes.

    Args:
        folder: a new or empty folder, for `load_adapter`, and for peft's
            `PeftModel.from_pretrained`.
        name: of the adapter; default the active one.
        format: "peft", which raises where peft has no words for it (a bottleneck, biases alone, a
            head that is no module of transformers'); "bert_tf2", ours; default: peft's if it can
            be.
        base_name: what the files call the model that it is for.

    Returns:
        the folder.

    Raises:
        ValueError: no such adapter, or see `format`.
        FileExistsError, OSError: the folder is not empty, or cannot be written.
    """
    stored = stored_adapter(task, task.known_adapter(name).name, base_name)
    adapter_files.write(Path(folder), stored, task.encoder.config, task.head_kind, format)
    return Path(folder)


def load_adapter(task, folder, name="default", any_base=False):
    """Opens an adapter that `save_adapter` or peft wrote, and makes it the active one.

    Args:
        folder: with both files.
        name: to be called by here.
        any_base: take an adapter of ours that was trained on other weights of the same sizes, which
            is refused otherwise. peft's files do not say what they were trained on.

    Returns:
        the task. Where it raises, the adapter that was active still is.

    Raises:
        weights.CheckpointError: files are missing or damaged, or hold what nothing here computes;
            the adapter is for another model, or its head for another task or other labels.
        ValueError: a name that is taken.
    """
    return _load(task, Path(folder), name, checked_bool("any_base", any_base))


def _load(task, folder, name, any_base, any_labels=False):
    """As `load_adapter`. any_labels: whoever calls has looked at these already."""
    config = task.encoder.config
    stored = adapter_files.read(folder, config, task.head_kind)
    here = _fingerprint(task)
    if stored.base and here and stored.base != here and not any_base:
        raise CheckpointError(
            f"{folder} was made for another model: {stored.base}. Received: one of {here}. Open "
            "the model that it was trained on; `any_base=True` takes it all the same."
        )
    _check_head(task, stored, folder)
    _check_meaning(task, stored, folder, () if any_labels else ("labels",))
    before = task.active_adapter
    try:
        task.add_adapter(stored.kind, name, **stored.settings)
    except TypeError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    try:
        _fill(task, stored, folder, name)
    except BaseException:
        task.delete_adapter(name)
        task.set_adapter(before)
        raise
    # A preset says what its task has, which is what was given here, or the same.
    theirs, ours = stored.meaning or {}, {} if any_labels else _tuned(task)
    for setting in [n for n in ours if theirs.get(n) is not None and theirs[n] != ours[n]]:
        LOGGER.warning(
            "%s was used with %s=%s, and this task has %s: `%s` sets it",
            *(folder, setting, shorten(theirs[setting]), shorten(ours[setting]), TUNED[setting]),
        )
    return task


def stored_adapters(task):
    """All adapters of a task as their files hold them: dict of names to `Stored`."""
    return {name: stored_adapter(task, name) for name in task.adapters}


def stored_adapter(task, name, base_name=None):
    """One adapter as its files hold it: a `weights.adapter_files.Stored`."""
    adapter, live = task.adapters[name], task.head_variables()
    heads = {n: live[n] if name == task.active_adapter else v for n, v in adapter.head.items()}
    spoken = adapter.spoken()
    return adapter_files.Stored(
        spoken.pop("kind"),
        spoken,
        {n: array_of(v) for n, v in adapter.named.items()},
        {n: array_of(v) for n, v in heads.items()},
        _fingerprint(task),
        base_name,
        _meaning(task) | _tuned(task) if heads else None,
    )


def open_adapters(task, checkpoint, said):
    """Gives a task the adapters of a preset; of a preset of another task it says that it does not.

    Args:
        checkpoint: the preset, a `weights.Checkpoint`. said: its words of the task.
    """
    folder, kept = checkpoint.path.parent, said["adapters"]
    if said.get("class") != type(task).__name__:
        names = ", ".join(kept["made"])
        LOGGER.warning("%s: its adapters are of a %s, left out: %s", folder, said["class"], names)
        return
    for name, how in kept["made"].items():
        _load(task, folder / adapter_files.IN_PRESETS / name, name, True, any_labels=True)
        if how["merged"]:
            task.merge_adapter()
    task.set_adapter(kept["active"])


def _check_head(task, stored, folder):
    """Raises where an adapter's head is not this task's, or leaves out a part that is random."""
    own = task.head_variables()
    other = [
        f"{n} {x.shape}"
        for n, x in stored.head.items()
        if n not in own or tuple(own[n].shape) != x.shape
    ]
    if other:
        shapes = ", ".join(f"{n} {tuple(v.shape)}" for n, v in own.items()) or "none"
        raise CheckpointError(
            f"{folder} is for another head: it holds {', '.join(fold(other, 4))}. The head of this "
            f"{type(task).__name__}: {shapes}"
        )
    fresh = {*(task.load_report.missing if task.load_report else ())}
    lost = [n for n in own if n not in stored.head and n in fresh]
    if lost and stored.head:
        raise CheckpointError(
            f"{folder} does not hold all of its head, and the checkpoint has not the rest: "
            f"{', '.join(lost)} would be random. Open the model that it was trained on."
        )


def _meaning(task):
    """What a head of the task answers, in JSON's words."""
    said = {"task": type(task).__name__, "head": task.head_kind}
    said |= {name: getattr(task, name) for name in ("labels", *MEANING) if name in task.settings}
    if task.problem_types:  # else it reads a head of any
        said["problem_type"] = getattr(task, "problem_type", None)
    return json.loads(json.dumps(said))


def _tuned(task):
    return {name: getattr(task, name) for name in TUNED if name in task.settings}


def _check_meaning(task, stored, folder, more):
    """Raises where an adapter's head answers something else than this task reads in it."""
    theirs, ours = stored.meaning or {}, _meaning(task)
    if not stored.head:
        return
    for name in ("head", *MEANING, *more):
        said, own = theirs.get(name), ours.get(name)
        if None in (said, own) or said == own or (name == "labels" and _unnamed(said, own)):
            continue
        raise CheckpointError(
            f"{folder} is for another task: its head is a {theirs['task']}'s, with {name} {said}. "
            f"Received: a {ours['task']} with {name} {own}. Open the model as it was trained; an "
            "adapter that is trained with `train_head=False` fits any task."
        )


def _unnamed(*sides):
    """Whether one of some lists of names is of classes that nobody has named."""
    return any(all(str(name).startswith("LABEL_") for name in names) for names in sides)


def _fill(task, stored, folder, name):
    """Gives an adapter that was just added its numbers; raises where they are not its own."""
    adapter, live = task.adapters[name], task.head_variables()
    shapes = {n: tuple(v.shape) for n, v in adapter.named.items()}
    found = {n: x.shape for n, x in stored.arrays.items()}
    if found != shapes:
        names = [n for n in {**shapes, **found} if found.get(n) != shapes.get(n)]
        told = [f"{n}: {found.get(n)}, for {shapes.get(n)}" for n in names]
        raise CheckpointError(
            f"{folder} was made for another model: its tensors do not fit this "
            f"{task.encoder.config.family}. {'; '.join(fold(told, 4))}"
        )
    for of_adapter, array in stored.arrays.items():
        adapter.named[of_adapter].assign(array)
    for of_head, array in stored.head.items():
        live[of_head].assign(array)


def _fingerprint(task):
    """Of the encoder; None where its weights are in 16 bits, and are not what they were."""
    encoder = task.encoder
    if encoder.policy.variable_dtype != "float32":
        return None
    arrays = {n: keras.ops.convert_to_numpy(v) for n, v in encoder.named_variables().items()}
    return adapter_files.fingerprint(encoder.config, arrays)
