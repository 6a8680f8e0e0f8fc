"""Official figures of validation data among the logs of each epoch."""

import numbers

import keras
import numpy as np

from bert_tf2.data.pipeline import count_rows


class Scores(keras.callbacks.Callback):
    """Scores validation data after each epoch, for callbacks that choose by a figure.

    Keras's metrics add up over batches, as F1 of entities, Matthews' or a rank correlation do not.
    These are computed of all answers at once, by a function of `bert_tf2.scoring` or any other, and
    are in the logs before all other callbacks read them, whatever their order in the list. The
    answers are those of the weights that Keras would validate: of the moving average beside
    `SwapEMAWeights`.

    Args:
        x: as for `predict`, in memory.
        y: what is right, as for `fit`; or as `metric` wants it, where `answers` is a function.
        metric: function of (gold, answers) -> a figure, or a dict of some. What is no number in it
            is left out.
        answers: which of the task's `answers` the metric gets: a list of str or an array, one entry
            a row. Default: the first; it stands for classes against names, for numbers against
            numbers (n, K). Of several labels a text, `y` is 0 and 1 (n, C) and "probabilities" are
            what is to be named here. Or a function of (task, x) that gives anything.
        batch_size: rows at a time.
        prefix: of the names in the logs, before the metric's, or that of the function.

    Raises:
        ValueError: in `fit`: y is not what the task takes, the task gives no such answer, or the
            logs have a figure of that name. A metric's own errors come as they are.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> scores = bert_tf2.Scores(dev_texts, dev_labels, classification.matthews)
        >>> stop = keras.callbacks.EarlyStopping("val_matthews", mode="max", patience=2)
        >>> clf.fit(texts, labels, epochs=20, callbacks=[scores, stop])
    """

    swapping = ()  # callbacks that have other weights stand in for validation; set by the run

    def __init__(self, x, y, metric, answers=None, batch_size=32, prefix="val_"):
        super().__init__()
        self.x, self.y, self.metric = x, y, metric
        self.answers, self.batch_size, self.prefix = answers, batch_size, prefix

    def on_train_begin(self, logs=None):
        self.gold = self.y
        if not callable(self.answers):
            rows = count_rows(self.model.read(self.x))
            try:
                self.gold = self.model.read_labels(self.y, rows)
            except ValueError as error:
                raise ValueError(
                    "`answers` must be a function of (task, x) where a row has several of them, "
                    "such as `lambda task, x: [found.tags for found in task.predict_tags(x)]`. "
                    f"Received: answers={self.answers!r}; {error}"
                ) from None

    def on_epoch_end(self, epoch, logs=None):
        for callback in self.swapping:
            callback.on_test_begin()
        try:
            figures = self.metric(self.gold, self._answers())
        finally:
            for callback in self.swapping:
                callback.on_test_end()
        if isinstance(figures, numbers.Real):
            figures = {getattr(self.metric, "__name__", "score"): figures}
        for name, value in figures.items():
            if self.prefix + name in logs:
                raise ValueError(
                    f"{self.prefix + name!r} is in the logs already: give `Scores` another "
                    f"`prefix`. Received: {self.prefix!r}"
                )
            if isinstance(value, numbers.Real):
                logs[self.prefix + name] = float(value)

    def _answers(self):
        """The answers to x, as the metric wants them."""
        if callable(self.answers):
            return self.answers(self.model, self.x)
        batches = list(self.model.answer(self.x, self.batch_size))
        name = next(iter(batches[0])) if self.answers is None else self.answers
        if name not in batches[0]:
            raise ValueError(
                f"`answers` must be one of {list(batches[0])}, or a function of the task and x. "
                f"Received: {name!r}"
            )
        if batches[0][name].dtype == object:
            return [_text(row) for batch in batches for row in batch[name]]
        return np.concatenate([batch[name] for batch in batches])


def _text(value):
    """bytes -> str, at any depth."""
    return value.decode() if isinstance(value, bytes) else [_text(part) for part in value]
