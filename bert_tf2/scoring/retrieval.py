"""Scores of rankings: of what was found in a corpus, and of texts that were put in order.

Letters: Q queries, K the longest ranking.

Sources: sentence-transformers, evaluation/information_retrieval.py and reranking.py, whose numbers
and names these are; trec_eval for gains by grade; McSherry & Najork 2008 for equal scores.
"""

import math
from collections.abc import Mapping

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import average_precision, same_length, table

AT = {  # of a figure "name@k", its default ks
    "accuracy": (1, 3, 5, 10),
    "precision": (1, 3, 5, 10),
    "recall": (1, 3, 5, 10),
    "ndcg": (10,),
    "mrr": (10,),
    "map": (100,),
}


def information_retrieval(ranked, relevant, at=AT):
    """Scores of what was found for queries.

    Args:
        ranked: for each of Q queries a list of ids, the best first.
        relevant: for each the relevant ids: a set or a list; or a dict of id to grade, 0 for what
            is not relevant. Grades are the gains of nDCG, as trec_eval has it, which are 1 without.
        at: dict of a figure's name, a key of `AT`, to its ks, how many of the best are looked at.

    Returns:
        dict of floats, the means over queries, in 0 … 1: "accuracy@k", whether a relevant one is
        among k; "precision@k", how many of k are; "recall@k", how many of all relevant ones;
        "ndcg@k"; "mrr@k", 1 by the place of the first; and "map@k", the mean precision at the
        places of relevant ones, of as many as could be among k. (trec_eval's `map_cut` divides by
        all relevant ones instead.)

    Raises:
        ValueError: no queries, other lengths, a query without relevant ids, an id that is ranked
            twice for a query, a grade that is no finite number from 0, an unknown figure, or a k
            that is no int from 1.
    """
    same_length(relevant, ranked, "queries")
    longest = max(checked_at(at))
    grades = [checked_relevant(query, ids) for query, ids in enumerate(relevant)]
    gains = np.zeros((len(ranked), longest))  # (Q, K)
    for query, (ids, known) in enumerate(zip(ranked, grades, strict=True)):
        ids = list(ids)
        if len({*ids}) < len(ids):
            raise ValueError(
                f"`ranked` must name an id once for each query. Received: {shorten(ids)} for query "
                f"{query}"
            )
        gains[query, : len(ids[:longest])] = [known.get(i, 0.0) for i in ids[:longest]]
    hits, ideal = gains > 0, np.zeros_like(gains)
    for query, known in enumerate(grades):
        best = sorted(known.values(), reverse=True)[:longest]
        ideal[query, : len(best)] = best
    counts = np.array([sum(grade > 0 for grade in known.values()) for known in grades])
    of = {name: FIGURES[name](gains, hits, ideal, counts) for name in at}
    return {f"{name}@{k}": float(np.mean(of[name](k))) for name, ks in at.items() for k in ks}


def checked_at(at):
    """All ks of figures, see `AT`; ValueError for a figure or a k that is none."""
    known = at if isinstance(at, Mapping) else {}
    are_lists = all(map(np.iterable, known.values()))
    ks = [k for some in known.values() for k in some] if are_lists else []
    good = all(isinstance(k, int | np.integer) and k >= 1 for k in ks)
    if not ks or not good or {*known} - {*AT}:
        raise ValueError(
            f"`at` must give ks, ints from 1, of some of {', '.join(AT)}. Received: {shorten(at)}"
        )
    return ks


def checked_relevant(query, relevant):
    """The relevant ids of a query, as of `information_retrieval` -> dict of id to grade, float."""
    if isinstance(relevant, str | bytes):  # whose letters would pass for ids
        raise ValueError(
            f"`relevant` must be, of each query, a set of ids. Received: {shorten(relevant)}, a "
            f"{type(relevant).__name__}, of query {query}"
        )
    known = dict(relevant) if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)
    try:
        values = [float(grade) for grade in known.values()]
    except (TypeError, ValueError):
        values = [math.nan]
    if not all(math.isfinite(grade) and grade >= 0 for grade in values) or not any(values):
        raise ValueError(
            "`relevant` must be, of each query, one id or more, or grades that are finite, none "
            f"below 0 and one above. Received: {shorten(relevant)} of query {query}"
        )
    return dict(zip(known, values, strict=True))


def discounts(count):
    """What a gain is worth at each place: 1 / log2(1 + place), float64 (count,)."""
    return 1 / np.log2(np.arange(2, count + 2))


# === Figures: of gains, hits and the best gains there are (Q, K), and counts of relevant ids (Q,),
# a function of k -> (Q,) ===


def _ndcg(gains, hits, ideal, counts):
    worth = discounts(gains.shape[1])
    return lambda k: (gains[:, :k] @ worth[:k]) / (ideal[:, :k] @ worth[:k])


def _mrr(gains, hits, ideal, counts):
    return lambda k: hits[:, :k].any(1) / (1 + hits[:, :k].argmax(1))


def _map(gains, hits, ideal, counts):
    precisions = hits * np.cumsum(hits, 1) / np.arange(1, hits.shape[1] + 1)
    return lambda k: precisions[:, :k].sum(1) / np.minimum(k, counts)


FIGURES = {
    "accuracy": lambda gains, hits, ideal, counts: lambda k: hits[:, :k].any(1),
    "precision": lambda gains, hits, ideal, counts: lambda k: hits[:, :k].sum(1) / k,
    "recall": lambda gains, hits, ideal, counts: lambda k: hits[:, :k].sum(1) / counts,
    "ndcg": _ndcg,
    "mrr": _mrr,
    "map": _map,
}


# === Texts in order ===============================================================================


def reranking(gold, scores, at_k=10):
    """Scores of the order of texts that were given for a query.

    Where scores are equal, all orders of these count alike.

    Args:
        gold: for each query 0 or 1 for each of its texts, whether it is relevant. Queries of which
            all texts are, or none, do not count.
        scores: for each query a number for each of its texts.
        at_k: how many of the best are looked at.

    Returns:
        dict of floats, the means over queries, in 0 … 1: "map", over all texts, and f"mrr@{at_k}"
        and f"ndcg@{at_k}".

    Raises:
        ValueError: other lengths, a gold that is not 0 or 1, a score that is not finite, a k below
            1, or no query that counts.
    """
    same_length(gold, scores, "queries")
    checked_at({"mrr": (at_k,)})
    rows = []
    for query, values in zip(gold, scores, strict=True):
        query, values = table(query, "gold", "0 or 1"), table(values, "scores")
        if query.shape != values.shape or query.shape[1] != 1 or not np.isin(query, (0, 1)).all():
            raise ValueError(
                "`gold` must hold 0 or 1 for each text of a query, and `scores` a number. "
                f"Received: {shorten(query[:, 0].tolist())} and {len(values)} scores of query "
                f"{len(rows)}"
            )
        rows.append((query[:, 0] > 0, values[:, 0]))
    counted = [row for row in rows if 0 < row[0].sum() < len(row[0])]
    if not counted:
        raise ValueError("`gold` must have a query with a relevant text and one that is not.")
    names = ("map", f"mrr@{at_k}", f"ndcg@{at_k}")
    found = np.mean([_reranked(*row, at_k) for row in counted], axis=0)
    return dict(zip(names, found.tolist(), strict=True))


def _reranked(gold, scores, k):
    """Average precision, reciprocal rank and nDCG of one query."""
    starts, shares, first = 0, np.zeros(len(gold)), 0.0
    for score in np.unique(scores)[::-1]:
        among = gold[scores == score]
        shares[starts : starts + len(among)] = among.mean()  # expected gain of each place
        if among.any() and not shares[:starts].any():
            first = _expected_reciprocal(starts, len(among), int(among.sum()), k)
        starts += len(among)
    worth = discounts(len(gold)) * (np.arange(len(gold)) < k)
    ndcg = shares @ worth / worth[: int(gold.sum())].sum()
    return average_precision(gold, scores), first, ndcg


def _expected_reciprocal(before, size, ones, k):
    """The mean of 1 by the place of the first of some among equals, which begin after others."""
    total, none_yet = 0.0, 1.0  # the share of orders without one so far
    for place in range(min(size, k - before)):
        here = none_yet * ones / (size - place)
        total, none_yet = total + here / (before + place + 1), none_yet - here
        if none_yet <= 0:
            break
    return total
