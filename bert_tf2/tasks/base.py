"""What every task shares: raw text in `fit`, `evaluate` and `predict`, a recipe, saving."""

import dataclasses
import functools
import logging
from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2 import weights
from bert_tf2.data import pipeline
from bert_tf2.modeling.encoder import Encoder, Unfilled, load_variables, rename_inputs
from bert_tf2.text.packing import Preprocessor
from bert_tf2.text.wordpiece import WordPieceTokenizer
from bert_tf2.training.recipes import finetuning_optimizer

LOGGER = logging.getLogger("bert_tf2")


class Task(keras.Model):
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

    def __init__(self, encoder, preprocessor, inputs, outputs, drop_padding, name):
        _check_fit(encoder.config, preprocessor)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.encoder = encoder
        self.preprocessor = preprocessor
        self.drop_padding = drop_padding
        self.takes_pairs = False
        self.load_report = None
        self._was_trained = True  # whether a file that is loaded has an optimizer's slots
        self.compile()

    @classmethod
    def from_preset(
        cls,
        preset,
        *args,
        max_length=None,
        pad_to_max_length=False,
        length_buckets=(),
        lowercase=None,
        vocab_file=None,
        config_file=None,
        load_weights=True,
        dtype=None,
        recompute=False,
        **kwargs,
    ):
        """Opens a checkpoint and puts this task's head on it.

        Args:
            preset: a registry name, a folder, a TF1 checkpoint prefix or a safetensors file.
            *args, **kwargs: of the task itself, e.g. `labels`.
            max_length: longest sequence in tokens, `[CLS]` and `[SEP]` included. Default: the
                longest the encoder has positions for.
            pad_to_max_length: pad every text to it, for static shapes; default: to the longest
                text of a batch.
            length_buckets: ints: pad to the first that is long enough (see `Preprocessor`).
            lowercase: of the tokenizer; default: as the checkpoint says.
            vocab_file, config_file: the vocabulary and the JSON config, where they are not those
                beside the weights.
            load_weights: False gives fresh weights in the checkpoint's architecture.
            dtype: a Keras dtype policy for the encoder, e.g. "mixed_bfloat16".
            recompute: train in less memory and more time (see `Encoder`).

        Returns:
            the task. `load_report` says what came from the file and what is new.

        Raises:
            FileNotFoundError: nothing, or no vocabulary, is found there.
            weights.CheckpointError: files and config disagree, or a file is damaged.
        """
        checkpoint = weights.open_checkpoint(weights.resolve(preset), config_file=config_file)
        if vocab_file is not None:
            checkpoint = dataclasses.replace(checkpoint, vocab_file=Path(vocab_file))
        weights.check_vocabulary(checkpoint)  # before anything is built; names the file
        if load_weights:
            checkpoint = weights.read_ahead(checkpoint)
        initializer = Unfilled(checkpoint.config) if load_weights else None
        encoder = Encoder(checkpoint.config, initializer, dtype=dtype, recompute=recompute)
        tokenizer = WordPieceTokenizer.from_checkpoint(checkpoint, lowercase=lowercase)
        if max_length is None:
            max_length = checkpoint.config.max_length
        preprocessor = Preprocessor(tokenizer, max_length, pad_to_max_length, length_buckets)
        task = cls(encoder, preprocessor, *args, **kwargs)
        if load_weights:
            task.load_report = report = load_variables(checkpoint, task.named_variables())
            wants_eyes = report.missing or report.nonfinite or report.warnings
            LOGGER.log(logging.WARNING if wants_eyes else logging.INFO, "%s", report)
        return task

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(rename_inputs(inputs), *args, **kwargs)

    def named_variables(self):
        """dict of our names to variables: the encoder's, and the head's."""
        head = {variable.path: variable for variable in self.variables}
        head = {name: head[name] for name in self.head_variables}
        return self.encoder.named_variables() | head

    # --- Training: the published recipe, unless the user compiles something else. -----------------

    def compile(self, optimizer=None, loss=None, metrics=None, jit_compile=False, **kwargs):
        """As Keras's, with Google's fine-tuning recipe for what is left out.

        Args:
            optimizer: a Keras optimizer, its name, or a dict of `finetuning_optimizer`'s settings,
                e.g. `{"learning_rate": 3e-5}`. None or a dict makes every `fit` start that recipe
                anew: AdamW, linear warm-up over a tenth of the steps, linear decay, clip at 1.0.
            loss, metrics: default to the task's own.
            jit_compile: compile with XLA, for models built with `drop_padding=False`; with
                `pad_to_max_length=True` it compiles once, else once a length.
            **kwargs: as in `keras.Model.compile`.

        Raises:
            ValueError: XLA asked for a model with dynamic shapes.
        """
        if jit_compile is True and self.drop_padding:
            raise ValueError(
                "XLA needs static shapes: build the model with `drop_padding=False` to compile it."
            )
        self.recipe = {} if optimizer is None else optimizer
        if isinstance(self.recipe, dict):
            optimizer = finetuning_optimizer(**self.recipe)  # `fit` will know the steps
        else:
            self.recipe = None
        loss = self.default_loss() if loss is None else loss
        metrics = self.default_metrics() if metrics is None else metrics
        # A partial, because Keras would track metrics in a dict and count them twice.
        settings = kwargs | {"loss": loss, "metrics": metrics, "jit_compile": jit_compile}
        self._compile_with = functools.partial(super().compile, **settings)
        self._compile_with(optimizer=optimizer)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=32,
        epochs=3,
        validation_data=None,
        shuffle=True,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        **kwargs,
    ):
        """As Keras's `fit`, on raw text.

        Args:
            x: see the class.
            y: labels; None where `x` is a dataset that holds them.
            batch_size: texts a step; 32 is the published recipe's.
            epochs: passes over the data; 3 is the published recipe's.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset.
            shuffle: a new order each epoch (not applied to a dataset).
            sample_weight: (n,) float.
            initial_epoch, steps_per_epoch, **kwargs: as in `keras.Model.fit`.

        Returns:
            a `keras.callbacks.History`.

        Raises:
            TypeError, ValueError: x or y is not of the form above; the message says where.
            ValueError: an encoder in float16 without an optimizer that scales the loss.
        """
        if kwargs.get("validation_split"):
            raise ValueError("`validation_split` is not supported: pass `validation_data`.")
        dataset = self._dataset(x, y, sample_weight, batch_size, shuffle)
        if isinstance(validation_data, tf.data.Dataset):
            validation_data = self._dataset(validation_data)
        elif validation_data is not None:
            validation_data = self._dataset(*pipeline.triple(validation_data), batch_size)
        if kwargs.get("class_weight"):
            kwargs["class_weight"] = self.class_numbers(kwargs["class_weight"])
        if self.recipe is not None:
            self._start_recipe((steps_per_epoch or pipeline.count(dataset)) * epochs, initial_epoch)
        self.takes_pairs = pipeline.is_pair(x)
        _check_loss_scaling(self.encoder.policy, self.optimizer)
        # Variables created inside the step would have it traced twice, seconds each time.
        self.optimizer.build(self.trainable_variables)
        return super().fit(
            dataset,
            epochs=epochs,
            validation_data=validation_data,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,  # the dataset does it
            **kwargs,
        )

    def _start_recipe(self, total_steps, initial_epoch):
        """A new optimizer for a new run; the one at hand for a run that goes on."""
        taken = int(self.optimizer.iterations.numpy())
        if initial_epoch == 0 or taken == 0:
            self._compile_with(optimizer=finetuning_optimizer(total_steps, **self.recipe))
        elif taken >= self.optimizer.schedule_steps:
            raise ValueError(
                f"The recipe's {taken} steps are done and its learning rate is 0: leave out "
                f"`initial_epoch` to start anew. Received: initial_epoch={initial_epoch}"
            )

    def evaluate(self, x=None, y=None, batch_size=32, verbose="auto", sample_weight=None, **kwargs):
        """As Keras's `evaluate`, on raw text. See `fit` for the arguments."""
        dataset = self._dataset(x, y, sample_weight, batch_size)
        return super().evaluate(dataset, verbose=verbose, **kwargs)

    def predict(self, x, batch_size=32, verbose="auto", **kwargs):
        """As Keras's `predict`, on raw text: logits, one row a text."""
        dataset = self._dataset(x, batch_size=batch_size, labelled=False)
        return super().predict(dataset, verbose=verbose, **kwargs)

    def _dataset(self, x, y=None, weight=None, batch_size=32, shuffle=False, labelled=True):
        """Whatever the user gave -> a dataset of (ids, targets, weights) in batches."""
        if isinstance(x, tf.data.Dataset):
            if y is not None or weight is not None:
                raise ValueError("A dataset brings its labels along: leave out `y`.")
            return self._from_dataset(x)
        if not pipeline.is_sized(x):
            raise TypeError(
                "Texts must be a list, an array, a tensor, a dict or a tf.data.Dataset; wrap a "
                f"generator with tf.data.Dataset.from_generator. Received: {type(x).__name__}"
            )
        if labelled and y is None:
            raise ValueError("`y`, the labels, must be given with texts. Received: None")
        if isinstance(x, dict) and not set(x) & set(pipeline.TEXT_KEYS):
            inputs, preprocess = rename_inputs(x), dict
            count, groups = len(inputs["token_ids"]), None
        else:
            sides, preprocess = pipeline.as_texts(x), self.preprocessor
            inputs, count = sides if len(sides) == 2 else sides[0], int(sides[0].shape[0])
            grouped = shuffle and self.preprocessor.length_buckets
            groups = self.preprocessor.buckets(inputs) if grouped else None
        columns = (inputs,)
        if labelled:
            columns += (self.targets(y, count),)
        if weight is not None:
            columns += (pipeline.as_weights(weight, count),)
        return pipeline.batches(columns, preprocess, batch_size or 32, shuffle, groups)

    def _from_dataset(self, dataset):
        spec = dataset.element_spec
        x = spec[0] if isinstance(spec, tuple) else spec
        first = tf.nest.flatten(x)[0]
        if first.dtype != tf.string:
            preprocess = rename_inputs
        elif first.shape.rank == 0:
            raise ValueError("The dataset must be batched: call `.batch(32)` on it.")
        else:
            preprocess = self.preprocessor
        if not isinstance(spec, tuple):
            dataset = dataset.map(lambda x: (x,))
        elif len(spec) > 1:
            dataset = dataset.map(lambda x, y, *rest: (x, self.targets_in_graph(y), *rest))
        return pipeline.tokenized(dataset, preprocess)

    # --- Saving: Keras's own formats, with the vocabulary among the assets. -----------------------

    def get_config(self):
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "drop_padding": self.drop_padding,
            "takes_pairs": self.takes_pairs,
            "recipe": self.recipe,
            "trained": self.optimizer.built,
            "name": self.name,
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
        trained = config.pop("trained", True)
        task = cls(**config)
        task.takes_pairs, task._was_trained = takes_pairs, trained
        if recipe is not None:
            task.compile(recipe)
        return task

    def compile_from_config(self, config):
        recipe = self.recipe
        self.compile(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})
        self.recipe = recipe
        if self._was_trained:  # else the file has no slots to load
            self.optimizer.build(self.trainable_variables)

    def save_assets(self, folder):
        """Called by Keras on saving: writes the vocabulary."""
        self.preprocessor.save_assets(Path(folder))

    def load_assets(self, folder):
        """Called by Keras on loading: reads the vocabulary."""
        self.preprocessor.load_assets(Path(folder))


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


def _check_loss_scaling(policy, optimizer):
    """Raises for float16, whose small gradients become zero, unless the loss is scaled up."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if policy.compute_dtype == "float16" and not scaled:
        raise ValueError(
            "Training in float16 needs a keras.optimizers.LossScaleOptimizer in `compile`; "
            '"mixed_bfloat16" needs none. Received: '
            f"dtype={policy.name!r} and {type(optimizer).__name__}"
        )
