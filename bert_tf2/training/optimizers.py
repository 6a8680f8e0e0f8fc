"""The optimizers that BERT and ALBERT were trained and fine-tuned with.

Sources: google-research/bert `optimization.py`, `AdamWeightDecayOptimizer` and `create_optimizer`;
google-research/albert `lamb_optimizer.py`, `LAMBOptimizer`.
"""

import functools

import keras
import tensorflow as tf

from bert_tf2.training import schedules, updates
from bert_tf2.training.layer_decay import rate_factors
from bert_tf2.training.named_variables import checked_patterns, matches, path
from bert_tf2.weights.units import NO_DECAY, decays

# What arguments may be: name -> (test, in words).
_RANGES = {
    "beta_1": (lambda x: 0 <= x < 1, "in [0, 1)"),
    "beta_2": (lambda x: 0 <= x < 1, "in [0, 1)"),
    "epsilon": (lambda x: x > 0, "above 0"),
    "weight_decay": (lambda x: x is not None and x >= 0, "0 or more; 0 switches it off"),
    "clip_norm": (lambda x: x is None or x > 0, "above 0; None switches clipping off"),
    "reproduce": (lambda x: x in (None, "google"), 'None or "google"'),
    "layer_decay": (lambda x: x is None or 0 < x <= 1, "above 0, at most 1, or None"),
    "bias_correction": (lambda x: x in (True, False), "True or False"),
}


@keras.saving.register_keras_serializable("bert_tf2")
class AdamW(keras.optimizers.Optimizer):
    """Adam with decoupled weight decay, as Google trains BERT.

    It differs from `keras.optimizers.AdamW` in five ways, each of which changes the trajectory:

    * Moments are not corrected for their start at zero, unless `bias_correction` is set.
    * Weight decay is a term of the update: `w -= rate * (m / (sqrt(v) + epsilon) + decay * w)`.
    * Norms and biases do not decay. Variables are chosen by their path, not by their last name.
    * All gradients are scaled down together when their global norm exceeds `clip_norm`.
    * Rows of an embedding that occur more than once in a batch have their gradients summed before
      anything is squared. With several replicas, gradients are summed before they are clipped.

    Args:
        learning_rate: float, a `LearningRateSchedule`, or a callable without arguments.
        weight_decay: float, 0 or more. Defaults to 0.01.
        beta_1: float in [0, 1), the decay of the first moment. Defaults to 0.9.
        beta_2: float in [0, 1), the decay of the second moment. Defaults to 0.999.
        epsilon: float above 0, added outside the square root. Defaults to 1e-6.
        clip_norm: float above 0, or None for no clipping. Defaults to 1.0.
        exclude_from_weight_decay: list of regular expressions. A variable in whose path one of them
            is found does not decay. Defaults to `NO_DECAY`, where it is asked of variables that
            the table of units does not know: norms and biases.
        reproduce: None, or "google" to repeat a flaw of the original step for step: its global norm
            counts the gradients of a repeated embedding row one by one instead of their sum.
        layer_decay: float above 0, at most 1: every layer has a learning rate so much lower than
            the one above it, the embeddings the lowest, pooler and heads the full rate (see
            `layer_decay.rate_factors`). It counts for weight decay too. None (default) for one rate
            everywhere.
        bias_correction: whether moments are corrected for their start at zero, as Kingma & Ba have
            it. Google's code does not (False, the default); where there are few texts to train on,
            runs fail less often with it (Zhang et al. 2020, "Revisiting Few-sample BERT
            Fine-tuning", section 4).
        name: str, the optimizer's name.
        **kwargs: `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, as every Keras optimizer takes them.

    Raises:
        ValueError: an argument is outside its range; or, once variables are known, `layer_decay`
            for a model without layers or with shared ones.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> clf.compile(bert_tf2.AdamW(2e-5, layer_decay=0.9))
    """

    next_values = staticmethod(updates.adamw_values)

    def __init__(
        self,
        learning_rate=5e-5,
        weight_decay=0.01,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        clip_norm=1.0,
        exclude_from_weight_decay=NO_DECAY,
        reproduce=None,
        layer_decay=None,
        bias_correction=False,
        name="adamw",
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.clip_norm = clip_norm
        self.no_decay_patterns = checked_patterns(
            "exclude_from_weight_decay", exclude_from_weight_decay
        )
        self.reproduce = reproduce
        self.layer_decay = layer_decay
        self.bias_correction = bias_correction
        self._check_arguments()

    def _check_arguments(self):
        for name, (allowed, words) in _RANGES.items():
            value = getattr(self, name)
            if not allowed(value):
                raise ValueError(f"`{name}` must be {words}. Received: {name}={value!r}")
        for name in ("clipnorm", "clipvalue", "global_clipnorm"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` must be left out: this optimizer clips by global norm, to "
                    f"`clip_norm`. Received: {name}={getattr(self, name)}"
                )
        if self.reproduce and (self.gradient_accumulation_steps or self.loss_scale_factor):
            raise ValueError(  # Both turn IndexedSlices into sums before they get here.
                "`reproduce` must be None when gradients are accumulated or scaled. "
                f"Received: reproduce={self.reproduce!r}, "
                f"gradient_accumulation_steps={self.gradient_accumulation_steps}, "
                f"loss_scale_factor={self.loss_scale_factor}"
            )

    def build(self, variables):
        """Creates two slots per variable: `<path>_adam_m` and `<path>_adam_v`."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["adam_m", "adam_v"]
        )
        self._settings = [self._settings_of(variable) for variable in variables]
        self._rate_factors = [1.0] * len(variables)
        if self.layer_decay is not None:
            paths = [path(variable) for variable in variables]
            self._rate_factors = rate_factors(paths, self.layer_decay)
        # Compiled, the update is one pass over memory instead of a dozen. On MiniLM's shapes and
        # two cores a whole step (norm, clipping, update) takes 0.4 of the time of the same lines
        # uncompiled and 0.8 of that of TensorFlow's fused Adam kernel. Compiling variable by
        # variable, once per shape, takes less than half the time of one program for all.
        self._update = updates.in_place(self.next_values)
        compiled = functools.partial(tf.function, jit_compile=True, autograph=False)
        self._compiled_update = compiled(self._update)
        self._compiled_values = updates.in_place(compiled(self.next_values))

    @property
    def schedule_steps(self):
        """The steps after which the learning rate is 0; infinite without such a schedule."""
        return schedules.steps_until_zero(self._learning_rate)

    def _settings_of(self, variable):
        """What `next_values` takes for this variable alone, a tuple of Python values."""
        return (self.weight_decay if self._may_decay(variable) else 0.0,)

    def _may_decay(self, variable):
        # `_use_weight_decay` knows what was named through Keras's `exclude_from_weight_decay()`.
        if self.no_decay_patterns == NO_DECAY:
            named = not decays(path(variable))
        else:
            named = matches(self.no_decay_patterns, variable)
        return not named and self._use_weight_decay(variable)

    def apply(self, grads, trainable_variables=None):
        """Takes one step.

        Args:
            grads: list of tensors, `tf.IndexedSlices` or None (that variable stays as it is).
            trainable_variables: list of variables, one per gradient. May be left out once built.

        Raises:
            ValueError: no gradient at all, or a variable the optimizer was not built with.
        """
        if self.loss_scale_factor:  # Keras divides by it, which IndexedSlices do not know.
            grads = [None if g is None else updates.dense(g) for g in grads]
        super().apply(grads, trainable_variables)

    # --- Keras hooks (tested with 3.15) ---------------------------------------------------------

    def _apply_weight_decay(self, variables):
        """Nothing: decay is a term of the update, which saves a pass over the weights."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Sums over replicas, then clips, then updates. Keras clips before it sums."""
        indices = [self._get_variable_index(v) for v in trainable_variables]
        variables = [v.value if isinstance(v, keras.Variable) else v for v in trainable_variables]
        pairs = self._all_reduce_sum_gradients(list(zip(grads, variables, strict=True)))
        grads = [gradient for gradient, _ in pairs]
        dense = [updates.dense(gradient) for gradient in grads]
        clip_scale = updates.clip_scale(grads if self.reproduce else dense, self.clip_norm)
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._update_everywhere,
            tf.distribute.get_strategy(),
            list(zip(indices, variables, dense, strict=True)),
            tf.cast(learning_rate, "float32"),
            clip_scale,
        )

    def _update_everywhere(self, strategy, gradients, learning_rate, clip_scale):
        update, corrections = self._update_function(strategy), None
        if self.bias_correction:
            steps = tf.cast(self.iterations + 1, "float32")
            corrections = updates.bias_corrections(steps, self.beta_1, self.beta_2)
        for index, variable, gradient in gradients:
            m, v = self._momentums[index].value, self._velocities[index].value
            settings = (self.beta_1, self.beta_2, self.epsilon, *self._settings[index])
            factor = self._rate_factors[index]

            def step(w, m, v, g, rate, scale, factor=factor, settings=settings):
                update(w, m, v, g, rate * factor, scale, *settings, corrections=corrections)

            strategy.extended.update(
                variable, step, args=(m, v, gradient, learning_rate, clip_scale), group=False
            )

    def _update_function(self, strategy):
        if tf.executing_eagerly():
            # Compiled, it would compile at the first step of every shape, and be warned of that.
            return self._update
        if strategy.num_replicas_in_sync == 1:
            return self._compiled_update
        # A tf.function called with one mirrored variable after another goes on to write to the
        # first one it met of each shape (TensorFlow 2.21), so here it gets and gives tensors.
        return self._compiled_values

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        for name in ("clipnorm", "clipvalue", "global_clipnorm"):
            del config[name]
        if isinstance(self._learning_rate, schedules.Rates):
            config["learning_rate"] = config["learning_rate"]["config"]["schedule"]
        return config | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "clip_norm": self.clip_norm,
            "exclude_from_weight_decay": list(self.no_decay_patterns),
            "reproduce": self.reproduce,
            "layer_decay": self.layer_decay,
            "bias_correction": self.bias_correction,
        }


@keras.saving.register_keras_serializable("bert_tf2")
class LAMB(AdamW):
    """AdamW whose update of a variable is as long as the variable itself, as ALBERT was trained.

    `w -= rate * |w| / |u| * u`, where u is AdamW's update with its decay (You et al. 2020,
    "Large Batch Optimization for Deep Learning", algorithm 2, as google-research/albert has it);
    the ratio is 1 where a norm is 0, and for what does not decay. So a rate means a relative
    change, and suits batches of thousands; for fine-tuning, ALBERT's authors name 3e-4 to 5e-4.

    `keras.optimizers.Lamb` trains differently: it corrects the moments for their start at zero,
    decays weights apart from the update, before the norms are taken and outside the ratio, and
    adapts every variable, norms and biases too.

    Args:
        learning_rate: as AdamW's. Defaults to 0.00176, of ALBERT's pretraining at batches of 4096.
        exclude_from_layer_adaptation: list of regular expressions. A variable in whose path one of
            them is found has the ratio 1. None (default): those that are excluded from decay.
        name: str, the optimizer's name.
        **kwargs: AdamW's other arguments, with the same defaults.

    Raises:
        ValueError: as AdamW.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> clf.compile(bert_tf2.LAMB(3e-4))
    """

    next_values = staticmethod(updates.lamb_values)

    def __init__(
        self, learning_rate=1.76e-3, exclude_from_layer_adaptation=None, name="lamb", **kwargs
    ):
        super().__init__(learning_rate, name=name, **kwargs)
        self.no_adaptation_patterns = exclude_from_layer_adaptation
        if exclude_from_layer_adaptation is not None:
            self.no_adaptation_patterns = checked_patterns(
                "exclude_from_layer_adaptation", exclude_from_layer_adaptation
            )

    def _settings_of(self, variable):
        if self.no_adaptation_patterns is None:
            adapted = self._may_decay(variable)
        else:
            adapted = not matches(self.no_adaptation_patterns, variable)
        return (*super()._settings_of(variable), adapted)

    def get_config(self):
        """Returns the constructor's arguments."""
        patterns = self.no_adaptation_patterns
        patterns = None if patterns is None else list(patterns)
        return super().get_config() | {"exclude_from_layer_adaptation": patterns}
