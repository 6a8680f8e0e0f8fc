"""The vectors nearest to others, exactly, in blocks of fixed memory. Plain NumPy.

What is searched in may be a NumPy file larger than memory: it is read once, block by block.

Letters: n queries, m vectors searched in, D width, k the nearest that are asked for, R rows of a
block.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bert_tf2 import files
from bert_tf2.messages import shorten
from bert_tf2.scoring import vectors
from bert_tf2.scoring.arrays import checked_count

QUERIES, ROWS = 256, 8192  # of a block: its scores take 8 MB
BLOCK = 1 << 22  # numbers in a block of vectors: 16 MB


def semantic_search(
    query_embeddings,
    corpus_embeddings,
    query_chunk_size=QUERIES,
    corpus_chunk_size=None,
    top_k=10,
    score_function="cosine",
):
    """The vectors of a corpus that are most like each query, as sentence-transformers gives them.

    Args:
        query_embeddings: (n, D), or one vector.
        corpus_embeddings, query_chunk_size, corpus_chunk_size, top_k, score_function: as of
            `nearest`.

    Returns:
        of each query a list of dicts, the best first: `corpus_id`, the row, and `score`, a float.

    Raises:
        ValueError: as `nearest`.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> found = bert_tf2.semantic_search(vec.encode(["tea?"]), vec.encode(texts), top_k=1)
        >>> found[0][0]["corpus_id"], found[0][0]["score"]
        (0, 0.41)
    """
    how = {"query_chunk_size": query_chunk_size, "corpus_chunk_size": corpus_chunk_size}
    scores, ids = nearest(query_embeddings, corpus_embeddings, top_k, score_function, **how)
    return [
        [{"corpus_id": i, "score": x} for i, x in zip(*row, strict=True)]
        for row in zip(ids.tolist(), scores.tolist(), strict=True)
    ]


def nearest(
    query_embeddings,
    corpus_embeddings,
    top_k=10,
    score_function="cosine",
    query_chunk_size=QUERIES,
    corpus_chunk_size=None,
):
    """The rows of a corpus that are most like each query.

    Args:
        query_embeddings: (n, D), or one vector.
        corpus_embeddings: (m, D), an array of floats or integers, perhaps memory-mapped, or the
            `.npy` file of one. It is compared in float32, in blocks; 8 bits as the integers that
            they are. Packed bits ("ubinary") are no vectors here.
        top_k: how many of the best to give; k is m where that is less.
        score_function: "cosine" (default), "dot", "euclidean" or "manhattan", see
            `scoring.vectors.similarity`; of vectors of length 1 "dot" is "cosine" in less time. Or
            a function of (n, D) and (R, D) that gives (n, R), more for what is more alike.
        query_chunk_size, corpus_chunk_size: rows of a block; they change the memory that is taken,
            not what is found. Default: 256 queries, and 8 192 rows or 16 MB of the corpus.

    Returns:
        float32 (n, k), the scores in falling order; and int64 (n, k), the rows. Of equal scores the
        lower row comes first.

    Raises:
        ValueError: an empty corpus, vectors of different width, numbers that are not finite, or
            another score function or `top_k`.
    """
    queries = vectors.checked(query_embeddings, "query_embeddings")
    corpus = opened(corpus_embeddings)
    check_widths(queries, corpus)
    best = Best(len(queries), min(checked_count(top_k, "top_k"), len(corpus)))
    how = Scorer.of(score_function)
    size = checked_count(query_chunk_size, "query_chunk_size")
    chunks = [slice(i, i + size) for i in range(0, len(queries), size)]
    prepared = [how.of_queries(queries[chunk]) for chunk in chunks]
    for first, block in blocks(corpus, corpus_chunk_size):
        block = how.of_rows(block)
        for chunk, some in zip(chunks, prepared, strict=True):
            best.add(chunk, finite(how.scores(some, block), corpus, first), first)
    return best.scores, best.ids


# === What is searched in ==========================================================================


def opened(corpus, name="corpus_embeddings"):
    """Vectors, or the `.npy` file that holds them -> an array (m, D), m from 1, not read yet.

    Raises:
        ValueError: no such file, another shape, no numbers, or none at all; names them by `name`.
    """
    if isinstance(corpus, str | Path):
        corpus = mapped(corpus)
    if not isinstance(corpus, np.ndarray):
        corpus = vectors.checked(corpus, name) if len(corpus) else np.empty((0, 0), "float32")
    if corpus.ndim != 2 or corpus.dtype.kind not in "fiu":
        raise ValueError(
            f"`{name}` must be numbers (m, D). Received: {corpus.dtype} {corpus.shape}"
        )
    if not len(corpus):
        raise ValueError(f"`{name}` must have a vector or more. Received: none")
    return corpus


def mapped(file):
    """The array of a `.npy` file, which stays on the disk until it is read.

    Raises:
        ValueError: a file of another kind. OSError: it cannot be read.
    """
    files.check_regular(file)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file} must be a NumPy file of numbers. Received: {error}") from error


def blocks(corpus, size=None):
    """(number of the first row, float32 (R, D)) of each block of an array (m, D)."""
    if size is None:
        size = min(ROWS, max(1, BLOCK // corpus.shape[1]))
    size = checked_count(size, "corpus_chunk_size")
    for first in range(0, len(corpus), size):
        yield first, np.asarray(corpus[first : first + size], "float32")


def check_widths(queries, corpus):
    """Raises a ValueError unless vectors (n, D) and (m, D) are of one width."""
    if queries.shape[1] != corpus.shape[1]:
        raise ValueError(
            "`query_embeddings` and `corpus_embeddings` must be vectors of one width. Received: "
            f"{queries.shape[1]} and {corpus.shape[1]}"
        )


def finite(scores, corpus, first, name="corpus_embeddings"):
    """Scores (n, R) themselves, of rows from `first` on; a ValueError if one is no finite number.

    It costs less to look at the scores than at the vectors, whose NaN or infinity they would show.
    """
    if np.isfinite(scores.max(initial=0)) and np.isfinite(scores.min(initial=0)):
        return scores
    row = first + int(np.flatnonzero(~np.isfinite(scores).all(0))[0])
    raise ValueError(
        f"`{name}` must be finite numbers, and so must their scores. Received: "
        f"{shorten(corpus[row])} in row {row}"
    )


# === Scores =======================================================================================


class Scorer(NamedTuple):
    """How queries are compared with a block of rows.

    Attributes:
        of_queries: what is done to queries (n, D) once.
        of_rows: what is done to a block (R, D) once, however many queries there are.
        scores: both -> float32 (n, R).
    """

    of_queries: Callable
    of_rows: Callable
    scores: Callable

    @classmethod
    def of(cls, score_function):
        """That of a name or a function, as `nearest` takes it; ValueError for another name."""
        if callable(score_function):
            return cls(_same, _same, lambda a, b: _given(score_function, a, b))
        name = vectors.checked_similarity(score_function, "score_function")
        ways = {
            "cosine": cls(vectors.unit_length, _with_lengths, _cosine),
            "dot": cls(_same, _same, _dot),
        }
        return ways.get(name) or cls(_same, _same, vectors.SIMILARITIES[name][0])


def _given(score_function, queries, block):
    scores = np.asarray(score_function(queries, block), "float32")
    if scores.shape != (len(queries), len(block)):
        raise ValueError(
            f"`score_function` must give a score of each query with each row, of shape "
            f"{(len(queries), len(block))}. Received: {scores.shape}"
        )
    return scores


def _same(values):
    return values


def _dot(queries, block):
    return (block @ queries.T).T  # a fourth quicker than the other way around, for few queries


def _with_lengths(block):
    return block, np.maximum(np.sqrt(np.einsum("rd,rd->r", block, block)), 1e-12)


def _cosine(queries, block_and_lengths):
    block, lengths = block_and_lengths
    scores = _dot(queries, block)
    scores /= lengths  # which is less work than to make each vector of length 1
    return scores


# === The best so far ==============================================================================


class Best:
    """The k best rows of each query, of all blocks that were added.

    Args:
        n: queries. k: the rows that are kept of each.

    Attributes:
        scores: float32 (n, k), in falling order; -inf where there is none yet.
        ids: int64 (n, k); of equal scores the lower first; -1 where there is none yet.
    """

    def __init__(self, n, k):
        self.scores = np.full((n, k), -np.inf, "float32")
        self.ids = np.full((n, k), -1, "int64")

    def add(self, queries, scores, first):
        """Takes a block.

        Args:
            queries: the slice of the queries that it is of.
            scores: float32 (some of n, R), no NaN.
            first: the row of its first column; blocks come in rising order.
        """
        kept, k = self.scores[queries], self.scores.shape[1]
        some = np.flatnonzero(scores.max(1, initial=-np.inf) > kept[:, -1])
        if not some.size:
            return
        scores = scores[some]
        better = scores > kept[some, -1:]  # an equal one is of a higher row, and stays out
        if np.count_nonzero(better) > 4 * k * len(some):  # at the start, or in a rising corpus
            floor = np.partition(scores, -k, axis=1)[:, -k]
            better &= scores >= floor[:, None]
        rows, columns = np.divmod(np.flatnonzero(better), scores.shape[1])
        self._merge(queries, some, rows, scores[rows, columns], first + columns)

    def _merge(self, queries, some, rows, scores, ids):
        """Sorts the new ones among the kept ones of the same query."""
        kept, k = (self.scores[queries], self.ids[queries]), self.scores.shape[1]
        every = np.arange(len(some))
        rows = np.concatenate([np.repeat(every, k), rows])
        scores = np.concatenate([kept[0][some].ravel(), scores])
        ids = np.concatenate([kept[1][some].ravel(), ids])
        order = np.lexsort((ids, -scores, rows))
        firsts = np.searchsorted(rows[order], every)
        chosen = order[firsts[:, None] + np.arange(k)]
        kept[0][some], kept[1][some] = scores[chosen], ids[chosen]
