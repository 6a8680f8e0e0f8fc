"""The optimizer that BERT was trained and fine-tuned with.

Source: google-research/bert `optimization.py`, `AdamWeightDecayOptimizer` and `create_optimizer`.
"""

import functools
import re

import keras
import tensorflow as tf

# Names as Google's checkpoints spell them, and as our layers do (`layer_0/attention/norm/gamma`).
NO_DECAY = ("LayerNorm", "layer_norm", "(^|/)norm/", "bias")


@keras.saving.register_keras_serializable("bert_tf2")
class AdamW(keras.optimizers.Optimizer):
    """Adam with decoupled weight decay, as Google trains BERT.

    It differs from `keras.optimizers.AdamW` in five ways, each of which changes the trajectory:

    * Moments are not corrected for their start at zero; warm-up takes that part.
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
            is found does not decay. Defaults to `NO_DECAY`.
        reproduce: None, or "google" to repeat a flaw of the original step for step: its global norm
            counts the gradients of a repeated embedding row one by one instead of their sum.
        name: str, the optimizer's name.
        **kwargs: `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, as every Keras optimizer takes them.

    Raises:
        ValueError: an argument is outside its range.
    """

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
        name="adamw",
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.clip_norm = clip_norm
        self.no_decay_patterns = _checked_patterns(exclude_from_weight_decay)
        self.reproduce = reproduce
        self._check_arguments()

    def _check_arguments(self):
        for name in ("beta_1", "beta_2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be in [0, 1). Received: {name}={getattr(self, name)}"
                )
        if self.epsilon <= 0:
            raise ValueError(f"`epsilon` must be above 0. Received: epsilon={self.epsilon}")
        if self.weight_decay is None or self.weight_decay < 0:
            raise ValueError(
                "`weight_decay` must be 0 or more; 0 switches it off. "
                f"Received: weight_decay={self.weight_decay}"
            )
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(
                "`clip_norm` must be above 0; None switches clipping off. "
                f"Received: clip_norm={self.clip_norm}"
            )
        for name in ("clipnorm", "clipvalue", "global_clipnorm"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` must be left out: this optimizer clips by global norm, to "
                    f"`clip_norm`. Received: {name}={getattr(self, name)}"
                )
        if self.reproduce not in (None, "google"):
            raise ValueError(
                f'`reproduce` must be None or "google". Received: reproduce={self.reproduce!r}'
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
        self._decays = [self._decay_of(variable) for variable in variables]
        # Compiled, the update is one pass over memory instead of a dozen. On MiniLM's shapes and
        # two cores a whole step (norm, clipping, update) takes 0.4 of the time of the same lines
        # uncompiled and 0.8 of that of TensorFlow's fused Adam kernel. Compiling variable by
        # variable, once per shape, takes less than half the time of one program for all.
        self._compiled_update = tf.function(adamw_update, jit_compile=True)
        self._compiled_values = tf.function(adamw_values, jit_compile=True)

    @property
    def schedule_steps(self):
        """The steps after which the learning rate is 0; infinite without such a schedule."""
        return getattr(self._learning_rate, "total_steps", float("inf"))

    def _decay_of(self, variable):
        path = getattr(variable, "path", variable.name)
        excluded = any(re.search(pattern, path) for pattern in self.no_decay_patterns)
        # `_use_weight_decay` knows what was named through Keras's `exclude_from_weight_decay()`.
        return 0.0 if excluded or not self._use_weight_decay(variable) else self.weight_decay

    def apply(self, grads, trainable_variables=None):
        """Takes one step.

        Args:
            grads: list of tensors, `tf.IndexedSlices` or None (that variable stays as it is).
            trainable_variables: list of variables, one per gradient. May be left out once built.

        Raises:
            ValueError: no gradient at all, or a variable the optimizer was not built with.
        """
        if self.loss_scale_factor:  # Keras divides by it, which IndexedSlices do not know.
            grads = [None if g is None else _dense(g) for g in grads]
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
        dense = [_dense(gradient) for gradient in grads]
        clip_scale = _clip_scale(grads if self.reproduce else dense, self.clip_norm)
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._update_everywhere,
            tf.distribute.get_strategy(),
            list(zip(indices, variables, dense, strict=True)),
            tf.cast(learning_rate, "float32"),
            clip_scale,
        )

    def _update_everywhere(self, strategy, updates, learning_rate, clip_scale):
        update = self._update_function(strategy)
        for index, variable, gradient in updates:
            m, v = self._momentums[index].value, self._velocities[index].value
            decay = self._decays[index]

            def step(w, m, v, g, rate, scale, decay=decay):
                update(w, m, v, g, rate, scale, decay, self.beta_1, self.beta_2, self.epsilon)

            strategy.extended.update(
                variable, step, args=(m, v, gradient, learning_rate, clip_scale), group=False
            )

    def _update_function(self, strategy):
        if tf.executing_eagerly():
            # Compiled, it would compile at the first step of every shape, and be warned of that.
            return adamw_update
        if strategy.num_replicas_in_sync == 1:
            return self._compiled_update
        # A tf.function called with one mirrored variable after another goes on to write to the
        # first one it met of each shape (TensorFlow 2.21), so here it gets and gives tensors.
        return functools.partial(adamw_update, values=self._compiled_values)

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        for name in ("clipnorm", "clipvalue", "global_clipnorm"):
            del config[name]
        return config | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "clip_norm": self.clip_norm,
            "exclude_from_weight_decay": list(self.no_decay_patterns),
            "reproduce": self.reproduce,
        }


def _checked_patterns(patterns):
    """Returns the regular expressions as a tuple, each known to compile."""
    if isinstance(patterns, str):
        raise ValueError(
            "`exclude_from_weight_decay` must be a list of regular expressions. "
            f"Received: {patterns!r}; write [{patterns!r}]"
        )
    for pattern in patterns or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                "`exclude_from_weight_decay` must hold regular expressions. "
                f"Received: {pattern!r} ({error})"
            ) from error
    return tuple(patterns or ())


def _dense(gradient):
    """Returns the gradient as a tensor; rows that occur more than once are summed."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = gradient.dense_shape[0]
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)


def _clip_scale(gradients, clip_norm):
    """Returns the float32 factor, at most 1, that brings the global norm down to `clip_norm`."""
    if clip_norm is None:
        return tf.constant(1.0)
    values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]
    norm = tf.sqrt(2.0 * tf.add_n([tf.nn.l2_loss(tf.cast(v, "float32")) for v in values]))
    return clip_norm * tf.minimum(1.0 / norm, 1.0 / clip_norm)


def adamw_values(w, m, v, g, rate, scale, decay, beta_1, beta_2, epsilon):
    """The next values of a variable `w` and its moments `m` and `v`, three tensors.

    `w`, `m`, `v` and `g` are of one shape; `rate` and `scale` are float32 scalars, the rest Python
    floats. The arithmetic is in the dtype of `w`.
    """
    rate, scale = tf.cast(rate, w.dtype), tf.cast(scale, w.dtype)
    g = tf.cast(g, w.dtype) * scale
    next_m = beta_1 * m + (1.0 - beta_1) * g
    next_v = beta_2 * v + (1.0 - beta_2) * tf.square(g)
    update = next_m / (tf.sqrt(next_v) + epsilon)
    if decay:
        update += decay * w
    return w - rate * update, next_m, next_v


def adamw_update(w, m, v, *args, values=adamw_values):
    """Updates the `tf.Variable`s `w`, `m` and `v` in place; see `adamw_values`."""
    now = [tf.convert_to_tensor(variable) for variable in (w, m, v)]
    for variable, value in zip((w, m, v), values(*now, *args), strict=True):
        variable.assign(value)
