"""Texts or pairs of texts into classes (Devlin et al. 2018, section 4.1)."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data.pipeline import as_ids
from bert_tf2.modeling.encoder import input_tensors
from bert_tf2.modeling.heads import POOLINGS, classes
from bert_tf2.tasks.base import Task


class Prediction(NamedTuple):
    """One answer: the likeliest class, its probability, and every class's probability by name."""

    label: str
    probability: float
    probabilities: dict[str, float]


@keras.saving.register_keras_serializable("bert_tf2")
class TextClassifier(Task):
    """Sorts a text, or a pair of texts, into one of C classes.

    The model maps int32 ids to float32 logits (B, C): one vector a text, dropout, one dense layer,
    as in google-research/bert `run_classifier.py`. Families without a pooler have a dense layer of
    the classifier's own there (`EncoderConfig.classifier_act`), as in transformers.

    Args:
        encoder: an `Encoder`.
        preprocessor: a `Preprocessor`.
        labels: the class names, in the order of the logits; or their number C, for "0" … "C-1".
            `from_preset` takes them from a checkpoint that names its classes.
        dropout: before the logits, in training; default the config's `classifier_dropout_prob`.
        pooling: what stands for a text: "first", the pooled first token, as BERT is published; or
            "mean", the mean of all tokens, which sentence encoders such as all-MiniLM-L6-v2 were
            trained for (Reimers & Gurevych 2019, section 3); the encoder's pooler is then not
            trained.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model.

    Raises:
        ValueError: fewer than two classes, or the same name twice.

    Example:

    >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
    >>> clf.fit(["what a film", "what a bore"], ["good", "bad"])
    >>> clf.predict_labels(["a fine film"])[0].label
    'good'
    """

    head_variables = ("classifier/kernel", "classifier/bias")
    settings = ("labels", "dropout", "pooling")

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=None,
        dropout=None,
        pooling="first",
        drop_padding=True,
        name="text_classifier",
    ):
        if pooling not in POOLINGS:
            raise ValueError(f"`pooling` must be one of {list(POOLINGS)}. Received: {pooling!r}")
        labels = [str(i) for i in range(labels)] if isinstance(labels, int) else labels
        if not isinstance(labels, (list, tuple)) or any(not isinstance(x, str) for x in labels):
            raise ValueError(
                "`labels` must be a list of str, or a number; a checkpoint that names its classes "
                f"may stand in. Received: {labels!r}"
            )
        labels = list(labels)
        if any("\n" in label for label in labels):
            raise ValueError(f"`labels` must be single lines. Received: {labels}")
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError(f"`labels` must be two or more different names. Received: {labels}")
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs = input_tensors()
        pooled = POOLINGS[pooling](encoder, inputs, drop_padding, dropout)  # (B, D)
        outputs = classes(pooled, encoder.config, len(labels), dropout)  # (B, C)
        if encoder.config.pooler and (pooling == "mean" or encoder.config.classifier_act):
            encoder.parts["pooler"].trainable = False  # nothing reads it
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels, self.dropout, self.pooling = labels, dropout, pooling
        if pooling == "first" and encoder.config.classifier_act is not None:
            dense = ("pre_classifier/kernel", "pre_classifier/bias")
            self.head_variables = (*dense, *self.head_variables)

    def predict_labels(self, x, batch_size=32, **kwargs):
        """Class names with probabilities.

        Args:
            x: see `Task`.
            batch_size, **kwargs: as in `predict`.

        Returns:
            list of `Prediction`, one a text.
        """
        rows = keras.ops.softmax(self.predict(x, batch_size, **kwargs).astype("float64"))
        names = self.labels
        return [
            Prediction(
                names[int(row.argmax())],
                float(row.max()),
                dict(zip(names, row.tolist(), strict=True)),
            )
            for row in np.asarray(rows)
        ]

    def answers(self, logits):
        """logits (B, C) -> what a SavedModel answers, by name. Works in a graph."""
        return {
            "label": tf.gather(tf.constant(self.labels), tf.argmax(logits, -1)),
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
        }

    def extra_assets(self):
        """Files to lie beside a SavedModel: name -> text."""
        return {"labels.txt": "".join(f"{label}\n" for label in self.labels)}

    def targets(self, y, count):
        """Class names or numbers -> int32 (n,)."""
        return as_ids(y, self.labels, count)

    def class_numbers(self, by_class):
        """dict by class name or number -> dict by class number, for `class_weight`."""
        return {int(as_ids([key], self.labels)[0]): value for key, value in by_class.items()}

    def targets_in_graph(self, y):
        """The same for a dataset's batches. Unknown names stop with InvalidArgumentError."""
        if y.dtype != tf.string:
            return y
        match = tf.expand_dims(y, -1) == tf.constant(self.labels)  # (B, C)
        known = tf.debugging.Assert(
            tf.reduce_all(tf.reduce_any(match, -1)), ["A label is not a class:", y, self.labels]
        )
        with tf.control_dependencies([known]):
            return tf.argmax(match, -1, output_type=tf.int32)

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self):
        return ["accuracy"]
