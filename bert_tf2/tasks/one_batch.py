"""Keras's methods of one batch, on raw text."""

from bert_tf2.tasks import feeding, process


class OneBatch:
    """What a `Task` does with rows that are given one batch after another by the user."""

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """As Keras's, on raw text: one step with these rows."""
        batch = feeding.batch(self, x, y, sample_weight, class_weight)
        return self._on_batch("train", batch, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """As Keras's, on raw text: the loss and metrics of these rows."""
        return self._on_batch("test", feeding.batch(self, x, y, sample_weight), return_dict)

    def _on_batch(self, kind, batch, return_dict):
        process.check()
        self.ready_to_train() if kind == "train" else self.ready()
        self.build_metrics(batch)
        method = {"train": super().train_on_batch, "test": super().test_on_batch}[kind]
        return method(*batch, return_dict=return_dict)

    def predict_on_batch(self, x):
        """As Keras's, on raw text: the outputs for these rows."""
        process.check()
        return super().predict_on_batch(self.prepare(self.read(x))[0])
