"""What of a task's output is to be explained: one number a row.

Letters: S rows, C classes, L length, P masked positions, V vocabulary.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_tf2.messages import shorten
from bert_tf2.tasks.masked_lm import MaskedLM
from bert_tf2.tasks.prompted import Prompted
from bert_tf2.tasks.question_answerer import QuestionAnswerer
from bert_tf2.tasks.sentence_encoder import SentenceEncoder
from bert_tf2.tasks.sparse_encoder import SparseEncoder


class Target(NamedTuple):
    """One number of an output.

    Attributes:
        name: what it is, for people.
        of: outputs of S rows -> tensor (S,).
    """

    name: str
    of: object


def chosen(task, target, outputs, reading):
    """The number of a task's outputs that a user asks for, or the one that the task answers with.

    Args:
        task: the task. target: as of `integrated_gradients`.
        outputs: of the text, one row. reading: what it was read as.

    Returns:
        a `Target`.

    Raises:
        ValueError: there is no such number, or it must be said which.
    """
    if callable(target):
        return Target(getattr(target, "__name__", "target").strip("<>"), target)
    if isinstance(task, MaskedLM):
        return _word(task, target, outputs)
    if isinstance(task, SparseEncoder):
        number, name = _piece(task, target, outputs[0])
        return Target(f"weight of “{name}”", lambda outputs: outputs[:, number])
    if isinstance(task, Prompted):
        raise ValueError(
            f"A {type(task).__name__} gives vectors: give `text_pair`, to explain how alike two "
            "texts are (SentenceEncoder), or a function of vectors (S, D) as `target`."
        )
    if isinstance(task, QuestionAnswerer):
        if task.head != "spans":
            raise ValueError(
                f"A head of {task.head} finds ends by the starts in a beam, which other words "
                "would change: give a function of its outputs (S, F) as `target`."
            )
        return _span(target, np.asarray(outputs)[0], reading)
    if len(outputs.shape) == 3:
        return _tag(task, target, np.asarray(outputs)[0], reading)
    return _class(task, target, np.asarray(outputs)[0])


def alike(task, other):
    """How alike vectors are to that of another text, by the cosine."""
    if not isinstance(task, SentenceEncoder):
        raise ValueError(
            f"A {type(task).__name__} reads single texts. Received: a pair. Give a function of its "
            "outputs as `target`."
        )
    vector = tf.math.l2_normalize(tf.constant(task.encode([other])[0], tf.float32))

    def cosine(vectors):
        return tf.linalg.matvec(tf.math.l2_normalize(tf.cast(vectors, tf.float32), -1), vector)

    return Target(f"likeness to {shorten(other, 60)}", cosine)


def _class(task, target, logits):
    """(S, C): a class, or a number, by its name or position; the largest if none is said."""
    names = getattr(task, "labels", None) or (
        ["choice"] if task.ids_rank == 3 else range(len(logits))
    )
    names = [str(name) for name in names]
    if target is None:
        target = int(np.argmax(logits))
    number = _place(target, names, "`target`")
    return Target(names[number], lambda outputs: outputs[:, number])


def _tag(task, target, logits, reading):
    """(S, L, C): (position, tag); if none is said the surest tag that is not "O"."""
    if target is None:
        sure = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1))[:, None]
        sure = np.where(reading.special[:, None], -np.inf, sure - logits.max(-1, keepdims=True))
        outside = [i for i, name in enumerate(task.labels) if name == "O"]
        sure[:, outside] = -np.inf
        target = np.unravel_index(np.argmax(sure), sure.shape)
    place, tag = _two(target, "(position, tag)")
    place, tag = _place(place, reading.pieces, "position"), _place(tag, task.labels, "tag")
    name = f"{task.labels[tag]} of “{reading.pieces[place]}”"
    return Target(name, lambda outputs: outputs[:, place, tag])


def _span(target, logits, reading):
    """(S, 2, L): (first, last) position of an answer; the best in the second text if none is
    said."""
    if target is None:
        begins, ends = np.where(reading.special, -np.inf, logits.astype("float64"))
        begins[: reading.second or 0] = -np.inf
        sums = np.where(np.tri(len(ends), dtype=bool).T, begins[:, None] + ends, -np.inf)
        target = np.unravel_index(np.argmax(sums), sums.shape)
    first, last = (
        _place(x, reading.pieces, "position") for x in _two(target, "(first, last) position")
    )
    name = f"answer “{' '.join(reading.pieces[first : last + 1])}”"
    return Target(name, lambda outputs: outputs[:, 0, first] + outputs[:, 1, last])


def _word(task, target, outputs):
    """(S, P, V): a word at the first mask; the likeliest if none is said."""
    found = outputs["mlm"] if isinstance(outputs, dict) else outputs
    if not found.shape[1]:
        raise ValueError("The text must have a [MASK], the word at which is explained.")
    number, name = _piece(task, target, found[0, 0])

    def of(outputs):
        return (outputs["mlm"] if isinstance(outputs, dict) else outputs)[:, 0, number]

    return Target(f"“{name}” at the mask", of)


def _piece(task, target, weights):
    """(id, piece) of the vocabulary, by either; the one of the largest weight if none is said."""
    tokenizer = task.preprocessor.tokenizer
    number = int(np.argmax(weights)) if target is None else target
    number = tokenizer.token_to_id(number) if isinstance(number, str) else number
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise ValueError(f"`target` must be a word's piece or its id. Received: {shorten(target)}")
    return number, tokenizer.id_to_token(number)


def _two(target, wanted):
    if not isinstance(target, tuple | list) or len(target) != 2:
        raise ValueError(f"`target` must be {wanted}. Received: {shorten(target)}")
    return target


def _place(value, names, what):
    """A name, or a number from 0, perhaps in digits, -> the number."""
    if isinstance(value, str) and list(names).count(value) == 1:
        return list(names).index(value)
    value = int(value) if isinstance(value, str) and value.isdecimal() else value
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and 0 <= value < len(names):
        return int(value)
    raise ValueError(
        f"{what} must be a number below {len(names)} or one name of {shorten([*names], 300)}. "
        f"Received: {shorten(value)}"
    )
