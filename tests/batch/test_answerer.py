"""Rows answered as `bert_tf2 predict` answers a file: by hand, and on Apache Beam and Ray Data."""

import json

import oracle
import peers
import pytest
import served
import shell
from by_default import by_default

from bert_tf2.batch import Answerer
from bert_tf2.cli.flags import UsageError

TEXTS = ["coffee", "", "a letter about stone and steam", "漢字 🙂", "late " * 30, "tea"]
ROWS = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A function of a name to the file of a tiny task."""
    folder = tmp_path_factory.mktemp("models")

    def model(name):
        file = folder / f"{name}.keras"
        if not file.exists():
            cls, how = served.TASKS[name]
            oracle.tiny_task(cls, **how).save(file)
        return str(file)

    return model


def predicted(folder, model, columns, *more):
    """What the shell writes of the same rows."""
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    files = [f"--input_file={folder}/in.jsonl", f"--output_file={folder}/out.jsonl"]
    shell.runs("predict", f"--model={model}", *files, *more)
    return [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("name", by_default(["clf", "multi", "vec", "zero"], ["clf"]))
def test_rows_of_texts(model, tmp_path, name):
    settings = {"candidate_labels": ["tea", "rain"]} if name == "zero" else {}
    more = ["--candidate_labels=tea,rain"] if settings else []
    answers = Answerer(model(name), **settings)
    want = predicted(tmp_path, model(name), {"text": TEXTS}, *more)
    assert answers(ROWS) == [row | found for row, found in zip(ROWS, want, strict=True)]
    assert answers([]) == []
    with pytest.raises(ValueError, match=r"Rows must have text\. Received at index 1: id"):
        answers([ROWS[0], {"id": 3}])
    for cell in (None, 3, b"tea", ["tea"]):
        with pytest.raises(ValueError, match=r"a str in 'text'. Received at index 1"):
            answers([ROWS[0], {"text": cell}])
    with pytest.raises(ValueError, match="must not both have"):
        answers([ROWS[0] | {cell: 1 for cell in want[0] if cell != "text"}])
    with pytest.raises(UsageError, match="nix"):
        Answerer(model(name), nix=3)


@pytest.mark.full
def test_rows_of_several_columns(model, tmp_path):
    columns = {"question": ["stone?"] * 5, "context": [text or "." for text in TEXTS[:5]]}
    want = predicted(tmp_path, model("qa"), {"id": range(5)} | columns)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert Answerer(model("qa"))(rows) == want
    words = [{"words": ["stone", "and", "tea"]}, {"words": ["rain"]}]
    found = Answerer(model("ner"))(words)
    assert [len(row["tags"]) for row in found] == [3, 1]


@pytest.mark.full
@pytest.mark.parametrize("peer", ["beam", "ray"])
def test_on_other_machines(model, peer):
    found = peers.run_here(peer, f"answers_on_{peer}.py", [model("clf"), ROWS])
    want = Answerer(model("clf"))(ROWS)
    assert [row["label"] for row in found] == [row["label"] for row in want]
    for got, row in zip(found, want, strict=True):
        assert got.keys() == row.keys() and got["text"] == row["text"]
        assert got["probability"] == pytest.approx(row["probability"], abs=1e-5)
