"""The losses of a `Distiller`, as sums and sizes.

Letters: B rows, L length.
"""

import tensorflow as tf

from bert_tf2.data.tags import words_of
from bert_tf2.modeling.inner import PARTS
from bert_tf2.tasks.distillable import INNER
from bert_tf2.text.words import words_found
from bert_tf2.training import distillation_losses as of

BY_TOKEN = ("tokens", "masked_lm")  # kinds of heads, of whose targets some count nothing


class DistilledLosses:
    """What a `Distiller` compares, of its outputs by name."""

    def losses(self, targets, outputs, weights):
        """{name: (sum, size)}, weights within the sums."""
        found = {}
        if self.shares["soft"]:
            found["soft"] = self._soft(outputs, weights["soft"])
        if self.shares["hard"]:
            own = self.reader.losses(targets["hard"], outputs["student"], weights["hard"])
            found |= {f"hard/{name}": part for name, part in own.items()}
        mask = weights["tokens"]
        for name in [name for name in INNER if self.shares[name]]:
            found[name] = getattr(self, f"_{name}")(outputs, mask)
        return {
            name: (self.shares[name.split("/")[0]] * total, size)
            for name, (total, size) in found.items()
        }

    def _soft(self, outputs, weights):
        ours, theirs = outputs["student"], outputs["teacher"]
        values = self.compares(ours, theirs, self.temperature)
        if self.reader.head_kind == "spans":  # (W, 2): which token, for starts and ends
            values = tf.reduce_mean(values, -1)
        by_weight = self.reader.head_kind in BY_TOKEN or self.reader.reads_windows
        size = tf.reduce_sum(weights) if by_weight else tf.cast(tf.size(weights), tf.float32)
        return tf.reduce_sum(values * weights), size

    def _cosine(self, outputs, mask):
        i, j = self.pairs["states"][-1]
        ours, theirs = _same_tokens(outputs[f"state_{i}"], outputs[f"taught_state_{j}"])
        shown = _tokens_of(ours, mask)
        return tf.reduce_sum(of.cosine(ours, theirs) * shown), tf.reduce_sum(shown)

    def _hidden(self, outputs, mask):
        """The sum over layers of means over tokens, whose sizes may differ: all by the first."""
        total, size = 0.0, tf.reduce_sum(mask)
        for i, j in self.pairs["states"]:
            ours = outputs.get(f"fitted_{i}", outputs[f"state_{i}"])
            ours, theirs = _same_tokens(ours, outputs[f"taught_state_{j}"])
            shown = _tokens_of(ours, mask)
            share = tf.math.divide_no_nan(size, tf.reduce_sum(shown))
            total += tf.reduce_sum(of.squared(ours, theirs) * shown) * share
        return total, size

    def _attention(self, outputs, mask):
        total, heads = 0.0, self.teacher().encoder.config.num_attention_heads
        for i, j in self.pairs["heads"]:
            ours = [outputs[f"{part}_{i}"] for part in PARTS[:2]]
            theirs = [outputs[f"taught_{part}_{j}"] for part in PARTS[:2]]
            total += tf.reduce_sum(of.attention(ours, theirs, mask, heads))
        return total, tf.reduce_sum(tf.reduce_sum(mask, 1) ** 2)

    def _relations(self, outputs, mask):
        i, j = self.pairs["heads"][-1]
        total = 0.0
        for part in PARTS:
            pair = outputs[f"{part}_{i}"], outputs[f"taught_{part}_{j}"]
            total += tf.reduce_sum(of.relations(*pair, mask, self.relation_heads))
        return total, tf.reduce_sum(mask)


def with_blank_tags(found, tokenizer):
    """Rows of words or texts without tags -> with one for each word, which says where words begin.

    Args:
        found: columns (B, …); those of ids stay as they are.
    """
    if "words" in found:
        lengths = words_of(found["words"]).row_lengths()
    elif "text" in found:
        splits = words_found(tf.reshape(found["text"], [-1]), tokenizer).splits
        lengths = splits[1:] - splits[:-1]
    else:
        return found
    blank = tf.zeros([tf.reduce_sum(lengths)], tf.int32)
    return found | {"labels": tf.RaggedTensor.from_row_lengths(blank, lengths, validate=False)}


def _same_tokens(ours, theirs):
    """(B, L, D) of each, or of both the first tokens where one model has these alone."""
    if 1 in (ours.shape[1], theirs.shape[1]):
        return ours[:, :1], theirs[:, :1]
    return ours, theirs


def _tokens_of(x, mask):
    return mask[:, :1] if x.shape[1] == 1 else mask
