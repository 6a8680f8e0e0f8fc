"""`bert_tf2 distill`, as a user runs it, on tiny sizes."""

import dataclasses
import json

import keras
import numpy as np
import oracle
import pytest
import tiny_masked_lm
from shell import fails, runs

import bert_tf2

THREE = oracle.with_dropout(dataclasses.replace(oracle.TINY, num_hidden_layers=3), 0.0)
WORDS = ["stone", "tea", "rain", "letter"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distill")
    labels = ["a", "b"]
    teacher = oracle.tiny_task(bert_tf2.TextClassifier, THREE, labels=labels)
    teacher.save(folder / "teacher.keras")
    texts = [f"{WORDS[i % 4]} and {WORDS[i // 4 % 4]}" for i in range(24)]
    rows = ["text\tlabel", *(f"{text}\t{labels[i % 2]}" for i, text in enumerate(texts))]
    (folder / "rows.tsv").write_text("\n".join(rows) + "\n")
    (folder / "texts.txt").write_text("\n".join(texts) + "\n")
    return folder


def distilled(place, output, *more):
    runs(
        *("distill", f"--init_checkpoint={place / 'teacher.keras'}", "--batch=8"),
        *(f"--output_dir={place / output}", "--num_train_epochs=1", *more),
    )
    model = keras.saving.load_model(place / output / "model.keras")
    return model, json.loads((place / output / "metrics.json").read_text("utf-8"))


@pytest.mark.full
def test_a_classifier_into_fewer_layers(place, capsys):
    rows = f"--train_file={place / 'rows.tsv'}", f"--dev_file={place / 'rows.tsv'}"
    more = f"--input_file={place / 'texts.txt'}", "--layers=1", "--hidden_weight=0.1"
    model, told = distilled(place, "one", *rows, *more)
    assert model.encoder.config.num_hidden_layers == 1
    texts, labelled = told["stages"]
    assert texts["weights"]["hard"] == 0 and labelled["weights"]["hard"] == 0.5
    assert labelled["weights"]["hidden"] == 0.1 and labelled["rows"] == 24
    found = told["side_by_side"]
    assert [*found] == ["teacher", "teacher, int8", "student", "student, int8"]
    assert found["student"]["layers"] == 1 and found["teacher"]["layers"] == 3
    assert found["student"]["parameters"] < found["teacher"]["parameters"]
    assert found["student"]["megabytes"] > 0 and found["student, int8"]["rows_a_second"] > 0
    answers = [label.label for label in model.predict_labels([*WORDS])]
    assert len(answers) == 4 and 0 <= found["student"]["accuracy"] <= 1
    assert "rows_a_second" in capsys.readouterr().out
    fails(
        capsys,
        1,
        ["distill", f"--preset={place / 'teacher.keras'}", *rows, f"--output_dir={place / 'one'}"],
        "exists",
    )


@pytest.mark.full
def test_a_bilstm_and_a_run_that_goes_on(place, capsys):
    file = place / "rows.tsv"
    rows = f"--train_file={file}", f"--dev_file={file}", "--save_checkpoints_steps=1"
    model, told = distilled(place, "lstm", "--student=bilstm", *rows)
    assert model.output.shape == (None, 2) and [*told["side_by_side"]] == ["teacher", "student"]
    found = told["side_by_side"]["student"]
    assert found["parameters"] == model.count_params() and found["megabytes"] > 0
    texts, labels = zip(
        *(row.split("\t") for row in file.read_text().split("\n")[1:-1]), strict=True
    )
    teacher = keras.saving.load_model(place / "teacher.keras")
    (answers,) = teacher.answer(list(texts), model=model)
    right = [a == b.encode() for a, b in zip(answers["label"], labels, strict=True)]
    assert found["accuracy"] == np.mean(right) and found["rows_a_second"] > 0
    argv = ["predict", f"--model={place / 'lstm' / 'model.keras'}", "tea"]
    fails(capsys, 1, argv, "`teacher.answer(texts, model=student)`")
    served, figures = place / "lstm" / "serving" / "1", place / "figures.json"
    asked = f"--saved_model={served}", f"--input_file={file}", f"--output_file={figures}"
    runs("evaluate", *asked)
    assert json.loads(figures.read_text("utf-8"))["accuracy"] == found["accuracy"]
    card = json.loads((served / "model_card.json").read_text("utf-8"))
    assert card["family"] == "bilstm" and card["parameters"] == model.count_params()
    with pytest.raises(ValueError, match=r"beside `model`\. Received: 'int8'"):
        bert_tf2.export_saved_model(teacher, place / "x", precision="int8", model=model)
    with pytest.raises(ValueError, match="`adapters` are the task's"):
        bert_tf2.export_saved_model(teacher, place / "x", adapters="all", model=model)
    (place / "lstm" / "model.keras").unlink()
    runs("distill", f"--output_dir={place / 'lstm'}", "--resume")
    again = keras.saving.load_model(place / "lstm" / "model.keras")
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [*served.parent.iterdir()] == [served]  # in place of the first


@pytest.mark.full
def test_words_and_vectors(place, tmp_path):
    """DistilBERT's recipe, and a sentence encoder's vectors, on texts alone."""
    texts = f"--input_file={place / 'texts.txt'}"
    pairs = ["text\tb\tscore", *(f"tea {i}\train\t{i / 10}" for i in range(9))]
    (tmp_path / "dev.tsv").write_text("\n".join(pairs))
    dev = f"--dev_file={tmp_path / 'dev.tsv'}", "--text_pair_column=b", "--label_column=score"
    for name, teacher in {
        "mlm": tiny_masked_lm.make(THREE),
        "vectors": oracle.tiny_task(bert_tf2.SentenceEncoder, THREE, modules=["normalize"]),
    }.items():
        teacher.save(tmp_path / f"{name}.keras")
        argv = [f"--init_checkpoint={tmp_path / name}.keras", f"--output_dir={tmp_path / name}"]
        argv += dev if name == "vectors" else [f"--dev_file={place / 'texts.txt'}"]
        runs("distill", *argv, texts, "--num_train_epochs=1", "--layers=2")
        model = keras.saving.load_model(tmp_path / name / "model.keras")
        assert model.encoder.config.num_hidden_layers == 2
        assert model.encoder.config.pooler == (name == "vectors")
        told = json.loads((tmp_path / name / "metrics.json").read_text("utf-8"))
        figure = {"mlm": "mlm_accuracy", "vectors": "spearman"}[name]
        assert {figure in row for row in told["side_by_side"].values()} == {True}
        want = {"mlm": {"soft": 5, "hard": 2, "cosine": 1}, "vectors": {"soft": 1}}[name]
        assert {n: w for n, w in told["stages"][0]["weights"].items() if w} == want
    assert -1 <= told["side_by_side"]["student, int8"]["spearman"] <= 1


def test_what_is_left_out_is_said(place, capsys, tmp_path):
    out = f"--output_dir={tmp_path / 'x'}"
    fails(capsys, 2, ["distill", out], "--train_file, --input_file")
    argv = ["distill", f"--train_file={place / 'rows.tsv'}", out]
    fails(capsys, 2, argv, "--init_checkpoint must be given")
    fails(capsys, 1, [*argv, f"--preset={tmp_path}/no.keras"], "No model at")


def test_flags_that_nothing_would_come_of(place, capsys, tmp_path):
    argv = ["distill", f"--train_file={place / 'rows.tsv'}", f"--output_dir={tmp_path / 'x'}"]
    argv += [f"--preset={place / 'teacher.keras'}"]
    for name, value in {"max_seq_length": 9, "task": "next_sentence", "labels": "a,b"}.items():
        word = f"--{name} is for checkpoints: {place / 'teacher.keras'} has its own"
        fails(capsys, 2, [*argv, f"--{name}={value}"], word)
    fails(capsys, 2, [*argv, "--doc_stride=9"], "--doc_stride is for checkpoints")
    for flag in ("--layers=1", "--bare", "--noint8"):
        fails(capsys, 2, [*argv, "--student=bilstm", flag], "not for --student=bilstm")
    assert not (tmp_path / "x").exists()
