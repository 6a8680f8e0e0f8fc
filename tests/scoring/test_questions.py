"""Scores of answers: those of evaluate-v1.1 and evaluate-v2.0, recorded."""

import json

import pytest

from bert_tf2.scoring import questions


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Old, (an) A.D. man's", "old ad mans"),
        ("a", ""),
        ("“The” É—the", "“ ” é—"),
        ("theatre an", "theatre"),
        (" \u00a0\n", ""),
    ],
)
def test_normalize(text, normal):
    assert questions.normalize(text) == normal


def test_words_in_common():
    assert questions.f1("the old man", "an old, old house") == pytest.approx(0.4)
    assert questions.f1("a", "the") == 1.0
    assert questions.f1("a", "man") == 0.0
    assert questions.exact_match("The man.", "man")


@pytest.mark.parametrize("number", range(4))
def test_official_scores(reference, number, caplog):
    case = json.loads((reference / "scores" / "answers.json").read_text())[number]
    gold, said, odds = case["gold"], case["said"], case["odds"]
    assert questions.score_v2(gold, said) == pytest.approx(case["v2"], abs=1e-12)
    found = questions.score_v2(gold, said, odds)
    assert found == pytest.approx(case["v2_odds"], abs=1e-12)
    if "v1_without_q0" in case:
        said.pop("q0")
        assert questions.score_v1(gold, said) == pytest.approx(case["v1_without_q0"], abs=1e-12)
        assert "1 of 30 questions have no prediction, and count 0: ['q0']" in caplog.text


def test_the_best_threshold_reaches_the_best_score():
    gold = {"a": ["x"], "b": [], "c": ["y"], "d": []}
    said = {"a": "x", "b": "z", "c": "no", "d": "z"}
    odds = {"a": -1.0, "b": 1.5, "c": 0.5, "d": 3.0}
    found = questions.score_v2(gold, said, odds, threshold=5.0)
    assert (found["exact"], found["best_exact"], found["best_exact_thresh"]) == (25.0, 75.0, -1.0)
    again = questions.score_v2(gold, said, odds, found["best_exact_thresh"])
    assert again["exact"] == 75.0
    assert (again["HasAns_exact"], again["NoAns_exact"]) == (50.0, 100.0)
    assert (again["total"], again["HasAns_total"], again["NoAns_total"]) == (4, 2, 2)


def test_the_threshold_to_be_kept_lies_between_two_questions():
    gold = {"a": ["tea"], "b": [], "c": ["ice"], "d": []}
    said = {"a": "tea", "b": "x", "c": "ice", "d": "y"}
    for odds, best in (
        ([-2.0, 3.0, 0.0, 5.0], 1.5),  # answer a and c
        ([-2.0, 3.0, 9.0, 5.0], 0.5),  # a alone
        ([6.0, 3.0, 9.0, 5.0], 2.5),  # none
    ):
        odds = dict(zip(gold, odds, strict=True))
        found = questions.best_threshold(gold, said, odds)
        assert found == best
        official = questions.score_v2(gold, said, odds)
        assert questions.score_v2(gold, said, odds, found)["f1"] == official["best_f1"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: questions.score_v1({}, {}), "one question or more"),
        (lambda: questions.score_v1({"a": []}, {"a": ""}), "`score_v2`.*'a'"),
        (lambda: questions.score_v1({"a": "x"}, {"a": "x"}), "a list of str.*'x'"),
        (lambda: questions.score_v2({"a": None}, {"a": ""}), "`gold` must map.*'a': None"),
        (
            lambda: questions.score_v2({"a": []}, {"a": ""}, {"a": float("nan")}),
            "`null_odds` must map each question to a number.*'a': nan",
        ),
        (
            lambda: questions.best_threshold({"a": ["b"]}, {"a": "b"}, {"a": 1.0}),
            "with and without an answer.*1 questions, all with one",
        ),
        (lambda: questions.score_v2({"a": []}, {}), "`predictions` must have every.*1 of 1"),
        (lambda: questions.score_v2({"a": []}, {"a": ""}, {}), "`null_odds` must have every"),
        (lambda: questions.score_v2({"a": []}, {"a": None}), "`predictions` must map.*None"),
    ],
)
def test_wrong_answers(call, message):
    with pytest.raises(ValueError, match=message):
        call()
