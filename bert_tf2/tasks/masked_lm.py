"""Masked-word pretraining, and continued pretraining, on plain text (Devlin et al. 2018)."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import pipeline, pretraining
from bert_tf2.modeling.encoder import input_tensors, rename_inputs
from bert_tf2.modeling.heads import MASKED_WORDS_VARIABLES, MaskedWords
from bert_tf2.modeling.layers import published_initializer
from bert_tf2.tasks.base import Task
from bert_tf2.text.masking import masked_inputs
from bert_tf2.training.metrics import Perplexity

SECOND_TASKS = (None, "nsp", "sop")
MASKING = ("rate", "max_predictions", "whole_words")  # settings of `mask_words`
EVALUATION_SEED = 0


class Filling(NamedTuple):
    """One answer for a masked word: a piece of the vocabulary and its probability."""

    word: str
    probability: float


@keras.saving.register_keras_serializable("bert_tf2")
class MaskedLM(Task):
    """Finds the words that are hidden in a text, and is so trained on text alone.

    The model maps int32 `token_ids`, `segment_ids`, `padding_mask` (B, L) and `masked_positions`
    (B, P) to float32 logits (B, P, V). With `second_task` its output is a dict of these, "mlm", and
    of "nsp" or "sop", logits (B, 2): do two texts stand in this order? Class 0 is "yes"; for BERT
    the other class is a second text from elsewhere (Devlin et al. 2018, section 3.1, task 2), for
    ALBERT the two texts swapped (Lan et al. 2019, section 3.1). The losses are added up, each a
    mean: over all predictions of a batch, by weight, and over its rows, as in
    google-research/bert and albert `run_pretraining.py` (which add 1e-5 to the weights' sum).

    Where `fit` and `evaluate` take `x`, it may be
        texts: a list, an array or a tensor of str, or a `tf.data.Dataset` of str, one text at a
            time or in batches. They are joined into rows of the preprocessor's `max_length`, with
            no padding between (`pretraining.full_rows`), and masked: anew on each epoch (Liu et
            al. 2019, sections 4.1 and 4.2), the same way by each `evaluate`. There is no y.
            To be shuffled, texts in memory are all kept as ids.
        records: a batched `tf.data.Dataset` of (inputs, targets), as `data.records.read_records`
            gives, or the two dicts of arrays as x and y: inputs as above; targets `masked_ids`
            (B, P), `masked_weights` (B, P), and `next_sentence_labels` (B,) for a second task.
    The default recipe needs the number of steps: `fit` goes once through data that cannot tell,
    unless there is `steps_per_epoch`.

    Args:
        encoder: an `Encoder`.
        preprocessor: a `Preprocessor`.
        second_task: None, "nsp" (BERT's next sentence) or "sop" (ALBERT's sentence order); with one
            of these it is trained on records.
        rate, max_predictions, whole_words: how texts are masked, see `masking.mask_words`;
            `max_predictions` is by default as many as `rate` asks for in a full row.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model.

    Raises:
        ValueError: another `second_task`, or one for an encoder without a pooler.

    Example:

    >>> mlm = bert_tf2.MaskedLM.from_preset("uncased_L-4_H-512_A-8", max_length=128)
    >>> mlm.fit(texts)
    >>> text, = mlm.fill_masks(["the capital of france is [MASK]."])
    >>> text[0][0].word, text[0][0].probability  # of the first mask the likeliest
    """

    settings = ("second_task", *MASKING)
    loss_reductions = ("mean_with_sample_weight",)

    def __init__(
        self,
        encoder,
        preprocessor,
        second_task=None,
        rate=0.15,
        max_predictions=None,
        whole_words=False,
        drop_padding=True,
        name="masked_lm",
    ):
        if second_task not in SECOND_TASKS:
            raise ValueError(
                f"`second_task` must be one of {SECOND_TASKS}. Received: {second_task!r}"
            )
        if second_task and not encoder.config.pooler:
            raise ValueError(
                "`second_task` reads the pooled output, which this encoder has not. Received: "
                f"second_task={second_task!r}, family={encoder.config.family!r}"
            )
        inputs = input_tensors()
        states = encoder.encode(inputs, drop_padding=drop_padding)
        positions = keras.Input((None,), dtype="int32", name="masked_positions")  # (B, P)
        inputs["masked_positions"] = positions
        initializer = published_initializer(encoder.config)
        embeddings = encoder.parts["embeddings"]
        head = MaskedWords(
            embeddings, encoder.config, initializer, name="mlm", dtype=encoder.policy
        )
        outputs = head(states["sequence_output"], positions)  # (B, P, V)
        self.head_variables = MASKED_WORDS_VARIABLES
        if second_task:
            second = keras.layers.Dense(
                2, kernel_initializer=initializer, name=second_task, dtype="float32"
            )
            outputs = {"mlm": outputs, second_task: second(states["pooled_output"])}
            self.head_variables += (f"{second_task}/kernel", f"{second_task}/bias")
        self.second_task, self.rate = second_task, rate
        self.max_predictions, self.whole_words = max_predictions, whole_words
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)

    def rename_inputs(self, inputs):
        """As `encoder.rename_inputs`, with the masked positions, which must be there."""
        if "masked_positions" not in inputs:
            raise ValueError(
                "Inputs must have `masked_positions`, int32 (B, P), beside the encoder's. "
                f"Received: {list(inputs)}"
            )
        inputs = dict(inputs)
        positions = inputs.pop("masked_positions")
        if not isinstance(positions, keras.KerasTensor):
            positions = keras.ops.convert_to_tensor(positions, "int32")
        return rename_inputs(inputs) | {"masked_positions": positions}

    # --- Training. --------------------------------------------------------------------------------

    def compile(self, optimizer=None, loss=None, metrics=None, weighted_metrics=None, **kwargs):
        """As `Task.compile`. Metrics are by default `mlm_accuracy` and `mlm_perplexity`.

        Give your own as `weighted_metrics`: `metrics` do not see the weights, and count the places
        where a row has fewer predictions.
        """
        if kwargs.get("loss_weights") is not None:
            raise ValueError("`loss_weights` must be left out: the losses are added up as they are")
        if kwargs.get("r_drop"):
            raise ValueError(
                "`r_drop` must be 0: it compares answers to whole texts. "
                f"Received: r_drop={kwargs['r_drop']}"
            )
        if metrics is None and weighted_metrics is None:
            weighted_metrics = self.default_weighted_metrics()
        super().compile(optimizer, loss, metrics, weighted_metrics=weighted_metrics, **kwargs)

    def _dataset(self, x, y=None, weight=None, batch_size=32, labelled=True, passing=pipeline.ONCE):
        """What the user gave -> a dataset of (inputs, targets, weights) in batches."""
        if not labelled:
            return super()._dataset(x, batch_size=batch_size, labelled=False)
        if weight is not None:
            raise ValueError(
                "`sample_weight` must be left out: records have `masked_weights`, and every word "
                "of a text counts the same."
            )
        if pretraining.holds_texts(x):
            dataset = self._masked(x, y, batch_size or 32, passing)
        elif isinstance(x, dict) and isinstance(y, dict):
            columns = (self.rename_inputs(x), y)
            dataset = pipeline.batches(columns, dict, batch_size or 32, passing)
        elif isinstance(x, tf.data.Dataset):
            dataset = x
        else:
            raise TypeError(
                "Give texts (a list of str or a tf.data.Dataset of str), a tf.data.Dataset of "
                "(inputs, targets), or the two as dicts of arrays. "
                f"Received: x of type {type(x).__name__}, y of type {type(y).__name__}"
            )
        return pretraining.weighted(dataset, self.second_task)

    def _masked(self, texts, y, batch_size, passing):
        """Texts -> a dataset of (inputs, targets); without an order as in every `evaluate`."""
        if y is not None or self.second_task:
            raise ValueError(
                "Texts bring their words to predict along, and nothing else: leave out `y`, "
                "and train a second task on records (`data.records.read_records`). "
                f"Received: second_task={self.second_task!r}, y of type {type(y).__name__}"
            )
        masking = {name: getattr(self, name) for name in MASKING}
        if passing.order is None:
            passing = passing._replace(order=pipeline.Order(EVALUATION_SEED))
        dataset = pretraining.masked_texts(texts, self.preprocessor, passing, batch_size, **masking)
        # Keras warns at the end of what it does not know the length of. Rows in memory are quickly
        # counted; the length of a dataset is its maker's business.
        in_memory = not isinstance(texts, tf.data.Dataset)
        endless = dataset.cardinality() == tf.data.INFINITE_CARDINALITY
        return pipeline.counted(dataset) if in_memory and not endless else dataset

    def targets_in_graph(self, y):
        return y

    def loss_sizes(self, x, y, sample_weight):
        """What the losses are means over: predictions, by weight, and rows."""
        weights = sample_weight if self.second_task else {"mlm": sample_weight}
        return [tf.reduce_sum(weights[name]) for name in filter(None, ("mlm", self.second_task))]

    def loss_means(self, x, y, y_pred, sample_weight, training):
        """The losses, each a mean over its size."""
        total = self.batch_loss(x, y, y_pred, sample_weight, training)
        if not self.second_task:
            return [total]
        name = self.second_task
        second = self.default_loss()[name](y[name], y_pred[name])
        second *= self.distribute_strategy.num_replicas_in_sync  # Keras's losses divide by it
        return [total - second, second]

    def default_loss(self):
        def mean(name):
            return keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight", name=name
            )

        if not self.second_task:
            return mean("mlm")
        return {name: mean(name) for name in ("mlm", self.second_task)}

    def default_metrics(self):
        return None

    def default_weighted_metrics(self):
        """Accuracy and perplexity of the predictions, accuracy of the second task."""
        accuracy = keras.metrics.SparseCategoricalAccuracy
        prefix = "" if self.second_task else "mlm_"  # of several outputs Keras adds the name
        metrics = [accuracy(f"{prefix}accuracy"), Perplexity(f"{prefix}perplexity")]
        if not self.second_task:
            return metrics
        return {"mlm": metrics, self.second_task: [accuracy("accuracy")]}

    # --- Answers. ---------------------------------------------------------------------------------

    def predict(self, x, batch_size=32, verbose="auto", **kwargs):
        """Logits of the masked positions.

        Args:
            x: texts in memory with a literal "[MASK]" for each word to be found; or a dict or a
                batched dataset of inputs with `masked_positions`, of one P.
            batch_size, verbose, **kwargs: as in `keras.Model.predict`.

        Returns:
            float32 array (n, P, V); for texts P is the most masks of one of them, and what stands
            behind the last mask of another has no meaning. With `second_task` a dict of arrays.

        Raises:
            ValueError: a text without a mask, or with one beyond `max_length`.
        """
        if not isinstance(x, tf.data.Dataset | dict):
            x = masked_inputs(pipeline.as_texts(x)[0], self.preprocessor)[0]
        return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)

    def fill_masks(self, texts, top=5, batch_size=32):
        """The likeliest words for each "[MASK]" in texts. Raises as `predict` does.

        Args:
            texts: list of str, each with one "[MASK]" or more (the tokenizer's mask token).
            top: how many words, the likeliest first.
            batch_size: texts at a time.

        Returns:
            for each text a list with, for each of its masks, a list of `Filling`.
        """
        texts = pipeline.as_texts(texts)[0]
        inputs, counts = masked_inputs(texts, self.preprocessor)
        answers = []
        for start in range(0, len(counts), batch_size):
            batch = {name: x[start : start + batch_size] for name, x in inputs.items()}
            logits = self.predict_on_batch(batch)
            logits = logits["mlm"] if self.second_task else logits
            for rows, count in zip(logits, counts[start : start + batch_size], strict=True):
                answers.append([self._likeliest(row, top) for row in rows[:count]])
        return answers

    def _likeliest(self, logits, top):
        """logits (V,) -> list of `Filling`."""
        tokenizer = self.preprocessor.tokenizer
        logits = logits[: tokenizer.vocabulary_size].astype("float64")
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        best = np.argsort(-shares, kind="stable")[:top]
        return [Filling(tokenizer.id_to_token(int(i)), float(shares[i])) for i in best]
