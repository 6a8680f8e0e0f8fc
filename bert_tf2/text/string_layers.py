"""A preprocessor as a Keras layer, so that functional models may begin with strings."""

import keras


@keras.saving.register_keras_serializable("bert_tf2")
class TextLayer(keras.layers.Layer):
    """Applies a `Preprocessor` to string tensors (B,): one, or two for pairs.

    It is made where a preprocessor is called on a `keras.Input(shape=(), dtype="string")`.
    """

    def __init__(self, preprocessor, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.preprocessor = preprocessor

    def call(self, texts):
        return self.preprocessor(tuple(texts) if isinstance(texts, (list, tuple)) else texts)

    def compute_output_spec(self, texts):
        length = self.preprocessor.max_length if self.preprocessor.pad_to_max_length else None
        names = ("token_ids", "segment_ids", "padding_mask")
        return {name: keras.KerasTensor((None, length), "int32", name=name) for name in names}

    def get_config(self):
        return {
            **keras.layers.Layer.get_config(self),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
        }

    @classmethod
    def from_config(cls, config):
        preprocessor = keras.saving.deserialize_keras_object(config["preprocessor"])
        config.pop("autocast", None)
        return cls(**{**config, "preprocessor": preprocessor})

    def save_assets(self, folder):
        self.preprocessor.save_assets(folder)

    def load_assets(self, folder):
        self.preprocessor.load_assets(folder)
