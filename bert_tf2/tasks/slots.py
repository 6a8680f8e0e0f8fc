"""The optimizer's slots beside the weights, as Google's checkpoints have them."""

import dataclasses

import numpy as np

from bert_tf2.tasks import opening


class KeepsSlots:
    """A task whose checkpoints may hold what its optimizer remembers."""

    def save_to_preset(self, folder, format="bert_tf2", dtype="float32", optimizer=False):
        """As every task's.

        Args:
            folder, format, dtype: see `weights.save`.
            optimizer: whether Google's format also has the slots of AdamW or LAMB (`…/adam_m`,
                `…/adam_v`) and the `global_step`, from which Google's scripts go on.

        Raises:
            ValueError: slots of another format, beside an active adapter, or of an optimizer that
                has taken no step or has others; and what `weights.save` raises.
        """
        if not optimizer:
            return super().save_to_preset(folder, format, dtype)
        if format != "google":
            raise ValueError(
                "`optimizer` must be False for a format without slots: only google has them, "
                f"and `save` and `Checkpoints` keep them. Received: {format!r}"
            )
        if self.active_adapter is not None:
            raise ValueError(
                "`optimizer` must be False beside an adapter: its slots are of the adapter, which "
                f"google has no place for. Received: adapter {self.active_adapter!r}"
            )
        contents = _with_slots(self, self.contents())
        return opening.write(type(self), folder, contents, format, dtype)


def _with_slots(task, contents):
    """Contents that hold slots as well; zeros for variables that were not trained."""
    optimizer = task.optimizer
    moments = [getattr(optimizer, f"_{name}", None) for name in ("momentums", "velocities")]
    if None in moments:
        raise ValueError(
            "`optimizer` must be an AdamW or LAMB that has taken a step, to be written. Received: "
            f"{type(optimizer).__name__ if optimizer else None}"
        )
    places = {id(v): i for i, v in enumerate(optimizer._trainable_variables)}  # keras-private

    def slots(variables):
        return {
            f"adam_{letter}": {
                name: np.array(slot[places[id(v)]].value if id(v) in places else np.zeros(v.shape))
                for name, v in variables.items()
            }
            for letter, slot in zip("mv", moments, strict=True)
        }

    steps = int(optimizer.iterations.numpy())
    contents = dataclasses.replace(contents, slots=slots(task.named_variables()), steps=steps)
    if contents.generator is not None:
        own = slots(task.generator_variables())
        generator = dataclasses.replace(contents.generator, slots=own)
        contents = dataclasses.replace(contents, generator=generator)
    return contents
