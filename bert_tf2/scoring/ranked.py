"""Texts in the order of their scores."""

import numpy as np

from bert_tf2.messages import shorten


def checked_top(top_k):
    """`top_k` itself; ValueError for what is neither None nor an int from 1."""
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise ValueError(f"`top_k` must be an int from 1. Received: {shorten(top_k)}")
    return top_k


def ranked(scores, documents, top_k=None, return_documents=False):
    """Texts in falling order of their scores, equal ones as they came.

    Args:
        scores: float (n,). documents: the n texts.
        top_k: how many of the best to give; default all.
        return_documents: whether to give the texts, too.

    Returns:
        list of dicts: `corpus_id`, the place in `documents`, `score`, a float, and `text`.
    """
    order = np.argsort(-scores, kind="stable")[: checked_top(top_k)]
    return [
        {"corpus_id": int(i), "score": float(scores[i])}
        | ({"text": documents[i]} if return_documents else {})
        for i in order
    ]
