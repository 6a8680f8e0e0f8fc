"""The settings of a task that a checkpoint says, and those that it does not."""

import contextlib
import inspect
import json
import logging

from bert_tf2 import weights
from bert_tf2.data.labels import class_names
from bert_tf2.files import plain
from bert_tf2.messages import shorten, switched
from bert_tf2.tasks import trained_heads
from bert_tf2.tasks.contents import LENGTHS

LOGGER = logging.getLogger("bert_tf2")
_OF_LABELS = ("thresholds", "scheme")
SWITCHES = ("whole_words",)  # settings that were written as they came, once
# What `weights.lost` says, by the kind of head.
_SAID = {None: ("labels", "problem_type")}
_SAID |= dict.fromkeys(("classes", "choice"), (*_SAID[None], "pooling"))


def arguments_of(cls, args, kwargs):
    """dict of a task's own arguments, given in the order of its `__init__` or by name."""
    try:
        bound = inspect.signature(cls.__init__).bind_partial(None, None, None, *args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{cls.__name__}.from_preset: {error}") from None
    return dict(list(bound.arguments.items())[3:])  # self, encoder, preprocessor


def lengths_in(cls, checkpoint, given):
    """The preprocessor's `LENGTHS`: as given, or as a preset of ours, or of the task, says."""
    task = checkpoint.task or {}
    own = checkpoint.format == "bert_tf2" or task.get("class") == cls.__name__
    said = task.get("preprocessor", {}) if own else {}
    longest = checkpoint.tokenizer.settings.get("max_length", checkpoint.config.max_length)
    default = {"max_length": min(longest, checkpoint.config.max_length)} | said
    given = zip(LENGTHS, given, strict=True)
    return default | {name: value for name, value in given if value is not None}


# What else a setting is called in files.
_ALSO = {"max_length": ("max_seq_length", "model_max_length")}


@contextlib.contextmanager
def where_it_says(checkpoint, names, lengths):
    """Names the file in a ValueError for a setting that a checkpoint has, and no one else gave.

    Args:
        names: of the settings that nobody gave. lengths: what was given of `LENGTHS`.
    """
    try:
        yield
    except ValueError as error:
        told = names if lengths[0] is None else names - {"max_length"}
        name = next((name for name in sorted(told) if str(error).startswith(f"`{name}`")), None)
        if name is None:
            raise
        folder, words = checkpoint.path.parent, (name, *_ALSO.get(name, ()))
        files = [
            file.name
            for file in sorted(folder.glob("*.json"))
            if any(f'"{word}"' in file.read_text("utf-8", "replace") for word in words)
        ]
        where = (
            f", as {' and '.join(files)} in {folder} say" if files else ", as the checkpoint says"
        )
        raise ValueError(f"{error}{where}: mend that, or give `{name}` here") from error


def check_labels(cls, checkpoint, given):
    """Raises a CheckpointError for a task that would take class names that are none, or two things.

    Args:
        given: the task's arguments: what is named here needs no names there.
    """
    if not checkpoint.labels_refused or "labels" not in cls.settings or "labels" in given:
        return
    if weights.other_head(checkpoint, trained_heads.kind_for(cls, checkpoint)) is None:
        raise weights.CheckpointError(
            f"{checkpoint.labels_refused}: mend that, or give `labels` here"
        )


def settings_in(task, checkpoint):
    """What a checkpoint says of a task's settings."""
    said = checkpoint.task or {}
    own = said.get("class") == task.__name__
    settings = switched(said.get("settings", {}), *SWITCHES) if own else {}
    kind = trained_heads.kind_for(task, checkpoint)
    if task.other_kinds:
        settings.setdefault("head", kind)
    problem = checkpoint.problem_type
    own = weights.other_head(checkpoint, kind) is None  # and no other task's labels
    own &= _names_answers(task, checkpoint.labels or (), problem or settings.get("problem_type"))
    if "labels" in task.settings and checkpoint.labels and own:
        settings.setdefault("labels", checkpoint.labels)
    if "problem_type" in task.settings and problem in task.problem_types:
        settings.setdefault("problem_type", problem)
    return settings


def _names_answers(task, labels, problem):
    """Whether labels of a problem are what a task answers; of none that is said, several are of
    classes, as in transformers."""
    known = task.problem_types
    return problem in known if problem and known else known != ("regression",) or len(labels) < 2


def settings_for(task, checkpoint, given):
    """`settings_in` without what they say of labels, where others are given, or another problem."""
    settings = settings_in(task, checkpoint)
    others = [name for name in _OF_LABELS if settings.get(name) and name not in given]
    if not others or not {"labels", "problem_type"} & {*given}:
        return settings
    names = [*settings.get("labels", ())]
    problem = given.get("problem_type", settings.get("problem_type"))
    same = problem == settings.get("problem_type")
    if same and class_names(given.get("labels", names), 1) == names:
        return settings
    if "thresholds" in others and problem != "single_label_classification":
        said = "thresholds are 0.5: those of %s are of other labels: %s"
        LOGGER.warning(said, checkpoint.path, shorten(settings["thresholds"]))
    return {name: value for name, value in settings.items() if name not in others}


def check_shapes(task, checkpoint, given):
    """Raises for a head, or modules, of other sizes than the checkpoint itself says that they have.

    Args:
        given: the task's arguments: of what is given, other sizes are asked for.

    Raises:
        CheckpointError: it names the files, and both shapes.
    """
    said, wrong = settings_in(type(task), checkpoint), []
    report, differing = task.load_report, {row[0] for row in task.load_report.shape_differences}
    absent = [n for n in report.missing if n not in differing and not checkpoint.ignored]
    for ours, expected, theirs, got in report.shape_differences:
        if _is_said(ours, said, given):
            file, theirs = checkpoint.beside.get(theirs, (None, checkpoint.path, theirs))[1:]
            wrong.append(f"{theirs} in {file} must be {expected}. Received: {got}")
    wrong = wrong or [
        f"{ours} must be in a file. Received: none"
        for ours in absent
        if ours.startswith("vector/") and _is_said(ours, said, given)
    ]
    if wrong:
        raise weights.CheckpointError(
            f"{checkpoint.path.parent} does not hold what it says of itself: "
            f"{'; '.join(wrong)} (shapes as a {type(task).__name__} has them, inputs first)"
        )


def _is_said(name, said, given):
    """Whether the sizes of a head's variable follow from what a checkpoint says alone."""
    shaped_by = {"pooling", "modules"} if name.startswith("vector/") else {"labels"}
    return not shaped_by & {*given} and bool(shaped_by & {*said})


def lost(cls, folder, contents):
    """The settings that a task has no longer when it is opened from a folder of another format.

    Args:
        cls: the class of the task. folder: just written. contents: the `weights.Contents` in it.

    Returns:
        list of one sentence with the name and value of each, or of none.
    """
    checkpoint = weights.read_as(weights.open_checkpoint(folder), cls.head_kind)
    had = dict(contents.task.get("settings", {}))
    told = cls.default_settings(checkpoint.config) | settings_in(cls, checkpoint)
    if lengths := contents.task.get("preprocessor"):
        had["max_length"] = lengths["max_length"]
        told["max_length"] = lengths_in(cls, checkpoint, [None] * 3)["max_length"]
    said = _SAID.get(cls.head_kind, _SAID[None])
    others = [n for n in had if n not in said and not _equal(had[n], told.get(n))]
    if checkpoint.format == "bert_tf2" or not others:
        return []
    values = ", ".join(f"{name}={shorten(had[name])}" for name in others)
    return [
        f"{checkpoint.format} has no word for {values}: whoever opens it must give it again, "
        "or answers may be others"
    ]


def _equal(a, b):
    """Whether two settings are the same once they are written, where tuples are lists."""
    written = (json.dumps(x, sort_keys=True, default=plain) for x in (a, b))
    a, b = ("null" if text in ("[]", "{}") else text for text in written)
    return a == b
