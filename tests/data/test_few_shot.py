"""A few texts of each class, and the pairs that are made of them."""

from collections import Counter

import pytest

from bert_tf2.data.few_shot import contrastive_pairs, sample_dataset

TEXTS = [f"text {i}" for i in range(20)]
LABELS = ["a"] * 9 + ["b"] * 10 + ["c"]
OF = dict(zip(TEXTS, LABELS, strict=True))


def test_a_sample():
    texts, labels = sample_dataset(TEXTS, LABELS, 4)
    assert Counter(labels) == {"a": 4, "b": 4, "c": 1}
    assert [OF[text] for text in texts] == labels and len({*texts}) == 9
    assert sample_dataset(TEXTS, LABELS, 4) == (texts, labels)
    assert sample_dataset(TEXTS, LABELS, 4, seed=1)[0] != texts


def test_pairs():
    first, second, alike = contrastive_pairs(TEXTS, LABELS, 3)
    assert len(first) == len(second) == len(alike) == 2 * 20 * 3
    assert Counter(first) == dict.fromkeys(TEXTS, 6)
    assert [OF[a] == OF[b] for a, b in zip(first, second, strict=True)] == (alike == 1).tolist()
    assert {a for a, b in zip(first, second, strict=True) if a == b} == {"text 19"}
    again = contrastive_pairs(TEXTS, LABELS, 3, seed=2)
    assert again[:2] != (first, second)


BAD = {
    "lengths": (lambda: sample_dataset(TEXTS, LABELS[:3]), "20 and 3"),
    "nothing": (lambda: sample_dataset([], []), "0 and 0"),
    "samples": (lambda: sample_dataset(TEXTS, LABELS, 0), "`num_samples`.*Received: 0"),
    "classes": (lambda: contrastive_pairs(["a"], ["x"]), "two classes or more"),
    "iterations": (lambda: contrastive_pairs(TEXTS, LABELS, 0.5), "`num_iterations`"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()
