"""Training that begins at the top of a model and reaches down as it goes."""

import keras

from bert_tf2.messages import checked_int
from bert_tf2.modeling.top_layers import in_top, top_blocks


class GradualUnfreezing(keras.callbacks.Callback):
    """Trains the head first, and then one more layer from the top each epoch.

    Howard & Ruder 2018, "Universal language model fine-tuning for text classification", section
    3.3: what lies deep is not spoilt by a head that is still random. Epoch e, from 0, trains the
    `start + e // every` top layers, the pooler and the head, as `trainable_layers` of
    `from_preset` would; after the last layer come the embeddings. What was frozen before stays
    frozen. What rests keeps its weights and slots to the bit, takes no part in the gradients' norm,
    and is left out of the backward pass; the schedule of the run goes on for all.

    A step is traced once for each number of layers. What is saved meanwhile knows nothing of it,
    and when the run ends, however it does, all is to be trained as before. A run with `Checkpoints`
    goes on where it was.

    Args:
        start: int from 0, the layers that are trained at first.
        every: int from 1, the epochs until the next one.

    Raises:
        ValueError: numbers out of range; in `fit`, a model whose layers share their weights
            (ALBERT), or `fgm` before the embeddings' turn.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> clf.fit(texts, labels, callbacks=[bert_tf2.GradualUnfreezing()])
    """

    def __init__(self, start=0, every=1):
        super().__init__()
        self.start, self.every = checked_int("start", start, 0), checked_int("every", every)

    def on_train_begin(self, logs=None):
        if self.model.encoder.config.num_hidden_groups is not None:
            raise ValueError(
                "`GradualUnfreezing` needs layers with weights of their own, which ALBERT's have "
                "not: leave it out, or train the head first with `trainable_layers=0`."
            )

        if self.model.active_adapter is not None:
            raise ValueError(
                "`GradualUnfreezing` is for the encoder's own layers, which do not train beside an "
                f"adapter: leave it out. Received: adapter {self.model.active_adapter!r}"
            )

    def on_epoch_begin(self, epoch, logs=None):
        task, layers = self.model, self.start + epoch // self.every
        config, variables = task.encoder.config, task.named_variables()
        resting = {}
        if layers <= config.num_hidden_layers:
            top = in_top(variables, top_blocks(config, layers))
            resting = {name: v for name, v in variables.items() if name not in top}
        task.rest(resting.values())

    def release(self):
        """Called when `fit` ends, however it does."""
        self.model.rest()
