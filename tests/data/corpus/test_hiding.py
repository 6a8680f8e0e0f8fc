"""Hiding on arrays: the reference's counts, shares and words, and ALBERT's n-grams."""

import random
from collections import Counter

import numpy as np
import pytest

from bert_tf2.data.corpus import hiding
from bert_tf2.data.corpus.googles import Reference
from bert_tf2.data.corpus.recipes import Settings

CLS, SEP, MASK = 2, 3, 4
WORDS = np.array([5, 15, 16, 6, 7, 17, 8, 9, 10, 11, 12, 13])  # 15 and above go on with a word
LENGTH, MOST = 20, 6


def rows(count, seed=0):
    """Rows [CLS] words [SEP] padding of any lengths, and what `hide` wants of them."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, LENGTH + 1, count)
    column = np.arange(LENGTH)
    ids = WORDS[rng.integers(0, len(WORDS), (count, LENGTH))]
    ids = np.where(column == lengths[:, None] - 1, SEP, np.where(column < lengths[:, None], ids, 0))
    ids[:, 0] = CLS
    return ids.astype(np.int32), (ids > MASK), lengths


def hidden(count, choose=hiding.pieces, rate=0.3, seed=1):
    ids, candidates, lengths = rows(count)
    rng = np.random.default_rng(seed)
    return ids, hiding.hide(ids, candidates, lengths, MOST, rate, MASK, 20, rng, choose)


def begins_of(count):
    return lambda: rows(count)[0] < 15


@pytest.mark.parametrize(
    "choose",
    [
        hiding.pieces,
        hiding.words(begins_of(300)),
        hiding.words(begins_of(300), ngram=3),
        hiding.rare_pieces(lambda: np.ones((300, LENGTH), np.float32)),
    ],
)
def test_what_is_told_is_what_was_there(choose):
    ids, found = hidden(300, choose)
    real = found.weights > 0
    restored = found.shown.copy()
    np.put_along_axis(
        restored, np.where(real, found.positions, 0), np.where(real, found.ids, CLS), 1
    )
    np.testing.assert_array_equal(restored, ids)
    for at, on, row in zip(found.positions, real, ids, strict=True):
        assert (np.diff(at[on]) > 0).all()
        assert (row[at[on]] > MASK).all()
        assert not at[~on].any()
    assert not found.ids[~real].any()


def test_as_many_as_the_reference_hides():
    ids, found = hidden(400)
    room = (ids > MASK).sum(1)
    wanted = [
        min(n, MOST, max(1, round(int((row > 0).sum()) * 0.3)))
        for n, row in zip(room, ids, strict=True)
    ]
    assert found.weights.sum(1).tolist() == wanted


def test_every_place_is_as_likely_and_a_tenth_is_random():
    ids = np.tile(np.array([CLS, *[5] * 18, SEP], np.int32), (20_000, 1))
    rng = np.random.default_rng(3)
    lengths = np.full(len(ids), LENGTH)
    found = hiding.hide(ids, ids > MASK, lengths, MOST, 0.2, MASK, 20, rng, hiding.pieces)
    counts = np.bincount(found.positions.ravel(), minlength=LENGTH)[1:-1]
    expected = counts.sum() / 18
    assert (np.abs(counts - expected) < 5 * expected**0.5).all()
    shares = found.kinds / found.kinds.sum()
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.01)
    others = Counter(found.shown[found.shown != 5].tolist())
    assert {*others} == {*range(20)} - {5}  # any piece of the vocabulary


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_whole_words_as_the_reference_hides_them(rate):
    """The same mean number of pieces, in rows of the same words, by both programs."""
    ids, candidates, lengths = rows(60)
    times, sums = 60, np.zeros((2, 60))
    settings = Settings("bert", LENGTH, MOST, rate, do_whole_word_mask=True)
    reference = Reference.__new__(Reference)
    reference.settings, reference.rng = settings, random.Random(5)
    reference.words, reference.inner = list(range(20)), {15, 16, 17}
    reference.cls, reference.sep, reference.mask = CLS, SEP, MASK
    rng = np.random.default_rng(6)
    for _ in range(times):
        choose = hiding.words(lambda: ids < 15)
        found = hiding.hide(ids, candidates, lengths, MOST, rate, MASK, 20, rng, choose)
        sums[0] += found.weights.sum(1)
        theirs = [reference._hide(row[:n].tolist()) for row, n in zip(ids, lengths, strict=True)]
        sums[1] += [len(row) for row in theirs]
        for row, at, on in zip(ids, found.positions, found.weights > 0, strict=True):
            chosen = {*at[on].tolist()}
            for place in chosen:  # a word is hidden whole
                assert place + 1 in chosen or row[place + 1] < 15
                assert row[place] < 15 or place == 1 or place - 1 in chosen
    mean = sums / times
    np.testing.assert_allclose(mean[0].mean(), mean[1].mean(), rtol=0.02)
    assert np.abs(mean[0] - mean[1]).max() < 0.6


def test_ngrams_of_one_two_and_three_words():
    """Where there is room for all, n words go together with probability ~ 1 / n."""
    count, length = 6000, 100
    ids = np.full((count, length), 5, np.int32)
    ids[:, 0], ids[:, -1] = CLS, SEP
    choose = hiding.words(lambda: np.ones(ids.shape, bool), ngram=3)
    rng = np.random.default_rng(7)
    found = hiding.hide(ids, ids > MASK, np.full(count, length), 3, 0.03, MASK, 20, rng, choose)
    first = found.positions[:, 0]
    runs = np.diff(found.positions, axis=1) == 1
    sizes = np.where(runs.all(1), 3, np.where(runs.any(1), 2, 1))
    assert (first > 0).all()
    # Three at once, or one and two, or one and one and one, which seldom touch.
    share = np.bincount(sizes, minlength=4)[1:] / count
    p = np.array([1, 1 / 2, 1 / 3]) / (1 + 1 / 2 + 1 / 3)
    # The second try: of two left, 1 with p1, 2 with the rest; the third is what is left.
    wanted = [p[0] * p[0], p[0] * (p[1] + p[2]) + p[1], p[2]]
    np.testing.assert_allclose(share, wanted, atol=0.05)


def test_rare_pieces_are_hidden_more():
    ids = np.tile(np.array([CLS, *[5] * 15, 6, SEP], np.int32), (4000, 1))
    weights = np.where(ids == 6, 15**0.7, 1).astype(np.float32)
    rng, lengths = np.random.default_rng(2), np.full(4000, 18)
    choose = hiding.rare_pieces(lambda: weights)
    found = hiding.hide(ids, ids > MASK, lengths, 1, 0.05, MASK, 20, rng, choose)
    share = float((found.ids == 6).mean())
    assert abs(share - 15**0.7 / (15 + 15**0.7)) < 0.03
