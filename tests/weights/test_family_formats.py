"""Every family's names: written in each format and read again, all heads along."""

import json

import numpy as np
import oracle
import pytest
import saved
from safetensors.numpy import save_file

from bert_tf2 import weights
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import names, saving, units, write_config
from bert_tf2.weights.containers import bundle

HEADS = tuple(unit for parts in units.HEADS.values() for unit in parts)
# What keras-hub's classes cannot compute; the families among them are in test_keras_hub.py.
BEYOND_KERAS_HUB = (
    "bert without pooler",
    "albert, groups",
    "electra",
    "electra, equal sizes",
    "roberta",
    "roberta without pooler",
)
PLACES = [
    (name, format)
    for name, config in oracle.TINIES.items()
    for family, format in names.NAMES
    if family == config.family and format in saving.WRITERS
    if format != "keras_hub" or name not in BEYOND_KERAS_HUB
]


def everything(config, format):
    """Random arrays of all that the format has a name for, under our names."""
    table = names.variables(config, format)
    shapes = {name: tuple(4 if n is None else n for n in row.shape) for name, row in table.items()}
    assert len({row.theirs for row in table.values()}) == len(table)
    return oracle.random_weights(shapes)


def write(folder, config, arrays, format):
    return weights.save(folder, weights.Contents(config, arrays), format)


@pytest.mark.parametrize(("name", "format"), PLACES)
def test_what_is_written_is_read_again(tmp_path, name, format):
    config = oracle.TINIES[name]
    arrays = everything(config, format)
    checkpoint = weights.open_checkpoint(write(tmp_path / "a", config, arrays, format))
    assert checkpoint.config.family == config.family
    expected = weights.expected_shapes(checkpoint.config, HEADS, 4)
    wanted = {n: s for n, s in expected.items() if n in arrays or "projection" in n}
    got, report = weights.load(checkpoint, wanted)
    assert (report.unused, report.skipped, report.shape_differences) == ([], [], [])
    if not config.has_projection and checkpoint.config.has_projection:
        # Hugging Face's ALBERT always has one; between equal widths it must change nothing.
        projection = {part: got.pop(f"embeddings/projection/{part}") for part in ("kernel", "bias")}
        np.testing.assert_array_equal(projection["kernel"], np.eye(config.hidden_size))
        assert not projection["bias"].any()
    assert set(got) == set(arrays)
    for ours, array in arrays.items():
        np.testing.assert_array_equal(got[ours], array, err_msg=ours)


@pytest.mark.parametrize(("name", "format"), PLACES)
def test_heads_nobody_wants_are_skipped_and_said(tmp_path, name, format):
    config = oracle.TINIES[name]
    arrays = everything(config, format)
    checkpoint = weights.open_checkpoint(write(tmp_path / "a", config, arrays, format))
    expected = weights.expected_shapes(checkpoint.config)
    got, report = weights.load(checkpoint, expected)
    assert set(got) == set(expected) >= set(weights.expected_shapes(config))
    heads = {names.head_of(ours) for ours in arrays} - {None}
    assert {why for _, why in report.skipped} == {f"{h} not used by this model" for h in heads}
    assert report.unused == []


@pytest.mark.parametrize("name", ["albert, groups", "electra", "electra_generator"])
def test_google_folders_come_back(tmp_path, name):
    config = oracle.TINIES[name]
    arrays = everything(config, "google")
    saved.google(tmp_path / "a", config, arrays)
    checkpoint = weights.open_checkpoint(tmp_path / "a")
    assert checkpoint.config == config
    assert set(loaded(checkpoint)) == set(arrays)


def loaded(checkpoint):
    shapes = weights.expected_shapes(checkpoint.config, HEADS, 4)
    table = names.variables(checkpoint.config, checkpoint.format)
    return weights.load(checkpoint, {n: s for n, s in shapes.items() if n in table})[0]


def test_a_family_google_never_published_is_refused(tmp_path):
    config = oracle.TINIES["distilbert"]
    with pytest.raises(ValueError, match="no google format of distilbert"):
        saved.google(tmp_path / "a", config, {})
    with pytest.raises(ValueError, match="no google format of distilbert"):
        weights.to_format({}, config, "google")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("format", ["google", "huggingface"])
def test_a_bert_file_without_pooler_is_a_bert_without_pooler(tmp_path, format):
    config = oracle.TINIES["bert"]
    arrays = everything(config, format)
    headless = {n: a for n, a in arrays.items() if not n.startswith("pooler/")}
    checkpoint = weights.open_checkpoint(write(tmp_path / "a", config, headless, format))
    assert checkpoint.config == oracle.TINIES["bert without pooler"]
    assert set(loaded(checkpoint)) == set(headless)

    half = arrays.copy()
    del half["pooler/bias"]
    checkpoint = weights.open_checkpoint(write(tmp_path / "b", config, half, format))
    with pytest.raises(weights.CheckpointError, match="missing in the file: pooler/bias"):
        loaded(checkpoint)


def test_a_projection_between_equal_sizes_is_found_in_the_file(tmp_path):
    """Hugging Face's ALBERT always has one, Google's only between different sizes."""
    config = oracle.TINIES["albert, groups"]
    assert not config.has_projection
    arrays = everything(config, "huggingface")
    extra = {"kernel": np.eye(24, dtype=np.float32), "bias": np.zeros(24, np.float32)}
    theirs = "albert.encoder.embedding_hidden_mapping_in"
    folder = write(tmp_path / "a", config, arrays, "huggingface")
    stored = weights.to_format(arrays, config, "huggingface")
    stored |= {f"{theirs}.weight": extra["kernel"], f"{theirs}.bias": extra["bias"]}
    save_file(stored, folder / "model.safetensors")
    checkpoint = weights.open_checkpoint(folder)
    assert checkpoint.config.has_projection
    np.testing.assert_array_equal(
        loaded(checkpoint)["embeddings/projection/kernel"], extra["kernel"]
    )


def test_tied_copies_of_every_family_are_skipped(tmp_path):
    for name in ("albert", "distilbert", "electra", "roberta"):
        config = oracle.TINIES[name]
        arrays = everything(config, "huggingface")
        folder = write(tmp_path / name, config, arrays, "huggingface")
        stored = weights.to_format(arrays, config, "huggingface")
        tied = names.naming(config, "huggingface").tied
        save_file(stored | {a: stored[b] for a, b in tied.items()}, folder / "model.safetensors")
        _, report = weights.load(
            weights.open_checkpoint(folder), weights.expected_shapes(config, HEADS, 4)
        )
        assert {theirs for theirs, why in report.skipped if "the same as" in why} == set(tied)


def test_a_google_electra_without_config_is_known_by_its_shapes(tmp_path, monkeypatch):
    config = oracle.TINIES["electra"]
    arrays = everything(config, "google")
    bundle.write(tmp_path / "electra_tiny", weights.to_format(arrays, config, "google"))
    with pytest.raises(weights.CheckpointError, match=r"no config\. Expected"):
        weights.open_checkpoint(tmp_path)
    for name in ("electra", "electra, equal sizes"):
        monkeypatch.setitem(VARIANTS, name, oracle.TINIES[name])
    assert weights.open_checkpoint(tmp_path).config == config


def test_one_google_electra_file_gives_both_towers(tmp_path):
    """Two encoders in one file that share the embeddings; each config opens its own."""
    tower, generator = oracle.TINIES["electra, equal sizes"], oracle.TINIES["electra_generator"]
    arrays = everything(generator, "google")
    shared = {n: a for n, a in arrays.items() if n.startswith("embeddings/")}
    width = generator.embedding_width
    tower = type(tower)(**tower.to_dict() | {"embedding_size": width})
    own = everything(tower, "google") | {n: a for n, a in shared.items() if "projection" not in n}
    stored = weights.to_format(arrays, generator, "google")
    stored |= weights.to_format(own, tower, "google")
    bundle.write(tmp_path / "electra.ckpt", stored)
    for config, want in ((tower, own), (generator, arrays)):
        file = tmp_path / f"{config.family}.json"
        file.write_text(json.dumps(write_config(config, "google")))
        got = loaded(weights.open_checkpoint(tmp_path, config_file=file))
        for name, array in want.items():
            np.testing.assert_array_equal(got[name], array, err_msg=name)
