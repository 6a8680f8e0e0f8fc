"""Metrics that Keras does not have."""

import keras


@keras.saving.register_keras_serializable("bert_tf2")
class Perplexity(keras.metrics.SparseCategoricalCrossentropy):
    """exp of the mean loss over all predictions of a pass, by weight."""

    def __init__(self, name="perplexity", dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs | {"from_logits": True})

    def result(self):
        return keras.ops.exp(super().result())
