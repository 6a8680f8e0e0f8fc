"""Training of vectors: the half of a `SentenceEncoder` that learns.

Letters: B rows of a batch, K texts a row, L length, N layers, E numbers of a vector.
"""

import json

import keras
import tensorflow as tf

from bert_tf2.data import columns, labels, pipeline, sentence_rows
from bert_tf2.modeling.inputs import INPUT_NAMES
from bert_tf2.tasks.vector_rows import SAMPLERS, VectorRows, kind_of_columns
from bert_tf2.training.metrics import PairPearson
from bert_tf2.training.objectives import Objective, default_kind


class TrainedVectors(VectorRows):
    """What a task of vectors does to learn; see `fit` and `compile`."""

    pair_head = None  # of a softmax over pairs
    by_columns = False  # whether the objective was chosen by the data

    def compile(self, optimizer=None, loss=None, *args, **kwargs):
        """As of any task, with a loss of vectors.

        Args:
            optimizer, *args, **kwargs: see `Task.compile`.
            loss: its name, or a dict of its `kind` and settings, see `training.vector_losses`:
                "multiple_negatives_ranking" (`scale` 20, `similarity`, `directions`,
                `partition_mode`), "multiple_negatives_symmetric_ranking", both also "cached_…"
                (`mini_batch_size` 32), "cosent" (`scale` 20), "cosine_similarity", "triplet" and
                "batch_hard_triplet" (`margin` 5, `distance`), "contrastive" and
                "online_contrastive" (`margin` 0.5, `distance`), "margin_mse" (`similarity`),
                "softmax" (`labels`); or "matryoshka" (`loss`, `matryoshka_dims`,
                `matryoshka_weights`, `n_dims_per_step`) or "matryoshka_2d" around one of these.
                Default: by the columns that `fit` gets.

        Raises:
            ValueError: an unknown loss or setting; `micro_batches` beside `mini_batch_size`; and
                what `Task.compile` raises.
        """
        before = self.objective, self.pair_head
        self.objective = None if loss is None else self._objective(loss)
        parts = self.objective and self.objective.part_rows
        if parts and kwargs.get("micro_batches", 1) > 1:
            raise ValueError(
                "`micro_batches` must be left out with a loss that has a `mini_batch_size`. "
                f"Received: {kwargs['micro_batches']} and {parts}"
            )
        self.part_rows, self.by_columns = parts, False
        self.of_whole_batch = bool(self.objective and self.objective.row.whole)
        self.pair_head = self._pair_head(*before)
        self.every_layer = self._every_layer()
        self.graphs.clear()  # what was traced for other targets
        super().compile(optimizer, None, *args, **kwargs)
        # A function, because Keras would track what is in a dict.
        self.compile_with = lambda chosen: self.compile(optimizer, chosen, *args, **kwargs)

    def _objective(self, loss):
        config = self.encoder.config
        return Objective(loss, self.output.shape[-1], config.num_hidden_layers)

    def _pair_head(self, objective, head):
        """The dense layer of a softmax; the one there is, where it has as many classes."""
        if not (self.objective and self.objective.labels):
            return None
        names = self.objective.labels = labels.class_names(self.objective.labels, 2)
        if head is not None and head.units == len(names):
            return head
        head = keras.layers.Dense(len(names), name="pair_classes", dtype="float32")
        head.build((None, 3 * self.output.shape[-1]))
        return head

    def _every_layer(self):
        """Function of inputs -> vectors of all layers (B, N, E), where the objective reads them."""
        if not (self.objective and self.objective.of_layers):
            return None
        head, inputs = self.get_layer("vector"), dict(self.input)
        counted = inputs.get("pooling_mask", inputs["padding_mask"])
        ids = {name: inputs[name] for name in INPUT_NAMES}
        states = self.encoder.encode(ids, self.drop_padding)["layer_outputs"]
        vectors = keras.ops.stack([head(state, counted) for state in states], 1)
        return self.dressed(keras.Model(inputs, vectors))  # a function, not to be tracked twice

    def get_compile_config(self):
        found = super().get_compile_config()
        loss = None if self.objective is None or self.by_columns else self.objective.settings
        return found and found | {"loss": loss}

    def of_run(self):
        said = {"batch_sampler": self.sampler, "prompts": self.text_prompts}
        said["loss"] = self.objective and self.objective.settings
        return json.loads(json.dumps(said))  # lists for tuples, as they come from a file

    def named_variables(self):
        """As `Task.named_variables`; the head of a softmax serves training alone, and is none."""
        inner = {id(v) for v in self.pair_head.variables} if self.pair_head is not None else ()
        return {n: v for n, v in super().named_variables().items() if id(v) not in inner}

    # === Keras's methods ==========================================================================

    def fit(
        self,
        x=None,
        y=None,
        batch_size=32,
        epochs=3,
        validation_data=None,
        *args,
        batch_sampler=SAMPLERS[0],
        prompts=None,
        **kwargs,
    ):
        """Trains on rows of texts, of which the columns say what is to be learnt.

        Texts alone are what scikit-learn gives a transformer: nothing is learnt.

        Args:
            x: rows of K texts: a tuple of K columns, a list of tuples, a mapping or a table of
                columns in their order, or a dataset of these (of label-free rows, of dicts). A
                column called label, score, margin or class is y.
            y: by the loss (see `compile`) and, by default, the columns:
                none: (anchor, positive) or (anchor, positive, negative, …),
                    "multiple_negatives_ranking";
                numbers of pairs, from 0 to 1: "cosent";
                classes of single texts: "batch_hard_triplet";
                numbers of (query, positive, negative, …): "margin_mse", how much more alike the
                    positive is, a number a row or one a negative, or scores of all texts;
                1 and 0 of pairs are numbers, too, if "contrastive" or another loss is not said;
                names of pairs: say the loss, "softmax".
            batch_size, epochs: see `Task.fit`.
            validation_data: `(x, y)`, or x alone where there is no y.
            *args, **kwargs: see `Task.fit`.
            batch_sampler: "no_duplicates" has no text come twice in a batch, whose rows may be each
                other's negatives: batches are then nearly of one size, at most `batch_size`.
            prompts: a str to stand before each text, a list of K, or a dict by the names of
                columns, of which others have none; default: none.

        Returns:
            a `keras.callbacks.History`; of texts alone the task itself.

        Raises:
            TypeError, ValueError: columns that the loss does not take; weights of rows for a loss
                of pairs of rows ("cosent", "online_contrastive"); see `Task.fit`.
        """
        more = kwargs or args or validation_data is not None
        if y is None and not more and self._texts_alone(x):
            return self
        if batch_sampler not in SAMPLERS:
            raise ValueError(
                f"`batch_sampler` must be one of {', '.join(SAMPLERS)}. Received: {batch_sampler!r}"
            )
        x, y = sentence_rows.taken_apart(x, y)
        self._settle(x, y)
        if validation_data is not None:
            validation_data = self._validation(validation_data)
        if args or "validation_split" in kwargs:
            x, y = self.taken_apart(x, y)
        self.text_prompts = sentence_rows.prompts_of(prompts, x)
        self.sampler = batch_sampler
        self.graphs.clear()
        try:
            return super().fit(x, y, batch_size, epochs, validation_data, *args, **kwargs)
        finally:
            self.sampler, self.takes_pairs, self.text_prompts = SAMPLERS[0], False, ()
            self.graphs.clear()

    def _texts_alone(self, x):
        if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            return columns.holds_texts(x)
        return not sentence_rows.is_rows(x)

    def _validation(self, data):
        """(x, y), (x, y, weights) or x -> what `Task.fit` takes."""
        alone = isinstance(data, tuple) and self.objective.row.targets is None
        if alone and not any(map(sentence_rows.is_rows, data)):
            return (data, None)  # columns of texts, and no labels
        found = columns.validation(data)
        return (*sentence_rows.taken_apart(*found[:2]), *found[2:])

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """As `Task.evaluate`: the loss of rows of texts, and of pairs with numbers `pearson`."""
        x, y = sentence_rows.taken_apart(x, y)
        self._settle(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def _settle(self, x, y):
        """Compiles with the loss that the columns ask for, where none was said."""
        prepared = isinstance(x, tf.data.Dataset) and isinstance(x.element_spec, pipeline.Batch)
        if prepared or (self.objective is not None and not self.by_columns):
            return
        kind = default_kind(*kind_of_columns(x, y))
        if self.objective is None or self.objective.settings["kind"] != kind:
            self.compile_with(kind) if self.compiled else self.compile(loss=kind)
            self.by_columns = True

    # === The protocol =============================================================================

    def __call__(self, inputs, *args, **kwargs):
        if not isinstance(inputs, dict) or len(_shape(inputs.get("token_ids"))) != 3:
            return super().__call__(inputs, *args, **kwargs)
        shape = tf.shape(inputs["token_ids"])
        flat = {n: tf.reshape(x, [-1, shape[2]]) for n, x in inputs.items()}
        layers = self.every_layer
        found = layers(flat, *args, **kwargs) if layers else super().__call__(flat, *args, **kwargs)
        sizes = found.shape[1:]
        found = tf.reshape(found, tf.concat([shape[:2], sizes], 0))
        return tf.ensure_shape(found, [None, inputs["token_ids"].shape[1], *sizes])

    def blank_outputs(self, inputs):
        """As `Task.blank_outputs`: vectors (B, K, E), or of all layers (B, K, N, E)."""
        ids = inputs["token_ids"]
        more = [self.encoder.config.num_hidden_layers] if self.every_layer else []
        sizes = [*more, self.output.shape[-1]]
        zeros = tf.zeros(tf.concat([tf.shape(ids)[:2], sizes], 0))
        return tf.ensure_shape(zeros, [None, ids.shape[1], *sizes])

    def losses(self, targets, outputs, weights):
        step = self.optimizer.iterations.value if self.optimizer else 0
        return self.objective(outputs, targets, weights, step, self.pair_head)

    def default_metrics(self):
        scored = self.objective is not None and self.objective.row.targets == "score"
        return [PairPearson()] if scored else None


def _shape(x):
    return () if x is None else x.shape
