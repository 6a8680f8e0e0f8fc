"""Texts in the order of their scores."""

import numpy as np

from bert_tf2.messages import checked_bool
from bert_tf2.scoring.arrays import checked_count


def checked_top(top_k):
    """`top_k` itself; ValueError for what is neither None nor an int from 1."""
    return None if top_k is None else checked_count(top_k, "top_k")


def ranked(scores, documents, top_k=None, return_documents=False):
    """Texts in falling order of their scores, equal ones as they came.

    Args:
        scores: float (n,). documents: the n texts.
        top_k: how many of the best to give; default all.
        return_documents: whether to give the texts, too.

    Returns:
        list of dicts: `corpus_id`, the place in `documents`, `score`, a float, and `text`.
    """
    checked_bool("return_documents", return_documents)
    order = np.argsort(-scores, kind="stable")[: checked_top(top_k)]
    return [
        {"corpus_id": int(i), "score": float(scores[i])}
        | ({"text": documents[i]} if return_documents else {})
        for i in order
    ]
