"""What of Keras is overridden so that `tf.distribute` trains rightly, and why.

What is private to Keras and needed for training is in this file, but for the update of our own
optimizer (`optimizers.py`, "Keras hooks"). Tested with Keras 3.15;
`tests/training/test_keras_hooks.py` fails when Keras repairs what is repaired here, or changes what
this stands on.
"""

import contextlib
import itertools

import keras
import tensorflow as tf


class DistributedModel(keras.Model):
    """A functional Keras model whose `fit` and `evaluate` are right under any strategy.

    A subclass writes `train_step(data)` and `test_step(data)`, which run on each replica; `fit`
    does not read what they return, since a replica knows only its own part of a metric.
    """

    batches_to_drop = steps_to_pass = 0  # see `pass_over`

    def _make_function(self, step_function):
        """A function that takes an iterator and runs `steps_per_execution` steps.

        Keras's reads the metrics on each replica and takes the mean of the results, which is wrong
        where replicas see unequal numbers of rows, and its loop over several steps fails under
        every strategy (a placeholder without a shape).
        """
        strategy, steps = self.distribute_strategy, self.steps_per_execution
        executed = tf.Variable(0, dtype=tf.int64, trainable=False, name="executed_steps")

        @tf.autograph.experimental.do_not_convert
        def one_step(data):
            strategy.run(step_function, args=(data,))
            return self.get_metrics_result()  # here, across replicas, each metric is summed first

        @tf.autograph.experimental.do_not_convert
        def several_steps(iterator):
            def body(step, _):
                batch = iterator.get_next_as_optional()

                def take():
                    logs = step_of(iterator)(batch.get_value())
                    with tf.control_dependencies(tf.nest.flatten(logs)):
                        return tf.identity(executed.assign_add(1)) > 0

                return step + 1, tf.cond(batch.has_value(), take, lambda: False)

            start = tf.constant(0), tf.constant(True)
            tf.while_loop(
                lambda step, more: (step < steps) & more, body, start, parallel_iterations=1
            )
            return self.get_metrics_result()

        if not self.run_eagerly:
            several_steps = tf.function(several_steps, reduce_retracing=True)
            compiled = _compiles(self)
            on_batch = tf.function(one_step, reduce_retracing=True, jit_compile=compiled)
        else:
            on_batch = one_step
        on_batch = self._autoconvert_optionals(on_batch)
        step_of = _traced_by_spec(one_step, self)
        training = step_function == self.train_step

        def function(iterator):
            if not isinstance(iterator, tf.data.Iterator | tf.distribute.DistributedIterator):
                return on_batch(next(iterator))  # of `train_on_batch`
            while training and self.batches_to_drop:
                self.batches_to_drop -= 1
                next(iterator)
            if training and self.steps_to_pass:
                passing = min(steps, self.steps_to_pass)
                self.steps_to_pass -= passing
                for _ in range(passing):
                    next(iterator)
                return self.get_metrics_result()
            if steps > 1 and isinstance(iterator, tf.data.Iterator):
                before = int(executed)
                logs = several_steps(iterator)
                if int(executed) == before:
                    raise StopIteration
                return logs
            # `next` is not in the graph: where the data end, the graph would still run what needs
            # none of them, such as the count of steps.
            step = step_of(iterator)
            logs = step(next(iterator))
            for data in itertools.islice(iterator, steps - 1):
                logs = step(data)
            return logs

        return function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Creates metrics in the strategy's scope, from the shapes of a batch.

        Keras's adds up a batch over replicas for this, which fails for unequal batches and with
        several worker processes.
        """
        if self._distribute_strategy is None:
            return  # as Keras: the first trace builds them
        if iterator is not None:
            spec = iterator._distributed_dataset.element_spec
            data_batch = tf.nest.map_structure(_local_spec, spec)
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    def build_metrics(self, dataset):
        """Creates the metrics' variables before the first step does."""
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=dataset.element_spec)

    def pass_over(self, batches, steps):
        """Has the next `fit` begin later in its data; zeros undo it.

        Args:
            batches: of earlier epochs, to be dropped where one iteration spans epochs.
            steps: of its first epoch, for which no step is taken.
        """
        self.batches_to_drop, self.steps_to_pass = batches, steps

    def record_loss(self, loss, rows):
        """Adds a batch's mean loss, a scalar, to the metric "loss"; it counts as `rows` rows."""
        self._loss_tracker.update_state(loss, sample_weight=rows)

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """The compiled loss of a batch, a scalar, undivided by the number of replicas.

        Keras's `compute_loss` divides by it, as if all replicas had equally many rows.
        """
        loss = self.compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
        )
        return loss * tf.cast(self.distribute_strategy.num_replicas_in_sync, loss.dtype)


def _traced_by_spec(one_step, model):
    """Iterator -> the step as a graph, traced once for all shapes that its dataset may give.

    Traced from the batches, the first would be computed by a graph of its own, which knows its
    shape; that costs a second trace, and rounds otherwise.
    """
    traced = []

    def step_of(iterator):
        if model.run_eagerly:
            return one_step
        spec = iterator.element_spec
        for known, step in traced:
            if known == spec:
                return step
        step = tf.function(one_step, input_signature=[spec], jit_compile=_compiles(model))
        traced.append((spec, step))
        return step

    return step_of


def _compiles(model):
    """Whether XLA compiles the step: with several replicas sums cross devices, which it cannot."""
    return bool(model.jit_compile) and model.distribute_strategy.num_replicas_in_sync == 1


def _local_spec(spec):
    """What one replica sees of a distributed dataset's element."""
    values = getattr(spec, "_value_specs", None)  # of a PerReplicaSpec
    return values[0] if values else spec


@contextlib.contextmanager
def gradients_summed(optimizer):
    """Within it, a Keras optimizer takes gradients that are summed over replicas already.

    Keras's optimizers sum them after clipping and after the check for overflow, which both need
    the sum. It may be entered by several replicas' threads at a time.
    """
    inner = getattr(optimizer, "inner_optimizer", None)  # of a LossScaleOptimizer
    optimizers = [optimizer] if inner is None else [optimizer, inner]
    for each in optimizers:
        each.__dict__["_summed_depth"] = each.__dict__.get("_summed_depth", 0) + 1
        each.__dict__["_all_reduce_sum_gradients"] = list
    try:
        yield
    finally:
        for each in optimizers:
            each.__dict__["_summed_depth"] -= 1
            if not each.__dict__["_summed_depth"]:
                del each.__dict__["_all_reduce_sum_gradients"], each.__dict__["_summed_depth"]
