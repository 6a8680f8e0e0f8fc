"""Steps whose gradients are not finite: left out, or the end of the run."""

import logging
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bert_tf2 import files
from bert_tf2.training import strategies

LOGGER = logging.getLogger("bert_tf2")
ACTIONS = (None, "skip", "stop")


class FiniteSteps:
    """Lets a step be taken only if all its gradients are finite, on all replicas alike.

    To be created in the scope of the strategy that trains.

    Args:
        action: "skip": such a step is left out; weights, slots and the step count stay. "stop": it
            is, and the run ends with the batch in a file.
    """

    def __init__(self, action):
        self.stops = action == "stop"
        self.left_out = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="steps_left_out",
        )

    def guard(self, take, gradients):
        """Calls `take(gradients)`, on each replica, where they are finite.

        Args:
            take: function of a list of tensors, to be called in a replica's context.
            gradients: list of tensors, the same on all replicas.

        Returns:
            whether they were, a bool scalar.
        """
        values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in values])

        # Updates cross replicas, so whether to take them must be asked across replicas, too.
        def everywhere(strategy, finite, gradients):
            def taken():
                strategy.extended.call_for_each_replica(take, args=(gradients,))
                return tf.constant(0, tf.int64)

            agreed = strategy.experimental_local_results(finite)[0]
            self.left_out.assign_add(tf.cond(agreed, taken, lambda: tf.constant(1, tf.int64)))

        tf.distribute.get_replica_context().merge_call(everywhere, args=(finite, gradients))
        return finite

    def report(self):
        """Tells, and forgets, how many steps were left out."""
        count = int(self.left_out.numpy())
        if count:
            LOGGER.warning("%d steps were left out: their gradients were not finite", count)
        self.forget()

    def forget(self):
        """Starts counting anew."""
        self.left_out.assign(0)

    def end_if_seen(self, data, strategy, folder, step):
        """Ends the run if the last step was left out.

        Args:
            data: (x, y, …), the batch of that step, as the strategy hands it out.
            strategy: a `tf.distribute.Strategy`.
            folder: where the batch is written.
            step: how many steps have been taken.

        Raises:
            FloatingPointError: it was; the message names the file.
        """
        if not int(self.left_out.numpy()):
            return
        self.forget()
        worker = f"-worker-{strategies.worker(strategy)}" * strategies.is_multi_worker(strategy)
        name = f"nonfinite-after-step-{step}{worker}.npz"
        file = save_batch(data, strategy, Path(folder) / name)
        raise FloatingPointError(
            f"After step {step} came a batch with gradients that are not finite. The weights are "
            f'those before it; it is saved in {file}. `compile(nonfinite="skip")`, in the shell '
            "--nonfinite=skip, goes on without."
        )


def save_batch(data, strategy, file):
    """Writes this process's part of a batch as an .npz file: "x/token_ids", "y", …; -> its path."""
    arrays = {}
    for path, value in keras.tree.flatten_with_path(data):
        parts = strategy.experimental_local_results(value)
        part, *rest = path if len(path) else (0,)
        name = "/".join([("x", "y", "sample_weight")[part], *map(str, rest)])
        arrays[name] = np.concatenate([np.asarray(x) for x in parts])
    with files.new_file(file) as draft:
        np.savez(draft, **arrays)
    return file
