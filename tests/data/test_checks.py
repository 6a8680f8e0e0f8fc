"""What is said before training."""

import re

import numpy as np
import pytest
from forms import STARS, TONES

from bert_tf2.data import checks
from bert_tf2.data import class_names as names
from bert_tf2.data.columns import text_columns
from bert_tf2.text.packing import Preprocessor
from bert_tf2.text.wordpiece import WordPieceTokenizer


@pytest.mark.parametrize(
    ("numbers", "classes", "said"),
    [
        ([0, 0, 1, 1], TONES, []),
        ([0, 1], TONES, []),
        ([1, 1, 1], TONES, ["All 3 labels are 'good'"]),
        ([0, 0, 1], TONES, [r"1 of 2 classes with one row to learn from: \['good'\]"]),
        (range(5), STARS, ["Each of 5 rows has a label of its own"]),
        ([*range(30)] * 2, [str(i) for i in range(30)], ["30 classes are named by numbers"]),
        ([*range(30)] * 2, [f"c{i}" for i in range(30)], []),
    ],
)
def test_what_is_said_before_training(numbers, classes, said):
    found = checks.worth_saying(np.array(list(numbers)), classes)
    assert len(found) == len(said)
    for text in said:
        assert re.search(text, found[0])


def test_names_found_in_a_file():
    assert names.names_of(["10", "9", "10", "1"]) == ["1", "9", "10"]
    assert names.names_of(["b", "10", "9"]) == ["10", "9", "b"]
    with pytest.raises(ValueError, match=r"50 different numbers, such as .* a score"):
        names.names_of([f"{i / 10:.3f}" for i in range(50)])


def test_texts_that_are_cut_are_counted(monkeypatch):
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "bcdefghi"])
    said = lambda x: checks.cut_texts(text_columns(x), Preprocessor(tokenizer, 6))  # noqa: E731
    assert said(["a a", "bcdefghi bcdefghi", "a a a a"]) == []
    assert said((["a", "a a"], ["a a", "a"])) == []
    found = said(["a a a a a", "a", "a " * 9])
    assert re.match("2 of 3 texts are longer than `max_length`, 6 tokens.*has 11", found[0])
    assert re.match("1 of 2 texts", said((["a a", "a"], ["a a", "a"]))[0])
    monkeypatch.setattr(checks, "MOST_COUNTED", 10)
    assert re.match("about 99 of 99 texts", said(["a " * 9] * 99)[0])


def test_the_shell_finds_classes_as_names_in_the_order_of_numbers():
    from types import SimpleNamespace

    from bert_tf2.cli.task_table import TASKS

    flags = SimpleNamespace(glue=None, labels=None, pooling="first", train_file="train.csv")
    settings = TASKS["text_classification"].settings
    assert settings(flags, SimpleNamespace(labels=["10", "9", "1"]))["labels"] == ["1", "9", "10"]
    with pytest.raises(ValueError, match="a score"):
        settings(flags, SimpleNamespace(labels=[f"{i / 7:.3f}" for i in range(205)]))


def test_a_sample_that_is_mostly_unknown(monkeypatch):
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
    said = lambda x: checks.unknown_texts(text_columns(x), tokenizer)  # noqa: E731
    assert said(["a x"]) == said([""]) == said(["a a x", "x"]) == []
    assert re.match("2 of 3 tokens are unknown .* 2 texts", said(["a x", "x"])[0])
    assert re.match("3 of 4 tokens .* 1 texts", said((["a x"], ["x x"]))[0])
    assert re.match("100 of 100", said(["x"] * 150)[0])
    monkeypatch.setattr(checks, "SAMPLE_BYTES", 4)  # of a long text the begin
    assert re.match("2 of 2", said(["x x a a a"])[0])
