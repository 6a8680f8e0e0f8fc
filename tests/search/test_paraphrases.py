"""Pairs, repetitions and clusters beside plain loops over all scores."""

import numpy as np
import pytest
import vectors_of_words

from bert_tf2.search import paraphrases

GENERATOR = np.random.default_rng(4)
VECTORS = np.repeat(GENERATOR.normal(size=(12, 6)), 4, 0) + GENERATOR.normal(size=(48, 6)) / 4
UNIT = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
SCORES = UNIT @ UNIT.T


@pytest.mark.parametrize("most", [1000, 25])
def test_pairs_are_those_of_a_plain_loop(most):
    want = {}
    for i, row in enumerate(SCORES):
        others = sorted((j for j in range(48) if j != i), key=lambda j: -row[j])
        want |= {(min(i, j), max(i, j)): row[j] for j in others[:4]}
    want = sorted(want.items(), key=lambda pair: -pair[1])[:most]
    for size in (5000, 7):
        got = paraphrases.paraphrase_mining_embeddings(VECTORS, size, 5, most, 4)
        assert [(i, j) for _, i, j in got] == [pair for pair, _ in want]
        np.testing.assert_allclose([row[0] for row in got], [x for _, x in want], atol=1e-6)


def test_pairs_of_texts():
    model = vectors_of_words.Encoder(vectors_of_words.table("abc"))
    model.table["d"] = 2 * model.table["b"]
    (score, *pair), *_ = paraphrases.paraphrase_mining(model, list("abcd"))
    assert pair == [1, 3]
    assert score == pytest.approx(1)
    assert paraphrases.paraphrase_mining(model, ["a"]) == []


@pytest.mark.parametrize("threshold", [0.9, 0.6])
def test_repetitions_are_those_of_a_plain_loop(threshold, monkeypatch):
    monkeypatch.setattr(paraphrases.exact, "QUERIES", 7)
    kept, want = [], []
    for i, row in enumerate(SCORES):
        best = max(kept, key=lambda j: row[j], default=None)
        repeats = best is not None and row[best] >= threshold
        want.append(best if repeats else i)
        kept += [] if repeats else [i]
    got = paraphrases.find_duplicates(VECTORS, threshold, 5)
    assert got.tolist() == want
    assert 5 < len(kept) < 40


@pytest.mark.parametrize(("least", "threshold"), [(3, 0.8), (5, 0.5), (2, 0.9)])
def test_clusters_are_those_of_a_plain_loop(least, threshold, monkeypatch, tmp_path):
    monkeypatch.setattr(paraphrases, "CENTRES", 3)
    near = {i: sorted(np.flatnonzero(row >= threshold), key=lambda j: -row[j])
            for i, row in enumerate(SCORES)}  # fmt: skip
    want, used = [], set()
    for i in sorted((i for i in near if len(near[i]) >= least), key=lambda i: -len(near[i])):
        members = [j for j in near[i] if j not in used]
        if i not in used and len(members) >= least:
            want.append([i, *(j for j in members if j != i)])
            used |= set(want[-1])
    want.sort(key=len, reverse=True)
    assert len(want) > 2
    got = paraphrases.community_detection(VECTORS, threshold, least, batch_size=10)
    assert got == want
    np.save(tmp_path / "a.npy", VECTORS)
    assert paraphrases.community_detection(tmp_path / "a.npy", threshold, least) == want


def test_of_none_there_are_no_clusters():
    assert paraphrases.community_detection([]) == []
    assert paraphrases.community_detection(VECTORS[:1]) == []


BAD = {
    "pairs": (lambda v: paraphrases.paraphrase_mining_embeddings(v, top_k=0), "`top_k` must be"),
    "none": (lambda v: paraphrases.find_duplicates([]), "`embeddings` must have a vector"),
    "NaN": (lambda v: paraphrases.find_duplicates(v * np.nan), "`embeddings` must be finite"),
    "NaN in clusters": (
        lambda v: paraphrases.community_detection(np.where(np.arange(48)[:, None] == 9, np.nan, v)),
        "`embeddings` must be finite .* in row 9",
    ),
    "NaN in pairs": (
        lambda v: paraphrases.paraphrase_mining_embeddings(v * np.inf, 7),
        "`embeddings` must be finite",
    ),
    "no threshold": (lambda v: paraphrases.find_duplicates(v, None), "`threshold` must be a num"),
    "a threshold of none": (lambda v: paraphrases.find_duplicates(v, np.nan), "`threshold` must"),
    "a word": (lambda v: paraphrases.community_detection(v, "0.5"), "`threshold` must be a num"),
    "size": (lambda v: paraphrases.community_detection(v, 0.5, 0), "`min_community_size` must be"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call(VECTORS)
