"""JSON Lines of entities by characters, in each form, and what is refused of them."""

import json

import pytest

from bert_tf2.data.spans import Spans, read_spans

TEXT = "🙂 Ada met Bo."


def line(**row):
    return json.dumps({"text": TEXT} | row) + "\n"


@pytest.mark.parametrize(
    "row",
    [
        {
            "entities": [
                {"start": 10, "end": 12, "label": "PER"},
                {"start": 2, "end": 5, "type": "P"},
            ]
        },
        {"spans": [[2, 5, "P"], [10, 12, "PER"]]},
        {"label": [[2, 5, "P"], {"start": 10, "end": 12, "entity_group": "PER", "text": "Bo"}]},
    ],
)
def test_every_form(put, row):
    found = read_spans(put("a.jsonl", "\n" + line(**row) + line(entities=[])))
    assert found == Spans([TEXT] * 2, [[(2, 5, "P"), (10, 12, "PER")], []])
    assert (found.lines, len(found)) == ([2, 3], 2)


def test_keys_of_ones_own(put):
    content = json.dumps({"body": "Ada", "marks": [[0, 3, "PER"]], "label": [], "spans": []})
    found = read_spans(put("a.jsonl", content), text="body", spans="marks")
    assert found == Spans(["Ada"], [[(0, 3, "PER")]])


def test_white_space_is_of_no_entity(put, caplog):
    content = line(spans=[[1, 6, "P"]]) + line(spans=[[9, 12, "P"], [2, 5, "P"]])
    found = read_spans(put("a.jsonl", content))
    assert found.spans == [[(2, 5, "P")], [(2, 5, "P"), (10, 12, "P")]]
    assert "line 1: the entity ' Ada ' begins or ends with white space" in caplog.text
    assert caplog.text.count("a.jsonl") == 1 and "; 2 such" in caplog.text


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"spans": [[0, 99, "P"]]}, "within the text's 13 characters.*99"),
        ({"spans": [[-1, 2, "P"]]}, "within the text's 13"),
        ({"spans": [[3, 3, "P"]]}, "an entity with words"),
        ({"spans": [[1, 2, "P"]]}, "an entity with words"),
        ({"spans": [[2, 5, "P"], [4, 9, "Q"]]}, "must not overlap"),
        ({"spans": [[2, 5]]}, "start, end and label"),
        ({"spans": [[2.0, 5, "P"]]}, "start, end and label"),
        ({"spans": [[False, True, "P"]]}, "start, end and label"),
        ({"spans": [{"start": 2, "end": 5}]}, "start, end and label"),
        ({"spans": [[2, 5, " "]]}, "start, end and label"),
        ({"spans": ["P"]}, "start, end and label"),
        ({"spans": [{"start": 2, "end": 5, "label": "P", "text": "Bo"}]}, "'Bo' at 2 to 5.*'Ada'"),
        ({"spans": {}}, "expected one list of entities"),
        ({"spans": [], "entities": []}, "expected one list of entities"),
        ({}, "expected one list of entities"),
        ({"text": 3, "spans": []}, "expected a string in 'text'"),
    ],
)
def test_refused(refused, row, match):
    refused(read_spans, "a.jsonl", line(spans=[]) + line(**row), f"line 2: .*{match}")
