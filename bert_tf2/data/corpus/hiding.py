"""Hiding pieces of many rows at once, on arrays: the rules of `text.masking`, and n-grams.

Letters: B rows, L length, P predictions a row, W words a row.

All random keys are unequal, so that no sorting on any processor decides what is hidden.
"""

from typing import NamedTuple

import numpy as np

SHOWN = ("mask", "random", "same")  # what may stand for a hidden piece
_MASK, _RANDOM = 0.8, 0.9  # Devlin et al. 2018, section 3.1: 80 %, 10 %, and 10 % stay
_NEVER = np.uint32(0xFFFFFFFF)


class Hidden(NamedTuple):
    """Hidden pieces of rows.

    Attributes:
        shown: int32 (B, L), the ids with others in the place of those hidden.
        positions: int32 (B, P), ascending, then zeros.
        ids: int32 (B, P), what was there, then zeros.
        weights: float32 (B, P), 1 for a prediction, else 0.
        kinds: int64 (3,), how many became each of `SHOWN`.
    """

    shown: np.ndarray
    positions: np.ndarray
    ids: np.ndarray
    weights: np.ndarray
    kinds: np.ndarray


def hide(ids, candidates, lengths, most, rate, mask, vocabulary, rng, choose):
    """Hides pieces of rows.

    Args:
        ids: int32 (B, L).
        candidates: bool (B, L), what may be chosen.
        lengths: int (B,), the tokens of each row, special ones counted.
        most: int, P.
        rate: float, share of the tokens that is chosen; at least one is.
        mask: int, the id of "[MASK]".
        vocabulary: int, ids from 0 that may stand for a piece.
        rng: `numpy.random.Generator`.
        choose: function of (candidates, counts, most, rng) -> int (B, P) positions and bool
            (B, P), which of them count.

    Returns:
        `Hidden`.
    """
    counts = np.minimum(np.maximum(np.rint(lengths * rate).astype(np.int64), 1), most)
    positions, real = choose(candidates, counts, most, rng)
    positions = np.where(real, positions, ids.shape[1])
    positions.sort(axis=1)
    real = positions < ids.shape[1]
    positions = np.where(real, positions, 0)
    was = np.take_along_axis(ids, positions, 1)
    kind = rng.random(was.shape, np.float32)
    other = rng.integers(0, vocabulary, was.shape, np.int32)
    new = np.where(kind < _MASK, np.int32(mask), np.where(kind < _RANDOM, other, was))
    shown, row = ids.copy(), np.nonzero(real)[0]
    shown[row, positions[real]] = new[real]
    masked, random = (int((real & (kind < edge)).sum()) for edge in (_MASK, _RANDOM))
    kinds = np.array([masked, random - masked, int(real.sum()) - random])
    return Hidden(
        shown,
        positions.astype(np.int32),
        np.where(real, was, 0).astype(np.int32),
        real.astype(np.float32),
        kinds,
    )


def _keys(shape, rng):
    """uint32 (B, L): random and unequal within a row, below `_NEVER`."""
    length = shape[1]
    low = (1 << int(length - 1).bit_length()) - 1 if length > 1 else 0
    keys = rng.integers(0, 1 << 32, shape, np.uint32)
    keys &= np.uint32(0x7FFFFFFF & ~low)
    keys |= np.arange(length, dtype=np.uint32)
    return keys


def pieces(candidates, counts, most, rng):
    """Any pieces, each as likely. See `hide`."""
    keys = np.where(candidates, _keys(candidates.shape, rng), _NEVER)
    return _least(keys, keys < _NEVER, counts, most)


def rare_pieces(weights):
    """A `choose` that takes pieces of greater weight more often, without putting back.

    Args:
        weights: function of nothing -> float32 (B, L), that of each piece of the rows.
    """

    def choose(candidates, counts, most, rng):
        # The first of exponential clocks that run at these rates (Efraimidis and Spirakis 2006).
        clocks = rng.standard_exponential(candidates.shape) / weights()
        keys = np.where(candidates, clocks, np.inf)
        return _least(keys, np.isfinite(keys), counts, most)

    return choose


def _least(keys, usable, counts, most):
    """Positions of the `counts` least keys of each row."""
    most = min(most, keys.shape[1])
    found = np.argpartition(keys, most - 1, axis=1)[:, :most] if most < keys.shape[1] else (
        np.argsort(keys, axis=1))  # fmt: skip
    order = np.argsort(np.take_along_axis(keys, found, 1), axis=1)
    found = np.take_along_axis(found, order, 1)
    real = np.arange(most) < counts[:, np.newaxis]
    return found, real & np.take_along_axis(usable, found, 1)


def words(begins, ngram=1):
    """A `choose` that takes whole words, or up to `ngram` of them that follow each other.

    Words are tried in random order. An n-gram, n with probability ~ 1 / n, that has no room left
    is made shorter, and passed over if it is one word or covers a hidden one (Lan et al. 2019,
    section 3.1; google-research/albert, `create_masked_lm_predictions`).

    Args:
        begins: function of nothing -> bool (B, L): the candidates that begin a word; the first of
            a row always does.
        ngram: int.
    """

    def choose(candidates, counts, most, rng):
        first = np.cumsum(candidates, 1) == 1
        number = np.cumsum(candidates & (begins() | first), 1) - 1  # (B, L)
        batch, width = candidates.shape
        rows = np.broadcast_to(np.arange(batch)[:, np.newaxis], candidates.shape)
        place = (rows * width + number)[candidates]
        sizes = np.bincount(place, minlength=batch * width).reshape(batch, width)
        taken = _take(sizes, counts, ngram, rng)
        chosen = candidates & np.take_along_axis(taken, np.maximum(number, 0), 1)
        keys = np.where(chosen, np.arange(width), width)
        found = np.sort(keys, axis=1)[:, :most]
        return found, found < width

    return choose


def _take(sizes, counts, ngram, rng):
    """bool (B, W): which words of rows are hidden; sizes 0 are no words."""
    batch, width = sizes.shape
    taken = np.zeros(sizes.shape, bool)
    order = np.argsort(np.where(sizes > 0, _keys(sizes.shape, rng), _NEVER), axis=1)
    total = (sizes > 0).sum(1)
    share = np.cumsum(1 / np.arange(1, ngram + 1))
    ends = np.concatenate([np.zeros((batch, 1), np.int64), np.cumsum(sizes, 1)], 1)
    room, steps, rows = counts.copy(), np.arange(1, ngram + 1), np.arange(batch)
    for step in range(width):
        rows = rows[(room[rows] > 0) & (step < total[rows])]
        if not len(rows):
            break
        start = order[rows, step]
        most = np.minimum(ngram, total[rows] - start)
        n = 1 + np.searchsorted(share, rng.random(len(rows)) * share[-1], side="right")
        lengths = ends[rows[:, np.newaxis], np.minimum(start[:, np.newaxis] + steps, width)]
        lengths = lengths - ends[rows, start][:, np.newaxis]  # (rows, ngram): of 1, 2, … words
        fits = (lengths <= room[rows][:, np.newaxis]).sum(1)
        n = np.minimum(np.minimum(n, most), fits)
        span = start[:, np.newaxis] + steps - 1
        inside = steps <= n[:, np.newaxis]
        covers = (taken[rows[:, np.newaxis], np.minimum(span, width - 1)] & inside).any(1)
        good = (n > 0) & ~covers
        at, inside = rows[good], inside[good]
        taken[np.repeat(at, inside.sum(1)), span[good][inside]] = True
        room[at] -= lengths[good, n[good] - 1]
    return taken
