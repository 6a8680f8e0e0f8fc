"""Losses as sums and sizes, which add up over micro-batches and replicas as means do not.

Letters: B rows, C classes.
"""

import keras
import tensorflow as tf

LEAST = 2.0**-24  # what a probability in float32 may lack to 1
# Kinds of mean that a Keras loss may be, and what each is a mean over.
BY_ROWS, BY_WEIGHT = ("mean", "sum_over_batch_size"), "mean_with_sample_weight"


def cross_entropy(targets, logits, weights, by_weight=False, label_smoothing=0.0, focal_gamma=0.0):
    """The cross-entropy of classes.

    Args:
        targets: int32 (B, …).
        logits: float32 (B, …, C).
        weights: float32 (B, …).
        by_weight: whether the mean is over weights, where a target may count nothing; default: over
            targets, as Keras's `sum_over_batch_size`.
        label_smoothing: the share of a target that is spread over all classes (Szegedy et al. 2015,
            section 7), from 0 to 1.
        focal_gamma: of the focal loss, (1 - p)^gamma log p (Lin et al. 2017, equation 4); 0: none.

    Returns:
        its sum and what that is a mean over, two float32 scalars.
    """
    if not label_smoothing and not focal_gamma:
        values = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    else:
        logs = tf.nn.log_softmax(logits)
        costs = -logs
        if focal_gamma:  # of a power of 0 there is no slope, below 1
            costs *= tf.maximum(-tf.math.expm1(logs), LEAST) ** focal_gamma
        values = tf.gather(costs, targets, batch_dims=targets.shape.rank) * (1 - label_smoothing)
        values += label_smoothing * tf.reduce_mean(costs, -1)
    size = tf.reduce_sum(weights) if by_weight else tf.cast(tf.size(targets), tf.float32)
    return tf.reduce_sum(values * weights), size


def binary_cross_entropy(
    targets, logits, weights, label_smoothing=0.0, focal_gamma=0.0, by_weight=False
):
    """The mean over rows and classes of each class's own cross-entropy.

    Args:
        targets: float32 (B, C), 0 or 1. logits: float32 (B, C).
        weights: float32 (B,), or (B, C).
        label_smoothing: targets move to 1/2 by this share, as in Keras's `BinaryCrossentropy`.
        focal_gamma, by_weight: as in `cross_entropy`.

    Returns: as `cross_entropy`.
    """
    weights = weights[:, tf.newaxis] if weights.shape.rank == 1 else weights
    targets = targets * (1 - label_smoothing) + label_smoothing / 2
    if focal_gamma:
        yes, no = tf.math.log_sigmoid(logits), tf.math.log_sigmoid(-logits)
        values = -targets * tf.exp(focal_gamma * no) * yes
        values -= (1 - targets) * tf.exp(focal_gamma * yes) * no
    else:
        values = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    size = tf.reduce_sum(weights * tf.ones_like(values)) if by_weight else tf.size(targets)
    return tf.reduce_sum(values * weights), tf.cast(size, tf.float32)


def squared_error(targets, outputs, weights):
    """The mean over rows and outputs of squared differences; (B, K) each, weights (B,)."""
    values = tf.square(targets - outputs) * weights[:, tf.newaxis]
    return tf.reduce_sum(values), tf.cast(tf.size(targets), tf.float32)


def compiled(loss, targets, outputs, weights):
    """The same of what a user gave `compile`: {name: (sum, size)}.

    Args:
        loss: a `keras.losses.Loss`; a list or dict of them where there are several outputs.
        targets, outputs, weights: a tensor each, or structures like `loss`.
    """
    if isinstance(loss, keras.losses.Loss):
        size = tf.cast(tf.shape(outputs)[0], tf.float32)
        if loss.reduction == BY_WEIGHT:
            size = tf.reduce_sum(weights)
        return {"loss": (loss(targets, outputs, weights) * size, size)}
    names = list(loss) if isinstance(loss, dict) else range(len(loss))
    found = {n: compiled(loss[n], targets[n], outputs[n], weights[n]) for n in names}
    return {str(name): parts["loss"] for name, parts in found.items()}


@keras.saving.register_keras_serializable("bert_tf2")
class OfFunction(keras.losses.Loss):
    """The mean over rows of a function (targets, outputs) -> (B, …)."""

    def __init__(self, function):
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.call = self.function = function

    def get_config(self):
        try:
            return {"function": keras.saving.serialize_keras_object(self.function)}
        except TypeError:  # a partial, or another object: what was learned is to be saved anyway
            return {"function": None}

    @classmethod
    def from_config(cls, config):
        """The loss of a function that Keras finds: one of its own, or one that is registered."""
        if config["function"] is None:
            raise ValueError(
                "The model was compiled with a loss that is no function with a name, which no file "
                "can hold: load it with `compile=False`, and compile it again."
            )
        return cls(keras.saving.deserialize_keras_object(config["function"]))
