"""Runs that end early."""

import keras


class StopAt(keras.callbacks.Callback):
    """Ends a run as an exception would, after so many steps in all."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == self.steps:
            raise KeyboardInterrupt
