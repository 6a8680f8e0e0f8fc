"""One call of `fit`: the order of its rows, the steps of its recipe, the place where it goes on."""

from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2.data import pipeline
from bert_tf2.messages import checked_bool
from bert_tf2.training import compiling, recipes, strategies
from bert_tf2.training.checkpoints import Checkpoints
from bert_tf2.training.runlog import RunLog
from bert_tf2.training.unfreezing import GradualUnfreezing
from bert_tf2.training.validation_scores import Scores

SETTING_RATES = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)


class Run:
    """What a call of `fit` is beyond its data.

    Args:
        task: a compiled `Task`.
        batch_size, epochs, shuffle, steps_per_epoch, initial_epoch, drop_remainder, callbacks: as
            in `Task.fit`.

    Attributes:
        sampling: how the run goes through data in memory, a `pipeline.Sampling`.
        record: dict that tells runs apart, as `Checkpoints` and `RunLog` write it.
    """

    def __init__(
        self,
        task,
        batch_size=32,
        epochs=3,
        shuffle=True,
        steps_per_epoch=None,
        initial_epoch=0,
        drop_remainder=None,
        callbacks=None,
    ):
        strategies.refuse_keras_distribution()
        strategy = task.distribute_strategy
        if drop_remainder is None:
            drop_remainder = strategies.is_tpu(strategy)
        self.task, self.epochs, self.initial_epoch = task, int(epochs), initial_epoch
        self.steps_per_epoch = steps_per_epoch
        self.order = pipeline.Order(strategies.common_seed(strategy))
        endless, shuffle = steps_per_epoch is not None, checked_bool("shuffle", shuffle)
        drop_remainder = checked_bool("drop_remainder", drop_remainder)
        self.sampling = pipeline.Sampling(self.order, shuffle, endless, drop_remainder)
        self.callbacks, self.checkpoints = _sorted(callbacks)
        for callback in self.callbacks:
            if task.recipe is not None and isinstance(callback, SETTING_RATES):
                raise ValueError(
                    "The recipe's schedule sets the learning rate. For this callback compile an "
                    "optimizer with a constant one, such as `compile(bert_tf2.AdamW(3e-5))`. "
                    f"Received: {type(callback).__name__}"
                )
        unfreezing = _one(self.callbacks, GradualUnfreezing)
        self.record = {
            "batch_size": batch_size,
            "epochs": self.epochs,
            "steps_per_epoch": steps_per_epoch,
            "steps_per_execution": task.steps_per_execution,
            "shuffle": shuffle,
            "recipe": task.recipe,
            "unfreezing": unfreezing and [unfreezing.start, unfreezing.every],
            "adapters": task.spoken_adapters(),
        } | task.of_run()

    def train(self, dataset, **kwargs):
        """Takes the steps of the run; -> a `keras.callbacks.History`.

        Args:
            dataset: of `pipeline.Batch`es, as the run's `sampling` asks.
            **kwargs: of `keras.Model.fit`.
        """
        task = self.task
        if task.recipe is not None and not self.sampling.endless:
            dataset = pipeline.with_cardinality(dataset)
        self.record["batches"] = batches = int(dataset.cardinality())
        task.run = self.record
        self._prepare(dataset, self._whole_executions(self.steps_per_epoch) or batches)
        self._resume()
        try:
            fitted = keras.Model.fit(
                task,
                dataset,
                epochs=self.epochs,
                initial_epoch=self.initial_epoch,
                steps_per_epoch=self.steps_per_epoch,
                shuffle=False,  # the dataset does it
                callbacks=self._with_ours(),
                **kwargs,
            )
        finally:
            task.pass_over(0, 0)
            for callback in self.callbacks:
                getattr(callback, "release", lambda: None)()
        if self.checkpoints is not None:
            fitted.history = self.checkpoints.history
            fitted.epoch = list(range(len(self.checkpoints.history.get("loss", []))))
        return fitted

    def _whole_executions(self, steps):
        """The steps that Keras takes for so many: it runs whole executions; 0 for None."""
        return -(-(steps or 0) // self.task.steps_per_execution) * self.task.steps_per_execution

    def _prepare(self, dataset, steps_per_epoch):
        """Has all that a step needs built, with a recipe's schedule of so many steps."""
        task = self.task
        with task.distribute_strategy.scope():
            if task.recipe is not None:
                self._start_recipe(max(steps_per_epoch * self.epochs, 1))
            compiling.check_loss_scaling(task.encoder.policy, task.optimizer)
        # Variables created inside the step would have it traced twice, seconds each time.
        task.ready_to_train()
        task.build_metrics(dataset.element_spec)

    def _start_recipe(self, total_steps):
        """The recipe from its start, for a new run; as it stands, for one that goes on."""
        task = self.task
        taken = int(task.optimizer.iterations.numpy())
        if self.initial_epoch and taken:
            if taken >= task.optimizer.schedule_steps:
                raise ValueError(
                    f"The recipe's {taken} steps are done and its learning rate is 0: leave out "
                    f"`initial_epoch` to start anew. Received: initial_epoch={self.initial_epoch}"
                )
        elif not recipes.restart(
            task.optimizer, task.trainable_variables, total_steps, task.recipe
        ):
            task.compile_again(recipes.finetuning_optimizer(total_steps, **task.recipe))

    def _resume(self):
        """Goes on with a run of which there are checkpoints."""
        task, found = self.task, None
        if self.checkpoints is not None:
            self._check_endless()
            self.record["shuffle_seed"] = self.order.seed
            others = [c for c in self.callbacks if c is not self.checkpoints]
            found = self.checkpoints.restore(task, self.record, others)
        if found:
            self.initial_epoch, done, seed = found
            self.order.start(0, seed)
            if self.initial_epoch < self.epochs:
                per_epoch = self._whole_executions(self.steps_per_epoch)
                task.pass_over(self.initial_epoch * per_epoch, done)
        if found or not task.seeds_separated:
            strategies.separate_seeds(task.distribute_strategy, task)
            task.seeds_separated = True

    def _check_endless(self):
        """Raises for a dataset that ends before its epochs do: no place in it could be found."""
        batches = self.record["batches"]
        if self.steps_per_epoch is not None and batches != tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "With `Checkpoints` and `steps_per_epoch`, the dataset must not end: call "
                f"`.repeat()` on it. Received: a dataset of {batches} batches"
            )

    def _with_ours(self):
        """The callbacks of the run, and those that set its order and tell of steps left out."""
        task, callbacks = self.task, self.callbacks
        places = [c.folder for c in callbacks if isinstance(c, RunLog | Checkpoints)]
        task.run_folder = places[0] if places else Path()
        if self.record["batches"] != tf.data.INFINITE_CARDINALITY:
            start = keras.callbacks.LambdaCallback(on_epoch_begin=lambda i, _: self.order.start(i))
            callbacks = [*callbacks, start]
        if task.finite_steps is not None:
            task.finite_steps.forget()
            tell = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda *_: task.finite_steps.report()
            )
            callbacks = [tell, *callbacks]
        return callbacks


def _sorted(callbacks):
    """Keras callbacks in any form -> a list, and the `Checkpoints` in it.

    `Checkpoints` come last, after all that changes weights; but before what puts the moving average
    in their place for a while. `Scores` come first, for others to read.
    """
    listed = getattr(callbacks, "callbacks", None)  # of a CallbackList
    listed = keras.tree.flatten(callbacks or []) if listed is None else list(listed)
    checkpoints = _one(listed, Checkpoints)
    swapping = [c for c in listed if isinstance(c, keras.callbacks.SwapEMAWeights)]
    scores = [c for c in listed if isinstance(c, Scores)]
    for callback in scores:
        callback.swapping = swapping
    last = [*([checkpoints] if checkpoints else []), *swapping]
    return scores + [c for c in listed if c not in scores + last] + last, checkpoints


def _one(callbacks, kind):
    """The callback of that kind; None if there is none."""
    found = [c for c in callbacks if isinstance(c, kind)]
    if len(found) > 1:
        raise ValueError(f"There must be one `{kind.__name__}`. Received: {len(found)}")
    return found[0] if found else None
