"""What sentence encoders are trained by: losses of the vectors of a batch, as sums and sizes.

Letters: B rows of a batch, K texts a row, N layers, E numbers of a vector.

The names and the defaults are sentence-transformers' (6.2). Sources: van den Oord et al. 2018 and
Henderson et al. 2017, section 4.4 (multiple negatives); Li et al. 2023 (GTE), section 3.3, and
Günther et al. 2024 (Jina 2), section 5 (its directions); Huang et al. 2024 (CoSENT); Hermans et al.
2017 (triplets, hard ones of a batch); Hadsell et al. 2006 (contrastive); Hofstätter et al. 2020
(margin-MSE); Reimers & Gurevych 2019, section 3 (cosine, softmax).
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

AT_ONCE = 512  # rows whose similarities to all others are held at a time
DIRECTIONS = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


def unit(x):
    """Vectors (…, E) of length 1; zeros stay zeros."""
    return tf.math.l2_normalize(x, -1, epsilon=1e-24)


def _length(x):
    """Of vectors (…, E), whose gradient at 0 is 0."""
    return tf.sqrt(tf.maximum(tf.reduce_sum(x * x, -1), 1e-24))


# Of vectors (…, E) twice -> (…,).
SIMILARITIES = {
    "cosine": lambda a, b: tf.reduce_sum(unit(a) * unit(b), -1),
    "dot": lambda a, b: tf.reduce_sum(a * b, -1),
}
DISTANCES = {
    "cosine": lambda a, b: 1 - SIMILARITIES["cosine"](a, b),
    "euclidean": lambda a, b: _length(a - b),
    "manhattan": lambda a, b: tf.reduce_sum(tf.abs(a - b), -1),
}


def _mean(values, weights):
    """Values of rows (B,) -> their sum by weight, and how many they are."""
    return tf.reduce_sum(values * weights), tf.cast(tf.size(values), tf.float32)


# === Of the vectors of whole batches ==============================================================


def multiple_negatives_ranking(
    vectors, targets, weights, scale=20.0, directions=DIRECTIONS[:1], partition_mode="joint", **how
):
    """The positive of a row, its second text, among all that others have: their cross-entropy."""
    x = unit(vectors) if how.get("similarity", "cosine") == "cosine" else vectors
    of_rows = _Ranking(scale, tuple(directions), partition_mode)
    if x.shape[0] is not None and x.shape[0] <= AT_ONCE:
        value = of_rows(x, weights, tf.range(x.shape[0]))
    else:
        value = _by_blocks(of_rows, x, weights)
    return value, tf.cast(tf.shape(x)[0], tf.float32)


class _Ranking(NamedTuple):
    """The sum of that loss over some rows of a batch."""

    scale: float
    directions: tuple
    partition_mode: str

    def __call__(self, x, weights, rows):
        """x (B, K, E), weights (B,), numbers of rows (R,) -> a scalar."""
        queries, size = x[:, 0], tf.shape(x)[0]
        docs = tf.reshape(tf.transpose(x[:, 1:], [1, 0, 2]), [-1, x.shape[-1]])  # (K-1 B, E)
        ours, positives = tf.gather(queries, rows), tf.gather(x[:, 1], rows)  # (R, E)
        own = tf.one_hot(rows, size, on_value=-float("inf"), off_value=0.0)  # (R, B)
        own_docs = tf.tile(own, [1, tf.shape(x)[1] - 1])
        kinds = {
            "query_to_doc": lambda: self._scores(ours, docs),
            "query_to_query": lambda: self._scores(ours, queries) + own,
            "doc_to_query": lambda: self._scores(positives, queries),
            "doc_to_doc": lambda: self._scores(positives, docs) + own_docs,
        }
        found = [kinds[name]() for name in self.directions]
        right = self.scale * tf.reduce_sum(ours * positives, -1)
        if self.partition_mode == "joint":
            all_of_them = tf.reduce_logsumexp(tf.concat(found, 1), 1)
        else:
            all_of_them = tf.add_n([tf.reduce_logsumexp(s, 1) for s in found]) / len(found)
        return tf.reduce_sum((all_of_them - right) * tf.gather(weights, rows))

    def _scores(self, a, b):
        return self.scale * tf.matmul(a, b, transpose_b=True)


def _by_blocks(of_rows, x, weights):
    """The sum over all rows, of `AT_ONCE` at a time, in the memory of these."""

    def both(x):
        def body(start, value, slope):
            rows = tf.range(start, tf.minimum(start + AT_ONCE, size))
            here = tf.identity(x)  # in the body of the loop, whose tape knows no other
            with tf.GradientTape() as tape:
                tape.watch(here)
                more = of_rows(here, weights, rows)
            return start + AT_ONCE, value + more, slope + tape.gradient(more, here)

        size = tf.shape(x)[0]
        first = (tf.constant(0), tf.constant(0.0), tf.zeros_like(x))
        return tf.while_loop(lambda at, *_: at < size, body, first, parallel_iterations=1)[1:]

    @tf.custom_gradient
    def summed(x):
        value, slope = both(x)
        return value, lambda upstream: upstream * slope

    return summed(x)


def cosent(vectors, targets, weights, scale=20.0, similarity="cosine"):
    """log(1 + sum over all pairs of rows of exp(the lower one's similarity above the higher's))."""
    scores = scale * SIMILARITIES[similarity](vectors[:, 0], vectors[:, 1])  # (B,)
    wrong = scores[:, tf.newaxis] - scores  # (B, B), of rows i and j
    higher = targets[:, tf.newaxis] < targets
    costs = tf.where(higher, wrong, -float("inf"))
    costs = tf.concat([[0.0], tf.reshape(costs, [-1])], 0)
    return tf.reduce_logsumexp(costs), tf.constant(1.0)


def batch_hard_triplet(vectors, targets, weights, margin=5.0, distance="euclidean"):
    """Each text with the farthest of its class and the nearest of another in the batch."""
    x = vectors[:, 0]
    if distance == "cosine":
        far = 1 - tf.matmul(unit(x), unit(x), transpose_b=True)
    else:
        dots = tf.matmul(x, x, transpose_b=True)
        squares = tf.linalg.diag_part(dots)
        far = squares - 2 * dots + squares[:, tf.newaxis]
        some = far > 0
        far = tf.where(some, tf.sqrt(tf.where(some, far, 1.0)), 0.0)  # (B, B)
    alike = targets[:, tf.newaxis] == targets
    others = tf.linalg.set_diag(alike, tf.zeros_like(targets, tf.bool))
    hardest = tf.reduce_max(tf.where(others, far, 0.0), 1)
    nearest = tf.reduce_min(far + tf.where(alike, tf.reduce_max(far, 1, keepdims=True), 0.0), 1)
    return _mean(tf.nn.relu(hardest - nearest + margin), weights)


def online_contrastive(vectors, targets, weights, margin=0.5, distance="cosine"):
    """As contrastive, of the pairs that are hard: those in the wrong order. A sum over them."""
    far = DISTANCES[distance](vectors[:, 0], vectors[:, 1])  # (B,)
    like, unlike = targets == 1, targets == 0
    inf = float("inf")
    farthest = tf.reduce_max(tf.where(like, far, -inf))  # of the like
    nearest = tf.reduce_min(tf.where(unlike, far, inf))  # of the unlike
    # Where one kind is not in the batch, those beyond the mean of the other are taken.
    farthest = tf.where(tf.reduce_any(like), farthest, _mean_of(far, unlike))
    nearest = tf.where(tf.reduce_any(unlike), nearest, _mean_of(far, like))
    hard = tf.where(like & (far > nearest), far, 0.0)
    easy = tf.where(unlike & (far < farthest), tf.nn.relu(margin - far), 0.0)
    return tf.reduce_sum(hard * hard) + tf.reduce_sum(easy * easy), tf.constant(1.0)


def _mean_of(values, chosen):
    chosen = tf.cast(chosen, values.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(values * chosen), tf.reduce_sum(chosen))


# === Of rows, which add up ========================================================================


def cosine_similarity(vectors, targets, weights):
    """The squared difference of a pair's cosine from its number."""
    found = SIMILARITIES["cosine"](vectors[:, 0], vectors[:, 1])
    return _mean(tf.square(found - targets), weights)


def triplet(vectors, targets, weights, margin=5.0, distance="euclidean"):
    """How much nearer, by a margin, the second text of a row should be to the first than the third
    is."""
    far = DISTANCES[distance]
    positive, negative = (far(vectors[:, 0], vectors[:, place]) for place in (1, 2))
    return _mean(tf.nn.relu(positive - negative + margin), weights)


def contrastive(vectors, targets, weights, margin=0.5, distance="cosine"):
    """Pairs that are alike (1) are to be near, others (0) at a distance from `margin` on."""
    far = DISTANCES[distance](vectors[:, 0], vectors[:, 1])
    apart = tf.nn.relu(margin - far)
    return _mean((targets * far * far + (1 - targets) * apart * apart) / 2, weights)


def margin_mse(vectors, targets, weights, similarity="dot"):
    """The squared difference of margins: how much more alike a query is to its positive than to a
    negative, from what a teacher says, (B, K - 2); or its scores of all texts, (B, K - 1)."""
    scores = SIMILARITIES[similarity](vectors[:, :1], vectors[:, 1:])  # (B, K - 1)
    if targets.shape[1] == vectors.shape[1] - 1:
        targets = targets[:, :1] - targets[:, 1:]
    values = tf.square(scores[:, :1] - scores[:, 1:] - targets)
    return _mean(values, weights[:, tf.newaxis])


def pair_features(vectors):
    """What a softmax over pairs reads: (B, 2, E) -> (B, 3 E), u, v and |u - v|."""
    u, v = vectors[:, 0], vectors[:, 1]
    return tf.concat([u, v, tf.abs(u - v)], -1)


# === The table ====================================================================================


class VectorLoss(NamedTuple):
    """A row of `LOSSES`.

    Attributes:
        of: function of vectors (B, K, E), targets and weights (B,) -> its sum and size; None for a
            head of its own.
        settings: its further arguments, and their defaults.
        texts: how many a row has, the fewest and the most; None: any number.
        targets: what y is: None, "score" (B,), "binary" (B,), "margin" (B, K - 2 or K - 1) or
            "class" (B,).
        whole: whether it is of the vectors of the whole batch, and does not add up over its parts.
        weighs: whether rows may have weights.
    """

    of: Callable | None
    settings: dict
    texts: tuple
    targets: str | None = None
    whole: bool = False
    weighs: bool = True


_RANKING = {
    "scale": 20.0,
    "similarity": "cosine",
    "directions": DIRECTIONS[:1],
    "partition_mode": "joint",
}
_BOTH = {"directions": (DIRECTIONS[0], DIRECTIONS[2]), "partition_mode": "per_direction"}
_CACHED = {"mini_batch_size": 32}
_RANKED = VectorLoss(multiple_negatives_ranking, _RANKING, (2, None), whole=True)
LOSSES = {
    "multiple_negatives_ranking": _RANKED,
    "multiple_negatives_symmetric_ranking": _RANKED._replace(settings=_RANKING | _BOTH),
    "cached_multiple_negatives_ranking": _RANKED._replace(settings=_RANKING | _CACHED),
    "cached_multiple_negatives_symmetric_ranking": _RANKED._replace(
        settings=_RANKING | _BOTH | _CACHED
    ),
    "cosent": VectorLoss(
        cosent, {"scale": 20.0, "similarity": "cosine"}, (2, 2), "score", True, False
    ),
    "cosine_similarity": VectorLoss(cosine_similarity, {}, (2, 2), "score"),
    "triplet": VectorLoss(triplet, {"margin": 5.0, "distance": "euclidean"}, (3, 3)),
    "batch_hard_triplet": VectorLoss(
        batch_hard_triplet, {"margin": 5.0, "distance": "euclidean"}, (1, 1), "class", True
    ),
    "contrastive": VectorLoss(contrastive, {"margin": 0.5, "distance": "cosine"}, (2, 2), "binary"),
    "online_contrastive": VectorLoss(
        online_contrastive, {"margin": 0.5, "distance": "cosine"}, (2, 2), "binary", True, False
    ),
    "margin_mse": VectorLoss(margin_mse, {"similarity": "dot"}, (3, None), "margin"),
    "softmax": VectorLoss(None, {"labels": None}, (2, 2), "class"),
}
