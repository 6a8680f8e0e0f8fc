"""`compile`, `fit`, `evaluate` and `predict` on raw text, under any strategy, to the last step."""

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import pipeline
from bert_tf2.tasks import checks
from bert_tf2.tasks.inputs import TextInputs
from bert_tf2.training import step, strategies
from bert_tf2.training.checkpoints import Checkpoints
from bert_tf2.training.nonfinite import FiniteSteps
from bert_tf2.training.recipes import finetuning_optimizer
from bert_tf2.training.runlog import RunLog


class TextModel(TextInputs):
    """The part of a `Task` that is trained and asked; see there for what `x` may be.

    A subclass has `preprocessor`, `encoder`, `drop_padding`, and says in `default_loss`,
    `default_metrics` and `targets` how it is trained: with the published recipe, unless the user
    compiles something else.
    """

    loss_reductions = ("mean", "sum_over_batch_size")  # of losses that parts of a batch add up to
    _seeds_separated = False

    def compile(
        self,
        optimizer=None,
        loss=None,
        metrics=None,
        jit_compile=False,
        micro_batches=1,
        nonfinite=None,
        fgm=0.0,
        r_drop=0.0,
        **kwargs,
    ):
        """As Keras's, with Google's fine-tuning recipe for what is left out.

        Args:
            optimizer: a Keras optimizer, its name, or a dict of `finetuning_optimizer`'s settings,
                e.g. `{"learning_rate": 3e-5}`. None or a dict makes every `fit` start that recipe
                anew: AdamW, linear warm-up over a tenth of the steps, linear decay, clip at 1.0.
            loss, metrics: default to the task's own.
            jit_compile: compile with XLA, for models built with `drop_padding=False`; with
                `pad_to_max_length=True` it compiles once, else once a length.
            micro_batches: compute each batch in that many parts, one after another, in the memory
                of one; the step is the same, but for what dropout draws.
            nonfinite: what becomes of a step with a gradient that is NaN or infinite. None: it is
                taken, as in Keras, and spoils the weights. "skip": it is left out, and told at the
                end of the epoch. "stop": it is left out, and `fit` raises FloatingPointError with
                the batch in a file (in the folder of `RunLog` or `Checkpoints`, or here).
            fgm: train on adversarial texts, too (Miyato et al. 2017, "Adversarial training methods
                for semi-supervised text classification"): the length by which the token table is
                moved to where the loss grows fastest. 1.0 is usual; a step takes twice as long.
            r_drop: train two dropouts to agree (Liang et al. 2021): the weight of their divergence,
                in which all rows count the same, beside the mean of their losses, 1 to 5. A step
                takes twice as long.
            **kwargs: as in `keras.Model.compile`.

        Raises:
            ValueError: XLA asked for a model with dynamic shapes; `micro_batches` below 1, or above
                1 with an optimizer that reproduces Google's norm, which takes whole batches, or a
                loss that is not a mean over rows; another `nonfinite`, or one beside an optimizer
                that scales the loss, which skips such steps itself; `fgm` or `r_drop` below 0.
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        checks.check_parts(optimizer, loss, micro_batches, replicas, self.loss_reductions)
        checks.check_settings(optimizer, nonfinite, fgm, r_drop)
        compiled = jit_compile is True or strategies.is_tpu(self.distribute_strategy)
        if compiled and self.drop_padding:
            raise ValueError(
                "XLA, and so a TPU, needs static shapes: build the model with `drop_padding=False`."
            )
        self.recipe = {} if optimizer is None else optimizer
        if isinstance(self.recipe, dict):
            self.recipe = {  # to be written as JSON
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in self.recipe.items()
            }
            optimizer = finetuning_optimizer(**self.recipe)  # `fit` will know the steps
        else:
            self.recipe = None
        loss = self.default_loss() if loss is None else loss
        metrics = self.default_metrics() if metrics is None else metrics
        # A partial, because Keras would track metrics in a dict and count them twice.
        settings = kwargs | {"loss": loss, "metrics": metrics, "jit_compile": jit_compile}
        self._compile_with = functools.partial(super().compile, **settings)
        self._compile_with(optimizer=optimizer)
        self.micro_batches, self.fgm, self.r_drop = micro_batches, float(fgm), float(r_drop)
        with self.distribute_strategy.scope():
            self.finite_steps = nonfinite and FiniteSteps(nonfinite)
        self.watches_steps = nonfinite == "stop"
        self.step_settings = {
            "micro_batches": micro_batches,
            "nonfinite": nonfinite,
            "fgm": self.fgm,
            "r_drop": self.r_drop,
        }

    def fit(
        self,
        x=None,
        y=None,
        batch_size=32,
        epochs=3,
        validation_data=None,
        shuffle=True,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        callbacks=None,
        drop_remainder=None,
        **kwargs,
    ):
        """As Keras's `fit`, on raw text.

        Args:
            x: see the class.
            y: labels; None where `x` is a dataset that holds them.
            batch_size: texts a step; 32 is the published recipe's.
            epochs: passes over the data; 3 is the published recipe's.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or x alone where it needs no y.
            shuffle: a new order each epoch (not applied to a dataset).
            sample_weight: (n,) float.
            callbacks: Keras's, and `Checkpoints`, with which a run survives.
            drop_remainder: leave out of each epoch what does not fill a batch (not applied to a
                dataset). Default: on TPUs, which must know all shapes.
            initial_epoch, steps_per_epoch, **kwargs: as in `keras.Model.fit`.

        Returns:
            a `keras.callbacks.History`.

        Raises:
            TypeError, ValueError: x or y is not of the form above; the message says where.
            ValueError: an encoder in float16 without an optimizer that scales the loss.
        """
        strategies.refuse_keras_distribution()
        if kwargs.get("validation_split"):
            raise ValueError("`validation_split` is not supported: pass `validation_data`.")
        order = pipeline.Order(strategies.common_seed(self.distribute_strategy))
        if drop_remainder is None:
            drop_remainder = strategies.is_tpu(self.distribute_strategy)
        endless = steps_per_epoch is not None
        passing = pipeline.Passing(order, bool(shuffle), endless, drop_remainder)
        dataset = self._dataset(x, y, sample_weight, batch_size, passing=passing)
        if validation_data is not None:
            validation_data = self._dataset(*pipeline.triple(validation_data), batch_size)
        if kwargs.get("class_weight"):
            kwargs["class_weight"] = self.class_numbers(kwargs["class_weight"])
        self.takes_pairs = pipeline.is_pair(x)
        if self.recipe is not None and not endless:
            dataset = pipeline.counted(dataset)
        batches = int(dataset.cardinality())
        steps = self._whole_executions(steps_per_epoch) or batches
        self._prepare_optimizer(steps * epochs, initial_epoch)
        self.run = run = {
            "batch_size": batch_size,
            "epochs": int(epochs),
            "steps_per_epoch": steps_per_epoch,
            "steps_per_execution": self.steps_per_execution,
            "batches": batches,
            "shuffle": bool(shuffle),
            "recipe": self.recipe,
        }
        callbacks, checkpoints = _sorted(callbacks)
        initial_epoch = self._resume(callbacks, checkpoints, dataset, order, run, initial_epoch)
        callbacks = self._with_ours(callbacks, order, batches)
        try:
            fitted = super().fit(
                dataset,
                epochs=epochs,
                validation_data=validation_data,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                shuffle=False,  # the dataset does it
                callbacks=callbacks,
                **kwargs,
            )
        finally:
            self.pass_over(0, 0)
            if checkpoints is not None:
                checkpoints.release()
        if checkpoints is not None:
            fitted.history = checkpoints.history
            fitted.epoch = list(range(len(checkpoints.history.get("loss", []))))
        return fitted

    def _with_ours(self, callbacks, order, batches):
        """The callbacks of a run, and those that set its order and tell of steps left out."""
        places = [c.folder for c in callbacks if isinstance(c, RunLog | Checkpoints)]
        self.run_folder = places[0] if places else Path()
        if batches != tf.data.INFINITE_CARDINALITY:
            start = keras.callbacks.LambdaCallback(on_epoch_begin=lambda i, _: order.start(i))
            callbacks = [*callbacks, start]
        if self.finite_steps is not None:
            self.finite_steps.forget()
            tell = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda *_: self.finite_steps.report()
            )
            callbacks = [tell, *callbacks]
        return callbacks

    def _whole_executions(self, steps):
        """The steps that Keras takes for so many: it runs whole executions; 0 for None."""
        return -(-(steps or 0) // self.steps_per_execution) * self.steps_per_execution

    def _prepare_optimizer(self, total_steps, initial_epoch):
        """Has all that a step needs built, with a recipe's schedule of so many steps."""
        with self.distribute_strategy.scope():
            if self.recipe is not None:
                self._start_recipe(total_steps, initial_epoch)
            checks.check_loss_scaling(self.encoder.policy, self.optimizer)
            # Variables created inside the step would have it traced twice, seconds each time.
            self.optimizer.build(self.trainable_variables)

    def _resume(self, callbacks, checkpoints, dataset, order, run, initial_epoch):
        """Goes on with a run of which there are checkpoints. -> the first epoch."""
        found = None
        if checkpoints is not None:
            checks.check_endless(run)
            self.build_metrics(dataset)
            run |= {"shuffle_seed": order.seed}
            found = checkpoints.restore(self, run, [c for c in callbacks if c is not checkpoints])
        if found:
            initial_epoch, done, seed = found
            order.start(0, seed)
            if initial_epoch < run["epochs"]:
                per_epoch = self._whole_executions(run["steps_per_epoch"])
                self.pass_over(initial_epoch * per_epoch, done)
        if found or not self._seeds_separated:
            strategies.separate_seeds(self.distribute_strategy, self)
            self._seeds_separated = True
        return initial_epoch

    def class_numbers(self, by_class):
        """`class_weight` as Keras takes it, by number, for a task that has classes."""
        raise ValueError(
            f"`class_weight` must be left out: a {type(self).__name__} has no classes. "
            f"Received: {by_class}"
        )

    def train_step(self, data):
        """One step of `fit` on each replica (see `training/step.py`); -> its own metrics."""
        step.train_step(self, data)
        return self.get_metrics_result()

    def test_step(self, data):
        """One step of `evaluate`, likewise."""
        step.test_step(self, data)
        return self.get_metrics_result()

    def after_step(self, data):
        """With `nonfinite="stop"`, ends the run at a step that could not be taken."""
        done = int(self.optimizer.iterations.numpy())
        self.finite_steps.end_if_seen(data, self.distribute_strategy, self.run_folder, done)

    def loss_sizes(self, x, y, sample_weight):
        """What each part of the loss is a mean over: a list of float32 scalars, here the rows."""
        return [step.rows_of(x)]

    def loss_means(self, x, y, y_pred, sample_weight, training):
        """The parts of the loss, each a mean over its size: a list of scalars."""
        return [self.batch_loss(x, y, y_pred, sample_weight, training)]

    def _start_recipe(self, total_steps, initial_epoch):
        """A new optimizer for a new run; the one at hand for a run that goes on."""
        taken = int(self.optimizer.iterations.numpy())
        if initial_epoch == 0 or taken == 0:
            self._compile_with(optimizer=finetuning_optimizer(total_steps, **self.recipe))
        elif taken >= self.optimizer.schedule_steps:
            raise ValueError(
                f"The recipe's {taken} steps are done and its learning rate is 0: leave out "
                f"`initial_epoch` to start anew. Received: initial_epoch={initial_epoch}"
            )

    def evaluate(self, x=None, y=None, batch_size=32, verbose="auto", sample_weight=None, **kwargs):
        """As Keras's `evaluate`, on raw text. See `fit` for the arguments."""
        dataset = self._dataset(x, y, sample_weight, batch_size)
        return super().evaluate(dataset, verbose=verbose, **kwargs)

    def predict(self, x, batch_size=32, verbose="auto", **kwargs):
        """As Keras's `predict`, on raw text: logits, one row a text."""
        dataset = self._dataset(x, batch_size=batch_size, labelled=False)
        return super().predict(dataset, verbose=verbose, **kwargs)


def _sorted(callbacks):
    """Keras callbacks in any form -> a list, and the `Checkpoints` in it.

    They come last, after all that changes weights; but before what puts the moving average in their
    place for a while.
    """
    listed = getattr(callbacks, "callbacks", None)  # of a CallbackList
    listed = keras.tree.flatten(callbacks or []) if listed is None else list(listed)
    checkpoints = [c for c in listed if isinstance(c, Checkpoints)]
    if len(checkpoints) > 1:
        raise ValueError(f"There must be one `Checkpoints`. Received: {len(checkpoints)}")
    swapping = [c for c in listed if isinstance(c, keras.callbacks.SwapEMAWeights)]
    others = [c for c in listed if c not in checkpoints + swapping]
    return others + checkpoints + swapping, checkpoints[0] if checkpoints else None
