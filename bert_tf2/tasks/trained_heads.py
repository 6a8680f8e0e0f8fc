"""A checkpoint's trained head, and the task that asks for one: what is refused, what is said."""

import logging

from bert_tf2 import weights

LOGGER = logging.getLogger("bert_tf2")
# What reads a fine-tuned head, by its kind (`weights.head_kinds`).
CLASSES = {
    "classes": "TextClassifier or a TextRegressor",
    "tokens": "TokenClassifier",
    "spans": "QuestionAnswerer",
    "choice": "MultipleChoice",
}


def check_problem(cls, checkpoint):
    """Raises for a head that was trained to answer something else than this task reads in it."""
    said, known = checkpoint.problem_type, cls.problem_types
    if checkpoint.format == "huggingface":  # of whose silence transformers says what it means
        said = weights.problem_type_of(checkpoint)
    if said is not None and known and said not in known:
        other = "TextRegressor" if said == "regression" else "TextClassifier"
        raise ValueError(
            f"A {cls.__name__} answers {' or '.join(known)}, and the head in {checkpoint.path} "
            f"{said}: its answers would be wrong. Open it as a {other}; or for a new head leave "
            'that one out, `ignore=["classifier*"]`.'
        )


def say_other_head(cls, checkpoint):
    """Says that a file was fine-tuned for another task, whose head is left out."""
    if other := weights.other_head(checkpoint, cls.head_kind):
        LOGGER.warning(
            "%s was fine-tuned with a head of %s, which a %s leaves out: open it as a %s to use it",
            *(checkpoint.path, other, cls.__name__, CLASSES[other]),
        )


def check_labels(task, checkpoint, given):
    """Says, or refuses, that a trained head's classes are given other names than its file has.

    Raises:
        ValueError: they are the same names in another order.
    """
    theirs, ours = list(checkpoint.labels or ()), list(getattr(task, "labels", ()))
    loaded = not any(name.startswith("classifier/") for name in task.load_report.missing)
    if "labels" not in given or not loaded or not theirs or theirs == ours:
        return
    if sorted(theirs) == sorted(ours):
        raise ValueError(
            "`labels` must be in the order of the checkpoint's trained head, or left out: "
            f"{theirs}. Received: {ours}"
        )
    if not all(name.startswith("LABEL_") for name in theirs):  # what nobody has named
        LOGGER.warning("the head was trained for the classes %s, now called %s", theirs, ours)
