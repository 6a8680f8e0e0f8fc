"""How a `QuestionAnswerer` learns: two places, or a start, an end by it, and whether there is one.

Letters: W windows, L length.
"""

import tensorflow as tf

from bert_tf2.modeling.answer_heads import BEAMS
from bert_tf2.modeling.inputs import INPUT_NAMES
from bert_tf2.training.losses import binary_cross_entropy, cross_entropy
from bert_tf2.weights.units import HEADS

STARTS = "start_positions"  # of a batch to learn from: int32 (W,), among the inputs
NO_ANSWER = 0.5  # what its loss counts, in google-research/albert and google-research/electra


class TaughtStarts:
    """The losses of a task with `head`, a kind of head.

    That of two logits a token is the mean of both cross-entropies. A beam's head is told the right
    start, and looks for the end behind it; half of the cross-entropy of no answer is added. (All
    are means over windows; ELECTRA's script adds windows up.)
    """

    @property
    def has_beam(self):
        return self.head in BEAMS

    @property
    def own_loss(self):
        return None if self.has_beam else "sparse_categorical_crossentropy"

    def compile(self, optimizer=None, loss=None, metrics=None, weighted_metrics=None, **kwargs):
        """As `StepModel.compile`. Raises ValueError for losses and metrics of a beam's head, whose
        outputs are no logits of classes."""
        others = {"loss": loss, "metrics": metrics, "weighted_metrics": weighted_metrics}
        given = [name for name, value in others.items() if value]
        if self.has_beam and given:
            raise ValueError(
                f"{' and '.join(given)} must be left out for a head of {self.head}, which has "
                "losses of its own: `predict_nbest` gives what `scoring.questions` scores."
            )
        super().compile(optimizer, **others, **kwargs)

    def rename_inputs(self, inputs):
        """As `Task.rename_inputs`. Raises ValueError for ids without segments, by which a beam's
        head knows where the second text is."""
        if self.has_beam and not {"segment_ids", *INPUT_NAMES["segment_ids"]} & {*inputs}:
            raise ValueError(
                f"Inputs of a head of {self.head} must have `segment_ids`, 1 for the context, "
                f"where it looks for answers. Received: {list(inputs)}"
            )
        return super().rename_inputs(inputs)

    def with_starts(self, inputs, targets, weights, without=None):
        """What `prepare` returns: of a beam's head with starts, and whether there is no answer.

        Args:
            inputs: dict. targets: int32 (W, 2), 0 twice for none. weights: float32 (W, 2).
            without: bool (W,), whether the question of a window has no answer; None: as `targets`.

        Returns:
            the same; or with `STARTS` among the inputs, and targets (W, 3), the last 1 for none.
        """
        if not self.has_beam:
            return inputs, targets, weights
        if without is None or BEAMS[self.head].by_window:
            without = targets[:, 1] == 0
        none = tf.cast(without, tf.int32)[:, tf.newaxis]
        return inputs | {STARTS: targets[:, 0]}, tf.concat([targets, none], 1), weights

    def __call__(self, inputs, *args, **kwargs):
        if not isinstance(inputs, dict) or STARTS not in inputs:
            return super().__call__(inputs, *args, **kwargs)
        ids = {name: x for name, x in inputs.items() if name != STARTS}
        (name,) = HEADS[self.head]
        with self.get_layer(name).told(inputs[STARTS]):
            return super().__call__(ids, *args, **kwargs)

    def blank_outputs(self, inputs):
        """As `Task.blank_outputs`; of a beam's head what it is taught by, (W, 3, L)."""
        if not self.has_beam:
            return super().blank_outputs(inputs)
        rows, length = tf.unstack(tf.shape(inputs[self.length_input]))
        return tf.zeros([rows, 3, length])

    def losses(self, targets, outputs, weights):
        found = {"loss": cross_entropy(targets[:, :2], outputs[:, :2], weights)}
        if self.has_beam:
            none = tf.cast(targets[:, 2:], tf.float32)
            total, size = binary_cross_entropy(none, outputs[:, 2, :1], weights[:, 0])
            found["no_answer"] = (NO_ANSWER * total, size)
        return found

    def default_metrics(self):
        return None if self.has_beam else ["accuracy"]
