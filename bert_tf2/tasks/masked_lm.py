"""Masked-word pretraining, and continued pretraining, on plain text (Devlin et al. 2018)."""

import functools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns, pipeline, pretraining
from bert_tf2.messages import checked_bool
from bert_tf2.modeling.heads import MaskedWords
from bert_tf2.modeling.inputs import check_ids, input_tensors
from bert_tf2.modeling.layers import published_initializer
from bert_tf2.tasks import feeding
from bert_tf2.tasks.slots import KeepsSlots
from bert_tf2.tasks.task import Task
from bert_tf2.text.masking import check_masks, masked_inputs
from bert_tf2.training.losses import cross_entropy
from bert_tf2.training.metrics import Perplexity

SECOND_TASKS = (None, "nsp", "sop")
MASKING = ("rate", "max_predictions", "whole_words")  # settings of `mask_words`
EVALUATION_SEED = 0
TARGETS = ("masked_ids", "masked_weights", "next_sentence_labels")
TOP = 5  # words that a SavedModel answers for each mask


class Filling(NamedTuple):
    """One answer for a masked word: a piece of the vocabulary and its probability."""

    word: str
    probability: float


@keras.saving.register_keras_serializable("bert_tf2")
class MaskedLM(KeepsSlots, Task):
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
            To be shuffled, texts in memory are all kept as ids. With a second task each text is a
            document, a sentence a line, of which pairs of segments are drawn anew on each epoch
            (`segment_pairs.rows_of_pairs`).
        records: a batched `tf.data.Dataset` of (inputs, targets), as `data.records.read_records`
            gives, or the two dicts of arrays as x and y: inputs as above; targets `masked_ids`
            (B, P), `masked_weights` (B, P), and `next_sentence_labels` (B,) for a second task.
    The default recipe needs the number of steps: `fit` goes once through data that cannot tell,
    unless there is `steps_per_epoch`.

    Args:
        encoder: an `Encoder`.
        preprocessor: a `Preprocessor`.
        second_task: None, "nsp" (BERT's next sentence) or "sop" (ALBERT's sentence order).
        rate, max_predictions, whole_words: how texts are masked, see `masking.mask_words`;
            `max_predictions` is by default as many as `rate` asks for in a full row.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: another `second_task`, or one for an encoder without a pooler.

    Examples:
        >>> mlm = bert_tf2.MaskedLM.from_preset("uncased_L-4_H-512_A-8", max_length=128)
        >>> mlm.fit(texts)
        >>> text, = mlm.fill_masks(["the capital of france is [MASK]."])
        >>> likeliest, *others = text[0]  # of the first mask
        >>> likeliest.word, likeliest.probability
    """

    head_kind = "masked_lm"
    settings = ("second_task", *MASKING)
    own_loss = "sparse_categorical_crossentropy"
    wanted = TARGETS
    weighs_metrics = True  # where a row has fewer predictions, they count nothing
    length_input = "masked_positions"
    shares = (0.8, 0.1)  # of hidden words: those that become masks, and any word

    def __init__(
        self,
        encoder,
        preprocessor,
        second_task=None,
        rate=0.15,
        max_predictions=None,
        whole_words=False,
        drop_padding=True,
        name=None,
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
        if second_task:
            second = keras.layers.Dense(
                2, kernel_initializer=initializer, name=second_task, dtype="float32"
            )
            outputs = {"mlm": outputs, second_task: second(states["pooled_output"])}
        self.second_task, self.rate = second_task, rate
        self.max_predictions = max_predictions
        self.whole_words = checked_bool("whole_words", whole_words)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)

    def rename_inputs(self, inputs):
        """As `Task.rename_inputs`, with the masked positions, which must be there."""
        if "masked_positions" not in inputs:
            raise ValueError(
                "Inputs must have `masked_positions`, int32 (B, P), beside the encoder's. "
                f"Received: {list(inputs)}"
            )
        inputs = dict(inputs)
        positions = inputs.pop("masked_positions")
        renamed = super().rename_inputs(inputs)
        check_ids("masked_positions", positions, renamed["token_ids"].shape[1])
        if not isinstance(positions, keras.KerasTensor):
            positions = keras.ops.convert_to_tensor(positions, "int32")
        return renamed | {"masked_positions": positions}

    # --- The protocol. ----------------------------------------------------------------------------

    def prepare(self, columns):
        """Texts with masks, rows of `masked_texts` or records -> inputs, targets and weights."""
        if "text" in columns:
            return masked_inputs(columns["text"], self.preprocessor), None, None
        columns = dict(columns)
        targets = {name: columns.pop(name) for name in TARGETS if name in columns}
        inputs = self.rename_inputs(columns)
        if not targets:
            return inputs, None, None
        wanted = TARGETS if self.second_task else TARGETS[:2]
        if not set(wanted) <= set(targets):
            raise ValueError(f"Targets must be a dict with {wanted}. Received: {list(targets)}")
        ids, weights = targets["masked_ids"], targets["masked_weights"]  # (B, P)
        if not self.second_task:
            return inputs, ids, weights
        labels = tf.reshape(targets[TARGETS[2]], [-1])  # (B,)
        ones = tf.ones_like(labels, weights.dtype)
        return (
            inputs,
            {"mlm": ids, self.second_task: labels},
            {"mlm": weights, self.second_task: ones},
        )

    def losses(self, targets, outputs, weights):
        if not self.second_task:
            return {"mlm": cross_entropy(targets, outputs, weights, by_weight=True)}
        return {
            name: cross_entropy(targets[name], outputs[name], weights[name], by_weight=True)
            for name in ("mlm", self.second_task)
        }

    def answers(self, inputs, outputs):
        """For each mask of a row, in order, the likeliest words; `masks` says how many count."""
        logits = outputs["mlm"] if self.second_task else outputs
        tokenizer = self.preprocessor.tokenizer
        words = [tokenizer.id_to_token(i) for i in range(tokenizer.vocabulary_size)]
        shares = tf.nn.softmax(logits[..., : len(words)])
        best = tf.math.top_k(shares, min(TOP, len(words)))  # (B, P, TOP)
        masked = tf.cast(inputs["token_ids"] == tokenizer.mask_token_id, tf.int32)
        return {
            "words": tf.gather(tf.constant(words), best.indices),
            "probabilities": best.values,
            "masks": tf.reduce_sum(masked, axis=1),
        }

    def default_metrics(self):
        """Accuracy and perplexity of the predictions; of two tasks also the loss of each."""
        accuracy = keras.metrics.SparseCategoricalAccuracy
        prefix = "" if self.second_task else "mlm_"  # of several outputs Keras adds the name
        metrics = [accuracy(f"{prefix}accuracy"), Perplexity(f"{prefix}perplexity")]
        if not self.second_task:
            return metrics
        loss = functools.partial(keras.metrics.SparseCategoricalCrossentropy, from_logits=True)
        second = [accuracy("accuracy"), loss("loss")]
        return {"mlm": [*metrics, loss("loss")], self.second_task: second}

    def read(self, x, y=None, sample_weight=None):
        if columns.is_encoded(x):
            return {name: np.asarray(value) for name, value in {**x, **(y or {})}.items()}
        found = columns.text_columns(x, columns.TEXT_NAMES[:1])
        check_masks(found["text"], self.preprocessor)
        return found

    def dataset(
        self, x, y=None, sample_weight=None, batch_size=32, sampling=pipeline.ONCE, **kwargs
    ):
        """As `Task.dataset`; texts to learn from are joined into full rows, and masked."""
        if sample_weight is not None:
            raise ValueError(
                "`sample_weight` must be left out: records have `masked_weights`, and every word "
                "of a text counts the same."
            )
        if kwargs.get("labelled", True) and columns.holds_texts(x):
            if y is not None:
                raise ValueError(
                    "Texts bring what is to be predicted along: leave out `y`. Received: y of type "
                    f"{type(y).__name__}"
                )
            x = self.masked(x, batch_size or 32, sampling)
        return super().dataset(x, y, sample_weight, batch_size, sampling, **kwargs)

    def masked(self, texts, batch_size, sampling):
        """Texts -> a dataset of columns; without an order as in every `evaluate`."""
        masking = {name: getattr(self, name) for name in (*MASKING, "second_task", "shares")}
        in_memory = not isinstance(texts, tf.data.Dataset)
        if in_memory:
            found = columns.text_columns(texts, columns.TEXT_NAMES[:1])
            feeding.say_what_is_lost(self, found, joined=True)
            texts = found["text"]
        if sampling.order is None:
            sampling = sampling._replace(order=pipeline.Order(EVALUATION_SEED))
        dataset = pretraining.masked_texts(
            texts, self.preprocessor, sampling, batch_size, **masking
        )
        # Keras warns at the end of what it does not know the length of. Rows in memory are quickly
        # counted; the length of a dataset is its maker's business.
        endless = dataset.cardinality() == tf.data.INFINITE_CARDINALITY
        return pipeline.with_cardinality(dataset) if in_memory and not endless else dataset

    def hidden(self, texts, batch_size=32):
        """Yields texts as `evaluate` reads them: dicts of arrays (B, …), inputs and targets."""
        yield from self.masked(texts, batch_size, pipeline.ONCE).as_numpy_iterator()

    # --- Answers. ---------------------------------------------------------------------------------

    def fill_masks(self, texts, top=5, batch_size=32):
        """The likeliest words for each "[MASK]" in texts. Raises as `predict` does.

        Args:
            texts: list of str, each with one "[MASK]" or more (the tokenizer's mask token).
            top: how many words, the likeliest first.
            batch_size: texts at a time.

        Returns:
            for each text a list with, for each of its masks, a list of `Filling`.
        """
        texts = columns.text_columns(texts, columns.TEXT_NAMES[:1])["text"]
        counts = check_masks(texts, self.preprocessor)
        answers = []
        for start in range(0, len(counts), batch_size):
            batch = slice(start, start + batch_size)
            logits = self.predict_on_batch(texts[batch])
            logits = logits["mlm"] if self.second_task else logits
            for rows, count in zip(logits, counts[batch], strict=True):
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
