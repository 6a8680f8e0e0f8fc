"""A task that the package does not have, in the few lines that one takes: a class for each word."""

import keras
import tensorflow as tf

from bert_tf2.data import labels as classes
from bert_tf2.modeling import heads
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.tasks.task import Task
from bert_tf2.text.packing import pack
from bert_tf2.training.losses import cross_entropy


@keras.saving.register_keras_serializable("tests")
class TokenClassifier(Task):
    """Lists of words -> float32 logits (B, L, C); a word's class is that of its first piece."""

    head_kind, settings = "tokens", ("labels",)

    def __init__(self, encoder, preprocessor, labels, drop_padding=True, name="token_classifier"):
        inputs = input_tensors()
        states = encoder.encode(inputs, drop_padding=drop_padding)["sequence_output"]
        outputs = heads.classes(states, encoder.config, len(labels), 0.0, "token_classifier")
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.labels = classes.class_names(labels)

    def read(self, x, y=None, sample_weight=None):
        if not isinstance(x, list) or not isinstance(x[0], list):
            return super().read(x)
        words = tf.ragged.constant(x, dtype=tf.string)
        if y is None:
            return {"words": words}
        tags = [tag for row in y for tag in row]
        numbers = classes.class_numbers(tags, self.labels, len(words.values))
        return {"words": words, "labels": words.with_values(tf.constant(numbers))}

    def prepare(self, columns):
        if "words" not in columns:
            return self.encoded(columns), None, None
        words, tokenizer = columns["words"], self.preprocessor.tokenizer
        pieces = tokenizer(words.values)  # (all words, pieces)

        def packed(values, special_ids):
            values = words.with_values(pieces.with_values(values)).merge_dims(1, 2)
            length = self.preprocessor.max_length
            return pack(values, special_ids=special_ids, max_length=length)

        ids = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        inputs = packed(pieces.values, ids)
        if "labels" not in columns:
            return inputs, None, None
        is_first = tf.ragged.range(pieces.row_lengths()).values == 0
        numbers = tf.gather(columns["labels"].values, pieces.value_rowids())
        targets = packed(tf.where(is_first, numbers, -1), (-1, -1, -1))["token_ids"]
        return inputs, tf.maximum(targets, 0), tf.cast(targets >= 0, tf.float32)

    def losses(self, targets, outputs, weights):
        return {"tags": cross_entropy(targets, outputs, weights, by_weight=True)}

    def answers(self, inputs, outputs):
        best = tf.argmax(outputs, -1)
        return {"labels": tf.gather(tf.constant(self.labels), best), "logits": outputs}
