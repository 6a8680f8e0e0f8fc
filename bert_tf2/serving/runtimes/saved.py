"""A SavedModel, asked as a task is."""

import tensorflow as tf

from bert_tf2.data import columns
from bert_tf2.serving.runtimes.timed import Timed


class Served(Timed):
    """Called as `Task.answer`, with what a SavedModel answers to texts, or to ids.

    Args:
        task: the task that it was exported from, which reads texts.
        folder: of the SavedModel.
    """

    def __init__(self, task, folder):
        import tensorflow_text  # noqa: F401  its operations are in the graph

        super().__init__()
        self.task = task
        self.loaded = tf.saved_model.load(folder)  # a signature alone does not hold its variables

    def __call__(self, x, batch_size=32, verbose=0):
        """Yields for each batch a dict of NumPy arrays (B, …)."""
        of_ids = columns.is_encoded(x)
        serve = self.loaded.signatures["token_ids" if of_ids else "serving_default"]
        found = x if of_ids else self.task.read_texts(x)

        def run(part):
            return {name: value.numpy() for name, value in serve(**part).items()}

        for start in range(0, len(next(iter(found.values()))), batch_size):
            part = {name: column[start : start + batch_size] for name, column in found.items()}
            yield self.timed(run, {name: tf.constant(column) for name, column in part.items()})
