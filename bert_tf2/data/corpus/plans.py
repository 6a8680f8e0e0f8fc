"""Documents as numbers -> where the texts of each row begin and end.

A plan looks at lengths alone, never at pieces, so that it costs a microsecond a row; all randomness
is that of one `random.Random`.

A row is (a0, a1, b0, b1, label): the first text is pieces a0 … a1 of a part, the second b0 … b1
(b0 == b1: there is none), and the label is that of `next_sentence_labels`.
"""

import itertools
from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np

_SPECIAL = 2  # pieces of a row of one text, which DistilBERT's scripts count, too
_SHORTEST_CHUNK = 12  # pieces: they leave out rows of fewer
_MOST_UNKNOWN = 0.5  # and those with such a share of unknown pieces
_ONE_TEXT = 0.1  # ELECTRA: share of rows with one text alone


class Pieces(NamedTuple):
    """A part of a corpus as pieces.

    Attributes:
        ids: int32 (T,), of all sentences.
        starts: list of S + 1 int, where each sentence begins in `ids`.
        documents: list of D + 1 int, where each document begins in `starts`.
        unknown: the id of what has no piece.
        separator: the id of "[SEP]".
    """

    ids: np.ndarray
    starts: list[int]
    documents: list[int]
    unknown: int
    separator: int


def pairs(pieces, settings, room, rng):
    """Pairs of texts, as BERT and ALBERT are trained on.

    A document's sentences are taken together until they fill a row and cut in two at a random one.
    In half of the rows the second text is from another document, and what it took the place of
    comes again ("next"), or the two are swapped ("swapped"). A row of one sentence always has
    another document's text as its second.

    Args:
        pieces: `Pieces`, of two documents or more; with one its own text stands for a random one.
        settings: `recipes.Settings`.
        room: int, pieces of a row besides the special ones.
        rng: `random.Random`.

    Returns:
        list of rows.
    """
    rows, swaps = [], settings.row.order == "swapped"
    starts, documents, random = pieces.starts, pieces.documents, rng.random
    for document in range(len(documents) - 1):
        i, stop = documents[document : document + 2]
        target = _target(settings.short_seq_prob, 2, room, room, random)
        while i < stop:
            end = bisect_left(starts, starts[i] + target, i + 1, stop)
            count = end - i
            middle = i + 1 + (int(random() * (count - 1)) if count > 1 else 0)
            a, b = (starts[i], starts[middle]), (starts[middle], starts[end])
            label = int(count == 1 or random() < 0.5)
            if count == 1 or (label and not swaps):
                b = _elsewhere(pieces, document, target - (a[1] - a[0]), random)
                end = middle
            elif label:
                a, b = b, a
            rows.append((*_fitted(*a, *b, room, rng), label))
            i = end
    return rows


def _target(share, least, room, usual, random):
    """How long a row is to be: mostly `usual`, in some any length."""
    return least + int(random() * (room - least + 1)) if random() < share else usual


def _elsewhere(pieces, document, wanted, random):
    """Where a text of another document begins and ends, of about `wanted` pieces."""
    starts, documents = pieces.starts, pieces.documents
    others = len(documents) - 2
    if others:
        chosen = int(random() * others)
        document = chosen + (chosen >= document)
    first, stop = documents[document : document + 2]
    first += int(random() * (stop - first))
    return starts[first], starts[bisect_left(starts, starts[first] + wanted, first + 1, stop)]


def _fitted(a0, a1, b0, b1, room, rng):
    """Two texts with no more pieces than there is room: of the longer one, each that goes is the
    first or the last (google-research/bert, `truncate_seq_pair`)."""
    excess = a1 - a0 + b1 - b0 - room
    if excess <= 0:
        return a0, a1, b0, b1
    longer = (a1 - a0) - (b1 - b0)
    alone = min(excess, abs(longer))  # until both are as long; then in turns, the second first
    both = excess - alone
    cut_a = (alone if longer > 0 else 0) + both // 2
    cut_b = excess - cut_a
    front_a, front_b = (rng.getrandbits(n).bit_count() if n else 0 for n in (cut_a, cut_b))
    return a0 + front_a, a1 - cut_a + front_a, b0 + front_b, b1 - cut_b + front_b


def halves(pieces, settings, room, rng):
    """One text in a tenth of the rows, two that follow each other in the rest, as ELECTRA has them.

    Other than in its script, where a short sentence may still join the first text after a long
    one has opened the second, all that follows is the second's. Arguments as in `pairs`.
    """
    rows, random, starts = [], rng.random, pieces.starts
    length = settings.max_seq_length  # which that script counts in, special pieces and all
    target = length
    for document in range(len(pieces.documents) - 1):
        i, stop = pieces.documents[document : document + 2]
        while i < stop:
            end = bisect_left(starts, starts[i] + target, i + 1, stop)
            first, last = starts[i], starts[end]
            alone = random() < _ONE_TEXT  # with all there is
            wanted = last - first + 1 if alone else (target - 3) // 2
            middle = max(bisect_left(starts, first + wanted, i, end + 1) - 1, i + 1)
            if middle < end and starts[middle] - first < wanted and random() < 0.5:
                middle += 1
            a1 = min(starts[middle], first + length - 2)
            b1 = min(last, starts[middle] + max(0, room - (a1 - first)))
            rows.append((first, a1, starts[middle], b1, 0))
            i = end
            target = _target(settings.short_seq_prob, 5, length, length, random)
    return rows


def full_sentences(pieces, settings, room, rng):
    """Rows of as many whole sentences as fit, across documents, which "[SEP]" parts.

    What is longer than a row is cut. `pieces` are those of `closed`. Arguments as in `pairs`.
    """
    rows, at, starts, ids = [], 0, pieces.starts, pieces.ids
    room = settings.max_seq_length - 2
    while at < starts[-1]:
        end = starts[bisect_right(starts, at + room + 1) - 1]  # a last separator needs no room
        if end > at + room and ids[end - 1] != pieces.separator:
            end = starts[bisect_right(starts, at + room) - 1]
        end = end if end > at else at + room
        stop = end - 1 if ids[end - 1] == pieces.separator else end
        if stop > at:
            rows.append((at, stop, stop, stop, 0))
        at = end
    return rows


def closed(pieces):
    """The same `Pieces` with a separator at the end of each document."""
    counts = np.diff(pieces.starts)
    last = np.asarray(pieces.documents[1:]) - 1  # the last sentence of each
    counts[last] += 1
    starts = np.concatenate([[0], np.cumsum(counts)])
    ids = np.insert(pieces.ids, np.asarray(pieces.starts)[last + 1], pieces.separator)
    return pieces._replace(ids=ids, starts=starts.tolist())


def chunks(pieces, settings, room, rng):
    """Each document cut into rows; those of few or of unknown pieces are left out."""
    room = settings.max_seq_length - _SPECIAL
    shortest = min(_SHORTEST_CHUNK, settings.max_seq_length) - _SPECIAL
    starts = np.asarray(pieces.starts)[pieces.documents]
    found = [
        (a, min(a + room, z))
        for first, z in itertools.pairwise(starts.tolist())
        for a in range(first, z, room)
    ]
    unknown = np.concatenate([[0], np.cumsum(pieces.ids == pieces.unknown)])
    return [
        (a, z, z, z, 0)
        for a, z in found
        if z - a >= shortest and unknown[z] - unknown[a] < _MOST_UNKNOWN * (z - a + _SPECIAL)
    ]


PLANS = {"pairs": pairs, "halves": halves, "full_sentences": full_sentences, "chunks": chunks}
