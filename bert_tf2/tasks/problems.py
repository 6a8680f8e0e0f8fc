"""What a classifier's logits may mean: one class of a text, or several labels.

`problem_type`, Hugging Face's word, chooses; each kind says how labels are read, what is lowered,
and what is answered. Letters: B rows of a batch, n rows, C classes.
"""

import numbers
from collections.abc import Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import checks, label_sets
from bert_tf2.data import labels as classes
from bert_tf2.messages import shorten
from bert_tf2.text.forms import by_key
from bert_tf2.training.losses import binary_cross_entropy, cross_entropy
from bert_tf2.training.metrics import MicroF1


class Prediction(NamedTuple):
    """One answer: the likeliest class, its probability, and every class's probability by name."""

    label: str
    probability: float
    probabilities: dict[str, float]


class Labels(NamedTuple):
    """One answer of several labels: those above their thresholds, likeliest first, and all
    probabilities by name."""

    labels: list[str]
    probabilities: dict[str, float]


class SingleLabel:
    """One class a text: softmax."""

    loss = "sparse_categorical_crossentropy"
    fewest = 2

    def read(self, y, names, rows):
        # As names, which `targets` reads like those of a dataset: numbers may be names, too.
        return np.array(names)[classes.class_numbers(y, names, rows)]

    def targets(self, y, names):
        return classes.class_numbers_in_graph(y, names)  # (B,)

    def losses(self, targets, outputs, weights, **how):
        return {"loss": cross_entropy(targets, outputs, weights, **how)}

    def weigh(self, targets, weights, by_class):
        return weights * tf.gather(by_class, targets)

    def answers(self, outputs, names, thresholds):
        return {
            "label": tf.gather(tf.constant(names), tf.argmax(outputs, -1)),
            "probabilities": tf.nn.softmax(outputs),
            "logits": outputs,
        }

    def metrics(self):
        return ["accuracy"]

    def worth_saying(self, y, names):
        return checks.worth_saying(classes.class_numbers(y, names), names)

    def prediction(self, logits, names, thresholds):
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        by_name = dict(zip(names, shares.tolist(), strict=True))
        return Prediction(names[shares.argmax()], float(shares.max()), by_name)


class MultiLabel:
    """Any number of labels a text: a sigmoid each, and a threshold."""

    loss = "binary_crossentropy"
    fewest = 1

    def read(self, y, names, rows):
        return label_sets.label_matrix(y, names, rows)

    def targets(self, y, names):
        return label_sets.label_matrix_in_graph(y, names)  # (B, C)

    def losses(self, targets, outputs, weights, **how):
        return {"loss": binary_cross_entropy(targets, outputs, weights, **how)}

    def weigh(self, targets, weights, by_class):
        return weights[:, tf.newaxis] * by_class  # (B, C)

    def answers(self, outputs, names, thresholds):
        shares = tf.sigmoid(outputs)
        chosen = shares >= tf.constant(thresholds, tf.float32)  # (B, C)
        order = tf.argsort(shares, -1, "DESCENDING")
        labels = tf.gather(tf.constant(names), order)
        labels = tf.ragged.boolean_mask(labels, tf.gather(chosen, order, batch_dims=1))
        return {"labels": labels.to_tensor(""), "probabilities": shares, "logits": outputs}

    def metrics(self):
        return [keras.metrics.BinaryAccuracy("accuracy", threshold=0.0), MicroF1()]

    def worth_saying(self, y, names):
        return checks.labels_without_rows(y.sum(0), names)

    def prediction(self, logits, names, thresholds):
        shares = 1 / (1 + np.exp(-logits))
        given = np.float32(shares) >= np.float32(thresholds)  # as in the graph
        best = [i for i in np.argsort(-shares, kind="stable") if given[i]]
        return Labels([names[i] for i in best], dict(zip(names, shares.tolist(), strict=True)))


PROBLEMS = {
    "single_label_classification": SingleLabel(),
    "multi_label_classification": MultiLabel(),
}


def thresholds_of(given, names):
    """Thresholds as users give them -> list of C floats.

    Args:
        given: None for 0.5, a number for all, a list in the order of the classes, or a dict or a
            Series by name (0.5 for the rest).

    Raises:
        ValueError: a wrong number of them, an unknown name, or one outside 0 to 1.
    """
    asked = by_key(given)
    if isinstance(asked, Mapping):
        if unknown := [name for name in asked if name not in names]:
            raise ValueError(f"`thresholds` must be of the classes {names}. Received: {unknown}")
        asked = [asked.get(name, 0.5) for name in names]
    asked = np.asarray(asked).tolist() if hasattr(asked, "shape") else asked
    found = [*asked] if np.iterable(asked) else [0.5 if asked is None else asked] * len(names)
    if len(found) != len(names) or not all(map(_is_share, found)):
        raise ValueError(
            f"`thresholds` must be probabilities from 0 to 1, one a class: {len(names)}. "
            f"Received: {shorten(given)}"
        )
    return [float(share) for share in found]


def _is_share(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= value <= 1
