"""The bundled data set: well formed, balanced, and not solved by counting words."""

import itertools
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "bert_tf2" / "data" / "support_requests"
SPLITS = {"train": 120, "test": 40}  # messages of each class
CLASSES = {
    "account_access",
    "billing",
    "cancellation",
    "delivery",
    "feedback",
    "product_question",
    "returns",
    "technical_fault",
}


def lines(split):
    """The raw lines of a file, header first."""
    return (FOLDER / f"{split}.tsv").read_bytes().decode("utf-8").removesuffix("\n").split("\n")


def rows(split):
    """[(text, label)] of a file."""
    return [tuple(line.split("\t")) for line in lines(split)[1:]]


def everything():
    return rows("train") + rows("test")


@pytest.mark.parametrize("split", SPLITS)
def test_each_line_is_a_text_a_tab_and_a_known_label(split):
    assert lines(split)[0] == "text\tlabel"
    assert all(len(row) == 2 for row in rows(split))
    assert {label for _, label in rows(split)} == CLASSES


@pytest.mark.parametrize("split", SPLITS)
def test_the_classes_are_balanced(split):
    assert Counter(label for _, label in rows(split)) == dict.fromkeys(CLASSES, SPLITS[split])


def test_texts_are_clean():
    for text, _ in everything():
        assert text == text.strip()
        assert '"' not in text, text  # a CSV reader that honours quotes sees the same text
        assert all(unicodedata.category(char)[0] != "C" for char in text), text
        assert 8 <= len(text.split()) <= 40, text


def test_no_text_is_there_twice():
    """Within a file or across the two, whatever the case and spacing."""
    seen = Counter(" ".join(text.casefold().split()) for text, _ in everything())
    assert [text for text, count in seen.items() if count > 1] == []


def test_no_two_texts_share_most_of_their_words():
    words = [frozenset(re.findall(r"\w+", text.casefold())) for text, _ in everything()]
    near = [(a, b) for a, b in itertools.combinations(words, 2) if 2 * len(a & b) > len(a | b)]
    assert near == []


def test_the_read_me_states_the_counts():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| (\d+) \|$", text, flags=re.MULTILINE)
    assert {name: (int(a), int(b)) for name, a, b in stated} == dict.fromkeys(
        CLASSES, tuple(SPLITS.values())
    )


def test_word_counts_learn_something_but_not_enough():
    """TF-IDF and logistic regression: 0.65 measured, chance is 0.125."""
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=0.3, max_iter=1000)
    )
    model.fit(*zip(*rows("train"), strict=True))
    assert 0.55 <= model.score(*zip(*rows("test"), strict=True)) <= 0.75
