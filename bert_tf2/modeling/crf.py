"""A linear-chain conditional random field: tags that are chosen together (Lafferty et al. 2001).

The score of a sequence of tags is the sum of each tag's logit, of a weight for each two that
follow one another, and of weights for the first and the last one. Letters: B batch, N tags in a
row, K classes.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("bert_tf2")
class CRF(keras.layers.Layer):
    """Gives logits on as they are, and holds the weights of what follows what.

    A linear chain (Lafferty et al. 2001, "Conditional random fields"; as in BiLSTM-CRF taggers,
    Lample et al. 2016). Rows are filled up at their ends: `mask` (B, N) is True for tags and then
    False. It raises nothing of its own: shapes that do not fit are an error of the operation.

    Weights, float32, which begin as zeros, so that a fresh one changes nothing:
        transitions (K, K), from the one before to the one after; starts, ends (K,).

    Examples:
        >>> crf = CRF(name="crf")
        >>> logits = crf(logits)  # (B, N, K)
        >>> loss = -ops.sum(crf.log_likelihood(logits, tags, mask))
        >>> tags = crf.decode(logits, mask)
    """

    def build(self, shape):
        classes = shape[-1]
        for name, size in {
            "transitions": (classes, classes),
            "starts": (classes,),
            "ends": (classes,),
        }.items():
            weight = self.add_weight(shape=size, initializer="zeros", autocast=False, name=name)
            setattr(self, name, weight)

    def call(self, logits):
        """logits (B, N, K) -> the same."""
        return logits

    def log_likelihood(self, logits, tags, mask):
        """The logarithm of the probability of tags.

        Args:
            logits: float32 (B, N, K). tags: int32 (B, N). mask: bool (B, N).

        Returns:
            float32 (B,); 0 for a row without tags.
        """
        there, classes = ops.cast(mask, "float32"), logits.shape[-1]
        one_hot = ops.one_hot(tags, classes) * ops.expand_dims(there, -1)  # (B, N, K)
        score = ops.sum(one_hot * logits, (1, 2)) + ops.matmul(one_hot[:, 0], self.starts)
        follows = ops.matmul(one_hot[:, :-1], self.transitions)  # (B, N - 1, K)
        score = score + ops.sum(follows * one_hot[:, 1:], (1, 2))
        is_last = there - ops.pad(there[:, 1:], ((0, 0), (0, 1)))  # (B, N)
        score = score + ops.matmul(ops.sum(one_hot * ops.expand_dims(is_last, -1), 1), self.ends)
        total = ops.logsumexp(self._forward(logits, mask)[-1] + self.ends, -1)
        return ops.where(mask[:, 0], score - total, 0.0)

    def marginals(self, logits, mask):
        """The probability of each class at each place, all sequences of tags considered.

        Args, as of `decode`.

        Returns:
            float32 (B, N, K).
        """
        ahead = self._forward(logits, mask)  # (N, B, K)
        moved = ops.moveaxis(logits, 1, 0), ops.moveaxis(mask, 1, 0)

        def step(after, at):
            values, there = at
            sums = ops.logsumexp(self.transitions + ops.expand_dims(values + after, 1), -1)
            return ops.where(ops.expand_dims(there, -1), sums, after), after

        last = ops.zeros_like(logits[:, 0]) + self.ends
        _, behind = scan(step, last, moved, reverse=True)  # (N, B, K)
        return ops.moveaxis(ops.softmax(ahead + behind, -1), 0, 1)

    def decode(self, logits, mask):
        """The likeliest sequence of tags (Viterbi 1967).

        Args:
            logits: float32 (B, N, K). mask: bool (B, N).

        Returns:
            int32 (B, N); 0 where there is no tag.
        """
        moved = ops.moveaxis(logits, 1, 0), ops.moveaxis(mask, 1, 0)
        # In the dtype of what `scan` carries on.
        stay = ops.expand_dims(ops.arange(logits.shape[-1], dtype="float32"), 0)  # (1, K)

        def step(best, at):
            values, there = at
            scores = ops.expand_dims(best, -1) + self.transitions  # (B, K, K)
            there = ops.expand_dims(there, -1)
            from_ = ops.where(there, ops.cast(ops.argmax(scores, 1), "float32"), stay)
            return ops.where(there, ops.max(scores, 1) + values, best), from_

        best, came = scan(step, self.starts + logits[:, 0], (moved[0][1:], moved[1][1:]))
        tag = ops.cast(ops.argmax(best + self.ends, -1), "int32")  # (B,)

        def back(tag, at):
            (came_from,) = at
            before = ops.take_along_axis(came_from, ops.expand_dims(tag, -1), -1)[:, 0]
            return ops.cast(before, "int32"), tag

        first, others = scan(back, tag, (came,), reverse=True)  # (N - 1, B)
        tags = ops.moveaxis(ops.concatenate([ops.expand_dims(first, 0), others]), 0, 1)
        return ops.where(mask, tags, 0)

    def _forward(self, logits, mask):
        """The logarithm of the summed scores of all beginnings that end in each class: (N, B, K);
        beyond a row's end that of its last tag."""
        moved = ops.moveaxis(logits, 1, 0), ops.moveaxis(mask, 1, 0)

        def step(sums, at):
            values, there = at
            more = ops.logsumexp(ops.expand_dims(sums, -1) + self.transitions, 1) + values
            sums = ops.where(ops.expand_dims(there, -1), more, sums)
            return sums, sums

        first = self.starts + logits[:, 0]
        _, others = scan(step, first, (moved[0][1:], moved[1][1:]))
        return ops.concatenate([ops.expand_dims(first, 0), others])


def scan(step, carry, xs, reverse=False):
    """As `keras.ops.scan`, which fails in TensorFlow's graphs where the length is not known (3.15).

    Args:
        step: function of what is carried on and a slice of each of `xs` -> the same to carry on,
            and what to give, of one shape and dtype.
        carry: the first to carry on.
        xs: tensors (N, …).
        reverse: from the last slice to the first.

    Returns:
        what is carried on at the end, and (N, …) of what was given.
    """
    count = ops.shape(xs[0])[0]
    given = ops.zeros((count, *ops.shape(carry)), carry.dtype)

    def body(i, carry, given):
        at = count - 1 - i if reverse else i
        carry, one = step(carry, [ops.take(x, at, axis=0) for x in xs])
        at = ops.reshape(ops.cast(at, "int32"), (1, 1))
        return i + 1, carry, ops.scatter_update(given, at, ops.expand_dims(one, 0))

    # XLA keeps what gradients need in lists, of a size that it must be told.
    how = {"maximum_iterations": count}
    _, carry, given = ops.while_loop(lambda i, *_: i < count, body, (0, carry, given), **how)
    return carry, given
