"""Learning-rate schedules with a warm-up, by name: Keras's own, and what Keras does not have.

Source of "linear": google-research/bert `optimization.py`, `create_optimizer`.
"""

import functools
import math

import keras
import tensorflow as tf
from keras import ops
from keras.optimizers.schedules import CosineDecay, PolynomialDecay


@keras.saving.register_keras_serializable("bert_tf2")
class LinearWarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Google BERT's learning rate: a linear warm-up, then a line down to 0.

    ```
    rate(step) = init_lr * step / warmup_steps        for step < warmup_steps
                 init_lr * (1 - step / total_steps)   up to total_steps
                 0                                    beyond
    ```

    The falling line starts at step 0, not at the end of the warm-up. So the rate drops onto it when
    the warm-up ends, and with a warm-up it never reaches `init_lr`.

    Args:
        init_lr: float, 0 or more. The rate that the warm-up aims at.
        total_steps: int, 1 or more. The step from which on the rate is 0.
        warmup_steps: int from 0 to `total_steps`. Defaults to 0: no warm-up.

    Raises:
        ValueError: an argument is outside the range above.
    """

    def __init__(self, init_lr, total_steps, warmup_steps=0):
        super().__init__()
        if init_lr < 0:
            raise ValueError(f"`init_lr` must be 0 or more. Received: init_lr={init_lr}")
        _check_total_steps(total_steps)
        if not 0 <= warmup_steps <= total_steps or int(warmup_steps) != warmup_steps:
            raise ValueError(
                "`warmup_steps` must be a whole number from 0 to `total_steps`. "
                f"Received: warmup_steps={warmup_steps}, total_steps={total_steps}"
            )
        self.init_lr = float(init_lr)
        self.total_steps = int(total_steps)
        self.warmup_steps = int(warmup_steps)

    def __call__(self, step):
        """Returns the float32 rate of `step`, an integer scalar that counts from 0."""
        step = ops.cast(step, "float32")
        done = ops.minimum(step, float(self.total_steps)) / self.total_steps
        rate = self.init_lr * (1.0 - done)
        if not self.warmup_steps:
            return rate
        warmup_rate = self.init_lr * (step / self.warmup_steps)
        return ops.where(step < self.warmup_steps, warmup_rate, rate)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "init_lr": self.init_lr,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


def _check_total_steps(total_steps):
    if total_steps < 1 or int(total_steps) != total_steps:
        raise ValueError(
            "`total_steps` must be a whole number, 1 or more: batches per epoch times epochs. "
            f"Received: total_steps={total_steps}"
        )


@keras.saving.register_keras_serializable("bert_tf2")
class Joined(keras.optimizers.schedules.LearningRateSchedule):
    """One schedule for a number of steps, then another that counts its steps from 0.

    Args:
        first: a `LearningRateSchedule`.
        steps: int, 1 or more. The step at which `second` takes over.
        second: a `LearningRateSchedule`.

    Raises:
        ValueError: `steps` below 1.
    """

    def __init__(self, first, steps, second):
        super().__init__()
        if steps < 1:
            raise ValueError(f"`steps` must be 1 or more. Received: steps={steps}")
        self.first, self.steps, self.second = first, int(steps), second

    @property
    def total_steps(self):
        """The step from which on the rate is 0; infinite if `second` does not fall to 0."""
        return self.steps + steps_until_zero(self.second)

    def __call__(self, step):
        """Returns the float32 rate of `step`, an integer scalar that counts from 0."""
        step = ops.convert_to_tensor(step)
        return ops.where(step < self.steps, self.first(step), self.second(step - self.steps))

    def get_config(self):
        """Returns the constructor's arguments."""
        serialize = keras.optimizers.schedules.serialize
        return {
            "first": serialize(self.first),
            "steps": self.steps,
            "second": serialize(self.second),
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        deserialize = keras.optimizers.schedules.deserialize
        return cls(deserialize(config["first"]), config["steps"], deserialize(config["second"]))


@keras.saving.register_keras_serializable("bert_tf2")
class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of known length as a table, which another may replace in a graph that reads it.

    Args:
        schedule: a `LearningRateSchedule`.
        total_steps: int. From this step on the rate stays as the schedule has it then.
    """

    def __init__(self, schedule, total_steps):
        super().__init__()
        self.schedule, self.planned_steps = schedule, total_steps
        self.table = tf.Variable(self._rates(), shape=[None], trainable=False, name="rates")

    def _rates(self):
        with tf.init_scope():
            return tf.cast(self.schedule(tf.range(self.planned_steps + 1)), "float32")

    @property
    def total_steps(self):
        """The step from which on the rate is 0; infinite if it does not fall to 0."""
        return steps_until_zero(self.schedule)

    def assign(self, other):
        """Takes over the schedule of other `Rates`."""
        self.schedule, self.planned_steps = other.schedule, other.planned_steps
        self.table.assign(other.table)

    def __call__(self, step):
        """Returns the float32 rate of `step`, an integer scalar that counts from 0."""
        last = tf.cast(tf.size(self.table) - 1, "int64")
        return tf.gather(self.table, tf.minimum(tf.cast(step, "int64"), last))

    def get_config(self):
        """Returns the constructor's arguments."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "total_steps": self.planned_steps}

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["total_steps"])


# --- When a rate is 0. ----------------------------------------------------------------------------


@functools.singledispatch
def steps_until_zero(rate):
    """The step from which on a schedule's rate is 0.

    Args:
        rate: a float or variable, a callable, or a `LearningRateSchedule`; one that is not Keras's
            says it in an attribute `total_steps`.

    Returns:
        int; infinite where the rate stays above 0.
    """
    return getattr(rate, "total_steps", math.inf)


@steps_until_zero.register
def _(rate: PolynomialDecay):
    return math.inf if rate.end_learning_rate or rate.cycle else rate.decay_steps


@steps_until_zero.register
def _(rate: CosineDecay):
    warmup_steps = 0 if rate.warmup_target is None else rate.warmup_steps
    return math.inf if rate.alpha else warmup_steps + rate.decay_steps


# --- By name. Each takes the highest rate, all steps, and those of them that warm up. -------------


def polynomial(rate, total_steps, warmup_steps=0, power=1.0):
    """A line up to `rate`, then `rate * (1 - progress) ** power` down to 0."""
    fall = PolynomialDecay(rate, _steps_to_fall(total_steps, warmup_steps), 0.0, power)
    return Joined(constant(rate, None, warmup_steps), warmup_steps, fall) if warmup_steps else fall


def cosine(rate, total_steps, warmup_steps=0):
    """A line up to `rate`, then the half wave `rate * (1 + cos(pi * progress)) / 2` down to 0."""
    steps = _steps_to_fall(total_steps, warmup_steps)
    if not warmup_steps:
        return CosineDecay(rate, steps)
    return CosineDecay(0.0, steps, warmup_target=rate, warmup_steps=warmup_steps)


def constant(rate, total_steps=None, warmup_steps=0):
    """A line up to `rate`, then that rate: a schedule, or the float where nothing warms up."""
    return PolynomialDecay(0.0, warmup_steps, rate) if warmup_steps else float(rate)


def one_cycle(rate, total_steps, warmup_steps=0, divisor=25.0):
    """A half wave from `rate / divisor` up to `rate`, and one down to 0.

    The cycle of Smith & Topin 2018, "Super-Convergence", in the form of torch's `OneCycleLR`; the
    rate alone: momentum stays as it is.
    """
    fall = CosineDecay(rate, _steps_to_fall(total_steps, warmup_steps))
    if not warmup_steps:
        return fall
    return Joined(CosineDecay(rate / divisor, warmup_steps, alpha=divisor), warmup_steps, fall)


SCHEDULES = {
    "linear": LinearWarmupDecay,
    "polynomial": polynomial,
    "cosine": cosine,
    "constant": constant,
    "one_cycle": one_cycle,
}


def _steps_to_fall(total_steps, warmup_steps):
    """At least one, for a rate that rises to the end and is 0 after that."""
    _check_total_steps(total_steps)
    return max(total_steps - warmup_steps, 1)
