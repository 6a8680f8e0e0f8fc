"""Labels that are numbers, and several labels a row, in each form that files have them in."""

import json

import numpy as np
import pytest

from bert_tf2.data.examples import read_examples
from bert_tf2.data.label_cells import indicators

SEVERAL = [["joy", "love"], [], ["fear"]]
FORMS = {
    "cells.tsv": ("text\tlabel\na\tjoy, love\nb\t\nc\tfear\n", {}),
    "bars.csv": ("text,label\na,joy|love\nb,\nc,fear\n", {"separator": "|"}),
    "numbers.tsv": (
        "a\t2,3\tid1\nb\t \tid2\nc\t1\tid3\n",
        {"text": 0, "label": 1, "header": False},
    ),
    "lists.jsonl": (
        "".join(
            json.dumps({"text": t, "label": x}) + "\n" for t, x in zip("abc", SEVERAL, strict=True)
        ),
        {},
    ),
    "columns.csv": (
        "text,joy,fear,love\na,1,0,1\nb,0,0,0\nc,0,1,0\n",
        {"label": ["joy", "fear", "love"]},
    ),
    "booleans.jsonl": (
        '{"text": "a", "joy": true, "love": 1, "fear": false}\n'
        '{"text": "b", "joy": false, "love": "0", "fear": 0}\n'
        '{"text": "c", "joy": 0, "love": false, "fear": true}\n',
        {"label": ["joy", "love", "fear"]},
    ),
    "pandas.csv": (
        "text,joy,love,fear\na,1.0,True,0.0\nb,0.0,False,0\nc,0,FALSE,true\n",
        {"label": ["joy", "love", "fear"]},
    ),
    "tabs.csv": ("text,label\na,joy\tlove\nb,\nc,fear\n", {"separator": "tab"}),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("of_file", [True, False])
def test_several_labels(put, name, of_file):
    content, options = FORMS[name]
    if name.startswith("numbers"):
        names = ["anger", "fear", "joy", "love"]
        names = put("labels.txt", "\n".join(names) + "\n") if of_file else names
        options = options | {"names": names}
    found = read_examples(put(name, content), kind="several", **options)
    assert (found.texts, found.labels) == (["a", "b", "c"], SEVERAL)


@pytest.mark.parametrize("cell", ["['hot', 'old']", '["hot", "old"]', "[0, 1]", "hot,old"])
def test_lists_as_others_print_them(put, cell):
    """pandas writes a column of lists as Python prints them."""
    path = put("a.tsv", f"text\tlabel\na\t{cell}\nb\t[]\nc\t2\n")
    found = read_examples(path, kind="several", names=["hot", "old", "wet"])
    assert found.labels == [["hot", "old"], [], ["wet"]]


def test_numbers_that_are_names_are_no_positions(put, refused):
    """A rare label that the file to train on lacks must not become another one."""
    names = {"kind": "several", "names": ["0", "2"]}
    assert read_examples(put("a.tsv", "text\tlabel\na\t0,2\nb\t2\n"), **names).labels == [
        ["0", "2"],
        ["2"],
    ]
    for cell in ("1", "0,1", "1,2"):
        content = f"text\tlabel\na\t2\nb\t{cell}\n"
        refused(read_examples, "b.tsv", content, r"line 3: .* one of 2: \['0', '2'\].*'1'", **names)
    refused(read_examples, "c.tsv", "text\tlabel\na\t٣\n", "must be one of 3", **NAMES)


@pytest.mark.parametrize("char", [*";|，、；", "tab", " "])
def test_labels_with_another_separator(put, refused, char):
    between = "\t" if char == "tab" else char
    cell = f"3{between}17" if char == " " else f"hot{between}old"
    content = f"text,label\na,wet\nb,{cell}\n"
    match = "line 3: labels in 'label' are read with ',' .*--label_separator"
    refused(read_examples, "a.csv", content, match, kind="several")
    found = read_examples(put("a.csv", content), kind="several", separator=char)
    assert found.labels == [["wet"], cell.split(between)]
    found = read_examples(put("a.csv", content), kind="several", names=["wet", cell])
    assert found.labels == [["wet"], [cell]]


@pytest.mark.parametrize(
    ("cell", "options", "want"),
    [
        ('"[""Q; A"", ""b""]"', {}, ["Q; A", "b"]),
        ("a|b;c", {"separator": ";"}, ["a|b", "c"]),
        ("1 2;3", {"separator": ";"}, ["1 2", "3"]),
    ],
)
def test_names_that_hold_another_separator(put, cell, options, want):
    """As a list tells where each ends, and a separator that was chosen."""
    path = put("a.csv", f"text,label\na,{cell}\n")
    assert read_examples(path, kind="several", **options).labels == [want]


def test_quotes_that_are_a_part_of_a_class(put):
    path = put("a.csv", 'text,label\na,"""pos"""\n')
    assert read_examples(path).labels == ['"pos"']
    path = put("a.jsonl", json.dumps({"text": "a", "label": '"pos"'}))
    assert read_examples(path).labels == ['"pos"']
    path = put("a.tsv", 'text\tlabel\na\t"\n')
    assert read_examples(path).labels == ['"']


def test_blanks_and_quotes_around_a_class(put, refused):
    found = read_examples(put("a.csv", "text,label\na, pos\nb,pos \nc,pos\n"))
    assert found.labels == ["pos"] * 3
    assert read_examples(put("a.csv", "text,label\na, pos\n"), names=["pos"]).labels == ["pos"]
    kept = read_examples(put("a.csv", "text,label\na, pos\n"), names=["pos", " pos"]).labels
    assert kept == [" pos"]
    content = 'text\tlabel\na\t"pos"\n'
    refused(read_examples, "a.tsv", content, "line 2: .* in quotes.*--delimiter=tab")
    assert read_examples(put("a.csv", content), delimiter="tab").labels == ["pos"]
    refused(read_examples, "b.tsv", 'text\tlabel\n"a\nb"\tx\n', "line 2: .*: quotes are for files")


def test_names_in_brackets(put):
    path = put("a.tsv", "text\tlabel\na\t[x],[y]\nb\t(y)\n")
    found = read_examples(path, kind="several", names=["[x]", "[y]", "(y)"])
    assert found.labels == [["[x]", "[y]"], ["(y)"]]


NAMES = {"kind": "several", "names": ["hot", "wet", "old"]}


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.jsonl", '{"text": "a", "label": [1, 0, 1]}', NAMES),
        ("a.jsonl", '{"text": "a", "label": [0, 0, 0]}', NAMES),
        ("a.jsonl", '{"text": "a", "label": [1, 0]}', {"kind": "several"}),
        ("a.jsonl", '{"text": "a", "label": [true, false]}', {"kind": "several"}),
        ("a.jsonl", '{"text": "a", "label": [1, 0]}', {"kind": "several", "names": ["x", "y"]}),
        ("a.csv", "text,label\na,1\nb,0\nc,\n", NAMES),  # the column of one label
        ("a.csv", "text,label\na,1\nb,0\n", {"kind": "several"}),
    ],
)
def test_numbers_that_could_be_zero_and_one_a_label(refused, name, content, options):
    refused(read_examples, name, content, "line [12]: 0 and 1 could be the numbers", **options)


def test_indicators():
    found = indicators(SEVERAL, ["fear", "joy", "love"])
    assert found.dtype == np.int32
    assert found.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    with pytest.raises(ValueError, match="Label 'fear' of row 2 must be one of"):
        indicators(SEVERAL, ["joy", "love"])


def test_numbers(put):
    path = put("a.csv", "text,x,y\na,1,-2.5\nb,3.25,1e-3\n")
    assert read_examples(path, label="x", kind="number").labels == [1.0, 3.25]
    labels = read_examples(path, label=["x", "y"], kind="number").labels
    assert labels == [[1.0, -2.5], [3.25, 0.001]]
    path = put("b.csv", "text,label\na, +.5 \nb,2.\nc,1E+2\n")
    assert read_examples(path, kind="number").labels == [0.5, 2.0, 100.0]
    path = put("a.jsonl", '{"text": "a", "label": 4}\n{"text": "b", "label": "0.5"}')
    assert read_examples(path, kind="number").labels == [4.0, 0.5]


@pytest.mark.parametrize(
    ("content", "options", "match"),
    [
        (
            "text,label\na,high\n",
            {"kind": "number"},
            "line 2: expected a number in 'label'.*'high'",
        ),
        ("text,label\na,nan\n", {"kind": "number"}, "line 2: expected a number"),
        *(
            (f"text,label\na,{x}\n", {"kind": "number"}, "line 2: expected a number")
            for x in ("1e999", "1e39", "1_000", "٣", "inf", "0x1", "1e", ".")
        ),
        ("text,label\na,\n", {"kind": "number"}, "line 2: the label in 'label' is missing"),
        ("text,x,y\na,1,2\n", {"kind": "several", "label": ["x", "y"]}, "line 2: .*'y'.*'2'"),
        ("text,x,y\na,1,\n", {"kind": "several", "label": ["x", "y"]}, "line 2: .* 0 or 1 .*'y'"),
        ('text,label\na,"b,,c"\n', {"kind": "several"}, "line 2: the label in 'label' is missing"),
        ("text,label\na,7\n", {"kind": "several", "names": ["x"]}, "line 2: .* one of 1.*'7'"),
        ("text,label\na,\"['b' 'c']\"\n", {"kind": "several"}, "line 2: .* JSON or Python"),
        ("text,label\na,\"{'b', 'c'}\"\n", {"kind": "several"}, "line 2: .* JSON or Python"),
        ("text,label\na,b\n", {"names": ["x", "y"]}, r"line 2: .* \['x', 'y'\]. Received: 'b'"),
    ],
)
def test_wrong_cells(refused, content, options, match):
    refused(read_examples, "a.csv", content, match, **options)


def test_wrong_json(refused):
    for value in ({"a": 1}, None, 3):
        content = json.dumps({"text": "a", "label": value})
        refused(read_examples, "a.jsonl", content, "line 1: expected a list of", kind="several")
    content = json.dumps({"text": "a", "label": True})
    refused(read_examples, "a.jsonl", content, "line 1: expected a number.*True", kind="number")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "scores"}, "`kind` must be one of"),
        ({"label": ["x", "y"]}, "`label` must be one column"),
        ({"label": []}, "`label` must be one column"),
        ({"kind": "number", "names": ["x"]}, "`names` are of classes"),
        ({"kind": "several", "label": ["x"], "names": ["x"]}, "`names` are of classes"),
        ({"kind": "several", "separator": ""}, "`separator` must be what stands between"),
    ],
)
def test_wrong_options(put, options, match):
    with pytest.raises(ValueError, match=match):
        read_examples(put("a.csv", "text,label\na,b\n"), **options)


@pytest.mark.full
def test_goemotions(assets):
    folder = assets / "datasets" / "goemotions"
    columns = {"text": 0, "label": 1, "header": False}
    found = read_examples(
        folder / "train.tsv", kind="several", names=folder / "labels.txt", **columns
    )
    assert len(found) == 43410
    assert found.labels[:3] == [["neutral"], ["neutral"], ["anger"]]
    # Demszky et al. 2020, table 1: 83 % of the examples have one label, 15 % have two.
    counts = np.bincount([len(labels) for labels in found.labels]) / len(found)
    np.testing.assert_allclose(counts[1:3], [0.83, 0.15], atol=0.01)
