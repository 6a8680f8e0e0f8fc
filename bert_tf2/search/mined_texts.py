"""Pairs of texts as people hold them, and mined negatives as the columns that losses read.

Source: sentence-transformers 6, as mining.py.
"""

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import listed
from bert_tf2.text.forms import cells, column_names

# === Pairs ========================================================================================


def read_pairs(dataset):
    """Pairs in any form -> names of the two columns, and both as lists of str."""
    names = ("anchor", "positive")
    if (known := column_names(dataset)) is not None:
        names = tuple(known)[:2]
        sides = [cells(dataset[name], "dataset") for name in names]
    elif isinstance(dataset, tuple) and len(dataset) == 2:
        sides = [listed(side, "dataset") for side in dataset]
    else:
        rows = listed(dataset, "dataset")
        for number, row in enumerate(rows):
            if not isinstance(row, tuple | list | np.ndarray) or len(row) != 2:
                raise ValueError(
                    f"`dataset` must be pairs of texts. Received: {shorten(row)} in row {number}"
                )
        sides = [[row[side] for row in rows] for side in (0, 1)]
    if len(sides) != 2 or len(sides[0]) != len(sides[1]) or not sides[0]:
        raise ValueError(
            "`dataset` must be pairs of texts, one or more: a tuple of two lists of one length, or "
            f"a dict of two such columns. Received: {shorten(dataset)}"
        )
    if strange := [text for side in sides for text in side if not isinstance(text, str)]:
        raise ValueError(f"`dataset` must be pairs of str. Received: {shorten(strange[0])}")
    return names, *sides


def positives_of(anchors, texts, queries, documents):
    """Of each query the rows of its positives, in the order in which they came."""
    place = {text: row for row, text in enumerate(documents)}
    found = {query: {} for query in queries}
    for anchor, text in zip(anchors, texts, strict=True):
        found[anchor][place[text]] = None
    return [[*rows] for rows in found.values()]


def own_rows(queries, documents):
    """Of each query the row of its own text, which is no answer to it; -1 where there is none."""
    place = {text: row for row, text in enumerate(documents)}
    return np.array([place.get(query, -1) for query in queries], "int64")


# === Negatives ====================================================================================

# Each format takes the names of all columns, the anchors and texts, of each anchor the rows of
# its positives, a `Mined`, and whether scores are wanted; and gives a dict of columns.


def columns(names, output_format, count, with_scores):
    """Names of all columns of a format with so many negatives: the two that are there come first.

    Raises:
        ValueError: one that is there is named as one that is made.
    """
    negatives = [f"negative_{i}" for i in range(1, count + 1)]
    scores = ["scores"] if with_scores else []
    made = {
        "triplet": ["negative", *scores],
        "n-tuple": [*negatives, *scores],
        "labeled-pair": ["score" if with_scores else "label"],
        "labeled-list": scores or ["labels"],
    }[output_format]
    if taken := [name for name in names if name in made]:
        raise ValueError(
            f"`dataset` must have other columns than {output_format!r} makes, which are "
            f"{', '.join(made)}: give it another name. Received: {shorten(taken[0])}"
        )
    return [*names, *made]


def triplets(names, queries, documents, positives, mined, with_scores):
    """A row for each positive with each negative."""
    found = {name: [] for name in names}
    for query, text, score, ids, scores in _rows(queries, documents, positives, mined):
        for row, value in zip(ids, scores, strict=True):
            told = [[score, value]] if with_scores else []
            _append(found, [query, text, documents[row], *told])
    return found


def tuples(names, queries, documents, positives, mined, with_scores):
    """A row for each positive, of anchors that have all negatives."""
    found = {name: [] for name in names}
    for query, text, score, ids, scores in _rows(queries, documents, positives, mined):
        if len(ids) == mined.ids.shape[1]:
            told = [[score, *scores]] if with_scores else []
            _append(found, [query, text, *(documents[i] for i in ids), *told])
    return found


def labeled_pairs(names, queries, documents, positives, mined, with_scores):
    """A row for each positive, labelled 1, and for each negative, 0; or their scores."""
    found = {name: [] for name in names}
    for i, query in enumerate(queries):
        ids, scores = _there(mined, i)
        for row, score in zip(positives[i], mined.positive_scores[i].tolist(), strict=True):
            _append(found, [query, documents[row], score if with_scores else 1])
        for row, score in zip(ids, scores, strict=True):
            _append(found, [query, documents[row], score if with_scores else 0])
    return found


def labeled_lists(names, queries, documents, positives, mined, with_scores):
    """A row for each positive of anchors with a negative: texts and their labels, or scores."""
    found = {name: [] for name in names}
    for query, text, score, ids, scores in _rows(queries, documents, positives, mined):
        if ids:
            told = [score, *scores] if with_scores else [1] + [0] * len(ids)
            _append(found, [query, [text, *(documents[i] for i in ids)], told])
    return found


FORMATS = {
    "triplet": triplets,
    "n-tuple": tuples,
    "labeled-pair": labeled_pairs,
    "labeled-list": labeled_lists,
}


def _rows(queries, documents, positives, mined):
    """(anchor, positive, its score, rows of the negatives, their scores) of each pair."""
    for i, query in enumerate(queries):
        ids, scores = _there(mined, i)
        for row, score in zip(positives[i], mined.positive_scores[i].tolist(), strict=True):
            yield query, documents[row], score, ids, scores


def _there(mined, i):
    """The negatives that an anchor has: rows and scores, lists."""
    there = np.flatnonzero(mined.ids[i] >= 0)
    return mined.ids[i][there].tolist(), mined.scores[i][there].tolist()


def _append(found, cells):
    for column, cell in zip(found.values(), cells, strict=True):
        column.append(cell)
