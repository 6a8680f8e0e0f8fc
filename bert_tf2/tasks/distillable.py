"""Which students may learn what of which teachers."""

import keras
import numpy as np

from bert_tf2.tasks.task import Task
from bert_tf2.training import distillation_losses as of

# What is learnt of a teacher's outputs, by the kind of its head.
OUTPUTS = {
    "classes": of.soft_classes,
    "tokens": of.soft_classes,
    "masked_lm": of.soft_classes,
    "next_sentence": of.soft_classes,
    "choice": of.soft_classes,
    "spans": of.soft_classes,
    "sentence": of.squared,
}
OUTPUTS_OF_PROBLEMS = {"multi_label_classification": of.soft_labels, "regression": of.squared}
DEFAULTS = {  # weights that are left out: Sanh et al. 2019, and transformers' distillation
    "masked_lm": {"soft": 5.0, "hard": 2.0, "cosine": 1.0},
    "sentence": {"soft": 1.0},
}
INNER = ("cosine", "hidden", "attention", "relations")
TEACHERS = "teacher_"  # before the names of its inputs, where it has another tokenizer


class NoEncoder:
    """What stands for the encoder of a student that has none."""

    def __init__(self, teacher):
        self.policy, self.config = keras.dtype_policies.get("float32"), teacher.encoder.config

    def unread(self, model):
        return {}


def encoder_of(student, teacher):
    """What a `Distiller` asks of an encoder."""
    return student.encoder if isinstance(student, Task) else NoEncoder(teacher)


def same_ids(reader, teacher):
    """Whether one preparation of texts serves both."""
    if reader is teacher:
        return True
    ours, theirs = (t.preprocessor for t in (reader, teacher))
    alike = np.array_equal(ours.tokenizer.vocabulary, theirs.tokenizer.vocabulary)
    return alike and ours.max_length == theirs.max_length and {*reader.input} == {*teacher.input}


def layers_compared(student, teacher, shares):
    """{"states": [(of the student, of the teacher), …], "heads": …}: which layers meet."""
    if not isinstance(student, Task):
        return {"states": []}
    k, n = (len(t.encoder.parts["blocks"]) for t in (student, teacher))
    meet = [(i, round(i * n / k)) for i in range(k + 1)]
    found = {}
    if shares["hidden"]:
        found["states"] = meet
    elif shares["cosine"]:
        found["states"] = meet[-1:]
    if shares["attention"]:
        found["heads"] = meet[1:]
    elif shares["relations"]:
        found["heads"] = meet[-1:]
    return found


def check(student, teacher, reader, shares, temperature):
    """Raises for models of other kinds than can learn from each other, or weights of no use."""
    if teacher.head_kind not in OUTPUTS or not isinstance(teacher.output, keras.KerasTensor):
        raise ValueError(
            f"A teacher must answer with one tensor, of {', '.join(OUTPUTS)}. Received: a "
            f"{type(teacher).__name__}"
        )
    if reader is student and type(student) is not type(teacher):
        raise ValueError(
            f"The student must be a {type(teacher).__name__}, as the teacher. Received: a "
            f"{type(student).__name__}"
        )
    if student.output.shape[-1] != teacher.output.shape[-1]:
        raise ValueError(
            "Both must answer with as many numbers; a SentenceEncoder may have a dense module of "
            f"the teacher's width. Received: {student.output.shape[-1]} and "
            f"{teacher.output.shape[-1]}"
        )
    if min(shares.values()) < 0 or not any(shares.values()) or not temperature > 0:
        raise ValueError(
            "Weights must be 0 or more, one above 0, and `temperature` above 0. Received: "
            f"{shares}, {temperature}"
        )
    if shares["hard"] and teacher.head_kind == "sentence":
        raise ValueError("`hard` must be 0: a SentenceEncoder's own losses are of rows of texts.")
    for task in (reader, teacher):
        if task.reads_windows:
            raise ValueError("Long texts in windows cannot be distilled: make both cut them.")


def check_inside(student, teacher, shares, relation_heads, same):
    """Raises where what two encoders compute inside cannot be compared."""
    if not isinstance(student, Task) or not same:
        raise ValueError(
            f"{', '.join(INNER)} compare the tokens of two encoders, which must be cut by one "
            "tokenizer to one length. Received: "
            + ("two of them" if isinstance(student, Task) else "a student without an encoder")
        )
    counts = [t.encoder.config.num_attention_heads for t in (student, teacher)]
    widths = [t.encoder.config.hidden_size for t in (student, teacher)]
    if shares["attention"] and counts[0] != counts[1]:
        raise ValueError(f"`attention` needs as many heads in both. Received: {counts}")
    if shares["cosine"] and widths[0] != widths[1]:
        raise ValueError(f"`cosine` needs one width in both. Received: {widths}")
    if shares["relations"] and any(width % relation_heads for width in widths):
        raise ValueError(
            f"`relation_heads` must divide both widths, {widths}. Received: {relation_heads}"
        )
