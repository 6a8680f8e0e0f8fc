"""The arithmetic of a training step: gradients -> the next values of weights and moments.

Sources: google-research/bert `optimization.py`, google-research/albert `lamb_optimizer.py`.
"""

import numpy as np
import tensorflow as tf


def dense(gradient):
    """Returns the gradient as a tensor; rows that occur more than once are summed."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = gradient.dense_shape[0]
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)


def clip_scale(gradients, clip_norm):
    """Returns the float32 factor, at most 1, that brings the global norm down to `clip_norm`."""
    if clip_norm is None:
        return tf.constant(1.0)
    values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]
    norm = tf.sqrt(2.0 * tf.add_n([tf.nn.l2_loss(tf.cast(v, "float32")) for v in values]))
    return clip_norm * tf.minimum(1.0 / norm, 1.0 / clip_norm)


def adamw_values(w, m, v, g, rate, scale, beta_1, beta_2, epsilon, decay, corrections=None):
    """The next values of a variable `w` and its moments `m` and `v`, three tensors.

    `w`, `m`, `v` and `g` are of one shape; `rate` and `scale` are float32 scalars, the rest Python
    floats. `corrections` are what both moments are to be divided by, float32 (2,), if anything. The
    arithmetic is in the dtype of `w`.
    """
    update, m, v = _adam(w, m, v, g, scale, beta_1, beta_2, epsilon, decay, corrections)
    return w - tf.cast(rate, w.dtype) * update, m, v


def lamb_values(w, m, v, g, rate, scale, beta_1, beta_2, epsilon, decay, adapted, corrections=None):
    """The same, with an update as long as `w` itself where `adapted` (bool) is set."""
    update, m, v = _adam(w, m, v, g, scale, beta_1, beta_2, epsilon, decay, corrections)
    if adapted:
        rate *= _trust_ratio(w, update)
    return w - tf.cast(rate, w.dtype) * update, m, v


def bias_corrections(steps, beta_1, beta_2):
    """What the moments lack after so many steps from zero (Kingma & Ba 2015, section 3).

    `steps` is a float32 scalar, 1 or more; -> float32 (2,), of both moments.
    """
    logs = np.log(np.maximum([beta_1, beta_2], 1e-30))  # 1 - 0.999 has few digits in float32
    return -tf.math.expm1(steps * tf.constant(logs, "float32"))


def _adam(w, m, v, g, scale, beta_1, beta_2, epsilon, decay, corrections):
    """The update before any rate, decay included, and the next moments."""
    g = tf.cast(g, w.dtype) * tf.cast(scale, w.dtype)
    next_m = beta_1 * m + (1.0 - beta_1) * g
    next_v = beta_2 * v + (1.0 - beta_2) * tf.square(g)
    first, second = next_m, next_v
    if corrections is not None:
        corrections = tf.cast(corrections, w.dtype)
        first, second = next_m / corrections[0], next_v / corrections[1]
    update = first / (tf.sqrt(second) + epsilon)
    if decay:
        update += decay * w
    return update, next_m, next_v


def _trust_ratio(w, update):
    """The norm of `w` over that of its update, a float32 scalar; 1 where either is 0."""
    w_norm, update_norm = (tf.norm(tf.cast(x, "float32")) for x in (w, update))
    return tf.where((w_norm > 0) & (update_norm > 0), w_norm / update_norm, 1.0)


def in_place(values):
    """`adamw_values` or its like -> the function that changes the `tf.Variable`s it is given."""

    def update(w, m, v, *args, **kwargs):
        now = [tf.convert_to_tensor(variable) for variable in (w, m, v)]
        for variable, value in zip((w, m, v), values(*now, *args, **kwargs), strict=True):
            variable.assign(value)

    return update
