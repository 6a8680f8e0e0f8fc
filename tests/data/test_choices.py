"""Files of several choices, in each form, and what is refused of them."""

import json

import pytest

from bert_tf2.data.choices import Choices, read_choices

SWAG = (
    ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label\n"
)
SWAG_ROW = '0,v,1,"A cook. She","A cook.",She,gold,"stirs, twice.",sings.,sleeps.,{}.,{}\n'
RACE = {
    "article": "Bo has a cat.",
    "questions": ["Bo has _ .", "Who is Bo?"],
    "options": [["a dog", "a cat", "none", "two"], ["I", "you", "we", "one"]],
    "answers": ["B", "D"],
    "id": "high1.txt",
}
OWN = {"label": ["v", "w", "x"], "text": ["bank", "sea", "sky"]}


def line(**row):
    return json.dumps(row) + "\n"


def test_swag(put):
    path = put("train.csv", SWAG + SWAG_ROW.format("runs", 2))
    endings = ["She stirs, twice.", "She sings.", "She sleeps.", "She runs."]
    assert read_choices(path) == Choices(["A cook."], [endings], [2])
    without = SWAG.replace(",label", "") + SWAG_ROW.format("runs", "")[:-2] + "\n"
    assert read_choices(put("test.csv", without), labelled=False).labels is None


@pytest.mark.parametrize("name", ["a.json", "high/1.txt", "folder"])
def test_race(put, tmp_path, name):
    path = put("folder/middle/2.txt" if name == "folder" else name, json.dumps(RACE))
    found = read_choices(tmp_path if name == "folder" else path)
    assert found.contexts == ["Bo has a cat."] * 2
    assert found.choices[0] == ["Bo has a dog .", "Bo has a cat .", "Bo has none .", "Bo has two ."]
    assert found.choices[1][3] == "Who is Bo? one"
    assert found.labels == [1, 3]
    assert found.places[1] == f"{path}, question 2"


COMMONSENSE = {"stem": "Where?", "question_concept": "x"}
COMMONSENSE["choices"] = [{"label": x, "text": t} for x, t in zip("vwx", OWN["text"], strict=True)]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Where?", "choices": OWN["text"], "answer": 1},
        {"question": "Where?", "choices": OWN["text"], "answer": "B"},
        {"question": "Where?", "choices": OWN["text"], "answer": "sea"},
        {"question": "Where?", "choices": OWN, "answerKey": "w"},
        {"question": COMMONSENSE, "answerKey": "w", "id": "1"},
        {"question": "Where?", "choices": OWN | {"label": [0, 2, 1]}, "answer": 2},
    ],
)
def test_json_lines(put, row):
    assert read_choices(put("a.jsonl", line(**row))) == Choices(["Where?"], [OWN["text"]], [1])


def test_rows_may_have_different_numbers_of_choices_and_a_context(put):
    content = line(question="Is _ it?", context="Text.", choices=["a", "b"], answer="A")
    content += line(question="Where?", context="Text.", choices=OWN["text"], answer=2)
    found = read_choices(put("a.jsonl", content))
    assert found.contexts == ["Text.", "Text."]
    assert found.choices == [["Is a it?", "Is b it?"], ["Where? bank", "Where? sea", "Where? sky"]]
    assert (found.labels, len(found)) == ([0, 2], 2)


@pytest.mark.parametrize(
    ("question", "want"),
    [
        ("The capital of France is ____.", "The capital of France is Paris."),
        ("_, they say, is big", "Paris, they say, is big"),
        ("What does max_length do to __init__?", "What does max_length do to __init__? Paris"),
        ("法国的首都是____。", "法国的首都是Paris。"),
        ("We know that___", "We know thatParis"),
        ("It is_ .", "It isParis ."),  # as RACE spells some
        ("It was_", "It wasParis"),
        ("Is_ or_ bigger?", "Is_ or_ bigger? Paris"),
        ("What does _init do?", "What does _init do? Paris"),
        ("Is _ or _ bigger?", "Is _ or _ bigger? Paris"),  # which gap is not known
    ],
)
def test_gaps(put, question, want):
    row = line(question=question, context="Text.", choices=["Paris", "R\\1_m"], answer=0)
    first, second = read_choices(put("a.jsonl", row)).choices[0]
    assert (first, second) == (want, want.replace("Paris", "R\\1_m"))


def race(**changes):
    return json.dumps(RACE | changes)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", SWAG + SWAG_ROW.format("runs", 4), "line 2: the answer must be one of 4.*'4'"),
        ("a.csv", SWAG + SWAG_ROW.format("runs", ""), "line 2: the answer must be"),
        ("a.csv", SWAG + '0,v,1,s,c,x,g,a,b,"",d,0\n', "line 2: expected an ending in 'ending2'"),
        ("a.csv", SWAG + "0,v,1,s,c,x,g,a,b,c,0\n", "line 2: expected 12 columns"),
        ("a.csv", SWAG.replace("ending3,", ""), r"expected a column 'ending3'.*ending0$"),
        ("a.json", race(options=[["a"] * 3, ["b"] * 4]), "question 1: expected 4 options"),
        ("a.json", race(options=[["a"] * 4]), "2 questions, 1 rows of options, 2 answers"),
        ("a.json", race(answers=["B", "E"]), "question 2: the answer must be one of 4.*'E'"),
        ("a.json", race(article=" "), "question 1: a context has no text"),
        ("a.json", race(questions=["", "b"]), "question 1: a question has no text"),
        ("a.txt", "{}", "lacks article"),
        ("a.jsonl", line(question="q", choices=["a"], answer=0), "line 1: expected two choices"),
        (
            "a.jsonl",
            line(question="q", choices=["a", ""], answer=0),
            "line 1: a choice has no text",
        ),
        ("a.jsonl", line(question="q", choices=["B", "a"], answer="B"), "line 1: .* several"),
        ("a.jsonl", line(question="q", choices=["a", "a"], answer="a"), "line 1: .* several"),
        ("a.jsonl", line(question="q", choices=["a", "b"], answer=2), "line 1: .* none of them"),
        ("a.jsonl", line(question="q", choices=["a", "b"], answer=True), "line 1: .*True"),
        ("a.jsonl", line(question="q", choices=["a", "b"]), "line 1: .* Received: None"),
        ("a.jsonl", line(question="q", choices=[1, 2], answer=0), "line 1: expected a string"),
        ("a.jsonl", line(question="q", choices="a b", answer=0), "line 1: expected `choices`"),
        (
            "a.jsonl",
            line(question="q", choices=OWN | {"label": ["v"]}, answer="v"),
            "line 1: expected `choices`",
        ),
        (
            "a.jsonl",
            line(question="q", choices=OWN | {"label": 3}, answer="v"),
            "line 1: expected `choices`",
        ),
        ("a.jsonl", line(question="q", choices=[{"text": "a"}] * 2), "line 1: .* Received: None"),
        ("a.jsonl", "\n", "the file is empty"),
        ("a.parquet", "x", "Expected SWAG's .csv"),
    ],
)
def test_refused(refused, name, content, match):
    refused(read_choices, name, content, match)


def test_a_folder_without_articles(tmp_path):
    with pytest.raises(ValueError, match="expected contexts with choices"):
        read_choices(tmp_path)


@pytest.mark.full
def test_commonsense_qa(assets):
    found = read_choices(assets / "datasets" / "commonsense_qa" / "dev_rand_split.jsonl")
    assert len(found) == 1221
    assert {len(choices) for choices in found.choices} == {5}
    assert found.labels[:3] == [0, 0, 1]
