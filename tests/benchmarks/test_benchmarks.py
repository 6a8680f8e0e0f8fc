"""The benchmark's own arithmetic, its conversation with a worker, and its tables."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import contest, materials, plot, report, works
from bert_tf2.config import EncoderConfig

ROOT = Path(__file__).parents[2]
WORKER = """
from benchmarks.workers import protocol

def count(question):
    print("libraries may print")
    total = []
    return protocol.Prepared(lambda: total.append(1) or {"done": len(total)}, [question["x"]])

def fail(question):
    raise ValueError("first line\\nlast line")

protocol.serve({"count": count, "fail": fail}, ())
"""


@pytest.fixture
def ask():
    """A function that asks a live worker."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    )

    def one(**question):
        print(json.dumps(question), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    yield one
    process.kill()
    process.communicate()


def test_conversation(ask, tmp_path):
    file = str(tmp_path / "check.npy")
    ready = ask(do="prepare", kind="count", threads=1, x=2.5, check_file=file)
    assert ready == {"ok": True, "notes": {}, "check": file, "versions": {}}
    assert np.load(file).tolist() == [2.5]
    first, second = ask(do="round"), ask(do="round")
    assert (first["done"], second["done"]) == (1, 2)
    assert second["ok"] and second["cpu"] >= 0 < second["peak"] < 100
    assert ask(do="prepare", kind="fail", threads=1) == {
        "ok": False,
        "error": "ValueError: first line",
    }
    assert "count" in ask(do="prepare", kind="unknown", threads=1)["error"]


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


@pytest.fixture
def results():
    """Made-up measurements of one work."""
    row = {"wall": [2.0, 4.0, 3.0], "cpu": [2.0, 4.0, 3.0], "peak": 1.5, "difference": 0.0}
    rows = {
        "ours": row,
        "keras_hub": row | {"cpu": [13.5], "wall": [13.5], "versions": {"keras-hub": "0.32.0"}},
        "model_garden": {"error": "outputs differ by 1.0e+00"},
    }
    result = {"rows": rows, "rounds": 3, "threads": 1, "flops": 3e11, "limit": 2e11}
    told = {"mean_length": 29.0, "texts": 16, "source": "made up", "date": "2000-01-01"}
    work = result | told | {"command": "python -m benchmarks", "quick": False}
    return {"machine": report.machine(), "works": {"step_sst2": work}, "plot": None}


def test_ratios_and_shares_are_of_the_same_round():
    ours = {"cpu": [2.0], "wall": [2.5]}
    rows = {"ours": ours, "keras_hub": {"cpu": [8.0], "wall": [8.0]}, "limit": {"flops": [1e11]}}
    contest._compare(rows, "ours")
    ours["cpu"].append(4.0), ours["wall"].append(4.0)  # all are slower, nobody is worse
    rows["keras_hub"]["cpu"].append(16.0), rows["keras_hub"]["wall"].append(16.0)
    rows["limit"]["flops"].append(0.5e11)
    contest._compare(rows, "ours")
    assert rows["keras_hub"]["ratio"] == [4, 4]
    assert report.ratio(rows, "keras_hub", "ours") == 4
    result = {"limit": 1e11, "flops": 2e11}
    assert report.share(result, ours) == pytest.approx(2e11 / (2.25e11))


def test_table(results):
    text = report.render(results)
    assert "| ours | 3 | 3 | 1.00 |  | 50% | 1.50 | 0e+00 |" in text
    assert "| keras_hub | 13.5 | 13.5 | 4.50 | 4.50 | 11% | 1.50 | 0e+00 |" in text
    assert "| model_garden | failed: outputs differ by 1.0e+00 |" in text
    assert "keras-hub 0.32.0" in text
    assert "16 text(s) of 29.0 tokens on average (made up)" in text


def test_plot_shows_only_what_was_measured(results, tmp_path):
    pytest.importorskip("matplotlib")
    assert plot.bars(results["works"])[0][1] == [("ours", 1.0), ("keras_hub", 4.5)]
    assert plot.draw(results["works"], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert not plot.draw({}, tmp_path / "b.png")
