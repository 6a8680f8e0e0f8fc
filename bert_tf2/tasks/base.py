"""What every task shares: raw text in `fit`, `evaluate` and `predict`, a recipe, saving."""

import dataclasses
import logging
from pathlib import Path

import keras

from bert_tf2 import weights
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.tasks.fitting import TextModel
from bert_tf2.text.packing import Preprocessor
from bert_tf2.text.presets import tokenizer_of
from bert_tf2.weights.filling import Unfilled, load_variables

LOGGER = logging.getLogger("bert_tf2")


class Task(TextModel):
    """A functional model on int32 ids that also takes raw text wherever Keras takes data.

    A subclass builds its head in `__init__`, names it in `head_variables`, and says in
    `default_loss`, `default_metrics` and `targets` how it is trained.

    Wherever a method takes `x`, it may be
        a list of str, a NumPy array of str or a 1-D string tensor;
        a tuple of two of these, for pairs, or a dict `{"text": …, "text_pair": …}`;
        a dict of int32 (B, L) `token_ids`, `segment_ids`, `padding_mask`;
        a batched `tf.data.Dataset` of any of these, followed by labels where they are needed
        (for `predict` of pairs it holds dicts, or a tuple in a tuple: `((first, second),)`).
    """

    head_variables: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()  # arguments of the task itself, in their order

    def __init__(self, encoder, preprocessor, inputs, outputs, drop_padding, name):
        _check_fit(encoder.config, preprocessor)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.encoder = encoder
        self.preprocessor = preprocessor
        self.drop_padding = drop_padding
        self.takes_pairs = False
        self.load_report = None
        self.was_trained = True  # whether a file that is loaded has an optimizer's slots
        self.compile()

    @classmethod
    def from_preset(
        cls,
        preset,
        *args,
        max_length=None,
        pad_to_max_length=None,
        length_buckets=None,
        lowercase=None,
        vocab_file=None,
        config_file=None,
        load_weights=True,
        dtype=None,
        recompute=False,
        ignore=(),
        **kwargs,
    ):
        """Opens a checkpoint and puts this task's head on it.

        Args:
            preset: a registry name, a folder, a TF1 checkpoint prefix or a file with weights.
            *args, **kwargs: of the task itself, e.g. `labels`; by default what the checkpoint says.
            max_length: longest sequence in tokens, `[CLS]` and `[SEP]` included. Default: the
                preset's, or the longest the encoder has positions for.
            pad_to_max_length: pad every text to it, for static shapes; default: the preset's, or
                to the longest text of a batch.
            length_buckets: ints: pad to the first that is long enough (see `Preprocessor`).
            lowercase: of the tokenizer; default: as the checkpoint says.
            vocab_file, config_file: the vocabulary and the JSON config, where they are not those
                beside the weights.
            load_weights: False gives fresh weights in the checkpoint's architecture.
            dtype: a Keras dtype policy for the encoder, e.g. "mixed_bfloat16".
            recompute: train in less memory and more time (see `Encoder`).
            ignore: patterns of names in the file to leave out, such as "my_head/*".

        Returns:
            the task. `load_report` says what came from the file and what is new.

        Raises:
            FileNotFoundError: nothing, or no vocabulary, is found there.
            weights.CheckpointError: files and config disagree, or a file is damaged.
        """
        checkpoint = weights.open_checkpoint(weights.resolve(preset), config_file, ignore)
        if vocab_file is not None:
            files = weights.given_vocabulary(Path(vocab_file))
            checkpoint = dataclasses.replace(
                checkpoint, tokenizer=dataclasses.replace(checkpoint.tokenizer, files=files)
            )
        weights.check_vocabulary(checkpoint)  # before anything is built; names the file
        if load_weights:
            checkpoint = weights.read_ahead(checkpoint)
        initializer = Unfilled(checkpoint.config) if load_weights else None
        encoder = Encoder(checkpoint.config, initializer, dtype=dtype, recompute=recompute)
        tokenizer = tokenizer_of(checkpoint, lowercase)
        lengths = {
            "max_length": max_length,
            "pad_to_max_length": pad_to_max_length,
            "length_buckets": length_buckets,
        }
        preprocessor = Preprocessor(tokenizer, **_lengths(checkpoint, lengths))
        given = dict(zip(cls.settings, args, strict=False)) | kwargs
        task = cls(encoder, preprocessor, **_said(cls, checkpoint) | given)
        if load_weights:
            task.load_report = report = load_variables(checkpoint, task.named_variables())
            wants_eyes = report.missing or report.nonfinite or report.warnings
            LOGGER.log(logging.WARNING if wants_eyes else logging.INFO, "%s", report)
        return task

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(self.rename_inputs(inputs), *args, **kwargs)

    def named_variables(self):
        """dict of our names to variables: the encoder's, and the head's."""
        head = {variable.path: variable for variable in self.variables}
        head = {name: head[name] for name in self.head_variables}
        return self.encoder.named_variables() | head

    # --- Saving: presets. -------------------------------------------------------------------------

    def contents(self):
        """All that a checkpoint of this task holds: a `weights.Contents`."""
        preprocessor = self.preprocessor.get_config()
        return dataclasses.replace(
            self.encoder.contents(),
            arrays={n: keras.ops.convert_to_numpy(v) for n, v in self.named_variables().items()},
            tokenizer=self.preprocessor.tokenizer.source(),
            labels=getattr(self, "labels", None),
            task={
                "class": type(self).__name__,
                "settings": {name: getattr(self, name) for name in self.settings},
                "preprocessor": {name: preprocessor[name] for name in _LENGTHS},
            },
        )

    def save_to_preset(self, folder, format="bert_tf2", dtype="float32"):
        """Writes weights, config and vocabulary for `from_preset`, or for another library.

        Args, returns and errors are those of `weights.save`. Only the format "bert_tf2" holds the
        task's settings and the preprocessor's lengths; none holds the optimizer: `save` does.
        """
        return weights.save(folder, self.contents(), format, dtype)

    # --- Saving: Keras's own formats, with the vocabulary among the assets. -----------------------

    def get_config(self):
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "drop_padding": self.drop_padding,
            "takes_pairs": self.takes_pairs,
            "recipe": self.recipe,
            "step": self.step_settings,
            "trained": self.optimizer.built,
            "name": self.name,
            **{name: getattr(self, name) for name in self.settings},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {
            key: keras.saving.deserialize_keras_object(value)
            if key in ("encoder", "preprocessor")
            else value
            for key, value in config.items()
        }
        takes_pairs, recipe = config.pop("takes_pairs"), config.pop("recipe")
        trained, step = config.pop("trained", True), config.pop("step", {})
        task = cls(**config)
        task.takes_pairs, task.was_trained = takes_pairs, trained
        task.compile(recipe, **step)
        return task

    def compile_from_config(self, config):
        recipe = self.recipe
        config = {k: keras.saving.deserialize_keras_object(v) for k, v in config.items()}
        self.compile(**config, **self.step_settings)
        self.recipe = recipe
        if self.was_trained:  # else the file has no slots to load
            self.optimizer.build(self.trainable_variables)

    def save_assets(self, folder):
        """Called by Keras on saving: writes the vocabulary."""
        self.preprocessor.save_assets(Path(folder))

    def load_assets(self, folder):
        """Called by Keras on loading: reads the vocabulary."""
        self.preprocessor.load_assets(Path(folder))


_LENGTHS = ("max_length", "pad_to_max_length", "length_buckets")


def _lengths(checkpoint, given):
    """The preprocessor's lengths: as given, or as the preset says."""
    said = (checkpoint.task or {}).get("preprocessor", {})
    default = {"max_length": checkpoint.config.max_length} | said
    return default | {name: value for name, value in given.items() if value is not None}


def _said(task, checkpoint):
    """What a checkpoint says of a task's settings."""
    said = checkpoint.task or {}
    settings = dict(said.get("settings", {})) if said.get("class") == task.__name__ else {}
    if "labels" in task.settings and checkpoint.labels:
        settings.setdefault("labels", checkpoint.labels)
    return settings


def _check_fit(config, preprocessor):
    """Raises if the preprocessor would make ids or positions that the encoder has no row for."""
    positions, tokenizer = config.max_length, preprocessor.tokenizer
    if preprocessor.max_length > positions:
        raise ValueError(
            f"`max_length` must be at most {positions}, the encoder's positions. "
            f"Received: {preprocessor.max_length}"
        )
    if tokenizer.has_vocabulary and tokenizer.vocabulary_size > config.vocab_size:
        raise ValueError(
            f"The vocabulary must have at most {config.vocab_size} entries, the rows of the "
            f"encoder's table. Received: {tokenizer.vocabulary_size}"
        )
