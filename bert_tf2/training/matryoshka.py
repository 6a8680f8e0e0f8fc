"""A loss of vectors, of their first numbers and of the layers before the last as well.

Kusupati et al. 2022, "Matryoshka representation learning"; Li et al. 2024, "2D Matryoshka sentence
embeddings". Letters: B rows of a batch, K texts a row, N layers, E numbers of a vector.
"""

import tensorflow as tf

from bert_tf2.training.vector_losses import unit

# Settings of a loss that is wrapped, and their defaults; sentence-transformers' names.
MATRYOSHKA = {"matryoshka_dims": None, "matryoshka_weights": None, "n_dims_per_step": -1}
MATRYOSHKA_2D = MATRYOSHKA | {
    "n_dims_per_step": 1,
    "n_layers_per_step": 1,
    "last_layer_weight": 1.0,
    "prior_layers_weight": 1.0,
    "kl_div_weight": 1.0,
    "kl_temperature": 0.3,
}


def of_widths(of, vectors, step, dims, weights, n_dims_per_step=-1, draw=0):
    """A loss of the first numbers of vectors, made of length 1, for each of some widths.

    Args:
        of: function of vectors (B, K, E) -> a sum and its size.
        vectors: float32 (B, K, E).
        step: int64 scalar, by which the widths of a step are drawn: the same wherever it is
            computed.
        dims, weights: the widths, and what each counts.
        n_dims_per_step: how many widths are drawn for a step; -1: all.
        draw: of several in one step, which.

    Returns:
        a sum and its size.
    """
    chosen = _chosen(len(dims), n_dims_per_step, step, 2 * draw)
    found = [
        (weight * taken, of(unit(vectors[..., :width])))
        for width, weight, taken in zip(dims, weights, chosen, strict=True)
    ]
    return tf.add_n([taken * total for taken, (total, _) in found]), found[0][1][1]


def of_layers(of, vectors, step, settings):
    """That loss of the last layer and of some before it, and how far these are from the last.

    Args:
        of: function of vectors (B, K, E) and the number of the draw -> a sum and its size.
        vectors: float32 (B, K, N, E), of each layer.
        step: see `of_widths`.
        settings: dict, see `MATRYOSHKA_2D`.

    Returns:
        {name: (sum, size)}: "loss", and "kl_div" by rows of the batch.
    """
    earlier, heat = vectors.shape[2] - 1, settings["kl_temperature"]
    total, size = of(vectors[:, :, -1], 0)
    total *= settings["last_layer_weight"]
    chosen = _chosen(earlier, settings["n_layers_per_step"], step, 1)
    count = tf.add_n(chosen)
    far = tf.constant(0.0)
    last = tf.stop_gradient(tf.nn.softmax(vectors[:, :, -1] / heat)) if heat else None
    for layer, taken in enumerate(chosen):
        here = vectors[:, :, layer]
        share = settings["prior_layers_weight"] * taken / count
        total += share * of(here, layer + 1)[0]
        if heat:
            logs = tf.math.log(tf.maximum(last, 1e-30)) - tf.nn.log_softmax(here / heat)
            far += taken * tf.reduce_sum(last * logs)
    texts = tf.cast(tf.size(vectors[..., 0, 0]), tf.float32)
    kl = settings["kl_div_weight"] * heat * far
    return {"loss": (total, size)} | ({"kl_div": (kl, texts)} if heat else {})


def _chosen(count, wanted, step, draw):
    """A list of 1 and 0: which of so many are drawn in a step, always the same; below 1 all are."""
    if not 0 < wanted < count:
        return [tf.constant(1.0)] * count
    seed = tf.stack([tf.cast(step, tf.int64), tf.constant(0x5EED + draw, tf.int64)])
    order = tf.argsort(tf.random.stateless_uniform([count], seed))
    return tf.unstack(
        tf.cast(tf.scatter_nd(order[:wanted, None], tf.ones([wanted]), [count]), tf.float32)
    )
