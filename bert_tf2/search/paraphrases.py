"""Vectors compared with each other: pairs that mean the like, repetitions, clusters. Plain NumPy.

Each compares all with all in blocks, so that memory grows with the vectors and what is found alone.

Letters: n vectors, D width, k neighbours, P pairs.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import checked_count
from bert_tf2.search import exact
from bert_tf2.search.encoders import checked_encoder
from bert_tf2.text.forms import cells

AT_ONCE = 5000  # vectors whose neighbours are held at a time
CENTRES = 64  # clusters whose members are looked for at a time

# === Pairs ========================================================================================


def paraphrase_mining(
    model,
    sentences,
    show_progress_bar=False,
    batch_size=32,
    query_chunk_size=AT_ONCE,
    corpus_chunk_size=None,
    max_pairs=500_000,
    top_k=100,
    score_function="cosine",
    truncate_dim=None,
    prompt_name=None,
    prompt=None,
):
    """The pairs of texts that are most alike, as sentence-transformers finds them.

    Args:
        model: a `SentenceEncoder`, or what has its `encode`.
        sentences: a list of str.
        show_progress_bar, batch_size, truncate_dim, prompt_name, prompt: as of its `encode`.
        query_chunk_size, corpus_chunk_size, max_pairs, top_k, score_function: as of
            `paraphrase_mining_embeddings`.

    Returns, raises: as `paraphrase_mining_embeddings`.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> score, first, second = bert_tf2.paraphrase_mining(vec, texts)[0]
    """
    embeddings = checked_encoder(model, "model", ["encode"]).encode(
        cells(sentences, "sentences"),
        prompt_name,
        prompt,
        batch_size=batch_size,
        show_progress_bar=show_progress_bar,
        truncate_dim=truncate_dim,
    )
    return paraphrase_mining_embeddings(
        embeddings, query_chunk_size, corpus_chunk_size, max_pairs, top_k, score_function
    )


def paraphrase_mining_embeddings(
    embeddings,
    query_chunk_size=AT_ONCE,
    corpus_chunk_size=None,
    max_pairs=500_000,
    top_k=100,
    score_function="cosine",
):
    """The pairs of vectors that are most alike.

    Args:
        embeddings: (n, D).
        query_chunk_size: vectors whose neighbours are held at a time.
        corpus_chunk_size, score_function: as of `search.nearest`; equal in both directions.
        max_pairs: how many of the best to give.
        top_k: how many neighbours of each vector are looked at.

    Returns:
        a list of [score, i, j], i < j, the best first; of equal ones the lower i, then j.

    Raises:
        ValueError: as `search.nearest`.
    """
    corpus = exact.opened(embeddings, "embeddings")
    size = checked_count(query_chunk_size, "query_chunk_size")
    most = checked_count(max_pairs, "max_pairs")
    top_k, found = checked_count(top_k, "top_k"), (np.empty(0, "float32"), np.empty(0, int))
    for first in range(0, len(corpus), size):
        queries = np.asarray(corpus[first : first + size], "float32")
        exact.finite(queries.T, corpus, first, "embeddings")
        scores, ids = exact.nearest(
            queries, corpus, top_k + 1, score_function, corpus_chunk_size=corpus_chunk_size
        )
        new = _pairs(scores, ids, np.arange(first, first + len(queries)), top_k, len(corpus))
        found = _best_pairs(*map(np.concatenate, zip(found, new, strict=True)), most)
    scores, keys = found
    rows = np.stack(np.divmod(keys, len(corpus)), 1).tolist()
    return [[score, i, j] for score, (i, j) in zip(scores.tolist(), rows, strict=True)]


def _pairs(scores, ids, rows, top_k, n):
    """Neighbours (r, k + 1) of rows (r,) -> float32 (P,) and int (P,), i n + j with i < j."""
    other = ids != rows[:, None]
    other &= np.cumsum(other, 1) <= top_k
    i, j = np.broadcast_to(rows[:, None], ids.shape)[other], ids[other]
    return scores[other], np.minimum(i, j) * n + np.maximum(i, j)


def _best_pairs(scores, keys, most):
    """Each pair once, as it was found first; the best of them in their order."""
    keys, firsts = np.unique(keys, return_index=True)
    scores = scores[firsts]
    order = np.lexsort((keys, -scores))[:most]
    return scores[order], keys[order]


# === Repetitions ==================================================================================


def find_duplicates(embeddings, threshold=0.9, corpus_chunk_size=None):
    """Which vectors repeat an earlier one.

    The first of all is kept, and so is each that is not so near to any kept one before it: what is
    left has no two that are, and of each that goes there is one that stays.

    Args:
        embeddings: (n, D).
        threshold: the cosine from which on one repeats the other.
        corpus_chunk_size: as of `search.nearest`.

    Returns:
        int64 (n,): of each row the kept one that is most like it, of equal ones the lowest; its own
        number where it is kept.

    Raises:
        ValueError: as `search.nearest`.

    Examples:
        >>> bert_tf2.find_duplicates([[1.0, 0.0], [0.0, 1.0], [0.99, 0.01]])
        array([0, 1, 0])
    """
    corpus, how = exact.opened(embeddings, "embeddings"), exact.Scorer.of("cosine")
    _check_threshold(threshold)
    kept = np.arange(len(corpus))
    for first, block in exact.blocks(corpus, exact.QUERIES):
        best = exact.Best(len(block), 1)
        exact.finite(block.T, corpus, first, "embeddings")
        queries, whole = how.of_queries(block), slice(0, len(block))
        for start, earlier in exact.blocks(corpus[:first], corpus_chunk_size) if first else ():
            is_kept = kept[start : start + len(earlier)] == start + np.arange(len(earlier))
            scores = exact.finite(how.scores(queries, how.of_rows(earlier)), corpus, start)
            best.add(whole, np.where(is_kept, scores, -np.inf), start)
        among = exact.finite(how.scores(queries, how.of_rows(block)), corpus, first)
        for row, scores in enumerate(among):
            before = first + np.arange(row)
            scores = np.where(kept[before] == before, scores[:row], -np.inf)
            best.add(slice(row, row + 1), scores[None], first)
            if best.scores[row, 0] >= threshold:
                kept[first + row] = best.ids[row, 0]
    return kept


# === Clusters =====================================================================================


def community_detection(
    embeddings, threshold=0.75, min_community_size=10, batch_size=1024, show_progress_bar=False
):
    """Clusters of vectors, as sentence-transformers finds them: all that are near to one of them.

    The largest come first, and take their members from those after them.

    Args:
        embeddings: (n, D), or the `.npy` file of them.
        threshold: the cosine to a cluster's centre from which on a vector belongs to it.
        min_community_size: the least members that a cluster has, its centre among them.
        batch_size: vectors that are compared with all at a time.
        show_progress_bar: whether to show how far it is.

    Returns:
        a list of lists of rows, the largest first; in each the centre, then the others, the nearest
        first. Rows of no cluster are in none.

    Raises:
        ValueError: as `search.nearest`.

    Examples:
        >>> vectors = [[1.0, 0.0], [0.0, 1.0], [0.99, 0.01]]
        >>> bert_tf2.community_detection(vectors, min_community_size=2)
        [[0, 2]]
    """
    least = checked_count(min_community_size, "min_community_size")
    size = checked_count(batch_size, "batch_size")
    _check_threshold(threshold)
    if isinstance(embeddings, str | Path):
        embeddings = exact.mapped(embeddings)
    if not len(embeddings):
        return []
    corpus = exact.opened(embeddings, "embeddings")
    counts = _neighbours(corpus, threshold, size, show_progress_bar)
    order = np.argsort(-counts, kind="stable")[: int((counts >= least).sum())]
    used, found = np.zeros(len(corpus), bool), []
    while order.size:
        centres, order = order[:CENTRES], order[CENTRES:]
        for centre, members in zip(centres, _members(corpus, centres, threshold), strict=True):
            members = members[~used[members]]
            if used[centre] or len(members) < least:
                continue
            found.append([int(centre), *members[members != centre].tolist()])
            used[found[-1]] = True
        order = order[~used[order]]
    return sorted(found, key=len, reverse=True)


def _check_threshold(value):
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or np.isnan(value):
        raise ValueError(f"`threshold` must be a number, a cosine. Received: {shorten(value)}")


def _neighbours(corpus, threshold, size, verbose):
    """How many vectors are near to each. -> int (n,)"""
    how, counts = exact.Scorer.of("cosine"), np.zeros(len(corpus), int)
    starts = range(0, len(corpus), size)
    for first in tqdm(starts, desc="Finding clusters", disable=not verbose):
        rows = slice(first, first + size)
        some = np.asarray(corpus[rows], "float32")
        exact.finite(some.T, corpus, first, "embeddings")
        queries = how.of_queries(some)
        for start, block in exact.blocks(corpus):
            scores = how.scores(queries, how.of_rows(block))
            exact.finite(scores, corpus, start, "embeddings")
            counts[rows] += (scores >= threshold).sum(1)
    return counts


def _members(corpus, centres, threshold):
    """Of each centre the rows near to it, int (members,), the nearest first."""
    how, rows, ids, values = exact.Scorer.of("cosine"), [], [], []
    queries = how.of_queries(np.asarray(corpus[centres], "float32"))
    for start, block in exact.blocks(corpus):
        scores = how.scores(queries, how.of_rows(block))
        row, column = np.nonzero(scores >= threshold)
        rows.append(row), ids.append(start + column), values.append(scores[row, column])
    rows, ids, values = map(np.concatenate, (rows, ids, values))
    order = np.lexsort((ids, -values, rows))
    return np.split(ids[order], np.searchsorted(rows[order], np.arange(1, len(centres))))
