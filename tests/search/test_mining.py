"""Hard negatives beside a plain loop over all scores, and beside sentence-transformers."""

import logging
from types import SimpleNamespace

import forms
import numpy as np
import peers
import pytest
import vectors_of_words
from closeness import FORMULA

from bert_tf2 import search
from bert_tf2.search import exact, mining, paraphrases

TEXTS = [f"text {i}" for i in range(30)]
ANCHORS = [*(f"anchor {i}" for i in range(6)), "anchor 0", "anchor 3"]
POSITIVES = TEXTS[:8]
CORPUS = TEXTS[4:]
MODEL = vectors_of_words.Encoder(vectors_of_words.table({**dict.fromkeys(ANCHORS + TEXTS)}))
RERANKER = vectors_of_words.Reranker(
    vectors_of_words.table({**dict.fromkeys(ANCHORS + TEXTS)}, 3, 1)
)

HOWS = {
    "plain": {},
    "limits": {"range_min": np.int64(1), "max_score": 0.6, "min_score": -0.5, "num_negatives": 2},
    "margins": {"absolute_margin": 0.05, "relative_margin": 0.1, "range_max": 20},
    "few texts": {"range_min": 24, "num_negatives": 5, "range_max": 40},
    "reranked": {"rerank": True, "max_score": 1.0, "num_negatives": 2, "range_max": 12},
}
FORMATS = ["triplet", "n-tuple", "labeled-pair", "labeled-list"]


def mined(how, **more):
    how = {**how, **more}
    how["cross_encoder"] = RERANKER if how.pop("rerank", False) else None
    return search.mine_hard_negatives((ANCHORS, POSITIVES), MODEL, CORPUS, **how)


def plain(how):
    """{anchor: [(text, score), …]}, by a loop over all texts of each anchor."""
    how = dict(how)
    rerank, vector = (
        how.pop("rerank", False),
        {t: v / np.linalg.norm(v) for t, v in MODEL.table.items()},
    )
    table = RERANKER.table if rerank else vector
    count, low = how.get("num_negatives", 3), how.get("range_min", 0)
    high = how.get("range_max", low + (10 * count if "max_score" in how else count) + 2)
    found = {}
    for anchor in dict.fromkeys(ANCHORS):
        right = [p for a, p in zip(ANCHORS, POSITIVES, strict=True) if a == anchor]
        least = min(table[anchor] @ table[p] for p in right)
        near = sorted(dict.fromkeys(TEXTS), key=lambda t: -vector[anchor] @ vector[t])[: high + 2]
        scores = [(t, table[anchor] @ table[t]) for t in near if t not in right]
        scores = [
            (t, s)
            for t, s in scores
            if s + how.get("absolute_margin", -9) <= least
            and s <= least - abs(least) * how.get("relative_margin", -99)
            and how.get("min_score", -9) <= s <= how.get("max_score", 9)
        ]
        found[anchor] = sorted(scores, key=lambda pair: -pair[1])[low:high][:count]
    return found


@pytest.mark.parametrize("name", HOWS)
def test_triplets_are_those_of_a_plain_loop(name):
    got, want = mined(HOWS[name], output_scores=True), plain(HOWS[name])
    rows = [
        (anchor, positive, text, score)
        for anchor, positive in sorted(
            zip(ANCHORS, POSITIVES, strict=True), key=lambda row: ANCHORS.index(row[0])
        )
        for text, score in want[anchor]
    ]
    assert len(rows) > 5
    assert list(zip(got["anchor"], got["positive"], got["negative"], strict=True)) == [
        row[:3] for row in rows
    ]
    np.testing.assert_allclose([s[1] for s in got["scores"]], [r[3] for r in rows], atol=FORMULA)


def test_forms_of_what_is_found():
    triplets, tuples = mined({}), mined({}, output_format="n-tuple", output_scores=True)
    assert list(tuples) == [
        "anchor",
        "positive",
        "negative_1",
        "negative_2",
        "negative_3",
        "scores",
    ]
    assert [tuples[f"negative_{i}"][0] for i in (1, 2, 3)] == triplets["negative"][:3]
    assert len(tuples["scores"][0]) == 4
    pairs = mined({}, output_format="labeled-pair")
    assert sum(pairs["label"]) == len(POSITIVES)
    lists = mined({}, output_format="labeled-list")
    assert lists["labels"][0] == [1, 0, 0, 0]
    assert lists["positive"][0] == [POSITIVES[0], *triplets["negative"][:3]]


def test_tables_of_pairs():
    table = forms.Frame(q=ANCHORS, a=POSITIVES, more=ANCHORS)
    got = search.mine_hard_negatives(table, MODEL, CORPUS)
    assert list(got) == ["q", "a", "negative"]
    assert [*got.values()] == [*mined({}).values()]


def test_a_random_choice_is_of_those_that_may_be():
    how = {"range_min": 2, "range_max": 12, "num_negatives": 4, "sampling_strategy": "random"}
    every = {
        name: {text for text, _ in row} for name, row in plain(how | {"num_negatives": 10}).items()
    }
    got = [mined(how, seed=seed) for seed in (0, 0, 1)]
    assert got[0] == got[1] != got[2]
    for anchor, text in zip(got[2]["anchor"], got[2]["negative"], strict=True):
        assert text in every[anchor]
    texts = got[0]["negative"][:4]
    assert len(set(texts)) == 4


def test_forms_of_pairs():
    want = mined({})
    table = {"q": ANCHORS, "a": POSITIVES, "id": [0] * 8}
    got = search.mine_hard_negatives(table, MODEL, CORPUS)
    assert list(got) == ["q", "a", "negative"]
    assert got["negative"] == want["negative"]
    assert list(named("label")) == ["q", "label", "negative"]
    rows = list(zip(ANCHORS, POSITIVES, strict=True))
    assert search.mine_hard_negatives(rows, MODEL, CORPUS) == want


def test_anchors_with_fewer_are_counted(caplog):
    with caplog.at_level(logging.WARNING):
        mined({"max_score": 0.0, "min_score": -0.02})
    assert "of 6 anchors have fewer than 3 negatives" in caplog.text


def test_a_reranker_without_limits_is_not_asked(caplog):
    with caplog.at_level(logging.WARNING):
        assert mined({"rerank": True}) == mined({})
    assert "`cross_encoder` is not asked" in caplog.text


def test_an_anchor_is_no_negative_of_its_own():
    """Nor does it take the place of one."""
    want = mined({"output_scores": True})
    model = vectors_of_words.Encoder({**MODEL.table})
    corpus = [*CORPUS, *ANCHORS]
    pairs = (ANCHORS, POSITIVES)
    got = search.mine_hard_negatives(pairs, model, corpus, num_negatives=3)
    rows = list(zip(got["anchor"], got["negative"], strict=True))
    assert all(anchor != negative for anchor, negative in rows)
    assert len(rows) == len(want["anchor"])


ANCHORS_AND_POSITIVES = (ANCHORS, POSITIVES)
NAMED = {  # a column -> when one of its name is made
    "negative": {},
    "scores": {"output_scores": True},
    "negative_3": {"output_format": "n-tuple"},
    "label": {"output_format": "labeled-pair"},
    "score": {"output_format": "labeled-pair", "output_scores": True},
    "labels": {"output_format": "labeled-list"},
}


def named(name, **how):
    """Mined of pairs whose second column has this name."""
    return search.mine_hard_negatives({"q": ANCHORS, name: POSITIVES}, MODEL, CORPUS, **how)


BAD = {
    "none": (lambda: search.mine_hard_negatives(([], []), MODEL), "must be pairs of texts, one or"),
    "lengths": (lambda: search.mine_hard_negatives((["a"], []), MODEL), "must be pairs of texts"),
    "numbers": (lambda: search.mine_hard_negatives(([1], ["b"]), MODEL), "must be pairs of str"),
    "corpus": (
        lambda: search.mine_hard_negatives((["a"], ["b"]), MODEL, "tea"),
        "`corpus` must be a list of str",
    ),
    "an empty corpus": (
        lambda: search.mine_hard_negatives((["a"], ["b"]), MODEL, []),
        "`corpus` must have texts, or be left out",
    ),
    "ranks": (lambda: mined({"range_min": 3, "range_max": 5}), "`range_max` must be at least .* 6"),
    "negatives": (lambda: mined({"num_negatives": 0}), "`num_negatives` must be an int from 1"),
    "strategy": (lambda: mined({"sampling_strategy": "best"}), "must be one of top, random"),
    "several scores": (
        lambda: search.mine_hard_negatives(
            (["a"], ["b"]), MODEL, cross_encoder=SimpleNamespace(predict=max, labels=["x", "y"])
        ),
        r"one score a pair. Received: \['x', 'y'\]",
    ),
    "letters": (
        lambda: search.mine_hard_negatives(["ab", "cd"], MODEL),
        "must be pairs of texts. Received: 'ab' in row 0",
    ),
    "letters of two": (
        lambda: search.mine_hard_negatives(("ab", "cd"), MODEL),
        "`dataset` must be a list of str",
    ),
    "one alone": (
        lambda: search.mine_hard_negatives([("a", "b"), ("c",)], MODEL),
        r"Received: \('c',\) in row 1",
    ),
    "no reranker": (
        lambda: search.mine_hard_negatives(ANCHORS_AND_POSITIVES, MODEL, cross_encoder=object()),
        "`cross_encoder` must be a `Reranker`",
    ),
    **{
        f"a column {name}": (lambda name=name, how=how: named(name, **how), f"Received: '{name}'")
        for name, how in NAMED.items()
    },
    "format": (lambda: mined({"output_format": "pairs"}), "must be one of triplet, n-tuple"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call()


@pytest.mark.full
def test_beside_sentence_transformers():
    """All that is found, and its order, on the same vectors."""
    peers.needs("transformers", "sentence_transformers")
    generator = np.random.default_rng(4)
    vectors = np.repeat(generator.normal(size=(25, 6)), 5, 0) + generator.normal(size=(125, 6)) / 4
    hows = [
        {**how, "output_format": form, "output_scores": scores}
        for how in HOWS.values()
        for form in FORMATS
        for scores in (False, True)
    ]
    job = {
        "table": {text: row.tolist() for text, row in MODEL.table.items()},
        "scores": {text: row.tolist() for text, row in RERANKER.table.items()},
        "mining": hows,
        "vectors": vectors.tolist(),
        "pairs": [{"top_k": 3}, {"top_k": 7, "max_pairs": 40, "query_chunk_size": 11}],
        "clusters": [{"min_community_size": n, "threshold": t} for n, t in ((3, 0.8), (5, 0.6))],
        "anchors": ANCHORS,
        "positives": POSITIVES,
        "corpus": CORPUS,
    }
    theirs, pairs, clusters, hits = peers.run(
        "transformers", "mine_with_sentence_transformers.py", job
    )
    for how, want in zip(hows, theirs, strict=True):
        got = mined(how)
        assert list(got) == list(want)
        for name, cells in want.items():
            assert_alike(got[name], cells)
    for how, want in zip(job["pairs"], pairs, strict=True):
        assert_alike(paraphrases.paraphrase_mining_embeddings(vectors, **how), want)
    for how, want in zip(job["clusters"], clusters, strict=True):
        assert paraphrases.community_detection(vectors, **how) == want
        assert len(want) > 3
    for k, want in zip((1, 7), hits, strict=True):
        got = exact.semantic_search(vectors[:5], vectors, top_k=k)
        assert_alike([[list(hit.values()) for hit in row] for row in got],
                     [[list(hit.values()) for hit in row] for row in want])  # fmt: skip


def assert_alike(got, want):
    """Texts and rows equal, numbers near, in lists of lists."""
    if isinstance(want, list):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            assert_alike(a, b)
    elif isinstance(want, float):
        assert got == pytest.approx(want, abs=2 * FORMULA)
    else:
        assert got == want


@pytest.mark.full
def test_memory_does_not_grow_with_anchors_times_texts():
    """20 000 anchors and 100 000 texts of 384 numbers: their scores alone would take 8 GB."""
    code = """
import resource, numpy as np
from bert_tf2.search import mining
g = np.random.default_rng(0)
corpus = g.standard_normal((100_000, 384), dtype="float32")
queries = corpus[:20_000] + g.standard_normal((20_000, 384), dtype="float32")
positives = [[i] for i in range(20_000)]
limits = mining.Limits(relative_margin=0.05)
ranks = mining.Ranks.of(0, None, 5, "top", limits, positives)
found = mining.mine(queries, corpus, positives, ranks, limits)
assert (found.ids >= 0).all()
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]))
"""
    assert peers.here(code) < 2 << 20  # KiB


def test_ranks_of_few_candidates():
    ranks = mining.Ranks(0, 9, 4, "random")
    scores = np.array([[3.0, -np.inf, 1.0]], "float32")
    scores, ids = ranks(scores, np.array([[5, 6, 7]]), np.random.default_rng(0))
    assert ids[0, :2].tolist() == [5, 7]
    np.testing.assert_array_equal(np.isneginf(scores[0]), [False, False, True, True])


def test_the_usual_range():
    """As the peer has it: `min_score` is a limit of a reranker's scores alone."""
    found = [
        mining.Ranks.of(1, None, 3, "top", mining.Limits(**limits), [[0], [0, 1]], reranked)
        for limits in ({}, {"min_score": 0.1}, {"max_score": 0.9})
        for reranked in (False, True)
    ]
    assert [ranks.range_max for ranks in found] == [6, 6, 6, 33, 33, 33]
