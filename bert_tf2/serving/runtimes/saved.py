"""A SavedModel, asked as a task is."""

import time

import tensorflow as tf


class Served:
    """Called as `Task.answer`, with what the `serving_default` of a SavedModel answers.

    Args:
        task: the task that it was exported from, which reads texts.
        folder: of the SavedModel.

    Attributes:
        seconds: how long the graph has computed.
    """

    def __init__(self, task, folder):
        import tensorflow_text  # noqa: F401  its operations are in the graph

        self.task, self.seconds = task, 0.0
        self.loaded = tf.saved_model.load(folder)  # a signature alone does not hold its variables
        self.serve = self.loaded.signatures["serving_default"]

    def __call__(self, x, batch_size=32, verbose=0):
        """Yields for each batch a dict of NumPy arrays (B, …)."""
        texts = self.task.read_texts(x)
        rows = int(next(iter(texts.values())).shape[0])
        for start in range(0, rows, batch_size):
            part = {name: column[start : start + batch_size] for name, column in texts.items()}
            began = time.perf_counter()
            answers = {name: value.numpy() for name, value in self.serve(**part).items()}
            self.seconds += time.perf_counter() - began
            yield answers
