"""The verbs, run as a user runs them, on a tiny checkpoint made here."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import shell
import tensorflow as tf
from by_default import by_default
from closeness import CANCELLED
from shell import evaluation, fails

import bert_tf2
from bert_tf2 import TextClassifier, cli, weights
from bert_tf2.cli.flags import parse
from bert_tf2.locks import locked

LABELS = ["bill", "login", "parcel"]
WORDS = {"bill": "coffee cafe times", "login": "letter reading start", "parcel": "stone steam late"}


@pytest.fixture(scope="module")
def work(tmp_path_factory, reference):
    """A folder with a checkpoint, data files and a classifier fine-tuned by the command, whose
    files were named from there."""
    folder = tmp_path_factory.mktemp("cli")
    shell.tiny_checkpoint(folder / "tiny_uncased", reference)
    write_tsv(folder / "train.tsv", 24)
    write_tsv(folder / "dev.tsv", 9)
    how = ("--num_train_epochs=2", "--save_checkpoints_steps=2", "--micro_batches=2")
    with contextlib.chdir(folder):
        assert cli.main(finetune(".", "run", "--dev_file=dev.tsv", *how)) == 0
    return folder


def write_tsv(path, rows):
    """A task file with the classes in turn."""
    lines = ["text\tlabel"]
    for i in range(rows):
        label = LABELS[i % 3]
        lines.append(f"{WORDS[label]} {'the ' * (i % 4)}{i}\t{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def finetune(folder, output, *more):
    """A finetune command line; `%s` in further flags is the folder."""
    flags = ["--init_checkpoint=%s/tiny_uncased", "--train_file=%s/train.tsv"]
    flags += [f"--output_dir=%s/{output}", "--max_seq_length=40", "--train_batch_size=8", *more]
    return ["finetune", *(flag.replace("%s", str(folder)) for flag in flags)]


# --- The verbs one after another ------------------------------------------------------------------


def test_finetune_writes_model_and_metrics(work):
    metrics = json.loads((work / "run" / "metrics.json").read_text("utf-8"))
    names = ["checkpoints", "metrics.json", "metrics.jsonl", "model.keras", "report.html"]
    names += ["report.json", "run.json", "tensorboard"]
    assert sorted(path.name for path in (work / "run").iterdir()) == names
    assert metrics["classes"] == LABELS
    assert metrics["rows"] == {"train": 24, "dev": 9}
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1, 2]
    assert {"loss", "accuracy", "dev_loss", "dev_accuracy"} < set(metrics["epochs"][1])
    assert metrics["seed"] == 1
    assert metrics["seconds"] > 0
    assert metrics["versions"]["tensorflow"] == tf.__version__
    report = json.loads((work / "run" / "report.json").read_text("utf-8"))
    assert report["scores"] == {"dev": metrics["dev"]} and len(report["curves"]) == 2
    wrong = sum(map(sum, metrics["dev"]["confusion_matrix"])) * (1 - metrics["dev"]["accuracy"])
    assert len(report["mistakes"]) == round(wrong) and report["settings"]["max_seq_length"] == 40
    assert report["settings"]["train_file"] == f"{work}/train.tsv"  # all that was given
    assert sum(b["rows"] for b in report["calibration"]["bins"]) == 9
    page = (work / "run" / "report.html").read_text("utf-8")
    assert report["mistakes"][0]["text"]["text"] in page and "confusion" not in page


def test_a_run_is_resumed(work, tmp_path, capsys, monkeypatch):
    """A finished run, resumed, trains no more and gives the same metrics; anew, it trains anew."""
    monkeypatch.chdir(work)
    shutil.copytree("run", "saved")
    saved = ["--save_checkpoints_steps=2", "--micro_batches=2", "--num_train_epochs=2"]
    saved = finetune(".", "saved", "--dev_file=dev.tsv", *saved)
    first = json.loads((work / "saved" / "metrics.json").read_text())["epochs"]
    fails(capsys, 1, saved, "exists", "--overwrite")
    # Nothing but the folder need be said again; what is said must be as it was.
    # Paths are kept so that they hold from any folder; the clock goes on.
    monkeypatch.chdir(tmp_path)
    lines = (work / "saved" / "metrics.jsonl").read_text().splitlines()
    assert cli.main(["finetune", f"--output_dir={work}/saved", "--resume"]) == 0
    said = capsys.readouterr().out
    assert "the run was finished already: nothing was trained; written to" in said
    assert "trained in" not in said
    seconds = json.loads((work / "saved" / "metrics.json").read_text())["seconds"]
    assert seconds >= json.loads(lines[-1])["seconds"] - 0.1
    monkeypatch.chdir(work)
    fails(capsys, 1, [*saved, "--resume", "--batch=7"], "another run", "batch_size")
    fails(capsys, 1, [*saved, "--resume", "--seed=9"], "another run", "'seed': '1 there, 9 here'")
    with locked(work / "saved"):
        fails(capsys, 1, [*saved, "--resume"], "in use by another run", str(os.getpid()))
    assert json.loads((work / "saved" / "metrics.json").read_text())["epochs"] == first
    assert cli.main([*saved, "--overwrite", "--num_train_epochs=1", "--dev_file="]) == 0
    assert "trained in" in capsys.readouterr().out
    again = json.loads((work / "saved" / "metrics.json").read_text())["epochs"]
    assert len(first) == 2 and len(again) == 1


@pytest.mark.full
def test_launched_workers_train_together(work, tmp_path):
    arguments = finetune(work, "workers", "--num_train_epochs=1")
    command = [sys.executable, "-m", "bert_tf2", "launch", "--workers=2", "--", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((work / "workers" / "metrics.json").read_text())
    assert len(metrics["epochs"]) == 1
    command[-len(arguments) + 1] = "--init_checkpoint=nowhere"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "worker" in done.stderr and "ended with status 1" in done.stderr


def test_export_gives_the_same_numbers_as_the_model(work, tmp_path, capsys):
    served = tmp_path / "serving" / "1"
    model = work / "run" / "model.keras"
    export = ["export", f"--model={model}", f"--export_dir={served}"]
    assert cli.main(export) == 0
    assert "tensorflow/serving" in capsys.readouterr().out
    data = f"--input_file={work}/dev.tsv"
    ours = evaluation([f"--model={model}", data], tmp_path / "keras.json")
    theirs = evaluation(
        [f"--saved_model={served.parent}", data],
        tmp_path / "saved_model.json",
    )
    assert ours == theirs
    assert ours["rows"] == 9
    assert np.sum(ours["confusion_matrix"]) == 9
    dev = json.loads((work / "run" / "metrics.json").read_text("utf-8"))["epochs"][-1]
    assert ours["accuracy"] == pytest.approx(dev["dev_accuracy"])
    fails(capsys, 1, export, str(served), "exists")
    assert (served / "saved_model.pb").is_file()


@pytest.mark.full
def test_precision_and_recompute(work, tmp_path, capsys):
    argv = finetune(work, "small", "--precision=bfloat16", "--recompute", "--num_train_epochs=1")
    assert cli.main(argv) == 0
    settings = json.loads((work / "small" / "metrics.json").read_text("utf-8"))["settings"]
    assert (settings["precision"], settings["recompute"]) == ("bfloat16", True)
    model = work / "small" / "model.keras"
    encoder = keras.saving.load_model(model).encoder
    assert (encoder.policy.name, encoder.recompute) == ("mixed_bfloat16", True)

    served = tmp_path / "serving"
    argv = ["export", f"--model={model}", f"--export_dir={served}", "--precision=int8"]
    assert cli.main(argv) == 0
    assert "on an x86 processor" in capsys.readouterr().out
    # What is served is no checkpoint, and that is said with what opens it.
    never = "--output_dir=never"
    for argv in (
        ["inspect", served],
        ["inspect", f"--model={served}"],
        ["convert", f"--preset={served}/1", never],
        ["convert", f"--model={served}", never],
    ):
        fails(capsys, 1, argv, f"{served}/1 is a SavedModel", "--saved_model")
    graph = (served / "1" / "saved_model.pb").read_bytes()
    assert graph.count(b"_QuantizedMatMul") > 1
    data = f"--input_file={work}/dev.tsv"
    answers = evaluation([f"--saved_model={served}", data], tmp_path / "int8.json")
    assert answers["rows"] == 9


def test_nothing_to_resume(work, capsys):
    fails(capsys, 1, ["finetune", f"--output_dir={work}/none", "--resume"], "none", "no run.json")


def test_a_run_that_ends_at_a_nan(work, capsys):
    argv = finetune(work, "nan", "--learning_rate=1e38", "--warmup_proportion=0")
    said = fails(capsys, 1, [*argv, "--nonfinite=stop"], "not finite", "--nonfinite=skip")
    assert "nan/nonfinite-after-step-" in said
    assert len(list((work / "nan").glob("nonfinite-after-step-*.npz"))) == 1


@pytest.mark.full
def test_recipes_from_the_shell(work):
    recipe = {"schedule": "cosine", "optimizer": "lamb", "layer_decay": 0.9, "learning_rate": 3e-4}
    recipe["bias_correction"] = True
    step = {"fgm": 0.5, "r_drop": 1.0, "nonfinite": "skip", "micro_batches": 2}
    flags = [f"--{name}={value}" for name, value in (recipe | step).items()]
    assert cli.main(finetune(work, "recipe", *flags, "--num_train_epochs=1")) == 0
    run = json.loads((work / "recipe" / "run.json").read_text("utf-8"))
    assert run["run"]["recipe"] == recipe | {"warmup_proportion": 0.1}
    assert run["step"] == step
    assert run["settings"]["train_file"] == f"{work}/train.tsv"


def test_saved_models_that_are_none_of_ours(work, tmp_path, capsys):
    served = tmp_path / "served" / "1"
    cli.main(["export", f"--model={work}/run/model.keras", f"--export_dir={served}"])
    fails(capsys, 1, ["predict", f"--saved_model={tmp_path / 'none'}", "x"], "saved_model.pb")
    (served / "assets.extra" / "labels.txt").unlink()
    fails(capsys, 1, ["predict", f"--saved_model={served}", "x"], "labels.txt")
    data = served / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    fails(capsys, 1, ["predict", f"--saved_model={served}", "x"], "damaged")


def test_pairs_need_two_columns_and_single_texts_one(work, tmp_path, capsys):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("text\tother\tlabel\nmoney\tparcel\tbill\nlogin\tmoney\tlogin\n", "utf-8")
    task = keras.saving.load_model(work / "run" / "model.keras")
    task.takes_pairs = True  # as one that has learnt from them
    task.save(tmp_path / "pairs.keras")
    model = f"--model={tmp_path}/pairs.keras"
    fails(capsys, 1, ["predict", model, "money"], "pairs of texts", "--text_pair_column")
    argv = [f"--input_file={pairs}", "--text_pair_column=other"]
    assert cli.main(["predict", model, *argv]) == 0
    fails(capsys, 1, ["predict", f"--model={work}/run/model.keras", *argv], "single texts")


def test_a_trained_model_is_converted_with_its_head(work, tmp_path, capsys):
    folder = tmp_path / "uncased_trained"
    argv = ["convert", f"--model={work}/run/model.keras", f"--output_dir={folder}", "--to=google"]
    assert cli.main(argv) == 0
    variables = dict(tf.train.list_variables(str(folder / "bert_model.ckpt")))
    assert variables["output_weights"] == [3, 16]
    again = TextClassifier.from_preset(folder, labels=sorted(LABELS))
    assert again.load_report.missing == []


@pytest.mark.parametrize("suffix", by_default([".tsv", ".csv", ".jsonl"], [".csv"]))
def test_predict_writes_a_row_a_text(work, tmp_path, suffix):
    from bert_tf2.data.examples import read_examples

    output = tmp_path / f"answers{suffix}"
    argv = ["predict", f"--model={work}/run/model.keras", f"--input_file={work}/dev.tsv"]
    assert cli.main([*argv, f"--output_file={output}"]) == 0
    found = read_examples(output)
    assert found.texts == read_examples(work / "dev.tsv").texts
    assert set(found.labels) <= set(LABELS)
    columns = [read_examples(output, text="text", label=f"p({name})").labels for name in LABELS]
    assert np.sum(np.array(columns, float), axis=0) == pytest.approx(1)
    assert cli.main([*argv, f"--output_file={output}"]) == 1  # it exists
    assert cli.main([*argv, f"--output_file={output}", "--overwrite"]) == 0


def test_predict_prints_answers_to_arguments(work, capsys):
    argv = ["predict", f"--model={work}/run/model.keras", "coffee cafe", "", "a" * 100_000]
    assert cli.main(argv) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[2] for row in rows] == argv[2:]
    assert all(row[0] in LABELS and 1 / 3 <= float(row[1]) <= 1 for row in rows)


@pytest.mark.full
def test_several_seeds(work, capsys):
    argv = finetune(work, "many", "--seeds=5,6", "--num_train_epochs=1", "--dev_file=%s/dev.tsv")
    assert cli.main(argv) == 0
    table = capsys.readouterr().out.splitlines()[-5:]
    assert [row.split()[0] for row in table] == ["run", "seed_5", "seed_6", "mean", "spread"]
    runs = [json.loads((work / "many" / f"seed_{s}" / "metrics.json").read_text()) for s in (5, 6)]
    mean = sum(run["epochs"][-1]["dev_accuracy"] for run in runs) / 2
    assert float(table[-2].split()[1]) == pytest.approx(mean, abs=CANCELLED)


@pytest.mark.full
def test_folds_of_the_training_file(work, capsys):
    argv = finetune(work, "folds", "--folds=2", "--num_train_epochs=1")
    assert cli.main(argv) == 0
    table = capsys.readouterr().out.splitlines()[-5:]
    assert [row.split()[0] for row in table] == ["run", "fold_1", "fold_2", "mean", "spread"]
    runs = [json.loads((work / "folds" / f"fold_{i}" / "metrics.json").read_text()) for i in (1, 2)]
    assert [run["rows"] for run in runs] == [{"train": 12, "dev": 12}] * 2
    found = [run["dev"]["accuracy"] for run in runs]
    assert float(table[-2].split()[1]) == pytest.approx(sum(found) / 2, abs=1e-4)
    # Each row once, and of each class as many.
    assert [c["support"] for r in runs for c in r["dev"]["classes"].values()] == [4] * 6
    fails(capsys, 2, [*argv, "--overwrite", "--seeds=1,2"], "--folds goes without --seeds")


@pytest.mark.full
def test_a_run_stops_at_a_figure_of_the_task(work, capsys):
    more = ("--dev_file=%s/dev.tsv", "--num_train_epochs=9", "--learning_rate=0", "--patience=1")
    argv = finetune(work, "stop", "--early_stopping=matthews", *more)
    assert cli.main(argv) == 0
    epochs = json.loads((work / "stop" / "metrics.json").read_text())["epochs"]
    assert len(epochs) == 2 and epochs[0]["dev_matthews"] == epochs[1]["dev_matthews"]
    wrong = [*argv, "--overwrite", "--early_stopping=matthew"]
    fails(capsys, 1, wrong, "figures of text_classification", "Received: matthew")
    wrong = finetune(work, "never", "--early_stopping=loss")
    fails(capsys, 2, wrong, "needs a --dev_file")


def test_given_vocabulary_and_labels(work, tmp_path, capsys):
    lines = (work / "tiny_uncased" / "vocab.txt").read_bytes()
    (tmp_path / "too_long.txt").write_bytes(lines + b"one\ntwo\n")
    flags = (f"--vocab_file={tmp_path}/too_long.txt", "--labels=parcel,login,bill")
    fails(capsys, 1, finetune(work, "long", *flags), "too_long.txt", "would have no row")
    assert not (work / "long").exists()


@pytest.mark.parametrize("flag", ["--init_checkpoint", "--preset", "--model"])
def test_convert_and_inspect(work, tmp_path, capsys, flag):
    argv = ["convert", f"{flag}={work}/tiny_uncased", f"--output_dir={tmp_path}/out"]
    assert cli.main(argv) == 0
    assert "written: 23 variables" in capsys.readouterr().out
    for name in ("bert_config.json", "vocab.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (work / "tiny_uncased" / name).read_bytes()
    first, second = (weights.open_checkpoint(f) for f in (work / "tiny_uncased", tmp_path / "out"))
    theirs = second.read(second.variables)
    assert all(np.array_equal(a, theirs[n]) for n, a in first.read(first.variables).items())
    fails(capsys, 1, argv, "exists")
    assert cli.main(["inspect", f"{flag}={tmp_path}/out"]) == 0
    assert "1 layers, width 16, 2 heads" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["%s", "--init_checkpoint=%s", "--preset=%s", "--model=%s"])
def test_a_keras_file_is_inspected(work, capsys, given):
    assert cli.main(["inspect", given.replace("%s", f"{work}/run/model.keras")]) == 0
    said = capsys.readouterr().out
    for words in ("TextClassifier", "bill", "1 layers, width 16", "at most 40 tokens", "AdamW"):
        assert words in said
    assert "classifier/kernel                [16, 3]" in said


def test_convert_to_a_reusable_saved_model(work, tmp_path, capsys):
    folder = tmp_path / "hub"
    argv = [f"--model={work}/run/model.keras", f"--output_dir={folder}", "--to=tfhub"]
    assert cli.main(["convert", *argv]) == 0
    printed = capsys.readouterr().out
    assert "as TF-Hub or Model Garden" in printed
    assert "no place for them: classifier/kernel, classifier/bias" in printed
    assert cli.main(["inspect", f"--init_checkpoint={folder}"]) == 0
    assert "1 layers, width 16, 2 heads" in capsys.readouterr().out


def test_list_names_every_published_checkpoint(capsys):
    from bert_tf2.weights import registry

    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [line.split()[0] for line in lines[1:-3]]
    assert named == [entry.name for entry in registry.entries()]
    albert = next(line for line in lines if line.startswith("albert_base_v2")).split()
    assert albert[2:5] == ["12", "M", "~47"]  # four bytes each
    assert "?" not in str(lines)
    assert cli.main(["list", "distil_bert_base_en_uncased", "electra_small"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    entry = registry.find("distilbert_base_uncased")
    for known in (entry.name, entry.address, entry.sha256["model.safetensors"], "66 M"):
        assert known in first
    assert "https://storage.googleapis.com/electra-data/electra_small.zip" in second
    fails(capsys, 1, ["list", "electra_tiny"], "Did you mean", "electra_small")


def test_masked_words_take_every_verb(work, tmp_path, capsys):
    """What the verbs know of a task is a row of one table: here the other row."""
    (tmp_path / "texts.txt").write_text("the coffee was late\na letter about times\n" * 4)
    texts, model = f"{tmp_path}/texts.txt", f"{tmp_path}/mlm/model.keras"
    argv = ["finetune", "--task=masked_lm", f"--preset={work}/tiny_uncased", "--seq=16"]
    argv += [f"--train_file={texts}", f"--dev_file={texts}", f"--output_dir={tmp_path}/mlm"]
    assert cli.main([*argv, "--batch=4", "--num_train_epochs=1"]) == 0
    epochs = json.loads((tmp_path / "mlm" / "metrics.json").read_text())["epochs"]
    assert {"loss", "mlm_accuracy", "dev_loss", "dev_mlm_perplexity"} < set(epochs[0])
    found = evaluation([f"--model={model}", f"--input_file={texts}"], tmp_path / "scores.json")
    assert found["loss"] == pytest.approx(epochs[-1]["dev_loss"], rel=1e-5)
    assert (
        cli.main(["convert", f"--model={model}", "--to=bert_tf2", f"--output_dir={tmp_path}/p"])
        == 0
    )
    assert cli.main(["export", f"--model={model}", f"--export_dir={tmp_path}/s"]) == 0
    capsys.readouterr()
    said, asked = [], ["the [MASK] was [MASK]", "a [MASK]"]
    for given in (f"--model={model}", f"--preset={tmp_path}/p"):
        assert cli.main(["predict", given, *asked]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    words, shares, text = said[0].splitlines()[0].split("\t")
    assert (len(words.split()), len(shares.split()), text) == (2, 2, "the [MASK] was [MASK]")
    assert cli.main(["plan", f"--preset={tmp_path}/p", "--seq=16"]) == 0
    planned = capsys.readouterr().out
    assert f'bert_tf2.MaskedLM.from_preset("{tmp_path}/p", max_length=16)' in planned
    assert "--task=masked_lm" in planned and "model.fit(texts, batch_size=32)" in planned
    task = keras.saving.load_model(model)
    assert words.split() == [fills[0].word for fills in task.fill_masks([text])[0]]
    output = f"--output_file={tmp_path}/answers.jsonl"
    assert cli.main(["predict", f"--saved_model={tmp_path}/s", *asked, output]) == 0
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert (np.shape(rows[1]["words"]), np.shape(rows[1]["probabilities"])) == ((1, 5), (1, 5))
    assert [found[0] for found in rows[0]["words"]] == words.split()
    fails(capsys, 1, ["evaluate", f"--model={tmp_path}/s", f"--input_file={texts}"], ".keras")
    fails(capsys, 2, [*argv, "--labels=a,b", "--overwrite"], "--labels is for classifiers")
    fails(capsys, 1, ["predict", f"--model={model}", "no mask"], "[MASK]")
    argv = ["predict", f"--preset={work}/tiny_uncased", "a [MASK]"]
    fails(capsys, 1, [*argv, "--task=masked_lm"], "no trained head of a MaskedLM", "finetune")
    fails(capsys, 1, argv, "no trained head of a TextClassifier", "finetune")


def test_classes_that_a_checkpoint_does_not_name(work, tmp_path, capsys):
    model, texts = f"--model={work}/run/model.keras", [*WORDS.values()]
    assert cli.main(["convert", model, "--to=google", f"--output_dir={tmp_path}/g"]) == 0
    named = [f"--preset={tmp_path}/g", f"--labels={','.join(sorted(LABELS))}"]
    assert cli.main(["predict", model, *texts]) == 0
    want = capsys.readouterr().out.splitlines()[-len(texts) :]
    assert cli.main(["predict", *named, "--seq=40", *texts]) == 0
    assert capsys.readouterr().out.splitlines()[-len(texts) :] == want
    fails(capsys, 1, ["predict", named[0], *texts], "--labels=a,b")
    fails(capsys, 2, ["predict", model, named[1], *texts], "has its own classes")
    fails(capsys, 2, ["predict", *named, "--task=masked_lm", "x"], "--labels is for classifiers")


@pytest.mark.parametrize("to", ["google", "huggingface"])
def test_a_checkpoint_that_says_no_task_is_told_by_its_heads(work, tmp_path, capsys, to):
    from bert_tf2 import MaskedLM, convert

    MaskedLM.from_preset(work / "tiny_uncased", max_length=16).save_to_preset(tmp_path / "mlm")
    convert(tmp_path / "mlm", tmp_path / to, to=to)
    assert cli.main(["predict", f"--preset={tmp_path}/{to}", "a [MASK]"]) == 0
    assert capsys.readouterr().out.endswith("a [MASK]\n")


@pytest.mark.parametrize("verb", [name for name, verb in cli.VERBS.items() if verb.flags])
def test_short_names_mean_the_same_in_every_verb(verb):
    flags, required = cli.VERBS[verb].flags, dict.fromkeys(cli.VERBS[verb].required, "x")
    meant = {"preset": ["init_checkpoint"], "seq": ["max_seq_length"]}
    meant["batch"] = ["train_batch_size", "eval_batch_size", "predict_batch_size"]
    for short, names in meant.items():
        for name in [name for name in names if name in flags][:1]:
            argv = [f"--{n}={v}" for n, v in (required | {short: "7"}).items() if n != name]
            found = parse(f"bert_tf2 {verb}", flags, argv, cli.VERBS[verb].required)
            assert str(found[name].value) in ("7", "['7']") and found[name].present


def test_a_file_with_another_separator_and_encoding(work, tmp_path, capsys):
    rows = "text;label\nun café;bill\nletter;login\nstone;parcel\n"
    (tmp_path / "dev.csv").write_bytes(rows.encode("latin-1"))
    argv = [f"--model={work}/run/model.keras", f"--input_file={tmp_path}/dev.csv"]
    found = evaluation([*argv, "--encoding=latin-1", "--delimiter=;"], tmp_path / "scores.json")
    assert found["rows"] == 3
    fails(capsys, 1, ["evaluate", *argv], "UTF-8")


def test_a_folder_takes_one_run_at_a_time(work, tmp_path, capsys):
    with locked(tmp_path / "run"):
        argv = [*finetune(work, "x"), f"--output_dir={tmp_path}/run", "--overwrite"]
        fails(capsys, 1, argv, "in use", str(os.getpid()))


# --- Mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["fly"], ["'fly'", "finetune", "--help"]),
        (["inspekt"], ["Did you mean inspect?"]),
        (["finetune", "--trian_file=x"], ["trian_file", "bert_tf2 finetune --help"]),
        (["finetune", "--train_file=x"], ["--output_dir must be given"]),
        (["finetune", "--output_dir=x"], ["--init_checkpoint and --train_file must be given"]),
        (["finetune", "--train_batch_size=0"], ["train_batch_size", "positive"]),
        (["finetune", "--train_batch_size=many"], ["train_batch_size", "many"]),
        (["export", "--model=a", "--export_dir=b", "extra"], ["extra"]),
        (["evaluate", "--input_file=x"], ["--model or --saved_model"]),
        (["evaluate", "--input_file=x", "--model=a", "--saved_model=b"], ["one of them"]),
        (["predict", "--model=a"], ["--input_file"]),
        (["download"], ["NAME"]),
        (["inspect", "a", "b"], ["give one checkpoint"]),
        (["inspect", "a", "--preset=b"], ["give one checkpoint"]),
        (["inspect"], ["--init_checkpoint"]),
        (["convert", "--init_checkpoint=a", "--output_dir=b", "--to=onnx"], ["onnx", "google"]),
    ],
)
def test_wrong_command_lines(argv, words, capsys):
    said = fails(capsys, 2, argv, *words)
    assert said.count("\n") == 1


@pytest.mark.parametrize("more", ["--seeds=1,x", "--seeds=1,1", "--num_train_epochs=1.5"])
def test_wrong_numbers(work, more, capsys):
    fails(capsys, 2, finetune(work, "never", more), more.partition("=")[0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"text\tlabel\n", ["rows"]),
        (b"text\tlabel\na\tx\nb\n", ["line 3", "columns"]),
        (b"text\tclass\na\tx\n", ["'label'"]),
        (b"text\tlabel\n\xff\tx\n", ["line 2", "UTF-8"]),
        (b"text\tlabel\na\tx\nb\tx\n", ["two classes"]),
    ],
)
def test_bad_training_files(work, tmp_path, content, words, capsys):
    (tmp_path / "bad.tsv").write_bytes(content)
    argv = finetune(work, "never", f"--train_file={tmp_path}/bad.tsv")
    fails(capsys, 1, argv, "bert_tf2: error: ", "bad.tsv", *words)
    assert not (work / "never").exists()


def test_unknown_label_at_evaluation(work, tmp_path, capsys):
    (tmp_path / "new.tsv").write_text("text\tlabel\nmoney\tbill\nmoney\trefund\n")
    argv = ["evaluate", f"--model={work}/run/model.keras", f"--input_file={tmp_path}/new.tsv"]
    fails(capsys, 1, argv, "new.tsv, line 3", "'refund'", "'bill', 'login', 'parcel'")
    argv = finetune(work, "never", f"--dev_file={tmp_path}/new.tsv")
    fails(capsys, 1, argv, "line 3", "'refund'")


def test_what_is_there_stays(work, capsys):
    before = (work / "run" / "model.keras").read_bytes()
    fails(capsys, 1, finetune(work, "run"), "exists", "--overwrite")
    assert (work / "run" / "model.keras").read_bytes() == before


def test_missing_and_damaged_files(work, tmp_path, capsys):
    data = f"--input_file={work}/dev.tsv"
    fails(capsys, 1, ["evaluate", "--model=none.keras", data], "none.keras")
    (tmp_path / "torn.keras").write_bytes((work / "run" / "model.keras").read_bytes()[:2000])
    fails(capsys, 1, ["evaluate", f"--model={tmp_path}/torn.keras", data], "torn.keras")
    fails(
        capsys, 1, ["evaluate", f"--model={work}/run/model.keras", "--input_file=no.csv"], "no.csv"
    )
    fails(capsys, 1, ["inspect", "--init_checkpoint=no_such_name"], "no_such_name", "Did you mean")
    fails(capsys, 1, ["inspect", f"--init_checkpoint={tmp_path}"], "holds no checkpoint")


def test_debug_shows_the_traceback():
    with pytest.raises(FileNotFoundError):
        cli.main(["evaluate", "--model=none.keras", "--input_file=none.tsv", "--debug"])


def test_interruption(monkeypatch, capsys):
    def interrupted(flags):
        raise KeyboardInterrupt

    monkeypatch.setattr("bert_tf2.cli.checkpoint_verbs.list_published", interrupted)
    assert cli.main(["list"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "there", "said"),
    [
        ([], [], "with --save_checkpoints_steps=500, bert_tf2 finetune"),
        (["--save_checkpoints_steps=9"], [], "before a checkpoint was saved"),
        (["--save_checkpoints_steps=9"], ["epoch-0000-step-000000009"], "To go on with the run: "),
    ],
)
def test_an_interrupted_run_says_how_it_goes_on(
    work, tmp_path, capsys, monkeypatch, more, there, said
):
    def interrupted(flags, *_):
        for name in there:
            (tmp_path / "run" / "checkpoints" / name).mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("bert_tf2.cli.finetune._train", interrupted)
    argv = [*finetune(work, "x", *more), f"--output_dir={tmp_path}/run"]
    fails(capsys, 130, argv, "interrupted", said)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["predict", "--model=%s", "x", "--output_file=answers.xls"], [".jsonl", "answers.xls"]),
        (["predict", "--model=%s", "x", "--output_file=%s/a.csv"], ["a.csv", "no folder"]),
        (["evaluate", "--model=%s", "--input_file=no", "--output_file=%s/a"], ["no folder"]),
        (["convert", "--model=%s", "--output_dir=%s/a"], ["no folder"]),
        (["finetune", "--preset=%s", "--train_file=no", "--output_dir=%s/a"], ["no folder"]),
        (["finetune", "--preset=%s", "--train_file=no", "--output_dir=%o"], ["a whole model"]),
        (["pretrain", "--preset=%s", "--input_file=no", "--output_dir=%o"], ["--to=bert_tf2"]),
        (["convert", "--preset=%s", "--output_dir=%o"], ["a whole model", "convert --model"]),
        (["plan", "%s"], ["a whole model"]),
    ],
)
def test_what_cannot_be_written_or_read_is_said_before_any_work(
    work, tmp_path, capsys, argv, words
):
    meant = {"%s": f"{work}/run/model.keras", "%o": f"{tmp_path}/out", "%d": f"{work}/dev.tsv"}
    for short, word in meant.items():
        argv = [part.replace(short, word) for part in argv]
    assert len(fails(capsys, 1, argv, *words)) < 600
    assert not (tmp_path / "out").exists()


def test_predictions_that_are_terminated_leave_nothing(work, tmp_path, monkeypatch):
    argv = ["bert_tf2", "predict", f"--model={work}/run/model.keras", "coffee"]
    monkeypatch.setattr("sys.argv", [*argv, f"--output_file={tmp_path}/out.csv"])
    monkeypatch.setattr("csv.writer", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match="143"):
            cli.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert list(tmp_path.iterdir()) == []


# --- As a process ---------------------------------------------------------------------------------


def test_help_lists_the_verbs_and_each_verb_its_flags(capsys):
    assert cli.main([]) == 0
    overview = capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"bert_tf2 {bert_tf2.__version__} (keras 3.")
    for verb in cli.VERBS:
        assert f"\n  {verb} " in overview
        assert cli.main([verb, "--help"]) == 0
        assert f"bert_tf2 {verb}" in capsys.readouterr().out
    cli.main(["export", "--help"])
    said = capsys.readouterr().out
    assert "--export_dir" in said
    assert "--train_file" not in said


def as_process(tmp_path, script, argv):
    """Runs a script under the name of the console script, with the package on its path."""
    (tmp_path / "bert_tf2").write_text(script)
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    env.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command has its own default
    command = [sys.executable, tmp_path / "bert_tf2", *argv]
    return subprocess.run(command, capture_output=True, text=True, env=env)


def test_help_needs_no_tensorflow(tmp_path):
    script = (
        "import sys\nfrom bert_tf2.cli import main\nstatus = main(sys.argv[1:])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\nsys.exit(status)\n"
    )
    for argv, status in ([], 0), (["finetune", "--help"], 0), (["fly"], 2), (["list"], 0):
        done = as_process(tmp_path, script, argv)
        assert done.returncode == status, done.stderr


@pytest.mark.full
def test_a_process_keeps_its_output_clean(work, tmp_path):
    script = "from bert_tf2.cli import run\nrun()\n"
    argv = ["predict", f"--model={work}/run/model.keras", "coffee cafe"]
    done = as_process(tmp_path, script, argv)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.split("\t")[2] == "coffee cafe\n"
    assert done.stderr == ""


def test_what_is_served_may_be_a_published_name(tmp_path, monkeypatch):
    from bert_tf2.cli import serve

    monkeypatch.setattr(serve.registry, "resolve", lambda name: tmp_path / name)
    assert serve._there("all-MiniLM-L6-v2") == str(tmp_path / "all-MiniLM-L6-v2")
    assert serve._there(str(tmp_path)) == str(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"No folder nowhere: expected .* folder or name"):
        serve._there("nowhere")
