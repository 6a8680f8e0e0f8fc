"""What heads of attention do, in numbers (Clark et al. 2019, "What Does BERT Look At?").

Letters: K layers, N heads, L length, H = K N heads of all layers.
"""

import numpy as np

from bert_tf2.messages import shorten

TINY = np.finfo("float64").tiny


def entropy(found):
    """How widely each head looks: 0 where it looks at one token, ln L where at all alike.

    Args:
        found: an `Attention`, or a list of several, whose means are taken.

    Returns:
        float64 (K, N), in nats, the mean of all tokens that look (section 3.3).
    """
    return _mean(found, lambda one: _entropy(one.weights).mean(-1))


def share_on(found, what):
    """How much of its attention each head gives to certain tokens (section 3.1 and 3.2).

    Args:
        found: an `Attention`, or a list of several, whose means are taken.
        what: "next" or "previous", the token's neighbours; "itself"; or a piece, such as "[SEP]".

    Returns:
        float64 (K, N), from 0 to 1, the mean of the tokens that look; of neighbours, of those that
        have one.

    Raises:
        ValueError: a piece that is not in the text.
    """
    return _mean(found, lambda one: _share(one, what))


def distances(found):
    """How differently each two heads look: the Jensen-Shannon divergence of their weights.

    Args:
        found: an `Attention`, or a list of several, whose means are taken.

    Returns:
        float64 (H, H), in nats, from 0 to ln 2, the mean of all tokens that look; head n of layer k
        is row k N + n (section 6).
    """
    return _mean(found, _distances)


def on_a_plane(apart):
    """Places in two dimensions that keep distances as well as a plane can (section 6, figure 6).

    Args:
        apart: (H, H), as of `distances`.

    Returns:
        float64 (H, 2). Source: classical multidimensional scaling (Torgerson 1952).
    """
    apart = np.asarray(apart, "float64")
    centre = np.eye(len(apart)) - 1 / len(apart)
    values, vectors = np.linalg.eigh(-0.5 * centre @ apart**2 @ centre)  # ascending
    return vectors[:, [-1, -2]] * np.sqrt(np.maximum(values[[-1, -2]], 0))


def _mean(found, measure):
    several = [found] if hasattr(found, "weights") else list(found)
    if not several:
        raise ValueError("`found` must be an Attention or some of them. Received: none")
    return np.mean([measure(one) for one in several], 0)


def _share(one, what):
    weights = np.asarray(one.weights, "float64")
    step = {"next": 1, "previous": -1, "itself": 0}.get(what)
    if step is not None:
        return np.diagonal(weights, step, -2, -1).mean(-1)
    columns = [i for i, piece in enumerate(one.pieces) if piece == what]
    if not columns:
        raise ValueError(
            '`what` must be "next", "previous", "itself" or a piece of the text. Received: '
            f"{shorten(what)} of {shorten(one.pieces)}"
        )
    return weights[..., columns].sum(-1).mean(-1)


def _entropy(weights):
    """(…, L) -> (…)."""
    weights = np.asarray(weights, "float64")
    return -(weights * np.log(np.maximum(weights, TINY))).sum(-1)


def _distances(one):
    heads = np.asarray(one.weights, "float64").reshape(-1, *one.weights.shape[2:])  # (H, L, L)
    own = _entropy(heads)  # (H, L)
    rows = [
        (_entropy((head + heads) / 2) - (mine + own) / 2).mean(-1)
        for head, mine in zip(heads, own, strict=True)
    ]
    return np.maximum(np.stack(rows), 0)
