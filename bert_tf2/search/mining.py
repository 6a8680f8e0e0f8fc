"""Hard negatives: texts that a model takes for an answer and that are none (Moreira et al. 2024).

Source: sentence-transformers 6, util/hard_negatives.py, for what each argument means. Its scores
of all texts with all are never held here: memory grows with the vectors alone.

Letters: n anchors, m texts, N negatives, k candidates, P positives of an anchor at most.
"""

import logging
from typing import NamedTuple

import numpy as np

from bert_tf2.messages import checked_bool, shorten
from bert_tf2.scoring import vectors
from bert_tf2.scoring.arrays import checked_choice, listed
from bert_tf2.search import exact
from bert_tf2.search.encoders import checked_encoder
from bert_tf2.search.mined_ranks import Limits, Ranks
from bert_tf2.search.mined_texts import FORMATS, columns, own_rows, positives_of, read_pairs

LOGGER = logging.getLogger("bert_tf2")


class Mined(NamedTuple):
    """Negatives of each anchor.

    Attributes:
        ids: int64 (n, N), rows of the corpus; -1 where there is none.
        scores: float32 (n, N), in falling order; -inf where there is none.
        positive_scores: list of n arrays, float32 (positives,).
    """

    ids: np.ndarray
    scores: np.ndarray
    positive_scores: list


def mine_hard_negatives(
    dataset,
    model,
    corpus=None,
    cross_encoder=None,
    range_min=0,
    range_max=None,
    max_score=None,
    min_score=None,
    absolute_margin=None,
    relative_margin=None,
    num_negatives=3,
    sampling_strategy="top",
    query_prompt_name=None,
    query_prompt=None,
    corpus_prompt_name=None,
    corpus_prompt=None,
    output_format="triplet",
    output_scores=False,
    batch_size=32,
    seed=0,
    show_progress_bar=False,
):
    """Adds hard negatives to pairs of texts (anchor, positive).

    An anchor that is there several times has several positives, and none of them is a negative, nor
    is an anchor its own.

    Args:
        dataset: a tuple of two lists of str, a list of pairs, or a dict (a table) whose first two
            columns are anchors and positives.
        model: a `SentenceEncoder`. Vectors are made of length 1, and compared as it says.
        corpus: a list of str, texts that may be negatives beside the positives of other anchors.
        cross_encoder: a `Reranker` of one logit, whose scores the four limits are then of, and the
            order. Without a limit it is not asked, as in sentence-transformers, and that is said.
        range_min: how many of the best to leave out, of those within the limits.
        range_max: the rank up to which negatives are taken. Default: `range_min + num_negatives`
            and the most positives of an anchor; with limits (`min_score` is one with
            `cross_encoder` alone), 10 times `num_negatives`.
        max_score, min_score: the limits of a negative's score.
        absolute_margin: how far its score is below that of the anchor's positive at least.
        relative_margin: the same as a share of the positive's score, such as 0.05.
        num_negatives: N.
        sampling_strategy: "top", the best of them, or "random".
        query_prompt_name, query_prompt, corpus_prompt_name, corpus_prompt: as of `encode_query` and
            `encode_document`.
        output_format: "triplet" (anchor, positive, negative), "n-tuple" (anchor, positive,
            negative_1, … negative_N, of anchors with so many), "labeled-pair" (anchor, text, label
            1 or 0), or "labeled-list" (anchor, texts, labels).
        output_scores: whether to give scores, too: of the positive and of each negative.
        batch_size: texts at a time in the models.
        seed: of "random".
        show_progress_bar: whether to show how far the models are.

    Returns:
        dict of column names to lists, as `fit` takes it; but for "labeled-list", which is for
        losses of lists that others have.

    Raises:
        ValueError: no pairs, columns named as those that are made, a corpus without texts, or ranks
            that leave fewer than `num_negatives`; or as `search.nearest`.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> rows = bert_tf2.mine_hard_negatives((questions, passages), vec, num_negatives=1)
        >>> list(rows)
        ['anchor', 'positive', 'negative']
    """
    checked_encoder(model, "model")
    limits = Limits(max_score, min_score, absolute_margin, relative_margin)
    names, anchors, texts = read_pairs(dataset)
    if corpus is not None and not len(corpus := listed(corpus, "corpus")):
        raise ValueError(
            "`corpus` must have texts, or be left out, for negatives among the positives of other "
            "anchors. Received: none"
        )
    corpus = corpus or []
    queries, documents = [*dict.fromkeys(anchors)], [*dict.fromkeys([*corpus, *texts])]
    positives = positives_of(anchors, texts, queries, documents)
    given = (range_min, range_max, num_negatives, sampling_strategy)
    _check_asked(cross_encoder, limits)
    ranks = Ranks.of(*given, limits, positives, cross_encoder is not None)
    checked_choice(output_format, FORMATS, "output_format")
    checked_bool("output_scores", output_scores)
    names = columns(names, output_format, num_negatives, output_scores)
    how = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
    how["normalize_embeddings"] = True
    corpus_embeddings = model.encode_document(documents, corpus_prompt_name, corpus_prompt, **how)
    query_embeddings = model.encode_query(queries, query_prompt_name, query_prompt, **how)
    rescore = None
    if cross_encoder is not None and limits.any():
        rescore = _rescoring(cross_encoder, queries, documents, batch_size)
    mined = mine(
        *(query_embeddings, corpus_embeddings, positives, ranks, limits),
        score_function=model.similarity_fn_name,
        rescore=rescore,
        seed=seed,
        own=own_rows(queries, documents),
    )
    fewer = int((mined.ids < 0).any(1).sum())
    if fewer:
        LOGGER.warning(
            "%d of %d anchors have fewer than %d negatives. A larger `range_max` or wider limits "
            "find more.",
            *(fewer, len(queries), num_negatives),
        )
    return FORMATS[output_format](names, queries, documents, positives, mined, output_scores)


def mine(
    query_embeddings,
    corpus_embeddings,
    positives,
    ranks,
    limits,
    score_function="cosine",
    rescore=None,
    seed=0,
    own=None,
):
    """Negatives of vectors.

    Args:
        query_embeddings: (n, D), of the anchors. corpus_embeddings: (m, D).
        positives: list of n lists of rows of the corpus.
        ranks, limits: `Ranks` and `Limits`.
        score_function: as of `search.nearest`.
        rescore: function of int64 (pairs,), anchors, and rows of the corpus, to their scores; or
            None.
        seed: of a random choice.
        own: int (n,), rows of the corpus that are the anchors themselves, or -1; or None.

    Returns:
        `Mined`.

    Raises:
        ValueError: as `search.nearest`.
    """
    most = max(map(len, positives)) + int(own is not None and (own >= 0).any())
    scores, ids = exact.nearest(
        query_embeddings, corpus_embeddings, ranks.range_max + most, score_function
    )
    of_pair = np.repeat(np.arange(len(positives)), [len(row) for row in positives])
    rows = np.concatenate(positives)
    queries, corpus = vectors.checked(query_embeddings), exact.opened(corpus_embeddings)
    given = _pairwise(queries[of_pair], corpus, rows, score_function)
    if rescore is not None:
        scores = rescore(np.repeat(np.arange(len(ids)), ids.shape[1]), ids.ravel())
        scores = np.asarray(scores, "float32").reshape(ids.shape)
        given = np.asarray(rescore(of_pair, rows), "float32")
    splits = np.searchsorted(of_pair, np.arange(1, len(positives)))
    least = np.minimum.reduceat(given, [0, *splits])  # each anchor's hardest positive
    known = np.zeros(ids.shape, bool)
    for row, some in enumerate(positives):
        known[row] = np.isin(ids[row], some)
    if own is not None:
        known |= ids == own[:, None]
    scores = limits(np.where(known, -np.inf, scores).astype("float32"), least)
    scores, ids = ranks(scores, ids, np.random.default_rng(seed))
    ids = np.where(np.isneginf(scores), -1, ids)
    return Mined(ids, scores, np.split(given, splits))


def _pairwise(queries, corpus, rows, score_function, at_once=8192):
    """The scores of (P, D) with rows (P,) of a corpus, in parts."""
    how, found = vectors.SIMILARITIES[score_function][1], []
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        found.append(how(queries[part], np.asarray(corpus[rows[part]], "float32")))
    return np.concatenate(found)


def _check_asked(cross_encoder, limits):
    """Raises for what cannot score pairs; says where nothing is asked of it."""
    if cross_encoder is None:
        return
    if not callable(getattr(cross_encoder, "predict", None)):
        raise TypeError(f"`cross_encoder` must be a `Reranker`. Received: {shorten(cross_encoder)}")
    if len(labels := getattr(cross_encoder, "labels", None) or "1") != 1:
        raise ValueError(f"`cross_encoder` must give one score a pair. Received: {labels}")
    if not limits.any():
        LOGGER.warning(
            "`cross_encoder` is not asked: give `max_score`, `min_score`, `absolute_margin` or "
            "`relative_margin`, which are then of its scores."
        )


def _rescoring(cross_encoder, queries, documents, batch_size):
    def rescore(anchors, rows):
        pairs = [(queries[i], documents[j]) for i, j in zip(anchors, rows, strict=True)]
        scores = cross_encoder.predict(pairs, batch_size)
        if scores.ndim != 1:
            raise ValueError(
                f"`cross_encoder` must give one score a pair. Received: {scores.shape[1]}"
            )
        return scores

    return rescore
