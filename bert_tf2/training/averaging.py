"""The mean of the weights that a run passes through.

An exponential mean is Keras's: `AdamW(use_ema=True)`, and `keras.callbacks.SwapEMAWeights`.
"""

import keras


class AverageWeights(keras.callbacks.Callback):
    """Stochastic weight averaging: the run ends with the mean of its weights after each epoch.

    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization". It
    suits a rate that stays high, such as `compile({"schedule": "constant"})`. With `Checkpoints`
    beside it, a run that was killed goes on with the mean so far. While the run lasts, the model
    has its own weights, and validation is of these.

    Args:
        start_epoch: the first epoch, from 0, whose weights count.

    Raises:
        ValueError: `start_epoch` below 0.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> clf.fit(texts, labels, callbacks=[bert_tf2.AverageWeights(start_epoch=1)])
    """

    def __init__(self, start_epoch=0):
        super().__init__()
        if start_epoch < 0:
            raise ValueError(f"`start_epoch` must be 0 or more. Received: {start_epoch}")
        self.start_epoch = start_epoch
        self.means = self.count = None
        self.ready = False  # whether these are for the run that begins

    def state_variables(self, model):
        """What `Checkpoints` saves of it: the count of epochs and the means."""
        with model.distribute_strategy.scope():
            self.count = keras.Variable(0, dtype="int64", trainable=False, name="epochs")
            self.means = [
                keras.Variable(keras.ops.zeros_like(v), trainable=False, name=f"mean_{i}")
                for i, v in enumerate(model.trainable_variables)
            ]
        self.ready = True
        return [self.count, *self.means]

    def on_train_begin(self, logs=None):
        if not self.ready:
            self.state_variables(self.model)
        self.ready = False

    def on_epoch_end(self, epoch, logs=None):
        if epoch < self.start_epoch:
            return
        self.count.assign_add(1)
        share = 1.0 / int(keras.ops.convert_to_numpy(self.count))
        for mean, variable in zip(self.means, self.model.trainable_variables, strict=True):
            mean.assign(mean + (variable - mean) * share)

    def on_train_end(self, logs=None):
        if int(keras.ops.convert_to_numpy(self.count)):
            for mean, variable in zip(self.means, self.model.trainable_variables, strict=True):
                variable.assign(mean)
