"""Learning-rate schedules that Keras does not have.

Source: google-research/bert `optimization.py`, `create_optimizer`.
"""

import keras
from keras import ops


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
        if total_steps < 1 or int(total_steps) != total_steps:
            raise ValueError(
                "`total_steps` must be a whole number, 1 or more: batches per epoch times epochs. "
                f"Received: total_steps={total_steps}"
            )
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
