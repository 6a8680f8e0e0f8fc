"""What all workers do that give vectors of texts. Letters: n pairs, D width."""

import numpy as np

BATCH = 32  # texts at a time: everyone's default


def spearman(encode, pairs):
    """How well vectors rank pairs of texts: Spearman's correlation, times 100.

    Args:
        encode: a list of str -> (n, D).
        pairs: dict of `text`, `text_pair` and `score`, each a list of n.
    """
    count = len(pairs["score"])
    found = np.asarray(encode(pairs["text"] + pairs["text_pair"]), "float64")
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    alike = (found[:count] * found[count:]).sum(1)
    ranks = [_ranks(np.asarray(x, "float64")) for x in (alike, pairs["score"])]
    return round(100 * float(np.corrcoef(*ranks)[0, 1]), 2)


def _ranks(values):
    """The place of each number among all; equal ones share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[which]


def longest_first(texts, size=BATCH):
    """Yields the numbers of texts that go together."""
    order = np.argsort([-len(text) for text in texts], kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def mean_of_tokens(tokens, mask):
    """tokens (B, L, D), mask (B, L) -> (B, D) of length 1."""
    found = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
