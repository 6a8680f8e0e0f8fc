"""Rows of texts that vectors are trained on: read, checked by what the loss takes, and prepared.

Letters: B rows of a batch, K texts a row, L length.
"""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns, labels, no_duplicates, sentence_rows
from bert_tf2.data.sentence_rows import TEXTS

SAMPLERS = ("batch_sampler", "no_duplicates")


class VectorRows:
    """What a task of vectors does with rows of several texts, by its `objective`."""

    objective = None  # an `Objective`, once it is known what is to be learnt
    sampler = SAMPLERS[0]
    text_prompts = ()  # to stand before the texts of a row, while it is trained
    wanted = "what the loss takes: see `fit`"

    def taken_apart(self, x, y):
        x, y = sentence_rows.taken_apart(x, y)
        if self.objective is None:
            raise ValueError("Say what is to be learnt: `compile(loss=…)`, or call `fit` first.")
        is_read = isinstance(x, dict) and x.keys() == {TEXTS} and y is not None
        if is_read or isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            return x, y
        if self.objective.row.targets is None:
            if y is not None:
                raise ValueError(
                    f"The loss {self.objective.inner['kind']!r} takes texts alone: leave out `y`. "
                    f"Received: y of type {type(y).__name__}"
                )
            if not columns.is_encoded(x):
                x = self.read_texts(x)
                y = np.zeros(len(next(iter(x.values()))), "float32")
        return x, y

    def apart(self, found, batch_size):
        if self.sampler == SAMPLERS[0] or not {TEXTS, "text"} & found.keys():
            return None
        texts = found[TEXTS] if TEXTS in found else found["text"][:, tf.newaxis]
        return no_duplicates.Apart(sentence_rows.text_numbers(texts), batch_size)

    def read_texts(self, x):
        if sentence_rows.is_rows(x):
            return {TEXTS: sentence_rows.text_rows(x)}
        return super().read_texts(x)

    def packed_texts(self, found):
        return (
            {"text": tf.reshape(found[TEXTS], [-1])}
            if TEXTS in found
            else super().packed_texts(found)
        )

    def read(self, x, y=None, sample_weight=None):
        if y is None and self.objective and self.objective.row.targets is None:
            x, y = self.taken_apart(x, y) if sentence_rows.is_rows(x) else (x, y)
        found = super().read(x, y, sample_weight)
        if y is not None:
            self._check_columns(found)
        return found

    def _check_columns(self, found):
        """Raises for rows that the loss does not take."""
        kind, (fewest, most) = self.objective.inner["kind"], self.objective.row.texts
        if "sample_weight" in found and not self.objective.row.weighs:
            raise ValueError(
                f"`sample_weight` must be left out: {kind!r} is of pairs of rows, not of rows"
            )
        count = found[TEXTS].shape[1] if TEXTS in found else 1
        if columns.is_encoded(found):
            count = found["token_ids"].shape[1] if len(found["token_ids"].shape) == 3 else 1
        if count < fewest or (most is not None and count > most):
            wanted = str(fewest) if most == fewest else f"{fewest} or more"
            raise ValueError(f"{kind!r} takes {wanted} texts a row. Received: {count}")
        wide = found["labels"].shape
        if self.objective.row.targets == "margin" and wide[1] not in (count - 2, count - 1):
            raise ValueError(
                f"{kind!r} of {count} texts a row takes {count - 2} margins or {count - 1} scores. "
                f"Received: {wide[1]}"
            )

    def worth_saying(self, found):
        if self.objective.inner["kind"] != "cosine_similarity":
            return []
        low, high = np.min(found["labels"]), np.max(found["labels"])
        if low >= -1 and high <= 1:
            return []
        return [
            'The scores of "cosine_similarity" are cosines to come to, from -1 to 1 (0 to 1): '
            f'these go from {low:g} to {high:g}. Divide them, or take "cosent", which learns '
            "their order."
        ]

    def read_labels(self, y, rows):
        if self.objective.labels:
            return labels.class_numbers(y, self.objective.labels, rows)
        targets = self.objective.row.targets
        return np.asarray(y) if targets is None else sentence_rows.READERS[targets](y, rows)

    def batch_columns(self, x, y=None, sample_weight=None):
        single = isinstance(x, dict) and x.keys() == {"text"}
        if not isinstance(x, tuple | dict) or single or columns.is_encoded(x):
            return super().batch_columns(x, y, sample_weight)
        texts, named = sentence_rows.texts_in_graph(x)
        y = named if y is None else y
        if y is None and self.objective and self.objective.row.targets is None:
            y = tf.zeros(tf.shape(texts)[:1])
        found = {TEXTS: texts} | ({} if y is None else {"labels": y})
        if sample_weight is not None:
            found["sample_weight"] = sample_weight
        if y is not None:
            self._check_columns(found | {"labels": self._targets(y)})
        return found

    def prepared_rows(self, found):
        """Rows to learn from, columns with `labels` -> inputs (B, K, L), targets and weights."""
        if columns.is_encoded(found):
            raise ValueError("Vectors are trained on texts. Received: ids")
        texts = found[TEXTS] if TEXTS in found else found["text"][:, tf.newaxis]  # (B, K)
        count, said = texts.shape[1], self.text_prompts
        prompts = [said] * count if isinstance(said, str) else list(said) or [""] * count
        if len(prompts) != count:
            raise ValueError(f"`prompts` must be {count}, one a text. Received: {len(prompts)}")
        tiled = tf.tile(tf.constant(prompts), tf.shape(texts)[:1])  # (B K,)
        joined = tf.strings.join([tiled, tf.reshape(texts, [-1])])
        packed, _ = self.packed_ids(tiled, self.preprocessor.tokenizer(joined))
        inputs = {
            name: tf.reshape(ids, tf.concat([tf.shape(texts), tf.shape(ids)[1:]], 0))
            for name, ids in packed.items()
        }
        return inputs, self._targets(found["labels"]), self.row_weights({"texts": texts} | found)

    def _targets(self, y):
        if self.objective.labels:
            return labels.class_numbers_in_graph(y, self.objective.labels)
        targets = self.objective.row.targets
        return tf.reshape(y, [-1]) if targets is None else sentence_rows.IN_GRAPH[targets](y)


def kind_of_columns(x, y):
    """How many texts a row has, and what its labels are: see `default_kind`."""
    if isinstance(x, tf.data.Dataset):
        return _kind_of_element(x.element_spec)
    if isinstance(x, keras.utils.PyDataset):
        raise ValueError("For a PyDataset say the loss: `compile(loss=…)`")
    count = sentence_rows.text_rows(x).shape[1] if sentence_rows.is_rows(x) else 1
    if y is None:
        return count, None
    first = np.asarray(y[0] if hasattr(y, "__getitem__") and not hasattr(y, "iloc") else y)
    return count, "names" if first.dtype.kind in "OSU" else "numbers"


def _kind_of_element(spec):
    x, y = spec[:2] if isinstance(spec, tuple) and len(spec) > 1 else (spec, None)
    x = x[0] if isinstance(x, tuple) and len(x) == 1 else x
    x, y = sentence_rows.taken_apart(x, y)
    names = None if y is None else "names" if y.dtype == tf.string else "numbers"
    return (len(x) if isinstance(x, tuple | dict) else 1), names
