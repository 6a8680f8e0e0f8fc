"""JSON with parts that are gone or replaced: read, or refused in a line that names the file."""

import copy
import json
import random

import pytest

from bert_tf2.data.choices import read_choices
from bert_tf2.data.conll import read_conll
from bert_tf2.data.examples import read_examples
from bert_tf2.data.spans import read_spans
from bert_tf2.data.squad import read_squad

ODD = [None, True, False, 0, -1, 1, 3.5, 2**70, float("nan"), "", "a", "A", "_", "B-X", "\ud83d"]
ODD += ["x" * 300, [], {}, [[]], ["a"], [1, 2], {"text": "a"}, {"a": 1}]
ANSWER = {"text": "Ada", "answer_start": 0}
QUESTION = {"id": "q", "question": "Who?", "answers": [ANSWER], "is_impossible": False}
LETTERS = [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]
READ = [
    (read_squad, ".json", {"data": [{"paragraphs": [{"context": "Ada", "qas": [QUESTION]}]}]}),
    (read_squad, ".jsonl", QUESTION | {"context": "Ada"}),
    (
        read_choices,
        ".json",
        {
            "article": "a",
            "questions": ["q _", "r"],
            "options": [["a", "b", "c", "d"]] * 2,
            "answers": ["A", "B"],
        },
    ),
    (read_choices, ".jsonl", {"question": "q", "choices": ["a", "b"], "answer": 0, "context": "c"}),
    (read_choices, ".jsonl", {"question": {"stem": "q", "choices": LETTERS}, "answerKey": "A"}),
    (read_spans, ".jsonl", {"text": "Ada, Bo", "entities": [[0, 3, "P"], {"start": 5, "end": 7}]}),
    (read_conll, ".jsonl", {"words": ["a", "b"], "tags": ["B-X", "I-X"]}),
    (read_examples, ".jsonl", {"text": "a", "label": ["x", "y"]}),
]


def places(value):
    """(holder, key) of each part of nested lists and dicts."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def damaged(value, generator):
    value = copy.deepcopy(value)
    for _ in range(generator.randint(1, 3)):
        if spots := list(places(value)):
            holder, key = generator.choice(spots)
            if generator.random() < 0.3:
                del holder[key]
            else:
                holder[key] = copy.deepcopy(generator.choice(ODD))
    return value


def check(path, rounds):
    generator = random.Random(14)
    refused = 0
    for number in range(rounds * len(READ)):
        reader, suffix, value = READ[number % len(READ)]
        file = path.with_suffix(suffix)
        file.write_text(json.dumps(damaged(value, generator)))
        options = {"kind": "several"} if reader is read_examples else {}
        try:
            reader(file, **options)
        except ValueError as error:
            refused += 1
            said = str(error)
            assert str(file) in said and "\n" not in said, said
            assert len(said) < 600, said
    assert refused > rounds


def test_damaged_files(tmp_path):
    check(tmp_path / "a", 40)


@pytest.mark.soak
def test_many_damaged_files(tmp_path):
    check(tmp_path / "a", 2000)
