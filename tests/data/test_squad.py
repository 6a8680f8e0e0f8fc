"""SQuAD's files: what is read, and what is refused by its id."""

import copy
import json

import pytest

from bert_tf2.data.squad import Questions, read_squad, write_answers

CONTEXT = "Ada wrote to 🙂 Bo in Rome."
GOOD = [
    {"id": "q1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}]},
    {
        "id": "q2",
        "question": "Where?",
        "answers": [{"text": "Rome", "answer_start": 21}, {"text": "in Rome", "answer_start": 18}],
        "is_impossible": False,
    },
]
NONE = {"id": "q3", "question": "When?", "answers": [], "is_impossible": True}
NONE |= {"plausible_answers": [{"text": "Rome", "answer_start": 0}]}


def published(*questions):
    data = [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]
    return json.dumps({"version": "v2.0", "data": data})


def flat(*questions, columns=True):
    lines = []
    for question in questions:
        row = {"context": CONTEXT} | question
        if columns:
            answers = [(x["text"], x["answer_start"]) for x in row["answers"]]
            texts, starts = zip(*answers, strict=True) if answers else ((), ())
            row["answers"] = {"text": texts, "answer_start": starts}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", published(*GOOD, NONE)),
        ("a.jsonl", flat(*GOOD, NONE)),
        ("b.jsonl", flat(*GOOD, NONE, columns=False)),
    ],
)
def test_every_form(put, name, content):
    found = read_squad(put(name, content))
    wanted = Questions(
        ["q1", "q2", "q3"],
        ["Who?", "Where?", "When?"],
        [CONTEXT] * 3,
        [["Ada"], ["Rome", "in Rome"], []],
        [[0], [21, 18], []],
        [False, False, True],
    )
    assert found == wanted
    assert found.articles == ["t" if name == "a.json" else CONTEXT] * 3
    assert all(name in x and repr(k) in x for x, k in zip(found.places, found.ids, strict=True))
    assert len(found) == 3
    assert found.gold() == {"q1": ["Ada"], "q2": ["Rome", "in Rome"], "q3": []}
    assert read_squad(put(name, content), labelled=False) == Questions(
        found.ids, found.questions, found.contexts
    )


def test_lines_in_another_encoding(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        '{"id": "1", "question": "Où?", "context": "Là."}'.encode("cp1252")
    )
    found = read_squad(tmp_path / "a.jsonl", False, "cp1252")
    assert (found.questions, found.contexts) == (["Où?"], ["Là."])
    with pytest.raises(ValueError, match="invalid UTF-8"):
        read_squad(tmp_path / "a.jsonl", False)
    (tmp_path / "a.json").write_text(published(*GOOD))
    with pytest.raises(ValueError, match=r"a\.json: `encoding` is for \.jsonl"):
        read_squad(tmp_path / "a.json", True, "cp1252")


def test_a_test_file_has_no_answers(put):
    path = put("a.json", published({"id": 7, "question": "Who?"}))
    assert read_squad(path, labelled=False) == Questions(["7"], ["Who?"], [CONTEXT])


def changed(**fields):
    return copy.deepcopy(GOOD[0]) | fields


def answer(text, start):
    return {"answers": [{"text": text, "answer_start": start}]}


@pytest.mark.parametrize(
    ("question", "match"),
    [
        (changed(**answer("Rome", 20)), "question 'q1': .*character 20, .* it is at 21.*' Rome.'"),
        (changed(**answer("rome", 21)), "question 'q1': .* it is nowhere in it. .*'Rome.'"),
        (changed(**answer("Rome", -5)), "question 'q1': .* at character -5"),
        (changed(**answer("Rome", 2**70)), "question 'q1': .* it is at 21"),
        (changed(**answer(" ", 3)), "question 'q1': an answer has no text"),
        (changed(question=" "), "question 'q1': the question has no text"),
        (changed(answers=[]), "question 'q1': expected answers unless"),
        (changed(is_impossible=True), "question 'q1': .*1 answers, and true"),
        (changed(question="\ud83d"), "question 'q1': 'question' holds half a character"),
        (changed(id="q2"), "question 'q2': its id is there twice"),
    ],
)
def test_refused_by_id(refused, question, match):
    refused(read_squad, "a.json", published(question, GOOD[1]), match)
    if question["answers"]:  # else that is a question without an answer
        refused(read_squad, "a.jsonl", "\n" + flat(question, GOOD[1]), f"line [23], {match}")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.json", "[]", "must hold a JSON object"),
        ("a.json", '{"data": [{}]}', r"lacks data\[0\]\.paragraphs"),
        (
            "a.json",
            published({"question": "Who?"}),
            r"lacks data\[0\]\.paragraphs\[0\]\.qas\[0\]\.id",
        ),
        ("a.json", published(changed(**answer("Ada", "0"))), "answer_start must be an integer"),
        ("a.json", '{"data": []}', "expected questions. Received: none"),
        ("a.jsonl", '{"id": "q"}', "line 1: expected a key 'question'"),
        ("a.jsonl", flat(changed(**answer("Ada", 0.0))), "line 1, question 'q1': .* an integer"),
        (
            "a.jsonl",
            flat(changed(answers=[3]), columns=False),
            "line 1: expected a list of answers",
        ),
        ("a.jsonl", flat(changed(answers=[{}]), columns=False), "an answer's text and its start"),
        (
            "a.jsonl",
            flat(changed(answers={"text": ["Ada"]}), columns=False),
            "line 1: expected lists of equal lengths",
        ),
        (
            "a.jsonl",
            flat(changed(context=" ")),
            "line 1, question 'q1': the context has no text",
        ),
    ],
)
def test_other_forms(refused, name, content, match):
    refused(read_squad, name, content, match)


@pytest.mark.full
def test_published_files(assets):
    found = read_squad(assets / "datasets" / "squad2-half-dev" / "dev-v2.0.json")
    assert (len(found), sum(found.impossible)) == (6078, 3168)
    found = read_squad(assets / "datasets" / "xquad" / "xquad.en.json")
    assert (len(found), sum(found.impossible)) == (1190, 0)


def test_files_of_answers(tmp_path):
    best = [[{"text": "tea", "probability": 1.0, "start_logit": 0.5, "end_logit": 2.0}], []]
    write_answers(tmp_path / "out", ["a", "b"], (["tea", ""], best, [-1.5, 2.0]))
    found = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
    assert found == {
        "predictions": {"a": "tea", "b": ""},
        "nbest_predictions": {"a": best[0], "b": []},
        "null_odds": {"a": -1.5, "b": 2.0},
    }
    with pytest.raises(FileExistsError, match="ask to overwrite"):
        write_answers(tmp_path / "out", ["a", "b"], (["tea", ""], None, None))
    write_answers(tmp_path / "v1", ["a", "b"], (["tea", ""], best, None))
    assert not (tmp_path / "v1" / "null_odds.json").exists()


def test_targets():
    found = Questions(["a"], ["who"], ["a tea"], [["tea", "a"]], [[2, 0]], [False])
    assert found.targets() == [{"text": ["tea", "a"], "answer_start": [2, 0]}]


@pytest.mark.parametrize("row", [{}, {"answer": GOOD[0]["answers"]}, {"answers": {}}])
def test_a_row_that_does_not_say_its_answers_has_not_none(put, row):
    """Unlabelled or misspelt: only an empty list, or `is_impossible`, is no answer."""
    question = {"id": "q1", "question": "Who?", "context": CONTEXT}
    path = put("a.jsonl", json.dumps(question | row) + "\n")
    with pytest.raises(ValueError, match=r"line 1.*answers"):
        read_squad(path)
    impossible = put("b.jsonl", json.dumps(question | {"is_impossible": True}) + "\n")
    assert read_squad(impossible).impossible == [True]
