"""Task files: what is read, how it fails, what is written."""

import csv
import json
import os
from collections import Counter

import numpy as np
import pytest

from bert_tf2.data.examples import Examples, read_examples, support_requests, write_predictions

TEXTS = ["plain", "", " spaces ", 'say "hi", twice', "line\u2028separator\x85", "Ωμέγα 漢字 🙂"]


def fails(path, match, **columns):
    with pytest.raises(ValueError, match=match) as caught:
        read_examples(path, **columns)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# === Reading ===


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".CSV"])
def test_reads_back_what_was_written(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    rows = [{"text": t, "text_pair": t + "!", "label": str(i % 2)} for i, t in enumerate(TEXTS)]
    write_predictions(path, rows)
    examples = read_examples(path, text_pair="text_pair")
    assert examples == Examples(TEXTS, [t + "!" for t in TEXTS], ["0", "1", "0", "1", "0", "1"])
    assert len(examples) == 6
    assert read_examples(path, label=None) == Examples(TEXTS)


def test_csv_quoting(put):
    path = put("a.csv", 'label,text\r\nx,"two\r\nlines, ""quoted"""\r\n\r\ny,plain\r\n')
    assert read_examples(path).texts == ['two\r\nlines, "quoted"', "plain"]


def test_tsv_has_no_quoting(put):
    path = put("a.tsv", 'text\tlabel\r\n"open quote\tx\r\n\r\n"a" b\ty\n')
    assert read_examples(path) == Examples(['"open quote', '"a" b'], None, ["x", "y"])


def test_byte_order_mark(put):
    assert read_examples(put("a.tsv", "\ufefftext\tlabel\na\tx\n")).texts == ["a"]


@pytest.mark.parametrize("text", [3, "3"])
def test_columns_by_number(put, text):
    path = put("a.tsv", "id1\t1\t\tfirst\nid2\t0\t*\tsecond\n")
    examples = read_examples(path, text=text, label=1, header=False)
    assert examples == Examples(["first", "second"], None, ["1", "0"])


def test_labels_of_json_become_strings(put):
    values = ["a", 1, 2.5, True, 0, False]
    path = put("a.jsonl", "\n".join(json.dumps({"text": "t", "label": v}) for v in values))
    assert read_examples(path).labels == ["a", "1", "2.5", "true", "0", "false"]


def test_long_text(put):
    long = "word " * 40_000  # above the csv module's own limit, which must stay as it was
    limit = csv.field_size_limit()
    for name in ("a.csv", "a.tsv"):
        separator = "," if name.endswith("csv") else "\t"
        path = put(name, f"text{separator}label\n{long}{separator}x\n")
        assert read_examples(path).texts == [long]
    assert csv.field_size_limit() == limit


GRID = Examples(["a, b", "é"], None, ["x", "y"])


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", 'text;label\n"a, b";x\né;y\n', {}),
        ("a.csv", 'label\tn\ttext\nx\t1\t"a, b"\ny\t2\té\n', {}),
        ("a.csv", "text|label\na, b|x\né|y\n", {}),
        ("a.tsv", 'text;label\n"a, b";x\né;y\n', {}),
        ("a.tsv", "text\tlabel\na, b\tx\né\ty\n", {"delimiter": "tab"}),
        ("a.csv", "text\tlabel\na, b\tx\né\ty\n", {"delimiter": r"\t"}),
        ("a.csv", "text:label\na, b:x\né:y\n", {"delimiter": ":"}),
        ("a.csv", "a, b;x\né;y\n", {"delimiter": ";", "header": False, "text": 0, "label": 1}),
    ],
)
def test_delimiters(put, name, content, options):
    assert read_examples(put(name, content), **options) == GRID


def test_delimiter_of_a_file_without_labels(put):
    assert read_examples(put("a.csv", "text;n\na, b;1\n"), label=None).texts == ["a, b"]
    assert read_examples(put("b.csv", 'text\n"a; b"\n'), label=None).texts == ["a; b"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize(
    ("written", "encoding"),
    [
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("cp1252", "cp1252"),
        ("utf-16-le", "utf-16-le"),
        ("utf-8-sig", "utf-8"),
    ],
)
def test_encodings(put, name, written, encoding):
    rows = {
        "a.csv": 'text,label\n"a, b",x\né,y\n',
        "a.tsv": "text\tlabel\na, b\tx\né\ty\n",
        "a.jsonl": '{"text": "a, b", "label": "x"}\n{"text": "é", "label": "y"}\n',
    }
    assert read_examples(put(name, rows[name].encode(written)), encoding=encoding) == GRID


# === Errors name the file and the line ===


def test_what_another_delimiter_or_encoding_looks_like(put):
    fails(put("a.csv", "sentence;y\na;x\n"), "columns sentence;y: is it separated by ';'")
    fails(put("a.tsv", "sentence,y\na,x\n"), "is it separated by ','")
    fails(put("a.csv", "a;x\n"), "separated by ';'", text=0, label=1, header=False)
    fails(put("a.csv", "text,label\na, b,x\n"), "separated by ','. Received: 3: .* in quotes")
    fails(put("a.csv", "text,label\na,x\n".encode("utf-16-le")), "utf-16-le or utf-16-be")
    fails(put("a.csv", "text,label\né,x\n".encode("cp1252")), "`encoding`.*cp1252")
    fails(put("a.csv", b"text,label\na\x81,x\n"), "line 2: invalid cp1252", encoding="cp1252")
    for options, message in (
        ({"encoding": "utf-9"}, "`encoding` must be one that Python knows.*'utf-9'"),
        ({"encoding": "hex"}, "`encoding` must be one"),
        ({"delimiter": "ab"}, "`delimiter` must be one character"),
        ({"delimiter": '"'}, "`delimiter` must be one character"),
        ({"delimiter": ""}, "`delimiter` must be one character"),
    ):
        with pytest.raises(ValueError, match=message):
            read_examples(put("a.csv", "text,label\na,x\n"), **options)
    fails(put("a.jsonl", "{}"), "no `delimiter`", delimiter=",")


def test_nothing_but_files_is_read(tmp_path):
    (tmp_path / "a.csv").mkdir()
    os.mkfifo(tmp_path / "b.csv")
    for name in ("a.csv", "b.csv"):
        fails(tmp_path / name, "must be a regular file")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_empty(put, name, content):
    fails(put(name, content), "the file is empty")


@pytest.mark.parametrize(("name", "content"), [("a.csv", "text,label\n"), ("a.tsv", "text\tlabel")])
def test_header_only(put, name, content):
    fails(put(name, content), "a header alone")


def test_suffix(put):
    fails(put("a.xlsx", "text"), r"ends in \.csv, \.tsv, \.jsonl. Received")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        read_examples(tmp_path / "absent.csv")


def test_column_not_found(put):
    fails(put("a.csv", "sentence,label\na,x\n"), "column 'text'. Received the columns sentence, la")
    fails(put("a.tsv", "a\tx\n"), "column 5. .* 0, 1: without a header", text=5, header=False)
    fails(put("a.tsv", "a\tx\n"), "column 'text'.*by number", header=False)
    fails(put("a.csv", "text,text,label\na,b,x\n"), "'text' is there more than once")


@pytest.mark.parametrize("row", ["only", "a\tx\tmore"])
def test_too_few_or_too_many_columns(put, row):
    fails(put("a.tsv", f"text\tlabel\nfine\tx\n{row}\n"), r"line 3: expected 2 columns \(text, la")
    comma = row.replace("\t", ",")
    fails(put("a.csv", f'text,label\n"two\nlines",x\n{comma}\n'), "line 4: expected 2 columns")
    fails(put("b.tsv", f"fine\tx\n{row}\n"), "line 2: expected 2", text=0, label=1, header=False)


def test_invalid_csv(put):
    fails(put("a.csv", 'text,label\nfine,x\n"never closed,x\nmore,y\n'), "line 3: invalid CSV")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_invalid_utf8(put, name):
    fails(put(name, b"text\tlabel\nfine\tx\ncaf\xe9\tx\n"), r"line 3: invalid UTF-8 \(byte 0xe9\)")


def test_invalid_json(put):
    good = '{"text": "a", "label": "x"}\n'
    fails(put("a.jsonl", good + "{text: a}\n"), "line 2: invalid JSON")
    fails(put("a.jsonl", good + "[" * 100_000), "line 2: invalid JSON")
    fails(put("a.jsonl", good + '["a", "x"]\n'), "line 2: expected a JSON object. Received: list")
    fails(put("a.jsonl", good + '\n{"txt": "a", "label": "x"}'), "line 3: expected a key 'text'")
    fails(put("a.jsonl", '{"text": 3, "label": "x"}'), "expected a string in 'text'. Received: int")
    fails(put("a.jsonl", '{"text": "\\ud83d", "label": "x"}'), "'text' holds half a character")
    fails(put("a.jsonl", '{"text": "a", "label": ["x"]}'), "'label'. Received: list")


def test_label_missing(put):
    fails(put("a.csv", "text,label\na,x\nb,\n"), "line 3: the label in 'label' is missing")
    fails(put("a.tsv", "text\tlabel\na\t \n"), "line 2: the label in 'label' is missing")
    fails(put("a.jsonl", '{"text": "a", "label": null}'), "line 1: the label in 'label' is missing")
    fails(put("a.jsonl", '{"text": "a", "label": NaN}'), "line 1: the label in 'label' is missing")


# === Writing ===

ROW = {"text": "a\tb\nc", "label": "x", "score": np.float32(0.5), "all": np.array([0.5, 0.25])}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "text\tlabel\tscore\tall\na b c\tx\t0.5\t[0.5, 0.25]\n"),
        ("a.csv", 'text,label,score,all\n"a\tb\nc",x,0.5,"[0.5, 0.25]"\n'),
        (
            "a.jsonl",
            '{"text": "a\\tb\\nc", "label": "x", "score": 0.5, "all": [0.5, 0.25]}\n',
        ),
    ],
)
def test_written_form(tmp_path, name, content):
    path = tmp_path / "new" / name
    write_predictions(path, [ROW])
    assert path.read_bytes().decode() == content
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_overwrites_only_when_told(tmp_path):
    path = tmp_path / "a.jsonl"
    write_predictions(path, [{"label": "x"}])
    with pytest.raises(FileExistsError, match="exists"):
        write_predictions(path, [{"label": "y"}])
    assert json.loads(path.read_text()) == {"label": "x"}
    write_predictions(path, [{"label": "y"}], overwrite=True)
    assert json.loads(path.read_text()) == {"label": "y"}


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jsonl"
    write_predictions(path, [{"label": "x"}])
    with pytest.raises(AttributeError):
        write_predictions(path, [{"label": "y"}, {"label": object()}], overwrite=True)
    with pytest.raises(ValueError, match="row 1 must have the keys"):
        write_predictions(path, [{"label": "y"}, {"other": "y"}], overwrite=True)
    with pytest.raises(ValueError, match="at least one row"):
        write_predictions(path, [], overwrite=True)
    assert json.loads(path.read_text()) == {"label": "x"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


# === Real files ===


def test_support_requests():
    train, test = support_requests("train"), support_requests("test")
    assert len(train) + len(test) >= 800
    assert len(set(train.labels)) >= 6
    assert set(train.labels) == set(test.labels)
    assert not set(train.texts) & set(test.texts)
    with pytest.raises(ValueError, match="Received: 'dev'"):
        support_requests("dev")


@pytest.mark.full
def test_glue(assets):
    glue = assets / "datasets" / "glue"
    train = read_examples(glue / "SST-2" / "train.tsv", text="sentence")
    assert (len(train), set(train.labels)) == (67349, {"0", "1"})
    assert len(read_examples(glue / "SST-2" / "dev.tsv", text="sentence")) == 872
    cola = read_examples(glue / "CoLA" / "train.tsv", text=3, label=1, header=False)
    assert len(cola) == 8551
    assert cola.texts[0].startswith("Our friends won't buy this analysis")
    columns = {"text": "#1 String", "text_pair": "#2 String", "label": "Quality"}
    mrpc = read_examples(glue / "MRPC" / "train.tsv", **columns)
    assert len(mrpc) == len(mrpc.pairs) == 3667
    assert mrpc.texts[0].startswith('Amrozi accused his brother , whom he called " the witness "')
    rte = read_examples(glue / "RTE" / "train.tsv", text="sentence1", text_pair="sentence2")
    assert Counter(rte.labels) == {"entailment": 1249, "not_entailment": 1241}
    sts = read_examples(
        glue / "STS-B" / "train.tsv", text="sentence1", text_pair="sentence2", label="score"
    )
    assert (len(sts), sts.labels[0]) == (5749, "5.000")


@pytest.mark.full
def test_other_public_files(assets):
    news = read_examples(
        assets / "datasets" / "ag_news_subset" / "dev.csv", text=0, label=1, header=False
    )
    assert (len(news), sorted(set(news.labels))) == (1000, ["0", "1", "2", "3"])
