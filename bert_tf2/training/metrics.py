"""Metrics that Keras does not have."""

import keras


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
