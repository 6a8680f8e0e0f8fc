"""`bert_tf2 export`: the formats of other runtimes, and what fewer bits cost on a file's rows."""

import json
import re

import oracle
import pytest
import shell
from by_default import by_default

from bert_tf2 import MaskedLM, SentenceEncoder, TextClassifier, TextRegressor
from bert_tf2.cli.opened import opened
from bert_tf2.cli.rows import Rows, of_texts
from bert_tf2.data.beir import read_beir

TEXTS = ["the kettle hums", "rain", "tea & rain", "a stone hums", "tea", "the rain hums"]
ROWS = "text\tlabel\nthe kettle hums\ta\nrain\tb\ntea & rain\ta\n\tb\nstone\tb\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    oracle.tiny_classifier(labels=["a", "b"]).save(folder / "model.keras")
    (folder / "dev.tsv").write_text(ROWS)
    return folder


def command(model, out, *more):
    return ["export", f"--model={model / 'model.keras'}", f"--export_dir={out}", *more]


@pytest.mark.parametrize("format", by_default(["onnx", "litert"], ["onnx"]))
def test_a_folder_for_another_runtime(model, tmp_path, format, capsys):
    out = tmp_path / "out"
    shell.runs(*command(model, out, f"--format={format}", "--precision=int8"))
    file = {"onnx": "model.onnx", "litert": "model.tflite"}[format]
    assert {path.name for path in out.iterdir()} == {
        *(file, "tokenizer.json", "vocab.txt", "README.md", "model_card.json")
    }
    card = json.loads((out / "model_card.json").read_text())
    assert (card["precision"], card["labels"]) == ("int8", ["a", "b"])
    assert file in capsys.readouterr().out


@pytest.mark.parametrize("format", by_default(["saved_model", "onnx", "litert"], ["onnx"]))
def test_what_fewer_bits_cost(model, tmp_path, format, capsys):
    """A table of all precisions; the card has its numbers; what costs too much is not written."""
    out, calibrate = tmp_path / "out", f"--calibrate={model / 'dev.tsv'}"
    how = (f"--format={format}", "--precision=int8", calibrate)
    shell.runs(*command(model, out, *how, "--max_accuracy_drop=1"))
    said = capsys.readouterr().out
    exact, small = (
        re.search(rf"^{name} +([\d.]+) +x[\d.]+ +[\d.]+ +x[\d.]+ +([\d.]+) +[+-]", said, re.M)
        for name in ("float32", "int8")
    )
    if format != "saved_model":  # of which most is the graph here
        assert float(small[1]) < float(exact[1])
    card = json.loads(next(tmp_path.rglob("model_card.json")).read_text())
    assert round(card["calibration"]["int8"]["accuracy"], 4) == float(small[2])
    assert exact[2] == f"{accuracy_of(model):.4f}"


@pytest.mark.full
def test_what_vectors_lose_is_told_by_pairs(tmp_path, reference, capsys):
    tiny = shell.tiny_checkpoint(tmp_path / "tiny", reference)
    rows = [("rain", "tea", 1), ("stone", "a stone", 4), ("tea", "tea", 5), ("rain", "stone", 2)]
    lines = ["index\tsentence1\tsentence2\tscore", *(f"0\t{a}\t{b}\t{n}" for a, b, n in rows)]
    (tmp_path / "dev.tsv").write_text("\n".join(lines) + "\n")
    how = ("--format=onnx", "--glue=STS-B", f"--calibrate={tmp_path / 'dev.tsv'}")
    shell.runs(
        *("export", f"--preset={tiny}", "--task=sentence_similarity"),
        *(f"--export_dir={tmp_path / 'out'}", *how),
    )
    assert "spearman" in capsys.readouterr().out


SMALL_BEIR = {
    "corpus.jsonl": [{"_id": f"d{i}", "text": text} for i, text in enumerate(TEXTS)],
    "queries.jsonl": [{"_id": f"q{i}", "text": text} for i, text in enumerate(TEXTS[:3])],
}


def beir(folder):
    """A folder of BEIR, where the second half of the texts answers the first."""
    (folder / "qrels").mkdir(parents=True)
    for name, rows in SMALL_BEIR.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i + 3}\t1" for i in range(3))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def asked_elsewhere(task):
    """A task as calibration has it, which answers ids alone; here the task itself does."""
    model = opened("tiny", task)
    return model._replace(task=None, reader=task)


def test_hidden_words_are_scored_elsewhere():
    rows, model = of_texts([*TEXTS, "tea " * 30]), asked_elsewhere(oracle.tiny_task(MaskedLM))
    answers = model.row.kind.for_scores(model, rows, 2)
    found = model.row.kind.score(model, rows, answers)
    want = model.reader.evaluate(rows.x, verbose=0, return_dict=True)["mlm_accuracy"]
    assert len(answers) > 5 and found == {"mlm_accuracy": pytest.approx(want)}


def test_texts_are_found_elsewhere(tmp_path):
    prompts = {"query": "tea: ", "document": "a "}
    task = oracle.tiny_task(SentenceEncoder, prompts=prompts, include_prompt=False)
    data, model = read_beir(beir(tmp_path / "beir")), asked_elsewhere(task)
    rows = Rows({"text": list(data.queries.values())}, None, "", data)
    (found,) = model.row.kind.for_scores(model, rows, 2)
    want = opened("tiny", task)
    assert found == want.row.kind.for_scores(want, rows, 2)[0] and "ndcg@10" in found


@pytest.mark.full
@pytest.mark.parametrize(
    ("format", "figure"), [("saved_model", "mlm_accuracy"), ("onnx", "ndcg@10")]
)
def test_what_files_without_labels_tell(tmp_path, format, figure, capsys):
    """Texts, of which words are hidden; BEIR's folder. What is scored is what was written."""
    cls, file = MaskedLM, tmp_path / "dev.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    if figure == "ndcg@10":
        cls, file = SentenceEncoder, beir(tmp_path / "beir")
    oracle.tiny_task(cls).save(tmp_path / "model.keras")
    how = (f"--format={format}", f"--calibrate={file}", "--max_accuracy_drop=1")
    shell.runs(*command(tmp_path, tmp_path / "out", *how))
    assert re.search(rf"precision .*{figure}\n(-.*\n)?float32 .*\+0\.0000", capsys.readouterr().out)


def accuracy_of(model):
    import keras

    task = keras.saving.load_model(model / "model.keras")
    rows = [line.split("\t") for line in ROWS.splitlines()[1:]]
    given = [found.label for found in task.predict_labels([text for text, _ in rows])]
    return sum(g == label for g, (_, label) in zip(given, rows, strict=True)) / len(rows)


def test_what_loses_too_much_is_refused(model, tmp_path, capsys, monkeypatch):
    from bert_tf2.cli import calibration

    found = {"float32": {"accuracy": 0.9}, "int8": {"accuracy": 0.875}}
    monkeypatch.setattr(calibration, "measured", lambda *given: found)
    how = ("--format=onnx", "--precision=int8", f"--calibrate={model / 'dev.tsv'}")
    shell.fails(
        *(capsys, 1, command(model, tmp_path / "out", *how, "--max_accuracy_drop=0.02")),
        *("int8 has accuracy 0.8750", "0.0250 less than float32", "Nothing is written"),
    )
    assert not any(tmp_path.iterdir())


def test_what_the_model_computes_in_is_compared(model, tmp_path, capsys, monkeypatch):
    """Without --precision a bfloat16 model is written in bfloat16, and held to what that costs."""
    from bert_tf2.cli import calibration
    from bert_tf2.serving.precision import copy_of

    task = oracle.tiny_task(TextClassifier, labels=["a", "b"])
    copy_of(task, "mixed_bfloat16").save(tmp_path / "model.keras")
    found = {"float32": {"accuracy": 0.9}, "bfloat16": {"accuracy": 0.875}}
    monkeypatch.setattr(calibration, "measured", lambda *given: found)
    how = (f"--calibrate={model / 'dev.tsv'}", "--max_accuracy_drop=0.02")
    shell.fails(
        capsys, 1, command(tmp_path, tmp_path / "out", *how), "bfloat16 has accuracy 0.8750"
    )


def test_what_cannot_be_scored_is_refused(tmp_path, capsys):
    oracle.tiny_task(TextRegressor).save(tmp_path / "model.keras")
    (tmp_path / "dev.tsv").write_text("text\tlabel\nrain\t1\ntea\t1\nstone\t1\n")
    how = ("--format=onnx", f"--calibrate={tmp_path / 'dev.tsv'}")
    shell.fails(
        capsys, 1, command(tmp_path, tmp_path / "out", *how), "pearson is not defined on these rows"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (["--format=onnx", "--precision=bfloat16"], 2, "float32, float16, int8"),
        (["--precision=float16"], 2, "float32, bfloat16, int8"),
        (["--max_accuracy_drop=0.1"], 2, "needs --calibrate"),
    ],
)
def test_what_does_not_go_together(model, tmp_path, capsys, more, status, words):
    shell.fails(capsys, status, command(model, tmp_path / "out", *more), words)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_left_alone(model, tmp_path, capsys):
    (tmp_path / "file").touch()
    shell.fails(capsys, 1, command(model, tmp_path, "--format=litert"), "not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
