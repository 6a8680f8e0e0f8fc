"""Texts or pairs of texts into classes (Devlin et al. 2018, section 4.1)."""

import keras
import numpy as np

from bert_tf2.data import labels as classes
from bert_tf2.modeling import heads
from bert_tf2.scoring import classification
from bert_tf2.tasks.problems import PROBLEMS, thresholds_of
from bert_tf2.tasks.task import Task


@keras.saving.register_keras_serializable("bert_tf2")
class TextClassifier(Task):
    """Sorts a text, or a pair of texts, into one of C classes, or gives it any of C labels.

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
        problem_type: "single_label_classification" (default), or "multi_label_classification": each
            label is answered by itself, by a sigmoid; y is then a list of labels for each text, or
            0 and 1 a class (n, C). `from_preset` takes it from a checkpoint that says it.
        thresholds: of several labels, the probabilities from which on one is given: a number, a
            list of C, or a dict by name; default 0.5. `tune_thresholds` finds the best.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: fewer than two classes (one, of several labels), the same name twice, another
            pooling or problem, or thresholds that are none.

    Example:

    >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
    >>> clf.fit(["what a film", "what a bore"], ["good", "bad"])
    >>> clf.predict_labels(["a fine film"])[0].label
    'good'
    """

    problem_types = tuple(PROBLEMS)
    softens = True
    head_kind = "classes"
    settings = ("labels", "dropout", "pooling", "problem_type", "thresholds")

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=None,
        dropout=None,
        pooling="first",
        problem_type="single_label_classification",
        thresholds=None,
        drop_padding=True,
        name=None,
    ):
        if problem_type not in PROBLEMS:
            raise ValueError(
                f'`problem_type` must be one of {[*PROBLEMS]}; "regression" is a TextRegressor\'s. '
                f"Received: {problem_type!r}"
            )
        self.problem = PROBLEMS[problem_type]
        labels = classes.class_names(labels, self.problem.fewest)
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs, pooled = heads.pooled(encoder, pooling, drop_padding, dropout)  # (B, D)
        outputs = heads.classes(pooled, encoder.config, len(labels), dropout)  # (B, C)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels, self.dropout, self.pooling = labels, dropout, pooling
        self.problem_type, self.own_loss = problem_type, self.problem.loss
        self.set_thresholds(thresholds)

    def set_thresholds(self, thresholds):
        """Sets the thresholds of a classifier of several labels; see the class. None for 0.5 each.

        Raises:
            ValueError: a classifier of one class, or thresholds that are none.
        """
        if thresholds is not None:
            self._need_several("thresholds")
            thresholds = thresholds_of(thresholds, self.labels)
        self.thresholds = thresholds
        self.graphs.clear()  # they are constants there

    def tune_thresholds(self, x, y, batch_size=32):
        """Sets for each label the threshold with the best F1 on data that were not learned from.

        Args:
            x, y: as for `evaluate`.
            batch_size: texts at a time.

        Returns:
            dict of name to threshold; the model keeps them, in its files and exports as well.
        """
        self._need_several("tune_thresholds")
        shares = np.concatenate([a["probabilities"] for a in self.answer(x, batch_size)])
        gold = self.read_labels(y, len(shares))
        self.set_thresholds(np.asarray(classification.tune_thresholds(gold, shares)).tolist())
        return dict(zip(self.labels, self.thresholds, strict=True))

    def _need_several(self, what):
        if self.problem is not PROBLEMS["multi_label_classification"]:
            raise ValueError(
                f"`{what}` is for several labels a text: it needs a classifier with "
                f'problem_type="multi_label_classification". Received: {self.problem_type!r}'
            )

    def predict_labels(self, x, batch_size=32, verbose=0):
        """Class names with probabilities.

        Args:
            x: see `Task`.
            batch_size: texts at a time.
            verbose: whether to show how far it is.

        Returns:
            list of `Prediction`, one a text (label, probability, probabilities); of several labels,
            of `Labels` (labels, probabilities).
        """
        thresholds = thresholds_of(self.thresholds, self.labels)
        return [
            self.problem.prediction(logits.astype("float64"), self.labels, thresholds)
            for batch in self.answer(x, batch_size, verbose)
            for logits in batch["logits"]
        ]

    def prepare(self, columns):
        inputs = self.encoded(columns)
        if "labels" not in columns:
            return inputs, None, None
        targets = self.problem.targets(columns["labels"], self.labels)
        return inputs, targets, self.row_weights(columns)

    def losses(self, targets, outputs, weights):
        return self.problem.losses(targets, outputs, weights, **self.softening)

    def answers(self, inputs, outputs):
        return self.problem.answers(
            outputs, self.labels, thresholds_of(self.thresholds, self.labels)
        )

    def default_metrics(self):
        return self.problem.metrics()

    def read_labels(self, y, rows):
        return self.problem.read(y, self.labels, rows)

    def worth_saying(self, found):
        return self.problem.worth_saying(found["labels"], self.labels)

    def class_weights(self, by_class):
        by_number = classes.class_weights(by_class, self.labels)
        return np.array([by_number.get(i, 1.0) for i in range(len(self.labels))], "float32")

    def weigh(self, targets, weights, by_class):
        return self.problem.weigh(targets, weights, by_class)

    def extra_assets(self):
        found = {"labels.txt": self.labels, "thresholds.txt": self.thresholds or ()}
        return {name: "".join(f"{x}\n" for x in lines) for name, lines in found.items() if lines}
