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
from keras.src import backend


class DistributedModel(keras.Model):
    """A functional Keras model whose `fit` and `evaluate` are right under any strategy.

    A subclass writes `train_step(data)` and `test_step(data)`, which run on each replica; `fit`
    does not read what they return, since a replica knows only its own part of a metric.
    """

    batches_to_drop = steps_to_pass = 0  # see `pass_over`
    watches_steps = False  # whether `after_step` is called after each step of `fit`

    def _make_function(self, step_function):
        """A function that takes an iterator and runs `steps_per_execution` steps.

        Keras's reads the metrics on each replica and takes the mean of the results, which is wrong
        where replicas see unequal numbers of rows, and its loop over several steps fails under
        every strategy (a placeholder without a shape).
        """
        return _Executor(self, step_function, training=step_function == self.train_step)

    def make_predict_function(self, force=False):
        """As Keras's, but traced once for all sizes of batches, not for the first two."""
        before = None if force else self.predict_function
        super().make_predict_function(force)
        alone = self.distribute_strategy.num_replicas_in_sync == 1
        if self.predict_function is not before and alone and not self.jit_compile:
            self.predict_function = _of_any_size(self.predict_function)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: `build_metrics` has created what there is to create.

        Keras's calls the whole model once more for this, and adds up a batch over replicas, which
        fails for unequal batches and with several worker processes.
        """

    def build_metrics(self, batch):
        """Creates the metrics' variables before the first step does, which would trace it twice.

        Args:
            batch: (inputs, targets, weights) of what has a shape and a dtype.
        """
        compiled = self._compile_metrics  # keras-private: what `compile` was given
        if compiled is None or compiled.built:
            return
        x, y, weights = keras.tree.map_structure(
            lambda t: keras.KerasTensor(t.shape, keras.backend.standardize_dtype(t.dtype)), batch
        )
        with self.distribute_strategy.scope():
            # keras-private: traces a function without creating a graph
            backend.compute_output_spec(self.compute_metrics, x, y, self.output, weights)

    def penalties(self):
        """What layers add to the loss of the call before: a list of scalars."""
        return keras.Model.losses.fget(self)  # a task has another `losses`

    def pass_over(self, batches, steps):
        """Has the next `fit` begin later in its data; zeros undo it.

        Args:
            batches: of earlier epochs, to be dropped where one iteration spans epochs.
            steps: of its first epoch, for which no step is taken.
        """
        self.batches_to_drop, self.steps_to_pass = batches, steps

    def after_step(self, data):
        """Called outside the graph with the batch of each step that `fit` takes, if asked for."""

    def record_loss(self, loss, rows):
        """Adds a batch's mean loss, a scalar, to the metric "loss"; it counts as `rows` rows."""
        self._loss_tracker.update_state(loss, sample_weight=rows)  # keras-private: the metric


def _of_any_size(function):
    """A tf.function of nested tensors, traced for their ranks and dtypes; others as they are."""
    traced = {}

    def call(data):
        if not isinstance(function, tf.types.experimental.PolymorphicFunction):
            return function(data)  # of `run_eagerly`
        specs = tf.nest.map_structure(lambda t: tf.TensorSpec([None] * len(t.shape), t.dtype), data)
        if (key := repr(specs)) not in traced:
            traced[key] = function.get_concrete_function(specs)
        return traced[key](data)

    return call


class _Executor:
    """Runs steps of one kind, `steps_per_execution` a call, under the model's strategy."""

    def __init__(self, model, step_function, training):
        self.model, self.step_function, self.training = model, step_function, training
        # With several replicas sums cross devices, which XLA cannot.
        alone = model.distribute_strategy.num_replicas_in_sync == 1
        self.compiles = bool(model.jit_compile) and alone
        self.executed = tf.Variable(0, dtype=tf.int64, trainable=False, name="executed_steps")
        self.traced = []  # (spec of a batch, the step as a graph)
        self.loop = self._graph(self._loop)
        # keras-private: a function of a batch that some replicas may have no part of
        self.on_batch = model._autoconvert_optionals(self._graph(self._step, self.compiles))

    def __call__(self, iterator):
        """Takes the next steps; -> the metrics so far. StopIteration where the data end."""
        if not isinstance(iterator, tf.data.Iterator | tf.distribute.DistributedIterator):
            return self.on_batch(next(iterator))  # of `train_on_batch`
        model, steps = self.model, self.model.steps_per_execution
        if self.training and (model.batches_to_drop or model.steps_to_pass):
            passed = self._pass_over(iterator, steps)
            if passed:
                return model.get_metrics_result()
        watched = self.training and model.watches_steps
        if steps > 1 and isinstance(iterator, tf.data.Iterator) and not watched:
            return self._several(iterator)
        # `next` is not in the graph: where the data end, the graph would still run what needs
        # none of them, such as the count of steps.
        step, first = self._step_of(iterator), next(iterator)
        for data in itertools.chain([first], itertools.islice(iterator, steps - 1)):
            logs = step(data)
            if watched:
                model.after_step(data)
        return logs

    def _pass_over(self, iterator, steps):
        """See `DistributedModel.pass_over`; -> how many steps of this call are not taken."""
        dropping, steps_to_pass = self.model.batches_to_drop, self.model.steps_to_pass
        passing = min(steps, steps_to_pass)
        self.model.pass_over(0, 0)  # also if the data end here
        for _ in range(dropping + passing):
            next(iterator)
        self.model.pass_over(0, steps_to_pass - passing)
        return passing

    def _several(self, iterator):
        before = int(self.executed)
        logs = self.loop(iterator)
        if int(self.executed) == before:
            raise StopIteration
        return logs

    def _step(self, data):
        strategy = self.model.distribute_strategy
        strategy.run(self.step_function, args=(data,))
        return self.model.get_metrics_result()  # here, across replicas, each metric is summed first

    def _loop(self, iterator):
        """Steps until there are enough, or no more data."""
        steps, step_of = self.model.steps_per_execution, self._step_of(iterator)

        def body(step, _):
            batch = iterator.get_next_as_optional()

            def take():
                logs = step_of(batch.get_value())
                with tf.control_dependencies(tf.nest.flatten(logs)):
                    return tf.identity(self.executed.assign_add(1)) > 0

            return step + 1, tf.cond(batch.has_value(), take, lambda: False)

        start = tf.constant(0), tf.constant(True)
        tf.while_loop(lambda step, more: (step < steps) & more, body, start, parallel_iterations=1)
        return self.model.get_metrics_result()

    def _graph(self, function, jit_compile=False, **how):
        if self.model.run_eagerly:
            return function
        how = {"reduce_retracing": True} | how
        return tf.function(function, autograph=False, jit_compile=jit_compile, **how)

    def _step_of(self, iterator):
        """The step as a graph, traced once for all shapes that an iterator may give.

        Traced from the batches, the first would be computed by a graph of its own, which knows its
        shape; that costs a second trace, and rounds otherwise.
        """
        spec = iterator.element_spec
        for known, step in self.traced:
            if known == spec:
                return step
        step = self._graph(
            self._step, self.compiles, input_signature=[spec], reduce_retracing=False
        )
        self.traced.append((spec, step))
        return step


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
