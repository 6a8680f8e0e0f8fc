"""Texts or pairs of texts into classes (Devlin et al. 2018, section 4.1)."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import checks
from bert_tf2.data import labels as classes
from bert_tf2.modeling import heads
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.tasks.task import Task
from bert_tf2.training.losses import cross_entropy


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
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: fewer than two classes, or the same name twice.

    Example:

    >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
    >>> clf.fit(["what a film", "what a bore"], ["good", "bad"])
    >>> clf.predict_labels(["a fine film"])[0].label
    'good'
    """

    problem_types = ("single_label_classification",)
    own_loss = "sparse_categorical_crossentropy"
    settings = ("labels", "dropout", "pooling")

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=None,
        dropout=None,
        pooling="first",
        drop_padding=True,
        name=None,
    ):
        if pooling not in heads.POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {list(heads.POOLINGS)}. Received: {pooling!r}"
            )
        labels = classes.class_names(labels)
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs = input_tensors()
        pooled = heads.POOLINGS[pooling](encoder, inputs, drop_padding, dropout)  # (B, D)
        outputs = heads.classes(pooled, encoder.config, len(labels), dropout)  # (B, C)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels, self.dropout, self.pooling = labels, dropout, pooling

    def predict_labels(self, x, batch_size=32, verbose=0):
        """Class names with probabilities.

        Args:
            x: see `Task`.
            batch_size: texts at a time.
            verbose: whether to show how far it is.

        Returns:
            list of `Prediction`, one a text.
        """
        found = []
        for batch in self.answer(x, batch_size, verbose):
            logits = batch["logits"].astype("float64")
            shares = np.exp(logits - logits.max(-1, keepdims=True))
            shares /= shares.sum(-1, keepdims=True)
            for row in shares:
                by_name = dict(zip(self.labels, row.tolist(), strict=True))
                found.append(Prediction(self.labels[row.argmax()], float(row.max()), by_name))
        return found

    def prepare(self, columns):
        inputs = self.encoded(columns)
        if "labels" not in columns:
            return inputs, None, None
        targets = classes.class_numbers_in_graph(columns["labels"], self.labels)  # (B,)
        return inputs, targets, self.row_weights(columns)

    def losses(self, targets, outputs, weights):
        return {"loss": cross_entropy(targets, outputs, weights)}

    def answers(self, inputs, outputs):
        return {
            "label": tf.gather(tf.constant(self.labels), tf.argmax(outputs, -1)),
            "probabilities": tf.nn.softmax(outputs),
            "logits": outputs,
        }

    def default_metrics(self):
        return ["accuracy"]

    def read_labels(self, y, rows):
        # As names, which `prepare` reads like those of a dataset: numbers may be names, too.
        return np.array(self.labels)[classes.class_numbers(y, self.labels, rows)]

    def worth_saying(self, found):
        return checks.worth_saying(classes.class_numbers(found["labels"], self.labels), self.labels)

    def class_weights(self, by_class):
        by_number = classes.class_weights(by_class, self.labels)
        return np.array([by_number.get(i, 1.0) for i in range(len(self.labels))], "float32")

    def extra_assets(self):
        return {"labels.txt": "".join(f"{label}\n" for label in self.labels)}
