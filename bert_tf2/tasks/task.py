"""The one protocol of every task: raw text in, a step that adds up, named answers out.

A task is an encoder, a head, and its answers to four questions:

    prepare(columns)                    what do some rows become?  -> inputs, targets, weights
    losses(targets, outputs, weights)   what is to be lowered?     -> {name: (sum, size)}
    answers(inputs, outputs)            what do outputs mean?      -> {name: tensor}
    settings, and the head's variables  what makes it that task?

The rest is here, once: all data go `read` (in Python, where an error can name the row) -> `prepare`
(in the graph) -> the model -> `losses` or `answers`. What else differs is attributes.

Letters: B rows of a batch, n rows in memory, L length, C classes.
"""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns, labels, pipeline
from bert_tf2.data.columns import EXTRAS
from bert_tf2.data.sample_weights import sample_weights, sample_weights_in_graph
from bert_tf2.modeling import inputs as named
from bert_tf2.tasks import adapted, answering, feeding, not_cloned, one_batch, opening, process
from bert_tf2.training.model import StepModel
from bert_tf2.training.run import Run


class Task(adapted.Adapted, opening.Kept, one_batch.OneBatch, not_cloned.NotCloned, StepModel):
    """A functional model on int32 ids that also takes raw text wherever Keras takes data.

    Wherever a method takes `x`, it may be
        texts: a list of str, a NumPy array, a pandas Series, a 1-D string tensor;
        pairs: a tuple of two of these, a list of tuples (text, text_pair), or a mapping or a
            DataFrame of `text` and `text_pair`;
        ids: a dict of int32 (B, L) `token_ids`, `segment_ids`, `padding_mask`, under these names or
            Google's or Hugging Face's;
        a batched `tf.data.Dataset` or a `keras.utils.PyDataset` of any of these, followed by labels
            where they are needed (for `predict` of pairs it holds dicts, or a tuple in a tuple:
            `((first, second),)`).
    """

    settings: tuple[str, ...] = ()  # arguments of the task itself, in their order
    wanted = "labels"  # what y is
    head_kind: str | None = None  # what its head is for: one of `weights.units.HEADS`
    other_kinds: tuple[str, ...] = ()  # those that its setting `head` may name in its place
    trained_as: str | None = None  # the task that trains its head, where it does not itself
    problem_types: tuple[str, ...] = ()  # Hugging Face's words for what its head may answer
    raw_names: tuple[str, ...] = columns.TEXT_NAMES  # the columns of raw text, the first needed
    row_types: tuple[type, ...] = (str, bytes)  # what a generator may give for one row
    ids_rank = 2  # of token ids: (B, L)
    length_input = "token_ids"  # the input (B, L) along whose columns outputs go
    reads_windows = False  # whether what is longer than a row is read in several
    plain_answer: str | None = None  # the one that a SavedModel gives when it is called on texts
    marks: tuple[str, ...] = ()  # of what `prepare` gives as inputs, what `answers` alone reads

    def __init__(self, encoder, preprocessor, inputs, outputs, drop_padding, name):
        opening.check_fit(encoder.config, preprocessor)
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.encoder, self.preprocessor = encoder, preprocessor
        self.drop_padding, self.takes_pairs, self.load_report = drop_padding, False, None
        self.seeds_separated = self.said_what_is_cut = self.said_what_is_none = False
        self.largest_sample, self.graphs, self.traced_for = 0, {}, None  # of `feeding`

    # === The protocol =============================================================================

    def prepare(self, columns):
        """Rows -> what the model takes, and what it is to answer. Runs in the graph.

        Args:
            columns: dict of tensors (B, …), all that a row has: `text` and perhaps `text_pair`
                (string), or ids; and in training `labels` and perhaps `sample_weight`. A task may
                take keywords besides, as `answers` then does: `answer` passes its own on to both.

        Returns:
            inputs, a dict; targets and their weights, or None and None where there are no labels.
        """
        raise TypeError(f"{type(self).__name__} must say how rows are prepared.")

    def losses(self, targets, outputs, weights):
        """{name: (sum, size)}: the losses of a batch, which are added up, each `sum / size`.

        Both are float32 scalars. They add up over the parts of a batch; sizes must follow from
        targets and weights alone. (Keras's property of this name is `penalties`.)
        """
        raise TypeError(f"{type(self).__name__} must say what its losses are.")

    def answers(self, inputs, outputs):
        """{name: tensor (B, …)}: what outputs mean, for people. Runs in the graph."""
        raise TypeError(f"{type(self).__name__} must say what its answers are.")

    def default_metrics(self):
        """Keras's metrics of the task, as `compile` takes them; None: it has none."""

    def read(self, x, y=None, sample_weight=None):
        """Data in memory -> columns (n, …). Raises where something is not as it should be.

        Args:
            x: see the class. y: labels, or None. sample_weight: (n,) floats, or None.
        """
        if columns.is_encoded(x):
            found = {name: np.asarray(ids) for name, ids in x.items()}
            self.rename_inputs(found)  # raises for a name it does not know
        else:
            found = self.read_texts(x)
            feeding.say_what_is_lost(self, self.packed_texts(found), self.reads_windows)
        rows = pipeline.count_rows(found)
        if y is not None:
            found["labels"] = self.read_labels(y, rows)
        if sample_weight is not None:
            found["sample_weight"] = sample_weights(sample_weight, rows)
        return found

    def taken_apart(self, x, y):
        """x and y as users give them -> the same, where y may stand among the columns of x."""
        return x, y

    def apart(self, found, batch_size):
        """What must not come twice in a batch to learn from: a `no_duplicates.Apart`, or None."""
        return

    def read_texts(self, x):
        """Raw texts in memory -> columns (n, …), of names in `raw_names`."""
        return columns.text_columns(x, self.raw_names)

    def packed_texts(self, found):
        """Of such columns, the texts or pairs of texts as they are packed: one or two (m,)."""
        return {name: found[name] for name in columns.TEXT_NAMES if name in found}

    def batch_columns(self, x, y=None, sample_weight=None):
        """A batch of a dataset -> columns, as `read` gives. Works in a graph."""
        return columns.in_graph(x, y, sample_weight, self.raw_names)

    def read_labels(self, y, rows):
        """The labels of n rows -> an array (n, …), for `prepare`."""
        return np.asarray(y)

    def worth_saying(self, found):
        """What is odd about columns to be trained on: a list of sentences, mostly empty."""
        return []

    def class_weights(self, by_class):
        """`class_weight` as users give it -> float32 (C,)."""
        raise ValueError(
            f"`class_weight` must be left out: a {type(self).__name__} has no classes. "
            f"Received: {by_class}"
        )

    def weigh(self, targets, weights, by_class):
        """The weights of targets, times what `class_weights` gave for the class of each."""
        return weights * tf.gather(by_class, tf.maximum(targets, 0))

    def string_inputs(self, pairs=False):
        """{name: tf.TensorSpec} of the raw columns that a SavedModel takes."""
        names = columns.TEXT_NAMES if pairs else columns.TEXT_NAMES[:1]
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}

    def signatures(self):
        """{name: {name: tf.TensorSpec}}: what a SavedModel may be asked besides, of raw columns."""
        return {}

    def extra_assets(self):
        """Files to lie beside a SavedModel: name -> text."""
        return {}

    # === What a task builds its answers from ======================================================

    def rename_inputs(self, inputs):
        """Inputs under anyone's names -> the model's: see `modeling.inputs.rename_inputs`."""
        return named.rename_inputs(inputs, self.encoder.config, self.ids_rank)

    def encoded(self, columns):
        """The model's inputs: of the texts in columns, or the ids that stand there instead."""
        if "text" in columns:
            pair = columns.get("text_pair")
            text = columns["text"]
            return self.preprocessor(text if pair is None else (text, pair))
        return self.rename_inputs({n: ids for n, ids in columns.items() if n not in EXTRAS})

    def row_weights(self, columns):
        """float32 (B,): the sample weights of rows, by default 1 each."""
        first, given = next(iter(columns.values())), columns.get("sample_weight")
        ragged = isinstance(first, tf.RaggedTensor)
        rows = first.nrows(tf.int32) if ragged else tf.shape(first)[0]
        return tf.ones([rows]) if given is None else sample_weights_in_graph(given, rows)

    def blank_outputs(self, inputs):
        """Zeros in the shape of the outputs to these inputs, for sizes that are asked before."""
        rows, length = tf.unstack(tf.shape(inputs[self.length_input])[:2])

        def zeros(output):
            sizes = [length if size is None else size for size in output.shape[1:]]
            return tf.zeros([rows, *sizes], output.dtype)

        return keras.tree.map_structure(zeros, self.output)

    # === Data, on its way =========================================================================

    dataset = feeding.dataset

    def __call__(self, inputs, *args, **kwargs):
        """Outputs to inputs, or to raw text."""
        if not columns.is_encoded(inputs):
            first = next(iter(keras.tree.flatten(inputs)), None)
            traced = tf.is_tensor(first) and not tf.executing_eagerly()
            symbolic = traced or isinstance(first, keras.KerasTensor)
            found = self.batch_columns(inputs) if symbolic else self.read(inputs)
            inputs = self.prepare(found)[0]
        ids = {name: x for name, x in inputs.items() if name not in self.marks}
        return self.joined(inputs, super().__call__(self.rename_inputs(ids), *args, **kwargs))

    def joined(self, inputs, outputs):
        """Outputs to what `prepare` made of texts -> outputs to the texts, where these differ."""
        return outputs

    # === What Keras does, on raw text =============================================================

    def fit(
        self,
        x=None,
        y=None,
        batch_size=32,
        epochs=3,
        validation_data=None,
        validation_split=0.0,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        callbacks=None,
        drop_remainder=None,
        **kwargs,
    ):
        """As Keras's `fit`, on raw text.

        Args:
            x: texts, pairs, ids or a dataset: see the class.
            y: labels; None where `x` is a dataset that holds them.
            batch_size: texts a step; 32 is the published recipe's.
            epochs: passes over the data; 3 is the published recipe's.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or x alone where it needs no y.
            validation_split: the last share of the rows, from 0 to 1, to validate on instead.
            shuffle: a new order each epoch (not applied to a dataset).
            class_weight: what each class counts: a dict by name or number (1 for the rest), or a
                list in the order of the classes.
            sample_weight: (n,) float.
            callbacks: Keras's, and `Checkpoints`, with which a run survives.
            drop_remainder: leave out of each epoch what does not fill a batch (not applied to a
                dataset). Default: on TPUs, which must know all shapes.
            initial_epoch, steps_per_epoch, **kwargs: as in `keras.Model.fit`.

        Returns:
            a `keras.callbacks.History`.

        Raises:
            TypeError, ValueError: x or y is not of the form above; the message says where.
            ValueError: an encoder in float16 without an optimizer that scales the loss.
        """
        process.check()
        if not self.compiled:
            self.compile()
        x = feeding.as_dataset(self, x, endless=steps_per_epoch is not None)
        if validation_split:
            (x, y, sample_weight), validation_data = columns.split(
                self.read_texts, x, y, sample_weight, validation_split, validation_data
            )
        how = (batch_size, epochs, shuffle, steps_per_epoch, initial_epoch, drop_remainder)
        run = Run(self, *how, callbacks)
        data = self.dataset(
            x, y, sample_weight, batch_size, run.sampling, class_weight=class_weight
        )
        if validation_data is not None:
            size = kwargs.pop("validation_batch_size", batch_size)
            validation_data = self.dataset(*columns.validation(validation_data), size)
        self.takes_pairs = columns.is_pair(x)
        with labels.errors_named():
            return run.train(data, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=32, verbose="auto", sample_weight=None, **kwargs):
        """As Keras's `evaluate`, on raw text. See `fit` for the arguments."""
        process.check()
        self.ready()
        data = self.dataset(x, y, sample_weight, batch_size)
        self.build_metrics(data.element_spec)
        with labels.errors_named():
            return super().evaluate(data, verbose=verbose, **kwargs)

    def predict(self, x, batch_size=32, verbose="auto", **kwargs):
        """As Keras's `predict`, on raw text: the outputs, such as logits, one row a text.

        What they mean is said by the task's own `predict_…`.
        """
        process.check()
        data = self.dataset(x, batch_size=batch_size, labelled=False)
        with labels.errors_named():
            return super().predict(data, verbose=verbose, **kwargs)

    answer = answering.answer
    answering = answering.graph
