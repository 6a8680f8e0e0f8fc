"""Checkpoints -> tasks, and tasks -> what a checkpoint holds."""

import dataclasses
import inspect
import logging
from pathlib import Path

import keras

from bert_tf2 import weights
from bert_tf2.messages import checked_bool, switched
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.modeling.frozen import freeze, freeze_as_saved, frozen
from bert_tf2.modeling.top_layers import begin_anew, top_blocks, train_top
from bert_tf2.tasks import adapter_folders, kept_settings, trained_heads
from bert_tf2.tasks.contents import contents_of, head_variables
from bert_tf2.text.packing import Preprocessor
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.weights.filling import Unfilled, load_variables

LOGGER = logging.getLogger("bert_tf2")


def open_task(
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
    trainable_layers=None,
    reinit_layers=0,
    **kwargs,
):
    """Opens a checkpoint and puts this task's head on it.

    Args:
        preset: a registry name, a folder, a TF1 checkpoint prefix or a file with weights.
        *args, **kwargs: of the task itself, e.g. `labels`, by default what the checkpoint
            says; and
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
        trainable_layers: train the so many top layers, the pooler and the head alone; 0: the head.
            Default: all, or what the preset's task trained; "all": all, whatever that did.
        reinit_layers: have the so many top layers and the pooler begin anew, with the published
            initializer (Zhang et al. 2020): 1 to 6 for a few thousand rows. Default: 0, none.

    Returns:
        the task. `load_report` says what came from the file and what is new.

    Raises:
        FileNotFoundError: nothing, or no vocabulary, is found there.
        weights.CheckpointError: files and config disagree, or a file is damaged.
        TypeError: an argument that the task does not have.
        ValueError: more layers than there are, or some of those that share their weights (ALBERT).
    """
    given = kept_settings.arguments_of(cls, args, kwargs)
    checked_bool("load_weights", load_weights)
    checkpoint = _checkpoint(cls, preset, config_file, vocab_file, ignore)
    kept_settings.check_labels(cls, checkpoint, given)
    everything = isinstance(trainable_layers, str) and trainable_layers == "all"
    top = None if everything else trainable_layers
    for name, n in {"trainable_layers": top, "reinit_layers": reinit_layers}.items():
        top_blocks(checkpoint.config, n or 0, name)  # before anything is built
    if load_weights:
        kind = trained_heads.kind_for(cls, checkpoint, given)
        trained_heads.say_other_head(cls, checkpoint, kind)
        checkpoint = weights.read_ahead(checkpoint)
    initializer = Unfilled(checkpoint.config) if load_weights else None
    encoder = Encoder(checkpoint.config, initializer, dtype=dtype, recompute=recompute)
    tokenizer = Tokenizer.from_checkpoint(checkpoint, lowercase)
    lengths = (max_length, pad_to_max_length, length_buckets)
    own = kept_settings.settings_for(cls, checkpoint, given)
    with kept_settings.where_it_says(checkpoint, {*own, "max_length"} - {*given}, lengths):
        preprocessor = Preprocessor(tokenizer, **kept_settings.lengths_in(cls, checkpoint, lengths))
        task = cls(encoder, preprocessor, **own | given)
    if load_weights:
        _fill(task, checkpoint, given, reinit_layers)
    said = checkpoint.task or {}
    task.takes_pairs |= bool(said.get("takes_pairs"))  # some tasks read nothing else
    if top is not None:
        train_top(task, top)
    elif said.get("class") == cls.__name__ and not everything:
        freeze_as_saved(task, said.get("frozen", ()), '; trainable_layers="all" trains all')
    task.top_layers = {"trainable_layers": top, "reinit_layers": reinit_layers or None}
    if load_weights and said.get("adapters"):
        adapter_folders.open_adapters(task, checkpoint, said)
    return task


def _checkpoint(cls, preset, config_file, vocab_file, ignore):
    """The checkpoint that a task is to be opened from, checked for it."""
    path = weights.resolve(preset)
    checkpoint = weights.open_checkpoint(path, config_file, ignore)
    if checkpoint.task is None and cls.head_kind == "sentence":
        known = weights.known_sentences(path, checkpoint.config.max_length)
        checkpoint = dataclasses.replace(checkpoint, task=known)
    if vocab_file is not None:
        files = weights.given_vocabulary(Path(vocab_file))
        checkpoint = dataclasses.replace(
            checkpoint, tokenizer=dataclasses.replace(checkpoint.tokenizer, files=files)
        )
    checkpoint = weights.read_as(checkpoint, cls.head_kind)
    trained_heads.check_problem(cls, checkpoint)
    weights.check_vocabulary(checkpoint)  # before anything is built; names the file
    said = checkpoint.task or {}
    trained_heads.check_vectors(cls, checkpoint)
    trained_heads.say_prompt(cls, checkpoint)
    if said.get("class") == cls.__name__ and said.get("refused"):
        raise ValueError(f"{checkpoint.path.parent}: {said['refused']}")
    return checkpoint


def _fill(task, checkpoint, given, reinit_layers):
    """Gives a task the weights of a checkpoint, and says what came from where."""
    task.load_report = report = load_variables(checkpoint, task.named_variables())
    kept_settings.check_shapes(task, checkpoint, given)
    report.begin_anew(begin_anew(task, reinit_layers))
    wants_eyes = report.missing or report.nonfinite or report.warnings
    LOGGER.log(logging.WARNING if wants_eyes else logging.INFO, "%s", report)
    trained_heads.check_loaded(task, checkpoint, given)


def from_config(cls, config, custom_objects=None):
    """A task as `Task.get_config` has described it, without numbers and vocabulary."""
    config = {
        key: keras.saving.deserialize_keras_object(value)
        if key in ("encoder", "preprocessor")
        else value
        for key, value in config.items()
    }
    takes_pairs, paths = config.pop("takes_pairs"), config.pop("frozen", ())
    adapters = config.pop("adapters", None)
    said = {name: config.pop(name) for name in ("recipe", "step", "trained") if name in config}
    task = cls(**switched(config, "drop_padding", *kept_settings.SWITCHES))
    task.takes_pairs, task.compiled_as = takes_pairs, said
    freeze(task, paths)
    task.make_adapters(adapters)
    return task


def check_fit(config, preprocessor):
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


def write(cls, folder, contents, format, dtype):
    """`weights.save` of a task of a class, and a warning for all that the folder will not say.

    Returns:
        the folder.
    """
    folder = weights.save(folder, contents, format, dtype)
    for sentence in weights.lost(contents, format) + kept_settings.lost(cls, folder, contents):
        LOGGER.warning("%s: %s", folder, sentence)
    return folder


class Kept:
    """How a task is kept: in presets, in Keras's files, and as a SavedModel."""

    @classmethod
    def default_settings(cls, encoder_config):
        """dict of the settings that a task has where nothing is said, on that encoder."""
        found = {n: p.default for n, p in inspect.signature(cls.__init__).parameters.items()}
        found = {name: found.get(name) for name in cls.settings}
        if "dropout" in found:
            found["dropout"] = encoder_config.classifier_dropout
        return found

    exporters = {}  # noqa: RUF012  by format; serving/, which stands below, adds them

    from_preset = classmethod(open_task)

    def named_variables(self):
        """dict of our names to variables: the encoder's, and the head's."""
        return self.encoder.named_variables() | head_variables(self)

    def contents(self):
        """All that a checkpoint of this task holds: a `weights.Contents`."""
        return contents_of(self)

    def contents_for(self, format):
        """`contents`, for a folder of a format: where it has no place for adapters, the active one
        is merged into the arrays.

        Raises:
            ValueError: that is a bottleneck, which cannot be merged.
        """
        contents = self.contents()
        if format == "bert_tf2" or self.active_adapter is None:
            return contents
        return dataclasses.replace(contents, arrays=self.merged_arrays())

    def save_to_preset(self, folder, format="bert_tf2", dtype="float32"):
        """Writes weights, config and vocabulary for `from_preset`, or for another library.

        Args, returns and errors are those of `weights.save`. Only the format "bert_tf2" holds all
        the task's settings, and its adapters, each in its own two files; in others the active one
        is merged. What a format has no words for is said. None holds the optimizer: `save` does.
        """
        return write(type(self), folder, self.contents_for(format), format, dtype)

    def save(self, filepath, *args, **kwargs):
        """As Keras's, to a `.keras` file, which has the vocabulary inside."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "A task must be saved to a .keras file: HDF5 has no place for its vocabulary. "
                f"Received: {filepath}"
            )
        super().save(filepath, *args, **kwargs)

    def get_config(self):
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "drop_padding": self.drop_padding,
            "takes_pairs": self.takes_pairs,
            "frozen": frozen(self),
            "adapters": self.spoken_adapters(),
            "name": self.name,
            **self.how_compiled(),
            **{name: getattr(self, name) for name in self.settings},
        }

    from_config = classmethod(from_config)

    def save_assets(self, folder):
        """Called by Keras on saving: writes the vocabulary."""
        self.preprocessor.save_assets(Path(folder))

    def load_assets(self, folder):
        """Called by Keras on loading: reads the vocabulary."""
        self.preprocessor.load_assets(Path(folder))
        check_fit(self.encoder.config, self.preprocessor)

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Writes what `bert_tf2.export_saved_model`, `export_onnx` or `export_litert` writes.

        Args:
            filepath: a folder: see there.
            format: Keras's words: "tf_saved_model", "onnx", "litert"; others are Keras's own.
            **kwargs: of these functions, or of `keras.Model.export`.
        """
        if format in self.exporters:
            return self.exporters[format](self, filepath, **kwargs)
        return super().export(filepath, format=format, **kwargs)
