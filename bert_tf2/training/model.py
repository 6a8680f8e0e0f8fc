"""A model whose `compile` knows recipes and whose step is the one of `step.py`."""

import keras

from bert_tf2.training import compiling, recipes, step
from bert_tf2.training.keras_hooks import DistributedModel
from bert_tf2.training.nonfinite import FiniteSteps


class StepModel(DistributedModel):
    """What a `Task` is for Keras's training loop.

    A subclass writes `losses`, `default_metrics` and `blank_outputs` (see `Task`), and has
    `encoder`, `drop_padding`.
    """

    own_loss = None  # the name by which people call the task's loss
    softens = False  # whether that loss knows `label_smoothing` and `focal_gamma`
    gives_logits = True  # whether its outputs are; else they are what is asked for itself
    of_whole_batch = False  # whether its losses do not add up over the parts of a batch
    part_rows = None  # the rows of a micro-batch, where the loss says how many
    weighs_metrics = False  # whether metrics count targets by weight: some may count nothing
    optimizer = None  # until it is compiled
    given_loss = None  # another loss than the task's own
    compiled_as: dict = {}  # noqa: RUF012  what a file says of `compile`
    softening: dict = {}  # noqa: RUF012  what the task's own loss is told
    resting: frozenset = frozenset()  # the ids of variables that steps leave out for a while

    def compile(
        self,
        optimizer=None,
        loss=None,
        metrics=None,
        weighted_metrics=None,
        loss_weights=None,
        jit_compile=False,
        micro_batches=1,
        nonfinite=None,
        fgm=0.0,
        r_drop=0.0,
        label_smoothing=0.0,
        focal_gamma=0.0,
        **kwargs,
    ):
        """As Keras's, with Google's fine-tuning recipe for what is left out. It may be left out.

        Args:
            optimizer: a Keras optimizer, its name, or a dict of `finetuning_optimizer`'s settings,
                e.g. `{"learning_rate": 3e-5}`. None or a dict makes every `fit` start that recipe
                anew: AdamW, linear warm-up over a tenth of the steps, linear decay, clip at 1.0.
            loss, metrics, weighted_metrics: default to the task's own, which also go by their
                names. Heads give logits.
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
            label_smoothing: the share of each target that is spread over all classes, below 1.
            focal_gamma: how much less is learnt from what is answered well already: the focal loss
                (Lin et al. 2017); 2 is usual.
            **kwargs: as in `keras.Model.compile`.

        Raises:
            ValueError: a setting that a recipe has not; a loss or metric of probabilities; XLA for
                a model with dynamic shapes; `micro_batches` below 1, or above 1 with an optimizer
                that reproduces Google's norm, which takes whole batches, or a loss that is not a
                mean; another `nonfinite`, or one beside an optimizer that scales the loss, which
                skips such steps itself; `fgm` or `r_drop` below 0, or `r_drop` for a task that does
                not answer with one class a text; `label_smoothing` or `focal_gamma` for a loss that
                has no classes, or is the user's.
        """
        if loss_weights is not None:
            raise ValueError("`loss_weights` must be left out: the losses are added up as they are")
        self.recipe = compiling.recipe_of(optimizer)
        if self.recipe is not None:
            optimizer = recipes.finetuning_optimizer(**self.recipe)  # `fit` will know the steps
        loss = compiling.loss_of(loss, self.own_loss)
        softening = compiling.softening_of(self, loss, label_smoothing, focal_gamma)
        compiling.check_step(self, optimizer, loss, micro_batches, nonfinite, fgm, r_drop)
        compiling.check_xla(self, jit_compile)
        metrics, weighted_metrics = compiling.metrics_of(self, metrics, weighted_metrics)
        if self.compiled and metrics is None and weighted_metrics is None:
            metrics = []  # of None, Keras keeps those of the last call
        settings = {
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "jit_compile": jit_compile,
            **kwargs,
        }
        # A function, because Keras would track metrics in a dict and count them twice.
        self.compile_again = lambda optimizer: DistributedModel.compile(
            self, optimizer=optimizer, **settings
        )
        self.compile_again(optimizer)
        self.given_loss, self.softening = loss, softening
        self._set_step(int(micro_batches), nonfinite, fgm, r_drop)

    def _set_step(self, micro_batches, nonfinite, fgm, r_drop):
        self.micro_batches, self.fgm, self.r_drop = micro_batches, float(fgm), float(r_drop)
        with self.distribute_strategy.scope():
            self.finite_steps = nonfinite and FiniteSteps(nonfinite)
        self.watches_steps = nonfinite == "stop"
        self.step_settings = {
            "micro_batches": micro_batches,
            "nonfinite": nonfinite,
            "fgm": self.fgm,
            "r_drop": self.r_drop,
            **self.softening,
        }

    def ready(self):
        """Has all built that a step outside of a run needs; the recipe is the default."""
        if not self.compiled:
            self.compile()
        self.build_optimizer()

    def ready_to_train(self):
        """As `ready`; raises where the optimizer would train what is no longer to be trained."""
        self.ready()
        compiling.check_trained(self.optimizer, self.trainable_variables)

    def build_optimizer(self):
        """Creates the optimizer's slots, if there are none."""
        with self.distribute_strategy.scope():
            if not self.optimizer.built:  # Keras's loss scale would begin anew each time
                self.optimizer.build(self.trainable_variables)

    @property
    def trainable_variables(self):
        """Those that the outputs are made of: an encoder may have others, such as a pooler."""
        encoder = getattr(self, "encoder", None)  # not yet, while it is made
        unread = {id(v) for v in encoder.unread(self).values()} if encoder else ()
        return [v for v in super().trainable_variables if id(v) not in unread]

    @property
    def stepped_variables(self):
        """Those that a step changes: what is trainable, but for what rests."""
        return [v for v in self.trainable_variables if id(v) not in self.resting]

    def rest(self, variables=()):
        """Has the steps of `fit` from now on leave these variables as they are, and no others.

        They stay trainable: the optimizer keeps their slots, and a file says nothing of it.
        """
        resting = frozenset(id(v) for v in variables)
        if resting != self.resting:
            self.resting = resting
            self.make_train_function(force=True)

    def of_run(self):
        """What tells one run of this task from another besides: a dict, of what JSON can say."""
        return {}

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

    # --- Saving. ----------------------------------------------------------------------------------

    def how_compiled(self):
        """Of `compile` what Keras has no words for, to be kept in a model's own config."""
        if not self.compiled:
            return {}
        trained = self.optimizer.built  # whether a file has slots to load
        return {"recipe": self.recipe, "step": self.step_settings, "trained": trained}

    def get_compile_config(self):
        """As Keras's; None if it was not compiled."""
        return super().get_compile_config() | {"loss": self.given_loss} if self.compiled else None

    def compile_from_config(self, config):
        """As Keras's; `compiled_as` has what `how_compiled` said. The optimizer stays as it is."""
        config = {k: keras.saving.deserialize_keras_object(v) for k, v in config.items()}
        said = self.compiled_as
        self.compile(**config, **said.get("step", {}))
        self.recipe = said.get("recipe")
        if said.get("trained", True):
            self.build_optimizer()
