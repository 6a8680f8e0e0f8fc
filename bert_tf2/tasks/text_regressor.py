"""Texts or pairs of texts into numbers, such as how alike two sentences are (STS-B)."""

import keras
import numpy as np

from bert_tf2.data import labels as classes
from bert_tf2.data import numbers
from bert_tf2.modeling import heads
from bert_tf2.tasks.task import Task
from bert_tf2.training.losses import squared_error
from bert_tf2.training.metrics import Pearson


@keras.saving.register_keras_serializable("bert_tf2")
class TextRegressor(Task):
    """Gives a text, or a pair of texts, K numbers.

    The model maps int32 ids to float32 (B, K) through the head of a `TextClassifier`, whose logits
    are the numbers themselves, and lowers the mean squared error (google-research/bert has no such
    task; transformers does the same under `problem_type="regression"`).

    Args:
        encoder, preprocessor, dropout, pooling, drop_padding, name: as of a `TextClassifier`.
        labels: what the numbers are called, a list of K names, or K; default: one, "score", or as
            the checkpoint says.

    Raises:
        ValueError: the same name twice, or another pooling.

    Examples:
        >>> sts = bert_tf2.TextRegressor.from_preset("all-MiniLM-L6-v2")
        >>> sts.fit((["a plane", "a cat"], ["an aircraft", "a dog"]), [4.8, 1.5])
        >>> sts.predict((["a train"], ["a locomotive"]))  # float32 (1, 1)
    """

    problem_types = ("regression",)
    problem_type = "regression"
    own_loss = "mean_squared_error"
    gives_logits = False
    wanted = "numbers"
    head_kind = "classes"
    settings = ("labels", "dropout", "pooling")

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=("score",),
        dropout=None,
        pooling="first",
        drop_padding=True,
        name=None,
    ):
        labels = classes.class_names(labels, fewest=1)
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs, pooled = heads.pooled(encoder, pooling, drop_padding, dropout)  # (B, D)
        outputs = heads.classes(pooled, encoder.config, len(labels), dropout)  # (B, K)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels, self.dropout, self.pooling = labels, dropout, pooling

    def predict_scores(self, x, batch_size=32, verbose=0):
        """The numbers of texts.

        Args:
            x: see `Task`.
            batch_size: texts at a time.
            verbose: whether to show how far it is.

        Returns:
            float32 (n, K), or (n,) where there is one number a text.
        """
        found = np.concatenate([a["scores"] for a in self.answer(x, batch_size, verbose)])
        return found[:, 0] if len(self.labels) == 1 else found

    def prepare(self, columns):
        inputs = self.encoded(columns)
        if "labels" not in columns:
            return inputs, None, None
        targets = numbers.numbers_in_graph(columns["labels"], len(self.labels))  # (B, K)
        return inputs, targets, self.row_weights(columns)

    def losses(self, targets, outputs, weights):
        return {"loss": squared_error(targets, outputs, weights)}

    def answers(self, inputs, outputs):
        return {"scores": outputs}

    def default_metrics(self):
        return [keras.metrics.RootMeanSquaredError("rmse"), Pearson()]

    def read_labels(self, y, rows):
        return numbers.numbers(y, self.labels, rows)

    def worth_saying(self, found):
        spread = np.ptp(found["labels"], axis=0)
        return [
            f"All {len(found['labels'])} values of {name!r} are the same: nothing to learn."
            for name, width in zip(self.labels, spread, strict=True)
            if width == 0 and len(found["labels"]) > 1
        ]

    def extra_assets(self):
        return {"labels.txt": "".join(f"{label}\n" for label in self.labels)}
