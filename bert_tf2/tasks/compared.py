"""Vectors of an encoder of any kind, compared: what evaluators share. See `evaluators`."""

import itertools
import logging
from collections.abc import Mapping
from numbers import Real

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring import late, retrieval, vectors
from bert_tf2.scoring.arrays import listed, same_length
from bert_tf2.search import exact

LOGGER = logging.getLogger("bert_tf2")
AT_ONCE = 1 << 22  # similarities that are held at a time, 16 MB, where a text has no one vector


def check_relevant(asked, corpus, relevant_docs):
    """Raises where no relevant text is in the corpus, and says how many others are not."""
    relevant = {
        i
        for query in asked
        for i, grade in retrieval.checked_relevant(query, relevant_docs[query]).items()
        if grade  # of 0 it is told to be no answer
    }
    if not relevant & corpus.keys():
        raise ValueError(
            "`relevant_docs` must name ids of `corpus`. Received: "
            f"{shorten([*relevant])}, of a corpus of {shorten([*corpus])}"
        )
    if lost := relevant - corpus.keys():
        LOGGER.warning(
            "%d of the relevant texts are not in the corpus and count as not found, such as %s",
            *(len(lost), shorten(next(iter(lost)))),
        )


def in_order(corpus):
    """The ids of a corpus, in which equals are found in this order, as the peer has it."""
    kinds = sorted({type(name).__name__ for name in corpus})
    if len(kinds) > 1:
        raise ValueError(f"`corpus` must have ids of one type. Received: {', '.join(kinds)}")
    return sorted(corpus)


def measures(encoder):
    """What compares an encoder's vectors: a module of `scoring`."""
    return getattr(encoder, "measures", vectors)


def nearest(ways, queries, corpus, count, name):
    """int (n, k): the rows of a corpus most like each query, of equals the first ones."""
    if ways is vectors:
        return exact.nearest(queries, corpus, count, name)[1]
    counts = [x.shape[0] if hasattr(x, "shape") else len(x) for x in (queries, corpus)]
    rows, found = max(1, AT_ONCE // counts[1]), []
    for start in range(0, counts[0], rows):
        some = ways.take(queries, range(start, min(start + rows, counts[0])))
        alike = ways.similarity(some, corpus, name)
        found.append(np.argsort(-alike, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def check_dicts(given):
    """Raises a TypeError unless each of {name: value} is a dict by ids."""
    for name, value in given.items():
        if not isinstance(value, Mapping):
            raise TypeError(
                f"`{name}` must be a dict by ids, as of `read_beir`. Received: {shorten(value)} "
                f"({type(value).__name__})"
            )


def margins(given, encoder):
    """A margin, or a dict of them by the names of similarities -> dict of floats by all names."""
    known = measures(encoder)
    of = dict(given) if isinstance(given, Mapping) else dict.fromkeys(known.SIMILARITIES, given)
    for name, value in of.items():
        known.checked_similarity(name)
        if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(value):
            raise ValueError(f"`margin` must be a number. Received: {shorten(value)}")
    return {name: float(value) for name, value in of.items()}


def checked(how):
    if how.get("precision", "float32") != "float32":
        raise ValueError(f"`precision` must be float32 here. Received: {shorten(how['precision'])}")
    return how


def columns(encoder, texts, labels, how):
    """Vectors of columns of texts by name, each text computed once."""
    given = {name: listed(column, name) for name, column in texts.items()}
    for name, column in given.items():
        same_length(labels, column, f"rows, of `{name}`")
    ways, (first, *others) = measures(encoder), given.values()
    sides = [(encoder.encode, [first, *others])]
    if ways is late:
        sides = [(encoder.encode_query, [first]), (encoder.encode_document, others)]
    found = []
    for encode, some in sides:
        every = list(dict.fromkeys(itertools.chain.from_iterable(some)))
        places = {text: place for place, text in enumerate(every)}
        made = encode(every, **checked(how))
        found += [ways.take(made, [places[text] for text in column]) for column in some]
    return found
