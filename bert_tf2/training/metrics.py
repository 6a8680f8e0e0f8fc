"""Metrics that Keras does not have."""

import keras

ROUNDING = 1e-13  # of sums in float64, as a share of them


@keras.saving.register_keras_serializable("bert_tf2")
class Perplexity(keras.metrics.SparseCategoricalCrossentropy):
    """exp of the mean loss over all predictions of a pass, by weight."""

    def __init__(self, name="perplexity", dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs | {"from_logits": True})

    def result(self):
        return keras.ops.exp(super().result())


@keras.saving.register_keras_serializable("bert_tf2")
class MicroF1(keras.metrics.Metric):
    """F1 over all decisions of a pass, whichever label they are of: logits above 0 are a yes."""

    def __init__(self, name="f1", dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.right, self.all = (self.add_variable((), "zeros", name=n) for n in ("right", "all"))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds targets 0 or 1 and logits, (B, C) each; sample weights (B,) or (B, C)."""
        true, yes = (keras.ops.cast(x > 0, "float32") for x in (y_true, y_pred))
        if sample_weight is not None:
            weight = keras.ops.convert_to_tensor(sample_weight)
            weight = weight if weight.ndim == 2 else keras.ops.expand_dims(weight, -1)
            true, yes, both = true * weight, yes * weight, true * yes * weight
        else:
            both = true * yes
        self.right.assign_add(2 * keras.ops.sum(both))
        self.all.assign_add(keras.ops.sum(true) + keras.ops.sum(yes))

    def result(self):
        return keras.ops.divide_no_nan(self.right, self.all)


@keras.saving.register_keras_serializable("bert_tf2")
class Pearson(keras.metrics.Metric):
    """Pearson's correlation over all rows of a pass, the mean over outputs; 0 of equal numbers.

    Keras's own correlates along the outputs of each row.
    """

    def __init__(self, name="pearson", dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.sums = None

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds targets and outputs, (B, K) each; sample weights (B,)."""
        x, y = (keras.ops.cast(values, "float64") for values in (y_true, y_pred))
        if self.sums is None:  # sums of 1, x, y, x x, y y, x y
            self.sums = self.add_variable((6, x.shape[1]), "zeros", dtype="float64", name="sums")
        terms = keras.ops.stack([keras.ops.ones_like(x), x, y, x * x, y * y, x * y])  # (6, B, K)
        if sample_weight is not None:
            weight = keras.ops.cast(sample_weight, "float64")
            terms = terms * keras.ops.reshape(weight, (1, -1, 1))
        self.sums.assign_add(keras.ops.sum(terms, axis=1))

    def result(self):
        if self.sums is None:
            return 0.0
        n, x, y, xx, yy, xy = keras.ops.unstack(self.sums.value, axis=0)
        spreads = [n * squares - s * s for squares, s in ((xx, x), (yy, y))]
        # What is left of equal numbers is rounding, of either sign: their correlation is 0.
        equal = (spreads[0] <= ROUNDING * n * xx) | (spreads[1] <= ROUNDING * n * yy)
        spread = keras.ops.where(equal, 0.0, keras.ops.abs(spreads[0] * spreads[1]))
        return keras.ops.mean(keras.ops.divide_no_nan(n * xy - x * y, keras.ops.sqrt(spread)))


@keras.saving.register_keras_serializable("bert_tf2")
class PairPearson(Pearson):
    """Pearson's correlation of numbers with the cosines of pairs of vectors, over a pass."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds numbers (B,) and vectors (B, 2, E), or of all layers (B, 2, N, E), the last counts;
        sample weights (B,)."""
        if len(y_pred.shape) == 2:  # of the model itself, while its variables are made
            y_pred = keras.ops.stack([y_pred, y_pred], 1)
        x = y_pred if len(y_pred.shape) == 3 else y_pred[:, :, -1]
        x = x / keras.ops.maximum(keras.ops.norm(x, axis=-1, keepdims=True), 1e-12)
        cosines = keras.ops.sum(x[:, 0] * x[:, 1], -1)
        columns = (keras.ops.reshape(values, (-1, 1)) for values in (y_true, cosines))
        super().update_state(*columns, sample_weight)


class _OfReplaced:
    """Of outputs (B, L, 2), logits and what they should be, which the model made itself."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; weights (B, L). What `y_true` holds is not read."""
        super().update_state(y_pred[..., 1], y_pred[..., 0], sample_weight)


@keras.saving.register_keras_serializable("bert_tf2")
class ReplacedAccuracy(_OfReplaced, keras.metrics.BinaryAccuracy):
    """The share of tokens that were told rightly to be replaced or not."""

    def __init__(self, name="accuracy", dtype=None, threshold=0.0):
        super().__init__(name=name, dtype=dtype, threshold=threshold)


@keras.saving.register_keras_serializable("bert_tf2")
class ReplacedPrecision(_OfReplaced, keras.metrics.Precision):
    """Of the tokens that were told to be replaced, the share that is."""

    def __init__(self, name="precision", dtype=None, thresholds=(0.0,), **kwargs):
        super().__init__([*thresholds], name=name, dtype=dtype, **kwargs)


@keras.saving.register_keras_serializable("bert_tf2")
class ReplacedRecall(_OfReplaced, keras.metrics.Recall):
    """Of the replaced tokens, the share that was told to be."""

    def __init__(self, name="recall", dtype=None, thresholds=(0.0,), **kwargs):
        super().__init__([*thresholds], name=name, dtype=dtype, **kwargs)
