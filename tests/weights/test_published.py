"""Real checkpoints' names and shapes, and the tiny ones that have data (full suite)."""

from pathlib import Path

import numpy as np
import pytest
import saved

from bert_tf2 import weights
from bert_tf2.weights import loading

pytestmark = pytest.mark.full
ALL_HEADS = ("mlm", "nsp")


@pytest.mark.parametrize(
    "name",
    [
        "bert_base_uncased_L-12_H-768_A-12",
        "bert_chinese_L-12_H-768_A-12",
        "bert_uncased_L-8_H-512_A-8",
    ],
)
def test_every_published_name_maps_and_every_shape_agrees(assets, name):
    checkpoint = weights.open_checkpoint(assets / "checkpoints" / "index-only" / name)
    matched = loading.match(checkpoint)
    assert (matched.unused, matched.skipped) == ([], [])
    theirs = {ours: checkpoint.variables[name][0] for ours, name in matched.found.items()}
    theirs["nsp/kernel"] = theirs["nsp/kernel"][::-1]
    assert theirs == weights.expected_shapes(checkpoint.config, ALL_HEADS)
    assert checkpoint.tokenizer.lowercase is True
    with pytest.raises(weights.CheckpointError, match=r"missing .*data-00000-of-00001"):
        weights.load(checkpoint, weights.expected_shapes(checkpoint.config))


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("albert_base_zh_google", {"step counter"}),
        ("albert_tiny_zh_google", {"step counter", "optimizer slot"}),
    ],
)
def test_every_published_albert_name_maps_and_every_shape_agrees(assets, name, skipped):
    checkpoint = weights.open_checkpoint(assets / "checkpoints" / "index-only" / name)
    matched = loading.match(checkpoint)
    assert matched.unused == []
    assert {why for _, why in matched.skipped} == skipped
    theirs = {ours: checkpoint.variables[name][0] for ours, name in matched.found.items()}
    theirs["sop/kernel"] = theirs["sop/kernel"][::-1]
    assert theirs == weights.expected_shapes(checkpoint.config, ("mlm", "sop"))


@pytest.mark.parametrize(
    ("place", "loaded", "slots"),
    [
        ("checkpoints/tf1-mini-keras-bert", 46, 92),
        ("reference/bert_tiny", 62, 124),
        ("reference/albert_tiny_v1", 32, 64),
        ("reference/albert_tiny_v2", 32, 64),
    ],
)
def test_googles_own_training_checkpoints(assets, place, loaded, slots):
    checkpoint = weights.open_checkpoint(assets / place)
    heads = ("mlm", "nsp" if checkpoint.config.family == "bert" else "sop")
    expected = weights.expected_shapes(checkpoint.config, heads)
    arrays, report = weights.load(checkpoint, expected)
    assert len(arrays) == loaded
    assert sum(reason == "optimizer slot" for _, reason in report.skipped) == slots
    assert sum(reason == "step counter" for _, reason in report.skipped) == 1
    assert (report.missing, report.unused, report.nonfinite) == ([], [], [])
    assert len(checkpoint.variables) == loaded + slots + 1


@pytest.mark.parametrize("name", ["bert_tiny", "albert_tiny_groups2", "albert_tiny_inner2"])
def test_tiny_models_hold_the_reference_weights_and_survive_a_round_trip(assets, tmp_path, name):
    folder = assets / "reference" / name
    reference = np.load(folder / "weights.npz")
    checkpoint = weights.open_checkpoint(folder)
    heads = ("mlm", "nsp" if checkpoint.config.family == "bert" else "sop")
    arrays, _ = weights.load(checkpoint, weights.expected_shapes(checkpoint.config, heads))
    theirs = weights.to_format(arrays, checkpoint.config, "google")
    assert set(theirs) == set(reference.files)
    for name in reference.files:
        assert theirs[name].tobytes() == reference[name].tobytes(), name
    saved.google(tmp_path / "again", checkpoint.config, arrays)
    again = weights.open_checkpoint(tmp_path / "again").read(reference.files)
    for name in reference.files:
        assert again[name].tobytes() == reference[name].tobytes(), name


def test_tiny_hugging_face_checkpoint_without_pooler(assets):
    checkpoint = weights.open_checkpoint(assets / "checkpoints/hf-tiny-bert-random-coldfire")
    assert not checkpoint.config.pooler
    arrays, report = weights.load(checkpoint, weights.expected_shapes(checkpoint.config))
    assert len(arrays) == len(checkpoint.variables) == 37
    assert str(report) == "loaded: 37 variables"


def test_minilm():
    folder = Path(__file__).parents[2] / "checkpoints" / "all-MiniLM-L6-v2"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: `make quickstart` fetches it")
    checkpoint = weights.open_checkpoint(folder)
    arrays, report = weights.load(
        checkpoint, weights.expected_shapes(checkpoint.config, ("classifier",), 2)
    )
    assert checkpoint.tokenizer.lowercase is True
    assert checkpoint.config.hidden_act == "gelu_erf"
    assert len(arrays) == 103
    assert [name for name, _ in report.skipped] == ["embeddings.position_ids"]
    assert report.missing == ["classifier/kernel", "classifier/bias"]
