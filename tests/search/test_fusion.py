"""BM25 and the fusion of rankings, beside their formulas."""

import math

import numpy as np
import pytest
from closeness import FORMULA

from bert_tf2.search import fusion, snippets

TEXTS = ["The kettle hums, the kettle boils.", "Rain on stone.", "", "Tea & rain; tea?", "kettle"]


def bm25(texts, query, k1=1.5, b=0.75):
    """Lucene's formula, text by text."""
    texts = [fusion.words(text) for text in texts]
    mean, found = sum(map(len, texts)) / len(texts), []
    for text in texts:
        score = 0.0
        for word in {*fusion.words(query)}:
            count, holding = text.count(word), sum(word in other for other in texts)
            rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            score += rarity * count / (count + k1 * (1 - b + b * len(text) / mean))
        found.append(score)
    return np.array(found)


@pytest.mark.parametrize("query", ["kettle", "RAIN, kettle tea", "the the stone", "unheard"])
def test_words_are_ranked_by_the_formula(query):
    pytest.importorskip("bm25s")
    want = bm25(TEXTS, query)
    scores, rows = fusion.WordIndex(TEXTS).nearest(query, 3)
    order = np.argsort(-want, kind="stable")[: min(3, np.count_nonzero(want))]
    assert rows.tolist() == order.tolist()
    np.testing.assert_allclose(scores, want[order], atol=4 * FORMULA)


def test_words_of_every_script():
    """With their marks, in one form; signs of Chinese and Hiragana stand alone."""
    assert fusion.words("Café_2 CAFE\u0301_2, ＴＥＡ") == ["café_2", "café_2", "tea"]
    assert fusion.words("हिन्दी में चाय") == ["हिन्दी", "में", "चाय"]
    assert fusion.words("我爱北京 お茶をください 차 한잔") == [
        *"我爱北京お茶をください",
        *("차", "한잔"),
    ]
    assert snippets.marked("我爱北京", "北京", "<{}>".format) == "我爱<北><京>"


def test_ranks_are_fused():
    rows, scores = fusion.reciprocal_rank_fusion([[4, 2, 9], [2, 7, -1, -1], [9]], k=10)
    want = {2: 1 / 12 + 1 / 11, 9: 1 / 13 + 1 / 11, 4: 1 / 11, 7: 1 / 12}
    assert rows.tolist() == sorted(want, key=want.get, reverse=True)
    np.testing.assert_allclose(scores, [want[row] for row in rows], rtol=1e-6)
    assert fusion.reciprocal_rank_fusion([[5], [3]])[0].tolist() == [3, 5]  # equal: the lower
    assert fusion.reciprocal_rank_fusion([[5, 3]], top_k=1)[0].tolist() == [5]


BAD = {
    "twice": (lambda: fusion.reciprocal_rank_fusion([[1, 1]]), "must not name one twice"),
    "k": (lambda: fusion.reciprocal_rank_fusion([[1]], k=0), "`k` must be above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()


def test_no_words_at_all():
    pytest.importorskip("bm25s")
    with pytest.raises(ValueError, match="must have words"):
        fusion.WordIndex(["", "…"])
    scores, rows = fusion.WordIndex(TEXTS).nearest("?", 3)
    assert (len(scores), len(rows)) == (0, 0)
