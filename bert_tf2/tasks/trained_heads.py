"""A checkpoint's trained head, and the task that asks for one: what is refused, what is said."""

import logging

from bert_tf2 import weights
from bert_tf2.weights.units import HEADS

LOGGER = logging.getLogger("bert_tf2")
# What reads a fine-tuned head, by its kind (`weights.head_kinds`).
READERS = {
    "classes": "open it as a TextClassifier or a TextRegressor to use it",
    "tokens": "open it as a TokenClassifier to use it",
    "spans": "open it as a QuestionAnswerer to use it",
    "choice": "open it as a MultipleChoice to use it",
    "answerable_spans": "open it as a QuestionAnswerer to use it",
    "joint_spans": "open it as a QuestionAnswerer to use it",
}


def kind_for(cls, checkpoint, given=None):
    """The kind of head that a task of a class reads in a checkpoint: of several the one that is
    there.

    Args:
        given: the task's arguments, where they may say.
    """
    known, found = (cls.head_kind, *cls.other_kinds), weights.head_kinds(checkpoint)
    said = cls.other_kinds and (given or {}).get("head")
    return said or next((kind for kind in known if kind in found), cls.head_kind)


def check_problem(cls, checkpoint):
    """Raises for a head that was trained to answer something else than this task reads in it."""
    said, known = weights.problem_type_of(checkpoint), cls.problem_types
    if said is not None and known and said not in known:
        other = "TextRegressor" if said == "regression" else "TextClassifier"
        raise ValueError(
            f"A {cls.__name__} answers {' or '.join(known)}, and the head in {checkpoint.path} "
            f"{said}: its answers would be wrong. Open it as a {other}; or for a new head leave "
            'that one out, `ignore=["classifier*"]` (in a shell, to train: --ignore=classifier*).'
        )


def check_vectors(cls, checkpoint):
    """Raises for a folder of one kind of vectors that is to be opened as another kind."""
    kind = (checkpoint.task or {}).get("class")
    if cls.__name__ in weights.VECTORS and kind in weights.VECTORS and kind != cls.__name__:
        raise ValueError(
            f"{checkpoint.path.parent} is a {kind}'s, whose vectors a {cls.__name__} would not "
            f"give: open it as a {kind}."
        )


def check_loaded(task, checkpoint, given):
    """Raises for, or says, what is wrong with the head that a task has of a checkpoint."""
    _check_trained(task, checkpoint)
    _check_labels(task, checkpoint, given)


def _check_trained(task, checkpoint):
    """Raises for a new head of a task that is not trained itself, and would answer at random."""
    heads = HEADS.get(task.head_kind, ())
    if task.trained_as and any(n.split("/")[0] in heads for n in task.load_report.missing):
        raise ValueError(
            f"{checkpoint.path} has no head of {task.head_kind}, without which what a "
            f"{type(task).__name__} answers means nothing. Train one ({task.trained_as}), or name "
            "a checkpoint that has it."
        )


def say_prompt(cls, checkpoint):
    """Says that a reranker's default prompt stands before no text of a task that knows none."""
    said = checkpoint.task or {}
    settings = said.get("settings", {})
    text = settings.get("prompts", {}).get(settings.get("default_prompt_name"))
    if said.get("class") == "Reranker" and text and "prompts" not in cls.settings:
        LOGGER.warning(
            "%s puts a prompt before each query, which a %s does not: put it there yourself, %r",
            *(checkpoint.path.parent, cls.__name__, text),
        )


def say_other_head(cls, checkpoint, kind):
    """Says that a file was fine-tuned for another task, whose head is left out."""
    if other := weights.other_head(checkpoint, kind):
        own = other in (cls.head_kind, *cls.other_kinds)
        LOGGER.warning(
            "%s was fine-tuned with a head of %s, which a %s leaves out: %s",
            *(checkpoint.path, other, cls.__name__),
            f"leave out `head={kind!r}` to use it" if own else READERS[other],
        )


def _check_labels(task, checkpoint, given):
    """Says, or refuses, that a trained head's classes are given other names than its file has.

    Raises:
        ValueError: they are the same names in another order.
    """
    theirs, ours = list(checkpoint.labels or ()), list(getattr(task, "labels", ()))
    own = HEADS.get(task.head_kind, ("",))[-1]
    is_new = any(name.startswith(f"{own}/") for name in task.load_report.missing)
    if "labels" not in given or is_new or not theirs or theirs == ours:
        return
    if sorted(theirs) == sorted(ours):
        raise ValueError(
            "`labels` must be in the order of the checkpoint's trained head, or left out: "
            f"{theirs}. Received: {ours}"
        )
    if not all(name.startswith("LABEL_") for name in theirs):  # what nobody has named
        LOGGER.warning("the head was trained for the classes %s, now called %s", theirs, ours)
