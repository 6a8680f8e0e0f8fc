"""Texts of a vector a token: how well one answers another (Khattab & Zaharia 2020, ColBERT, 3.3).

Plain NumPy. Letters: n and m texts, T tokens of one, W width.
"""

import numpy as np

from bert_tf2.scoring import vectors
from bert_tf2.scoring.arrays import checked_choice

AT_ONCE = 1 << 24  # products of tokens that are held at a time, 64 MB
SIMILARITIES = ("maxsim", "meanmaxsim")


def checked_similarity(name):
    """The name itself; ValueError for one that is none of `SIMILARITIES`."""
    return checked_choice(name, SIMILARITIES, "similarity_fn_name")


def similarity(a, b, name="maxsim"):
    """How well each of m texts answers each of n: the best product of each token of a, added up.

    Args:
        a: list of float (T, W), the tokens of n queries; or those of one.
        b: the same of m documents.
        name: "maxsim"; or "meanmaxsim", the mean over the tokens of a in place of the sum.

    Returns:
        float32 (n, m).

    Raises:
        ValueError: another name, vectors of different width, a text without tokens, or numbers that
            are not finite.
    """
    checked_similarity(name)
    a, b = _pair(a, b)
    found = np.empty((len(a), len(b)), "float32")
    most = max((len(text) for text in a), default=1)
    for start, stop in _blocks([len(text) for text in b], max(1, AT_ONCE // most)):
        tokens = np.concatenate(b[start:stop])  # (tokens of a block, W)
        begins = np.cumsum([0, *(len(text) for text in b[start : stop - 1])])
        for row, query in enumerate(a):
            best = np.maximum.reduceat(query @ tokens.T, begins, axis=1)  # (T, texts)
            found[row, start:stop] = best.sum(0)
    counts = np.array([[len(text)] for text in a], "float32").reshape(-1, 1)
    return found / counts if name == "meanmaxsim" else found


def similarity_pairwise(a, b, name="maxsim"):
    """How well the texts of each row answer each other: n texts twice -> float32 (n,)."""
    checked_similarity(name)
    a, b = _pair(a, b)
    if len(a) != len(b):
        raise ValueError(f"`a` and `b` must have as many rows. Received: {len(a)} and {len(b)}")
    rows = [similarity([x], [y], name)[0, 0] for x, y in zip(a, b, strict=True)]
    return np.array(rows, "float32")


def take(found, rows):
    """The vectors of some texts, in this order."""
    return [found[row] for row in rows]


def _blocks(lengths, most):
    """Yields where blocks of texts begin and end, of so many tokens together, or of one text."""
    start, tokens = 0, 0
    for place, length in enumerate(lengths):
        if place > start and tokens + length > most:
            yield start, place
            start, tokens = place, 0
        tokens += length
    if start < len(lengths):
        yield start, len(lengths)


def _pair(a, b):
    a, b = _texts(a, "a"), _texts(b, "b")
    widths = {text.shape[1] for text in (*a, *b)}
    if len(widths) > 1:
        raise ValueError(f"All tokens must be vectors of one width. Received: {sorted(widths)}")
    return a, b


def _texts(given, name):
    """-> a list of float32 (T, W)."""
    if getattr(given, "ndim", None) == 2:
        given = [given]
    found = [vectors.checked(text, f"{name}[{i}]") for i, text in enumerate(given)]
    empty = next((i for i, text in enumerate(found) if not text.size), None)
    if empty is not None:
        raise ValueError(f"`{name}` must have a token in each text. Received: none in {empty}")
    return found
