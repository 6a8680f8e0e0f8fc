"""Arrays of a checkpoint into a model's variables, and variables that wait for them."""

import keras

from bert_tf2.weights.loading import load
from bert_tf2.weights.tensors import to_tensor, unset


@keras.saving.register_keras_serializable("bert_tf2")
class Unfilled(keras.initializers.TruncatedNormal):
    """Leaves memory as it is found, for variables that a checkpoint fills next.

    It never reaches a file or a copy: there, layers get the initializer it stands for.

    Args:
        config: the `EncoderConfig` of the model, whose initializer it stands for.
    """

    def __init__(self, config):
        super().__init__(stddev=config.initializer_range)

    def __call__(self, shape, dtype=None):
        return unset(shape, dtype)

    def clone(self):
        return self

    @classmethod
    def from_config(cls, config):
        return keras.initializers.TruncatedNormal(**config)


def load_variables(checkpoint, variables, only_encoder=False):
    """Fills variables from a checkpoint, strictly, and returns the `weights.Report`.

    Args:
        checkpoint: a `weights.Checkpoint`.
        variables: dict of our names to Keras variables.
        only_encoder: as of `weights.load`.
    """
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    arrays, report = load(checkpoint, shapes, only_encoder=only_encoder)
    for name in report.loaded:  # let go of one by one, so that memory holds each but once
        variables[name].assign(to_tensor(arrays.pop(name)))
    return report
