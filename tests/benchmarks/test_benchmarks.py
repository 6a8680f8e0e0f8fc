"""The benchmark's own arithmetic, its plan, and what it tells of a command."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import contest, materials, precision, report, works
from benchmarks.settings import SETTINGS
from bert_tf2.config import EncoderConfig

ROOT = Path(__file__).parents[2]


def test_flops_are_two_per_weight_and_real_token():
    config = EncoderConfig(100, 8, 3, 2, 32)
    weights = 3 * (4 * 8 * 8 + 2 * 8 * 32)
    attention = 3 * 2 * 2 * 8 * (5 * 5 + 2 * 2)
    assert works.flops(config, [5, 2], training=False) == 2 * weights * 7 + attention
    assert works.flops(config, [5, 2], training=True) == 3 * (2 * weights * 7 + attention)


def test_typical_batch_has_the_mean_and_no_row_twice():
    lengths = np.random.default_rng(1).integers(3, 60, 500)
    rows = materials.typical(lengths, 16, 29)
    assert len(set(rows)) == 16
    assert abs(lengths[rows].mean() - 29) < 0.5
    assert rows.tolist() == materials.typical(lengths, 16, 29).tolist()


def test_grouped_batch_has_the_tokens_and_little_padding():
    lengths = np.random.default_rng(1).integers(3, 60, 500)
    same = lengths[materials.grouped(lengths, 464, 16)]
    assert abs(same.sum() - 464) <= 16
    assert same.max() - same.min() <= 3


def test_every_work_names_what_exists():
    for work in works.WORKS:
        assert work.batch in materials.BATCHES
        assert work.model in (*materials.MODELS, "minilm")
        for label in work.contestants:
            peer = label.partition(":")[0]
            worker = ROOT / "benchmarks" / "workers" / f"{peer}.py"
            assert f"def {work.kind}(" in worker.read_text(encoding="utf-8"), (work.name, label)
            assert peer == "ours" or (ROOT / "benchmarks" / "peers" / f"{peer}.txt").is_file()
        assert {x for x in work.aims if x not in ("share", "peak")} <= set(work.contestants)
        assert set(work.contestants) <= set(SETTINGS)


def test_ratios_and_shares_are_of_the_same_round():
    ours = {"cpu": [2.0], "wall": [2.5]}
    rows = {"ours": ours, "keras_hub": {"cpu": [8.0], "wall": [8.0]}, "limit": {"flops": [1e11]}}
    contest.compare(rows, "ours")
    ours["cpu"].append(4.0), ours["wall"].append(4.0)  # all are slower, nobody is worse
    rows["keras_hub"]["cpu"].append(16.0), rows["keras_hub"]["wall"].append(16.0)
    rows["limit"]["flops"].append(0.5e11)
    contest.compare(rows, "ours")
    assert rows["keras_hub"]["ratio"] == [4, 4]
    assert report.ratio(rows, "keras_hub", "ours") == 4
    result = {"limit": 1e11, "flops": 2e11}
    assert report.share(result, ours) == pytest.approx(2e11 / (2.25e11))


def test_a_command_is_told_without_where_files_lie():
    told = precision.told(["--model=/a/b=c/tuned/", "--dev_file", "/x/dev.tsv", "--rows=64"])
    assert told == "python -m benchmarks.precision --model=tuned --dev_file dev.tsv --rows=64"


def test_precision_says_which_file_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(materials, "ASSETS", None)
    with pytest.raises(SystemExit):
        precision.parse([])
    assert "--train_file: expected a file of SST-2; received: None" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        precision.parse([f"--model={tmp_path}", f"--dev_file={tmp_path}/none.tsv"])
    assert "BERT_TF2_ASSETS" in capsys.readouterr().err
    dev = tmp_path / "datasets" / "glue" / "SST-2" / "dev.tsv"
    dev.parent.mkdir(parents=True)
    dev.write_text("sentence\tlabel\n")
    monkeypatch.setattr(materials, "ASSETS", str(tmp_path))
    assert precision.parse(["--model=x"]).dev_file == dev


def test_texts_are_bundled_where_no_assets_are_named(monkeypatch):
    monkeypatch.setattr(materials, "ASSETS", None)
    (first, second), labels, source = materials.texts("pairs")
    assert len(first) == len(second) > 16
    assert set(labels) == {0, 1}
    assert "bundled" in source
