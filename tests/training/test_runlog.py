"""What a run writes of itself."""

import keras
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD, FORMULA
from interrupted import StopAt

import bert_tf2
from bert_tf2 import files
from bert_tf2.training import runlog

TEXTS = ["tea tea", "The kettle hums.", "stone, rain & tea", "tea", "rain tea rain"] * 2
LABELS = [["tea", "stone", "rain"][i % 3] for i in range(len(TEXTS))]


def fit(*callbacks, seed=1):
    keras.utils.set_random_seed(seed)
    task = oracle.tiny_classifier()
    task.compile({"learning_rate": 1e-3}, micro_batches=2)
    return task.fit(
        TEXTS,
        LABELS,
        batch_size=2,
        epochs=2,
        validation_data=(TEXTS[:4], LABELS[:4]),
        callbacks=list(callbacks),
        verbose=0,
    ).history


def scalars(folder):
    """What TensorBoard would show: name -> [(step, value)]."""
    found = {}
    for file in sorted((folder / "tensorboard").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_a_run_is_written_down(tmp_path):
    history = fit(bert_tf2.RunLog(tmp_path, every=2, settings={"file": "train.tsv"}))
    run = runlog.read_run(tmp_path)
    assert run["task"] == "TextClassifier" and run["settings"] == {"file": "train.tsv"}
    assert run["encoder"]["hidden_size"] == oracle.TINY.hidden_size
    assert run["step"]["micro_batches"] == 2 and run["run"]["recipe"] == {"learning_rate": 1e-3}
    assert (run["run"]["batch_size"], run["run"]["epochs"], run["run"]["batches"]) == (2, 2, 5)
    assert run["optimizer"]["config"]["clip_norm"] == 1.0
    assert run["versions"]["keras"] == keras.__version__
    assert len(run["started"]) == 1 and run["replicas"] == 1

    lines = runlog.read_metrics(tmp_path)
    assert [(x["step"], x["whole_epoch"]) for x in lines] == [
        (2, False),
        (4, False),
        (5, True),
        (6, False),
        (8, False),
        (10, False),
        (10, True),
    ]
    epochs = [line for line in lines if line["whole_epoch"]]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [line[name] for line in epochs] == pytest.approx(history[name])
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert epochs[0]["learning_rate"] == pytest.approx(1e-3 * (1 - 5 / 10))  # the recipe's line
    assert 0 < lines[0]["seconds"] < lines[-1]["seconds"]
    shown = scalars(tmp_path)
    assert shown["epoch_val_loss"] == [
        (line["step"], pytest.approx(line["val_loss"], rel=FORMULA)) for line in epochs
    ]
    assert [step for step, _ in shown["batch_loss"]] == [2, 4, 6, 8, 10]


@pytest.mark.full
def test_a_run_that_goes_on_has_each_line_once(tmp_path):
    want = tmp_path / "alone"
    fit(bert_tf2.RunLog(want, every=1))
    saved = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(bert_tf2.RunLog(saved, 1), StopAt(8), bert_tf2.Checkpoints(saved / "saved", every=3))
    with open(saved / "metrics.jsonl", "a") as file:
        file.write('{"step": 9, "epo')  # killed while it wrote
    fit(bert_tf2.RunLog(saved, 1), bert_tf2.Checkpoints(saved / "saved", every=3))
    assert len(runlog.read_run(saved)["started"]) == 2
    for got, wanted in zip(runlog.read_metrics(saved), runlog.read_metrics(want), strict=True):
        del got["seconds"], wanted["seconds"]
        assert got == pytest.approx(wanted, rel=BACKWARD)


@pytest.mark.full
def test_a_new_run_starts_its_files_anew(tmp_path):
    for _ in range(2):
        fit(bert_tf2.RunLog(tmp_path))
    assert len(runlog.read_metrics(tmp_path)) == 2
    assert len(runlog.read_run(tmp_path)["started"]) == 1


@pytest.mark.full
def test_a_full_disk_costs_lines_only(tmp_path, monkeypatch, caplog):
    """/dev/full is a file on a disk that is always full."""
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    log = bert_tf2.RunLog(tmp_path)
    monkeypatch.setattr(files, "write_file", lambda *_: None)  # which refuses what is no file
    assert len(fit(log)["loss"]) == 2
    assert "Training goes on" in caplog.text


def test_nothing_there_and_bad_settings(tmp_path):
    assert runlog.read_run(tmp_path) == {} and runlog.read_metrics(tmp_path) == []
    with pytest.raises(ValueError, match=r"`every` must be 1 or more. Received: 0"):
        bert_tf2.RunLog(tmp_path, every=0)
    for content in ("", "{", "[]", "{}"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(ValueError, match=r"run\.json"):
            runlog.read_run(tmp_path)
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n3\n\xff\n{"step": null}\n{"step": 2')
    assert runlog.read_metrics(tmp_path) == [{"step": 1}]
