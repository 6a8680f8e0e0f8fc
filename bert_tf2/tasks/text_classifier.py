"""Texts or pairs of texts into classes (Devlin et al. 2018, section 4.1)."""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import labels as classes
from bert_tf2.modeling import heads
from bert_tf2.scoring import classification
from bert_tf2.tasks.problems import PROBLEMS, thresholds_of
from bert_tf2.tasks.task import Task
from bert_tf2.text.windows import checked_stride
from bert_tf2.text.words import in_windows

OF_TEXT = "text_of_window"  # int32 (W,): the text that a window is of


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
            list of C, or a dict by name; default 0.5. `tune_thresholds` finds the best. What `fit`
            and `evaluate` count is at 0.5; `bert_tf2.scoring.classification` scores others.
        doc_stride: read a text longer than the preprocessor's `max_length` in windows, each so many
            tokens after the last, and answer it by the mean of their logits. In `fit` and
            `evaluate` each of its n windows has its label and counts 1/n, and weights are shares of
            their batch; `predict`, `Scores` and exports are of whole texts. For texts alone, no
            pairs. Default: such a text is cut, which is said once.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: fewer than two classes (one, of several labels), the same name twice, another
            pooling or problem, thresholds that are none, or `doc_stride` below 1.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> clf.fit(["what a film", "what a bore"], ["good", "bad"])
        >>> clf.predict_labels(["a fine film"])[0].label
        'good'
    """

    problem_types = tuple(PROBLEMS)
    softens = True
    head_kind = "classes"
    settings = ("labels", "dropout", "pooling", "problem_type", "thresholds", "doc_stride")
    doc_stride = None
    marks = (OF_TEXT,)

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=None,
        dropout=None,
        pooling="first",
        problem_type="single_label_classification",
        thresholds=None,
        doc_stride=None,
        drop_padding=True,
        name=None,
    ):
        if problem_type not in [*PROBLEMS]:
            raise ValueError(
                f'`problem_type` must be one of {[*PROBLEMS]}; "regression" is a TextRegressor\'s. '
                f"Received: {problem_type!r}"
            )
        doc_stride = checked_stride(doc_stride)
        self.problem = PROBLEMS[problem_type]
        labels = classes.class_names(labels, self.problem.fewest)
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs, pooled = heads.pooled(encoder, pooling, drop_padding, dropout)  # (B, D)
        outputs = heads.classes(pooled, encoder.config, len(labels), dropout)  # (B, C)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels, self.dropout, self.pooling = labels, dropout, pooling
        self.problem_type, self.own_loss = problem_type, self.problem.loss
        self.doc_stride, self.reads_windows = doc_stride, doc_stride is not None
        self.weighs_metrics = self.reads_windows
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

    def predict(self, x, batch_size=32, verbose="auto", **kwargs):
        """Logits (n, C): as `Task.predict`; of texts in windows the means."""
        if not self.reads_windows:
            return super().predict(x, batch_size, verbose, **kwargs)
        if kwargs:
            raise ValueError(f"With `doc_stride` these must be left out. Received: {[*kwargs]}")
        return np.concatenate([b["logits"] for b in self.answer(x, batch_size, verbose == 1)])

    def prepare(self, columns):
        in_parts = self.reads_windows and "text" in columns
        inputs = self._in_windows(columns) if in_parts else self.encoded(columns)
        if "labels" not in columns:
            return inputs, None, None
        targets = self.problem.targets(columns["labels"], self.labels)
        weights = self.row_weights(columns)
        if in_parts:
            of_text = inputs[OF_TEXT]
            weights /= tf.cast(tf.math.bincount(of_text), tf.float32)
            targets, weights = tf.gather(targets, of_text), tf.gather(weights, of_text)
        return inputs, targets, weights

    def _in_windows(self, columns):
        if "text_pair" in columns:
            raise ValueError(
                "`doc_stride` is for texts alone: make the classifier without it for pairs, the "
                "longer side of which is then cut."
            )
        ids = self.preprocessor.tokenizer(tf.reshape(columns["text"], [-1]))
        placed = in_windows(ids, self.preprocessor, self.doc_stride)
        return placed.inputs | {OF_TEXT: placed.windows.rows}

    def joined(self, inputs, outputs):
        if OF_TEXT not in inputs:
            return outputs
        return tf.math.segment_mean(outputs, inputs[OF_TEXT])  # (W, C) -> (B, C)

    def losses(self, targets, outputs, weights):
        how = self.softening | {"by_weight": self.reads_windows}
        return self.problem.losses(targets, outputs, weights, **how)

    def answers(self, inputs, outputs):
        outputs = self.joined(inputs, outputs)
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
        if self.given_loss is not None and self.problem is PROBLEMS["multi_label_classification"]:
            raise ValueError(
                "`class_weight` must be left out with a loss of your own, which weighs whole texts "
                f"and not each label. Received: {by_class}"
            )
        by_number = classes.class_weights(by_class, self.labels)
        return np.array([by_number.get(i, 1.0) for i in range(len(self.labels))], "float32")

    def weigh(self, targets, weights, by_class):
        return self.problem.weigh(targets, weights, by_class)

    def extra_assets(self):
        found = {"labels.txt": self.labels, "thresholds.txt": self.thresholds or ()}
        return {name: "".join(f"{x}\n" for x in lines) for name, lines in found.items() if lines}
