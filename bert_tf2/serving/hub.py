"""An encoder as a reusable SavedModel: what TF-Hub's and Kaggle's text encoders are.

https://www.tensorflow.org/hub/common_saved_model_apis/text, "Text embeddings with Transformer
Encoders". Whoever loads it needs TensorFlow alone: `hub.load`, `hub.KerasLayer` of tf_keras and
`tf.saved_model.load` call it and train it further, under a `tf.distribute` strategy, too.
"""

import dataclasses
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2 import files, weights
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.modeling.heads import MaskedWords
from bert_tf2.weights import names, units
from bert_tf2.weights.filling import Unfilled
from bert_tf2.weights.publishers import ours

_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
_POSITIONS = "masked_lm_positions"
# The tokenizer's files under the names that TF-Hub's encoders give them.
_ASSETS = {"vocab.txt": "vocab_file", "spiece.model": "sp_model_file"}


def export_text_encoder(model, folder, tokenizer=None):
    """Writes a SavedModel that others call and fine-tune as they would one from TF-Hub.

        encoder = hub.KerasLayer(folder, trainable=True)  # or hub.load(folder)
        outputs = encoder({"input_word_ids": …, "input_mask": …, "input_type_ids": …})

    Inputs are int32 (B, L), all three. Outputs are float32: `sequence_output` (B, L, D),
    `encoder_outputs`, a list of these, one a layer, and `pooled_output` (B, D), which is also
    `default`. A family without a pooler gives the first token's vector as `pooled_output`: what its
    own classifiers read. `training=True` drops out as the config says.

    Of a `MaskedLM` the SavedModel also has `mlm`, as BERT's on TF-Hub have: called on the same
    inputs and `masked_lm_positions` (B, P) it gives `mlm_logits` (B, P, V), too. Other heads are
    left out: users of a text encoder put their own on it.

    The vocabulary is the asset `vocab_file` (`sp_model_file` for SentencePiece), and the variable
    `do_lower_case` says how texts are lower-cased. The variables have the names and shapes of
    TF-Hub's, and `from_preset` opens the folder.

    Args:
        model: an `Encoder` or a task, whose active adapter is merged. It is computed in float32,
            whatever its dtype policy.
        folder: a new folder.
        tokenizer: of an `Encoder`, for the vocabulary; a task has its own.

    Returns:
        pathlib.Path of the folder. It appears once it is complete.

    Raises:
        FileExistsError: `folder` exists and is not empty; nothing is changed.
        ValueError: the active adapter is a bottleneck, which cannot be merged.

    Examples:
        >>> encoder = bert_tf2.Encoder.from_preset("uncased_L-4_H-512_A-8")
        >>> tokenizer = bert_tf2.Tokenizer.from_preset("uncased_L-4_H-512_A-8")
        >>> bert_tf2.export_text_encoder(encoder, "hub/small", tokenizer).name
        'small'
    """
    own = isinstance(model, Encoder)  # which has no adapters
    contents = model.contents() if own else model.contents_for("tfhub")
    if tokenizer is not None:
        contents = dataclasses.replace(contents, tokenizer=tokenizer.source())
    export_contents(contents, folder)
    return Path(folder)


def export_contents(contents, folder):
    """Writes what `export_text_encoder` does from a `weights.Contents`.

    Returns:
        our names of the arrays that belong to other heads and are left out.

    Raises:
        FileExistsError: `folder` exists and is not empty; nothing is changed.
        ValueError: an array of the encoder is missing or has another shape than the config says.
    """
    folder = Path(folder)
    files.check_is_new(folder)
    contents = dataclasses.replace(contents, tokenizer=contents.tokenizer.with_case())
    kept = {n: x for n, x in contents.arrays.items() if names.head_of(n) in (None, "mlm")}
    left_out = [name for name in contents.arrays if name not in kept]
    contents = dataclasses.replace(contents, arrays=kept, labels=None, task=None)
    module = _text_encoder(contents)
    with tempfile.TemporaryDirectory() as assets, files.new_folder(folder) as unfinished:
        _add_assets(module, contents, Path(assets))
        # Gradients by hand (modeling/functions.py) must be saved along, or there would be none.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
        tf.saved_model.save(module, unfinished, options=options)
    return left_out


class _Reusable(tf.Module):
    """Something to call, with the attributes that hub.KerasLayer asks for.

    Args:
        function: (inputs, training) -> outputs.
        specs: name of an input -> `tf.TensorSpec`.
        variables: all that the function reads.
    """

    variables = trainable_variables = ()  # tf.Module's would not be saved

    def __init__(self, function, specs, variables):
        super().__init__()
        self.variables = list(variables)
        self.trainable_variables = [v for v in variables if v.trainable]
        self.regularization_losses = []

        def call(inputs, training=False):
            return function(inputs, training)

        self.__call__ = tf.function(call, autograph=False)
        for training in (False, True):
            self.__call__.get_concrete_function(specs, training=training)


class _Values:
    """The values of an encoder and its head, in variables that have TF-Hub's names and shapes.

    Keras's own variables only say where values are read: to load and train these, no Keras is
    needed.

    Args:
        encoder: an `Encoder`.
        places: our name -> Keras variable.
        stored: TF-Hub's name -> array.
    """

    def __init__(self, encoder, places, stored):
        theirs = {o: row.theirs for o, row in names.variables(encoder.config, "tfhub").items()}
        self.places = places
        self.variables = {
            ours: tf.Variable(
                weights.to_tensor(stored[theirs[ours]]),
                trainable=place.trainable,
                name=theirs[ours],
            )
            for ours, place in places.items()
        }
        self.seeds = [v for v in encoder.variables if units.is_state(v.path)]

    def scope(self, training):
        """Within it, the encoder computes with these; in training each run draws anew."""
        read = [(p, tf.reshape(self.variables[n], p.shape)) for n, p in self.places.items()]
        return keras.StatelessScope(read + [(v, _drawn(v)) for v in self.seeds if training])


def _text_encoder(contents):
    """`Contents` -> a module, with `mlm` where there is such a head."""
    config, unfilled = contents.config, Unfilled(contents.config)
    stored = weights.to_format(contents.arrays, config, "tfhub")
    encoder = Encoder(config, initializer=unfilled, dtype="float32")
    places, head = encoder.named_variables(), None
    if any(name.startswith("mlm/") for name in contents.arrays):
        embeddings = encoder.parts["embeddings"]
        head = MaskedWords(embeddings, config, unfilled, name="mlm", dtype="float32")
        head.build()
        places |= {variable.path: variable for variable in head.variables}
    values = _Values(encoder, places, stored)

    def encode(inputs, training):
        with values.scope(training):
            return _named(encoder({name: inputs[name] for name in _INPUTS}, training=training))

    def predict(inputs, training):
        outputs = encode(inputs, training)
        with values.scope(training):
            states, positions = outputs["sequence_output"], inputs[_POSITIONS]
            return outputs | {"mlm_logits": head(states, positions, training=training)}

    specs = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in _INPUTS}
    own = [v for name, v in values.variables.items() if names.head_of(name) is None]
    module = _Reusable(encode, specs, own)
    if head:
        specs[_POSITIONS] = tf.TensorSpec([None, None], tf.int32, name=_POSITIONS)
        module.mlm = _Reusable(predict, specs, values.variables.values())
    return module


def _drawn(seed):
    """A new value for the state of a random generator, each time that a graph is run."""
    return tf.cast(tf.random.uniform(seed.shape, maxval=2**31 - 1, dtype=tf.int32), seed.dtype)


def _named(outputs):
    """Our outputs under TF-Hub's names."""
    states = outputs["sequence_output"]
    pooled = outputs.get("pooled_output", states[:, 0])
    return {
        "sequence_output": states,
        "encoder_outputs": outputs["layer_outputs"],
        "pooled_output": pooled,
        "default": pooled,
    }


def _add_assets(module, contents, folder):
    """Vocabulary, casing, and our own settings, which survive being fine-tuned and saved again."""
    for name, content in contents.tokenizer.files.items():
        (folder / name).write_bytes(content)
        attribute = _ASSETS.get(name, name.replace(".", "_"))
        setattr(module, attribute, tf.saved_model.Asset(str(folder / name)))
    if contents.tokenizer.lowercase is not None:
        module.do_lower_case = tf.Variable(
            contents.tokenizer.lowercase, trainable=False, name="do_lower_case"
        )
    ours.write_settings(folder, contents)
    module.settings_file = tf.saved_model.Asset(str(folder / ours.SETTINGS_FILE))
