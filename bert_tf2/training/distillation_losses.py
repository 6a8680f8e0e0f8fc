"""What a student is to learn of a teacher, as values of rows or tokens.

Letters: B rows, L length, C classes, D width, N heads, H head size.

Sources: Hinton et al. 2015; Sanh et al. 2019, section 3; Jiao et al. 2020 (TinyBERT), equations 7
to 10; Wang et al. 2021 (MiniLMv2), equations 5 to 8.
"""

import tensorflow as tf

ATTENDED = -1e9  # for what is no token


def soft_classes(student, teacher, temperature=1.0):
    """Kullback-Leibler divergence of the student's classes from the teacher's, times T squared.

    Args:
        student, teacher: logits (…, C).
        temperature: T, what logits are divided by.

    Returns:
        (…).
    """
    logs = tf.nn.log_softmax(student / temperature)
    want = tf.nn.log_softmax(teacher / temperature)
    return tf.reduce_sum(tf.exp(want) * (want - logs), -1) * temperature**2


def soft_labels(student, teacher, temperature=1.0):
    """The same of labels that are answered one by one, the mean over them: (…, C) -> (…)."""
    both = tf.stack([student, tf.zeros_like(student)], -1)  # a sigmoid is a softmax with 0
    want = tf.stack([teacher, tf.zeros_like(teacher)], -1)
    return tf.reduce_mean(soft_classes(both, want, temperature), -1)


def squared(student, teacher, temperature=1.0):
    """The mean over the last axis of squared differences."""
    return tf.reduce_mean(tf.math.squared_difference(student, teacher), -1)


def cosine(student, teacher):
    """1 - the cosine of vectors (…, D) -> (…)."""
    a, b = tf.math.l2_normalize(student, -1), tf.math.l2_normalize(teacher, -1)
    return 1.0 - tf.reduce_sum(a * b, -1)


def attention(student, teacher, mask, heads):
    """The squared differences of attention's scores before the softmax, the mean over heads.

    Args:
        student, teacher: pairs of queries and keys, (B, L, D) each.
        mask: float32 (B, L), 1 for a token.
        heads: N of both.

    Returns:
        (B,): the sum over all pairs of tokens.
    """
    ours, theirs = (_products(*pair, heads) for pair in (student, teacher))
    pairs = mask[:, tf.newaxis, :, tf.newaxis] * mask[:, tf.newaxis, tf.newaxis]
    values = tf.math.squared_difference(ours, theirs) * pairs
    return tf.reduce_sum(tf.reduce_mean(values, 1), [1, 2])


def relations(student, teacher, mask, heads):
    """The divergence of how vectors of tokens relate to each other, the mean over heads.

    Args:
        student, teacher: (B, L, D), queries, keys or values.
        mask: float32 (B, L). heads: how many parts both are cut into.

    Returns:
        (B, L), 0 for what is no token.
    """
    unseen = (1.0 - mask[:, tf.newaxis, tf.newaxis]) * ATTENDED
    ours, theirs = (tf.cast(_products(x, x, heads), tf.float32) for x in (student, teacher))
    return tf.reduce_mean(soft_classes(ours + unseen, theirs + unseen), 1) * mask


def _products(query, key, heads):
    """(B, L, D) twice -> (B, N, L, L): the products of heads by the root of their size."""
    shape = tf.shape(query)
    size = query.shape[-1] // heads

    def cut(x):
        return tf.transpose(tf.reshape(x, [shape[0], shape[1], heads, size]), [0, 2, 1, 3])

    return tf.matmul(cut(query), cut(key), transpose_b=True) * size**-0.5
