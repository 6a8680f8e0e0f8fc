"""Encoders inside of other models' files: found below a prefix; the rest is left out."""

import json

import numpy as np
import oracle
import pytest
from saved import google

from bert_tf2 import Encoder, TextClassifier, weights
from bert_tf2.weights import write_config
from bert_tf2.weights.containers import bundle, safetensors

HEADS = {  # names that no table knows
    "huggingface": ("my_head.kernel", "1.linear.weight", "proj"),
    "google": ("loss/output_weights", "my_head/kernel", "proj"),
}
PREFIXES = {
    "huggingface": ("", "module.", "0.auto_model.", "model.encoder."),
    "google": ("", "module/", "tower_a/"),
}
CASES = [("bert", format, prefix) for format, every in PREFIXES.items() for prefix in every]
CASES += [("bert without pooler", "huggingface", "module."), ("electra", "google", "tower_a/")]


def write(folder, format, config, renamed):
    """A folder of a format whose names `renamed` (names -> dict of new names to names) changes."""
    arrays = oracle.random_weights(weights.expected_shapes(config))
    stored = weights.to_format(arrays, config, format)
    stored = {new: stored[old] for new, old in renamed(list(stored)).items()}
    stored |= {name: np.ones((2, 3), "float32") for name in HEADS[format]}
    if format == "google":
        google(folder, config, arrays)
        for file in (*folder.glob("*.index"), *folder.glob("*.data*")):
            file.unlink()
        bundle.write(folder / "bert_model.ckpt", stored)
    else:
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(write_config(config, "huggingface")))
        safetensors.write(folder / "model.safetensors", stored)
    return arrays


@pytest.mark.parametrize(("family", "format", "prefix"), CASES)
def test_an_encoder_is_found_in_another_model(tmp_path, family, format, prefix):
    config = oracle.TINIES[family]
    renamed = lambda names: {prefix + name: name for name in names}  # noqa: E731
    arrays = write(tmp_path / "a", format, config, renamed)
    encoder = Encoder.from_preset(tmp_path / "a")
    assert encoder.config == config
    for name, variable in encoder.named_variables().items():
        np.testing.assert_array_equal(variable, arrays[name])
    left_out = {name for name, why in encoder.load_report.skipped if why == "not the encoder's"}
    assert left_out == set(HEADS[format])
    with pytest.raises(weights.CheckpointError, match=r"unknown in the file: .*my_head"):
        weights.contents_of(weights.open_checkpoint(tmp_path / "a"))
    opened = weights.open_checkpoint(tmp_path / "a", ignore=["my_head", "1.*", "loss/*", "pro?"])
    _, report = weights.contents_of(opened)
    assert "ignored, as asked for" in str(report)


def test_names_below_the_encoder_stay_errors_unless_ignored(tmp_path):
    config = oracle.TINY
    odd = "bert.encoder.layer.1.adapter.weight"
    write(
        tmp_path / "a",
        "huggingface",
        config,
        lambda names: {name: name for name in names} | {odd: names[0]},
    )
    with pytest.raises(weights.CheckpointError, match=r"unknown in the file: .*adapter"):
        Encoder.from_preset(tmp_path / "a")
    encoder = Encoder.from_preset(tmp_path / "a", ignore=["*.adapter"])
    assert encoder.load_report.unused == []
    with pytest.raises(TypeError, match="`ignore` must be a list"):
        Encoder.from_preset(tmp_path / "a", ignore="*.adapter")


def test_two_encoders_are_named(tmp_path):
    both = lambda names: {f"{t}.{name}": name for t in ("query", "text") for name in names}  # noqa: E731
    write(tmp_path / "a", "huggingface", oracle.TINY, both)
    with pytest.raises(weights.CheckpointError, match=r"holds 2 encoders: query\.bert.*`ignore`"):
        Encoder.from_preset(tmp_path / "a")
    assert Encoder.from_preset(tmp_path / "a", ignore=["query"]).load_report.unused == []


def test_another_family_is_no_prefix(tmp_path):
    """RoBERTa's names end as BERT's do."""
    swap = lambda names: {name.replace("bert.", "roberta."): name for name in names}  # noqa: E731
    write(tmp_path / "a", "huggingface", oracle.TINY, swap)
    with pytest.raises(weights.CheckpointError, match="missing in the file: embeddings/token"):
        Encoder.from_preset(tmp_path / "a")


def test_a_task_reads_its_head_behind_the_prefix(tmp_path, reference):
    classifier = oracle.tiny_classifier()
    folder = classifier.save_to_preset(tmp_path / "a", "huggingface")
    opened = weights.open_checkpoint(folder)
    stored = opened.read(opened.variables)
    safetensors.write(folder / "model.safetensors", {f"module.{n}": x for n, x in stored.items()})
    again = TextClassifier.from_preset(folder)
    texts = ["a stone", "the rain"]
    np.testing.assert_array_equal(again.predict(texts), classifier.predict(texts))
