"""Words into tags, and texts into entities (Devlin et al. 2018, section 5.3; Tjong Kim Sang 2003).

Letters: B texts of a batch, W windows of them, L length of a window, C tags, U words of all texts.
"""

import logging

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import labels as classes
from bert_tf2.data import tag_schemes, tags
from bert_tf2.data.columns import in_graph
from bert_tf2.messages import checked_bool
from bert_tf2.modeling import heads
from bert_tf2.modeling.crf import CRF
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.tasks import tagging
from bert_tf2.tasks.task import Task
from bert_tf2.text.offsets import before
from bert_tf2.text.windows import checked_stride
from bert_tf2.text.words import Words, in_windows, words_found, words_given
from bert_tf2.training.losses import cross_entropy

LOGGER = logging.getLogger("bert_tf2")


@keras.saving.register_keras_serializable("bert_tf2")
class TokenClassifier(Task):
    """Tags each word of a text, and finds the entities in it.

    The model maps int32 ids to float32 logits (W, L, C): dropout and a dense layer on each token,
    as transformers' `…ForTokenClassification`. A word is tagged by its pieces, and taught by its
    first one. A text longer than the preprocessor's `max_length` is read in windows; each piece is
    taken from the window in which it has most context, and entities are made of the whole text.

    Where a method takes `x`, it may be texts (a list of str, …), or words: a list of lists of str,
    a ragged tensor, a mapping or a table with a column `words` or `tokens`. With words, y is a list
    of tags for each; with texts a list of entities, (start, end, label) or dicts of these, in
    characters. A tag of -100 is not learnt from. Tags of another scheme than the labels' are read
    as conlleval reads them, which is said, but what may be IOB1 where labels are IOB2; those of a
    dataset must be the labels' own.

    Args:
        encoder: an `Encoder`.
        preprocessor: a `Preprocessor`.
        labels: the tags, in the order of the logits, e.g. ["O", "B-PER", "I-PER"]; with `scheme`
            the kinds of entities alone. `from_preset` takes them from a checkpoint that names them.
        dropout: before the logits, in training; default the config's `classifier_dropout_prob`.
        scheme: "IOB2", "BIOES" or "BILOU": make the tags of kinds of entities; None: `labels` are
            the tags.
        aggregation_strategy: how a text's words are made of pieces for entities: "first" (default),
            "average", "max"; "simple" takes each piece for a word, and "none" for an entity of its
            own, named by its whole tag.
        doc_stride: tokens from one window of a long text to the next; None: texts are cut.
        crf: whether the tags of a text are chosen together, by a `CRF` that is trained with the
            rest, on each window by itself. (The accuracy of `fit` is that of logits alone.)
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: fewer than two tags, tags of another scheme, another scheme or strategy, or one
            that a CRF has not, or a stride below 1.

    Examples:
        >>> ner = bert_tf2.TokenClassifier.from_preset(
        ...     "all-MiniLM-L6-v2", labels=["PER", "LOC"], scheme="IOB2"
        ... )
        >>> ner.fit([["Ada", "met", "Bo"]], [["B-PER", "O", "B-PER"]])
        >>> entities, = ner.predict_entities(["Ada lives in Rome"])
        >>> print(*(entity["entity_group"] for entity in entities))
        PER LOC
    """

    head_kind = "tokens"
    own_loss = "sparse_categorical_crossentropy"
    settings = ("labels", "dropout", "scheme", "aggregation_strategy", "doc_stride", "crf")
    asked_settings = ("aggregation_strategy",)
    softens = weighs_metrics = True
    wanted = "tags"
    marks = ("word", *Words._fields[:4])
    raw_names = ("text",)
    row_types = (*Task.row_types, list)

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=None,
        dropout=None,
        scheme=None,
        aggregation_strategy="first",
        doc_stride=128,
        crf=False,
        drop_padding=True,
        name=None,
    ):
        if scheme is not None and labels is not None:
            labels = tag_schemes.entity_tags(labels, scheme)
        doc_stride, crf = checked_stride(doc_stride), checked_bool("crf", crf)
        labels = classes.class_names(labels)
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs = input_tensors()
        states = encoder.encode(inputs, drop_padding=drop_padding)["sequence_output"]
        outputs = heads.token_classes(states, encoder.config, len(labels), dropout)  # (W, L, C)
        crf_layer = CRF(name="crf", dtype="float32") if crf else None
        outputs = outputs if crf_layer is None else crf_layer(outputs)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels, self.dropout, self.scheme = labels, dropout, scheme
        self.doc_stride, self.crf, self.crf_layer = doc_stride, crf, crf_layer
        self.softens = not crf
        self.set_asking(aggregation_strategy)

    def set_asking(self, aggregation_strategy):
        """Sets how entities are made of pieces, which the model keeps; see the class.

        Raises:
            ValueError: another strategy, or one that a CRF has no use for.
        """
        self.aggregation_strategy = self._checked(aggregation_strategy)

    def _checked(self, strategy):
        known = ("none", "simple", "first") if self.crf else tagging.STRATEGIES
        if strategy not in (None, *known):
            raise ValueError(
                f"`aggregation_strategy` must be one of {list(known)}. Received: {strategy!r}"
            )
        return strategy

    # --- The protocol. ----------------------------------------------------------------------------

    @property
    def reads_windows(self):
        return self.doc_stride is not None

    def read_texts(self, x):
        return tags.read_texts(x)

    def packed_texts(self, found):
        if "words" not in found:
            return found
        return {"text": tf.strings.reduce_join(found["words"], axis=-1, separator=" ")}

    def read(self, x, y=None, sample_weight=None):
        found = super().read(x, None, sample_weight)
        if y is None:
            return found
        if "text" in found:
            words = words_found(found["text"], self.preprocessor.tokenizer)
            lengths, y = words.splits[1:] - words.splits[:-1], self._tags_of_spans(y, words)
        elif "words" in found:
            lengths = found["words"].row_lengths()
        else:  # ids, and a tag for each
            return found | {"labels": tags.tags_of_ids(y, next(iter(found.values())).shape)}
        numbers = tags.numbers_of_tags(y, self.labels, lengths.numpy().tolist())
        return found | {"labels": tf.RaggedTensor.from_row_lengths(numbers, lengths)}

    def _tags_of_spans(self, y, words):
        """Entities of texts by characters -> their words' tags."""
        if "O" not in self.labels:
            raise ValueError(
                'Entities need a tag "O" for what is none, or `scheme="IOB2"`. Received: the tags '
                f"{self.labels}"
            )
        places = [words.rows(column).to_list() for column in (words.starts, words.ends)]
        texts = [text.decode(errors="replace") for text in words.texts.numpy()]
        found, uneven = tags.tags_of_spans(y, texts, *places, tag_schemes.scheme_of(self.labels))
        if uneven:
            LOGGER.warning("%d entities begin or end within a word, and become the words'", uneven)
        return found

    def batch_columns(self, x, y=None, sample_weight=None):
        if not tags.holds_words(x):
            return super().batch_columns(x, y, sample_weight)
        return in_graph({tags.WORDS: tags.words_of(x)}, y, sample_weight, (tags.WORDS,))

    def prepare(self, columns, aggregation_strategy=None):
        """Texts or words -> windows; `marks` say which word stands where."""
        tokenizer = self.preprocessor.tokenizer
        pieces = (aggregation_strategy or self.aggregation_strategy) in ("none", "simple")
        if "words" in columns:
            words = words_given(tags.words_of(columns["words"]), tokenizer)
        elif "text" in columns:
            pieces &= "labels" not in columns  # which are words'
            words = words_found(columns["text"], tokenizer, pieces)
        else:
            return self._of_ids(columns)
        of_piece = words.ids.with_values(words.of_piece)
        placed = in_windows(words.ids, self.preprocessor, self.doc_stride)
        inputs = placed.inputs | dict(zip(self.marks[1:], words, strict=False))
        inputs["word"] = placed.along(of_piece)
        if "labels" not in columns:
            return inputs, None, None
        numbers = tags.numbers_in_graph(columns["labels"], words.splits, self.labels)  # (U,)
        is_first = words.of_piece != before(words.of_piece, -1)
        numbers = tf.where(is_first, tf.gather(numbers, words.of_piece), -1)
        targets = placed.along(of_piece.with_values(numbers))  # (W, L)
        weights = tf.gather(self.row_weights(columns), placed.windows.rows)[:, tf.newaxis]
        return inputs, tf.maximum(targets, 0), weights * tf.cast(targets >= 0, tf.float32)

    def _of_ids(self, columns):
        """Ids, and perhaps a tag for each (B, L), as `prepare`."""
        inputs = self.encoded(columns)
        if "labels" not in columns:
            return inputs, None, None
        given = columns["labels"]
        given.shape.assert_is_compatible_with(inputs["token_ids"].shape)
        targets = tags.numbers_of_values(tf.reshape(given, [-1]), self.labels)
        targets = tf.reshape(targets, tf.shape(given))
        weights = tf.cast(targets >= 0, tf.float32) * self.row_weights(columns)[:, tf.newaxis]
        return inputs, tf.maximum(targets, 0), weights

    def losses(self, targets, outputs, weights):
        if not self.crf:
            return {
                "loss": cross_entropy(targets, outputs, weights, by_weight=True, **self.softening)
            }
        there = weights > 0
        lengths = tf.reduce_sum(tf.cast(there, tf.int32), 1)  # (W,)
        order = tf.argsort(tf.cast(~there, tf.int32), -1, stable=True)  # what counts comes first
        mask = tf.sequence_mask(lengths, tf.shape(order)[1])
        logits, chosen = (tf.gather(x, order, batch_dims=1) for x in (outputs, targets))
        likely = self.crf_layer.log_likelihood(logits, chosen, mask)  # (W,)
        return {
            "loss": (-tf.reduce_sum(likely * tf.reduce_max(weights, 1)), tf.reduce_sum(weights))
        }

    def answers(self, inputs, outputs, aggregation_strategy=None):
        """Entities, and the tag of each word; of bare ids the tag of each token."""
        names = tf.constant(self.labels)
        if "word" not in inputs:
            return {"tags": tf.gather(names, tf.argmax(outputs, -1)), "logits": outputs}
        strategy = aggregation_strategy or self.aggregation_strategy
        words = Words(*(inputs[name] for name in self.marks[1:]), None, None)
        chosen = inputs["word"] >= 0
        found = tagging.tagged(
            tf.boolean_mask(outputs, chosen),
            tf.boolean_mask(inputs["word"], chosen),
            words.splits,
            strategy,
            self.crf_layer,
        )
        return {
            **tagging.tags_of_words(found, words, self.labels),
            **tagging.entities(found, words, self.labels, whole=strategy == "none"),
        }

    def default_metrics(self):
        return ["accuracy"]

    def signatures(self):
        """`words`: `words` (B, U), those of each text, with "" behind its last one."""
        return {tags.WORDS: {tags.WORDS: tf.TensorSpec([None, None], tf.string, tags.WORDS)}}

    def class_weights(self, by_class):
        if self.crf:
            raise ValueError(
                "`class_weight` must be left out with a CRF, which weighs whole texts."
            )
        by_number = classes.class_weights(by_class, self.labels)
        return np.array([by_number[i] for i in range(len(self.labels))], "float32")

    def extra_assets(self):
        return {"labels.txt": "".join(f"{label}\n" for label in self.labels)}

    # --- Answers. ---------------------------------------------------------------------------------

    def predict_entities(self, x, aggregation_strategy=None, batch_size=32, verbose=0):
        """The entities of texts.

        Args:
            x: texts or words, see the class.
            aggregation_strategy: see the class; default: the model's.
            batch_size: texts at a time.
            verbose: whether to show how far it is.

        Returns:
            for each text a list of dicts: `entity_group`, `score` (the mean probability of its
            words' tags), `word` (the text between), `start`, `end` (characters of the text; of
            words that of the words joined by spaces).
        """
        how = {"aggregation_strategy": self._checked(aggregation_strategy)}
        answers = self.answer(x, batch_size, verbose, **how)
        return [row for batch in answers for row in tagging.rows_of_entities(batch)]

    def predict_tags(self, x, batch_size=32, verbose=0):
        """The tag of each word.

        Args:
            x: texts or words, see the class. A word that has no piece, such as a control character,
                or that is cut off, is "O"; "_" where the labels have no "O".
            batch_size, verbose: as of `predict_entities`.

        Returns:
            list of `TaggedWords`, one a text.
        """
        words = {"none": "first", "simple": "first"}.get(self.aggregation_strategy)
        answers = self.answer(x, batch_size, verbose, aggregation_strategy=words)
        return [row for batch in answers for row in tagging.rows_of_words(batch, self.labels)]
