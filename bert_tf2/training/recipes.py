"""Published recipes, ready to hand to `compile`."""

from bert_tf2.training.optimizers import AdamW
from bert_tf2.training.schedules import LinearWarmupDecay


def finetuning_optimizer(
    total_steps=None, learning_rate=5e-5, warmup_proportion=0.1, weight_decay=0.01, clip_norm=1.0
):
    """Returns Google's optimizer for fine-tuning BERT.

    The defaults are those of google-research/bert: `run_classifier.py` (flags `learning_rate` and
    `warmup_proportion`; `num_warmup_steps = int(num_train_steps * warmup_proportion)`) and
    `create_optimizer` in `optimization.py` (decay 0.01, clipping at 1.0).

    Args:
        total_steps: int, batches per epoch times epochs. The rate falls to 0 at this step. None
            (default), where it is not known, keeps the rate constant.
        learning_rate: float, where the warm-up aims.
        warmup_proportion: float from 0 to 1, the share of the steps that warms up.
        weight_decay: float, 0 for none. Norms and biases never decay.
        clip_norm: float, the largest global norm of a step's gradients, or None.

    Returns:
        A `bert_tf2.training.optimizers.AdamW` with a `LinearWarmupDecay` schedule.

    Raises:
        ValueError: an argument is outside its range.
    """
    if not 0 <= warmup_proportion <= 1:
        raise ValueError(
            "`warmup_proportion` must lie between 0 and 1. "
            f"Received: warmup_proportion={warmup_proportion}"
        )
    rate = learning_rate
    if total_steps is not None:
        rate = LinearWarmupDecay(rate, total_steps, int(total_steps * warmup_proportion))
    return AdamW(rate, weight_decay=weight_decay, clip_norm=clip_norm)
