"""The n best answers are those of run_squad.py."""

import collections
import math
import time

import numpy as np
import pytest

from bert_tf2.scoring import nbest

LENGTH, CONTEXT = 24, "a tea the stone a rain hums"


def made(count, seed=0, ties=False):
    """Logits of `count` questions, some of several windows, on words of one context."""
    rng = np.random.default_rng(seed)
    places = [(m, m + len(w)) for w, m in words()]
    rows = np.repeat(np.arange(count), rng.integers(1, 4, count))
    logits = rng.normal(0, 3, (2, len(rows), LENGTH))
    logits = np.round(logits) if ties else logits
    begins = np.full((2, len(rows), LENGTH), -1)
    for window in range(len(rows)):
        first, size = rng.integers(0, 4), rng.integers(0, 5)
        for i, place in enumerate(places[first : first + size]):
            begins[:, window, 6 + i] = place
    most = (rng.random((len(rows), LENGTH)) < 0.8) & (begins[0] >= 0)
    return nbest.Logits(rows, *logits, *begins, most)


def words():
    start = 0
    for word in CONTEXT.split():
        yield word, start
        start += len(word) + 1


def plain(logits, text, size, longest, with_null, threshold, none):
    """`write_predictions`, one question at a time."""
    for row in range(logits.rows[-1] + 1):
        found, nulls = [], []
        for window in np.flatnonzero(logits.rows == row):
            start, end = logits.start[window].tolist(), logits.end[window].tolist()
            nulls.append((start[0] + end[0], start[0], end[0]))
            best = [sorted(range(LENGTH), key=lambda i: -x[i])[:size] for x in (start, end)]
            for i in best[0]:
                for j in best[1]:
                    fits = logits.most[window, i] and logits.stops[window, j] >= 0
                    if fits and i <= j < i + longest:
                        found.append((start[i], end[j], text(window, i, j)))
        null = min(nulls, key=lambda x: x[0])
        found += [(*null[1:], "")] * with_null
        different = collections.OrderedDict()
        for start, end, said in sorted(found, key=lambda x: -(x[0] + x[1])):
            if len(different) < size and said not in different:
                different[said] = (start, end)
        if with_null:
            different.setdefault("", null[1:])
        different = different or {none: (0.0, 0.0)}
        total = sum(math.exp(sum(x)) for x in different.values())
        shares = [math.exp(sum(x)) / total for x in different.values()]
        odds = [null[0] - sum(x) for said, x in different.items() if said]
        said = [said for said in different if said]
        best = said[0] if said and odds[0] <= threshold else ""
        first = best if with_null else next(iter(different))
        yield list(different.items()), shares, odds[:1], first


@pytest.mark.parametrize("with_null", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_equals_the_plain_loop(with_null, ties):
    logits = made(60, ties=ties)

    def text(window, first, last):
        return CONTEXT[logits.begins[window, first] : logits.stops[window, last]].removeprefix("a ")

    how = (7, 3, with_null, -8.0, "none")
    found = nbest.nbest(logits, text, *how)
    kinds = set()
    for row, (entries, shares, odds, said) in enumerate(plain(logits, text, *how)):
        assert [x["text"] for x in found.nbest[row]] == [x for x, _ in entries]
        assert [(x["start_logit"], x["end_logit"]) for x in found.nbest[row]] == [
            x for _, x in entries
        ]
        assert [x["probability"] for x in found.nbest[row]] == pytest.approx(shares, rel=1e-12)
        assert found.predictions[row] == said
        if with_null and odds:
            assert found.null_odds[row] == pytest.approx(odds[0], rel=1e-12)
        if with_null and not odds:  # the original stops here
            assert found.null_odds[row] > 0
        kinds.add((bool(odds), bool(said)))
    assert len(kinds) == 3 if with_null else found.null_odds is None


def of_beams(logits, size=4, seed=1):
    """Beams on the same windows, of chances that are not the logits'."""
    rng = np.random.default_rng(seed)
    windows = len(logits.rows)
    first = rng.permuted(np.tile(np.arange(LENGTH), (windows, 1)), axis=1)[:, :size]
    last = rng.permuted(np.tile(np.arange(LENGTH), (windows, size, 1)), axis=2)[:, :, :size]
    start, end = -rng.exponential(2, first.shape), -rng.exponential(2, last.shape)
    none = rng.normal(0, 3, windows)
    marks = (logits.begins, logits.stops, logits.most)
    return nbest.Beams(logits.rows, start, first, end, last, none, *marks)


@pytest.mark.parametrize("with_null", [False, True])
def test_of_beams_equals_the_plain_loop(with_null):
    beams, said = of_beams(made(60)), set()

    def text(window, first, last):
        return CONTEXT[beams.begins[window, first] : beams.stops[window, last]].removeprefix("a ")

    found = nbest.nbest(beams, text, 7, 9, with_null, 0.5)
    for row in range(60):
        candidates, nulls = [], []
        for window in np.flatnonzero(beams.rows == row):
            nulls.append(beams.none[window])
            for i, j in np.ndindex(beams.last[window].shape):
                first, last = beams.first[window, i], beams.last[window, i, j]
                if beams.most[window, first] and beams.stops[window, last] >= 0:
                    values = beams.start[window, i], beams.end[window, i, j]
                    fits = first <= last < first + 9
                    candidates += [(text(window, first, last), values)] * int(fits)
        different = {}
        for one, values in sorted(candidates, key=lambda x: -sum(x[1])):
            different.setdefault(one, values)
        want = [*different.items()][:7] or [("", (0, 0))]
        assert [x["text"] for x in found.nbest[row]] == [one for one, _ in want]
        got = [(x["start_log_prob"], x["end_log_prob"]) for x in found.nbest[row]]
        assert got == [values for _, values in want]
        none = with_null and min(nulls) > 0.5
        assert found.predictions[row] == ("" if none else want[0][0])
        assert not with_null or found.null_odds[row] == min(nulls)
        said.add((none, bool(candidates)))
    assert len(said) == (4 if with_null else 2)


@pytest.mark.full
def test_ten_thousand_questions_in_three_seconds():
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(10_000), 1 + (np.arange(10_000) % 10 == 0))
    shape = len(rows), 384
    start, end = rng.normal(0, 3, (2, *shape)).astype("float32")
    best = rng.integers(20, 350, len(rows))[:, np.newaxis]  # what was trained agrees on a place
    near = np.abs(np.arange(384) - best) < 15
    start, end = start + 6 * near, end + 6 * near
    begins = np.broadcast_to(np.where(np.arange(384) > 15, np.arange(384) * 5, -1), shape)
    logits = nbest.Logits(rows, start, end, begins, begins + 4, begins >= 0)
    context = "stone " * 400
    began = time.process_time()

    def text(window, first, last):
        return context[begins[window, first] : begins[window, last] + 4]

    found = nbest.nbest(logits, text, with_null=True)
    seconds = time.process_time() - began
    print(f"{seconds:.2f} s")
    assert len(found.predictions) == 10_000 and all(len(x) > 5 for x in found.nbest)
    assert seconds < 3
