"""What the two Keras workers share: one step of `fit`, its batches, a span head, a clock."""

import keras
import numpy as np
import tensorflow as tf

from benchmarks.workers.protocol import Clock

INPUTS = ("token_ids", "segment_ids", "padding_mask")


def read_batch(path, length=None, inputs=INPUTS):
    """A batch file -> (dict of int32 (B, L), labels), padded to `length` if given."""
    with np.load(path) as arrays:
        batch = {name: arrays[name] for name in inputs}
        labels = arrays["labels"]
    if length is not None:
        missing = length - batch["token_ids"].shape[1]
        batch = {name: np.pad(x, ((0, 0), (0, missing))) for name, x in batch.items()}
    return batch, labels


def one_step(model, inputs, labels):
    """-> a function that takes one training step on the batch, as `fit` does, in its graph.

    The graph is traced and everything allocated by a step on a small batch of another shape, so
    that shapes are dynamic, as in `fit` on batches of many lengths.
    """
    width = inputs["token_ids"].shape[1]
    short = min(8, width) if labels.ndim == 1 else width  # spans point into the whole width
    small = {name: x[:2, :short] for name, x in inputs.items()}
    dataset = tf.data.Dataset.from_tensors((small, labels[:2]))
    dataset = dataset.concatenate(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
    model.optimizer.build(model.trainable_variables)
    model.make_train_function()
    batches = iter(dataset)

    def step():
        logs = model.train_function(batches)
        if not np.isfinite(float(logs["loss"])):
            raise FloatingPointError("The loss is not finite.")

    step()
    return step


def span_model(inputs, tokens):
    """A start and an end logit a token: symbolic inputs, (B, L, D) -> a compiled-ready model."""
    logits = keras.layers.Dense(2, dtype="float32", name="span")(tokens)  # (B, L, 2)
    return keras.Model(inputs, keras.ops.transpose(logits, (0, 2, 1)))  # (B, 2, L)


def classification_loss():
    """Works for classes, (B,) on (B, C), and for spans, (B, 2) on (B, 2, L)."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class AfterFirstStep(keras.callbacks.Callback):
    """A clock that starts when the first step, which traces the graph, is done."""

    def __init__(self):
        super().__init__()
        self.clock, self.measured = None, None

    def on_train_batch_end(self, batch, logs=None):
        if self.clock is None:
            self.clock = Clock()

    def on_train_end(self, logs=None):
        self.measured = self.clock.read()
