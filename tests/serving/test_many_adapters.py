"""Many adapters in one model, of which each row chooses its own."""

import json

import numpy as np
import oracle
import pytest
import shell
import tensorflow as tf
from closeness import FORWARD, assert_near
from served import ask, running

import bert_tf2
from bert_tf2.serving import Client
from bert_tf2.serving.many_adapters import Many

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "", "a stone"]
CHOSEN = ["a", "", "b", "c", "b", "a"]
LORAS = {
    "a": {"rank": 2},
    "b": {"rank": 3, "targets": "all-linear", "bias": "lora_only"},
    "c": {"rank": 1, "targets": ("output",), "use_rslora": True, "train_head": False},
}
CONFIG = oracle.with_dropout(oracle.SMALL, 0.0)


def made(cls=bert_tf2.TextClassifier, config=CONFIG, **settings):
    """A task with three LoRAs, and its answers with each and without any."""
    labels = {"labels": ["x", "y", "z"]} if "labels" in cls.settings else {}
    task, rng = oracle.tiny_task(cls, config, **labels, **settings), np.random.default_rng(0)
    want = {"": answers(task)}
    for name, lora in LORAS.items():
        task.add_adapter("lora", name, **lora)
        for variable in task.trainable_variables:
            noise = 0.2 * rng.standard_normal(variable.shape)
            variable.assign(noise if "lora" in variable.path else variable + noise)
        want[name] = answers(task)
    task.set_adapter("b")  # whose head is the one in use
    return task, want


def answers(task):
    inputs = task.prepare(task.read(TEXTS))[0]
    found = task.answers(inputs, task(inputs))
    return (found["logits"] if "logits" in found else found["embedding"]).numpy()


def check(got, want):
    for row, name in enumerate(CHOSEN):
        assert_near(got[row], want[name][row], FORWARD, err_msg=name)
    assert np.abs(want["a"] - want["b"]).max() > 0.05


@pytest.mark.parametrize("settings", [{}, {"drop_padding": False, "pooling": "mean"}])
def test_each_row_wears_its_own(settings):
    task, want = made(**settings)
    with task.rows_wearing(Many(task).worn(tf.constant(CHOSEN))):
        check(answers(task), want)
    np.testing.assert_array_equal(answers(task), want["b"])


@pytest.mark.full
@pytest.mark.parametrize("config", ["bert", "albert", "electra"])
@pytest.mark.parametrize("cls", [bert_tf2.TextClassifier, bert_tf2.SentenceEncoder])
def test_a_saved_model_of_all(cls, config, tmp_path):
    task, want = made(cls, oracle.with_dropout(oracle.TINIES[config], 0.0))
    served = tf.saved_model.load(task.export(tmp_path / "served", adapters="all"))
    serve = served.signatures["serving_default"]
    found = serve(text=tf.constant(TEXTS), adapter=tf.constant(CHOSEN))
    got = found["logits"] if "logits" in found else found["embedding"]
    for row, name in enumerate(CHOSEN):
        assert_near(got[row], want[name][row], 10 * FORWARD, err_msg=name)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`adapter` must be one of"):
        serve(text=tf.constant(["tea"]), adapter=tf.constant(["d"]))
    inputs = {n: x for n, x in task.prepare(task.read(TEXTS))[0].items() if n not in task.marks}
    of_ids = served.signatures["token_ids"](**inputs, adapter=tf.constant(CHOSEN))
    assert_near(of_ids["logits" if "logits" in found else "embedding"], got, FORWARD)


def test_what_no_row_can_choose():
    task, _ = made()
    with pytest.raises(ValueError, match="no adapter 'd'"):
        Many(task, ["d"])
    task.add_adapter("pfeiffer", "d")
    with pytest.raises(ValueError, match="Adapter 'd' cannot be chosen by the row: only a LoRA"):
        Many(task)
    with pytest.raises(ValueError, match="There are no adapters to choose from"):
        Many(oracle.tiny_classifier())
    with pytest.raises(ValueError, match="`precision` must be left out beside `adapters`"):
        task.export("never", precision="int8", adapters=["a"])
    choice = oracle.tiny_task(bert_tf2.MultipleChoice, CONFIG).add_adapter()
    with pytest.raises(ValueError, match="A MultipleChoice computes several rows for one"):
        Many(choice)
    words = oracle.tiny_task(bert_tf2.MaskedLM, CONFIG)
    with pytest.raises(ValueError, match="The head of a MaskedLM cannot be chosen by the row: mlm"):
        Many(words.add_adapter())


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of a classifier's SavedModel of all, and the answers to "rain" with each."""
    task, _ = made()
    want = {}
    for name in ("", *LORAS):
        task.set_adapter(name or None)
        want[name] = task.predict_labels(["rain"])[0]
    return task.export(tmp_path_factory.mktemp("models") / "many", adapters="all"), want


def test_every_route_serves_them(served):
    folder, want = served
    with running(folder.parent) as url, Client(url, "many") as client:
        for name, label in want.items():
            (found,) = client.predict_labels({"text": ["rain"], "adapter": [name]})
            assert found.label == label.label
            for path, more in (
                ("/predict", {"adapter": name}),
                ("/", {"parameters": {"adapter": name}}),
            ):
                status, found = ask(url + path, {"inputs": "rain"} | more)
                best = (found if path == "/predict" else found[0])[0]
                assert (status, best["label"]) == (200, label.label)
                assert best["score"] == pytest.approx(label.probability, abs=1e-5)
        status, found = ask(f"{url}/predict", {"inputs": "rain"})
        assert found[0]["score"] == pytest.approx(want[""].probability, abs=1e-5)
        status, found = ask(f"{url}/predict", {"inputs": "rain", "adapter": "d"})
        assert status == 400 and "`adapter` must be one of" in found["error"]


def test_a_shell_names_one_for_all_rows(served, tmp_path, capsys):
    folder, want = served
    (tmp_path / "a.txt").write_text("rain\n")
    line = f"{want['a'].label}\t{want['a'].probability:.4f}\train"
    rows, name = f"--input_file={tmp_path / 'a.txt'}", "--adapter_name=a"
    saved = ["predict", f"--saved_model={folder}", rows]
    with running(folder.parent) as url:
        for asked in (saved, ["request", url, rows], ["request", url, "rain"]):
            shell.runs(*asked, name)
            assert capsys.readouterr().out.splitlines()[-1] == line
            shell.fails(capsys, 2, asked, "--adapter_name must be given")
    shell.fails(capsys, 1, [*saved, "--adapter_name=d"], "`adapter` must be one of")


def test_a_column_chooses_for_each_row_of_a_shell(served, tmp_path, capsys):
    """Of a file in whatever form; a flag is of all rows, whatever their column says."""
    folder, want = served
    rows, names = tmp_path / "rows.jsonl", [*want, "a", ""]
    rows.write_text("".join(json.dumps({"text": "rain", "adapter_name": x}) + "\n" for x in names))
    table = tmp_path / "rows.csv"
    gold = [want[x].label for x in names]
    lines = [f"rain,{x},{y}" for x, y in zip(names, gold, strict=True)]
    table.write_text("\n".join(["text,adapter_name,label", *lines]))
    saved = ["predict", f"--saved_model={folder}"]
    with running(folder.parent) as url:
        asked = ["request", url]
        for verb, file in ((asked, rows), (asked, table), (saved, rows)):
            out = tmp_path / f"{verb[0]}{file.suffix}.jsonl"
            shell.runs(*verb, f"--input_file={file}", f"--output_file={out}")
            found = [json.loads(line) for line in out.read_text().splitlines()]
            assert [x["adapter_name"] for x in found] == names
            for row, name in zip(found, names, strict=True):
                assert row["label"] == want[name].label
                assert row["probability"] == pytest.approx(want[name].probability, abs=1e-5)
        capsys.readouterr()
        shell.runs(*asked, f"--input_file={rows}", "--adapter_name=a")
        said = f"{want['a'].label}\t{want['a'].probability:.4f}\train"
        assert capsys.readouterr().out.splitlines()[-len(names) :] == [said] * len(names)
        rows.write_text('{"text": "rain"}\n')
        words = ("adapter_name", "--adapter_name is of all rows")
        shell.fails(capsys, 1, [*asked, f"--input_file={rows}"], *words)
        rows.write_text('{"text": "rain", "adapter_name": "d"}\n')
        shell.fails(capsys, 1, [*asked, f"--input_file={rows}"], "`adapter` must be one of")
    scores = tmp_path / "scores.json"
    evaluate = ["evaluate", f"--saved_model={folder}", f"--input_file={table}"]
    shell.runs(*evaluate, f"--output_file={scores}")
    assert json.loads(scores.read_text())["accuracy"] == 1.0
