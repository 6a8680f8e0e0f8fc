"""The tables of the accelerator's benchmark, and what it takes for agreement."""

import numpy as np
import pytest

from benchmarks import accelerator, accelerator_tables
from benchmarks.contestant import Failed

OURS, TORCH, COMPILED = accelerator_tables.CONTESTANTS


def logits():
    before = np.array([[0.5, -0.5], [0.1, 0.2]])
    return np.stack([before, before + 0.1, before + 0.003])


def test_agreement_is_of_the_outputs_and_of_a_step():
    other = logits()
    other[2] += 0.01  # bfloat16 is shown, and nobody is out for it
    found = accelerator.compare(other, logits())
    assert found["difference"] == 0
    assert found["bfloat16 difference"] == pytest.approx(0.01)
    assert found["moved"] == pytest.approx(0.1)
    for part in (0, 1):
        other = logits()
        other[part, 1, 0] += 0.002
        with pytest.raises(Failed, match="differ"):
            accelerator.compare(other, logits())
    with pytest.raises(Failed, match="differ"):
        accelerator.compare(logits() * np.nan, logits())
    still = np.stack([logits()[0]] * 3)
    with pytest.raises(Failed, match="moves the logits"):
        accelerator.compare(still, still)


def measured():
    row = {"difference": 1e-6, "bfloat16 difference": 2e-3, "moved": 0.1, "versions": {"jax": "1"}}
    rows = {
        OURS: row | {"step": [0.02, 0.04, 0.02], "product": [5e14] * 3, "device_peak": 3.0},
        TORCH: row | {"step": [0.03, 0.06, 0.06], "product": [8e14] * 3, "device_peak": None},
        COMPILED: {"error": "a | b"},
    }
    table = {"model": "bert_base", "length": 128, "texts": 10, "flops": 8e12, "rows": rows}
    told = {"device": "Made-up GPU", "command": "…", "date": "2000-01-01", "rounds": 3}
    return told | {"tables": [table]}


def test_table_of_a_gpu():
    text = accelerator_tables.render({"gpu": measured()}, accelerator.CASES["gpu"])
    assert "a peak of 800.0 TFLOP/s" in text
    assert f"| {OURS} | 20.0 | 64,000 | 50% | 1.00 | 3.0 | 1e-06 | 2e-03 |" in text
    assert f"| {TORCH} | 60.0 | 21,333 | 17% | 1.50 |  | 1e-06 | 2e-03 |" in text
    assert f"| {COMPILED} | failed: a / b | | | | | | |" in text
    assert "not measured" not in text


def test_without_a_gpu_the_table_says_so():
    for results in ({}, {"cpu": measured()}):
        text = accelerator_tables.render(results, accelerator.CASES["gpu"])
        for case in accelerator.CASES["gpu"]:
            assert f"| {case.model} | {case.length} | not measured: no GPU |" in text
        assert "tokens/s" not in text  # a processor's times would be taken for something
    assert f"| {TORCH} | 3 of 3 | 0.10 | 1e-06 | 2e-03 |" in text


def test_every_contestant_has_a_worker_and_its_pins():
    for label in accelerator_tables.CONTESTANTS:
        peer = label.partition(":")[0]
        home = accelerator.materials.HERE
        assert "def step(" in (home / "workers" / f"{peer}.py").read_text(encoding="utf-8")
        assert (home / "peers" / f"{peer}.txt").is_file()
