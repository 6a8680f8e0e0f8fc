"""Hugging Face files: both spellings, with and without prefix, shards, 16-bit floats, ties."""

import dataclasses
import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from bert_tf2 import weights
from bert_tf2.config import EncoderConfig
from bert_tf2.weights import write_config

CONFIG = EncoderConfig(
    vocab_size=11,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    hidden_act="gelu_erf",
    max_position_embeddings=9,
)


def huggingface_arrays():
    """The tensors of transformers' BertForPreTraining, spelled as its state dict spells them."""
    rng, arrays = np.random.default_rng(3), {}

    def add(name, *shape):
        arrays[name] = rng.standard_normal(shape, dtype=np.float32)

    def dense(name, wide, narrow):  # torch.nn.Linear stores (out, in)
        add(f"{name}.weight", narrow, wide)
        add(f"{name}.bias", narrow)

    def norm(name):
        add(f"{name}.weight", 8)
        add(f"{name}.bias", 8)

    add("bert.embeddings.word_embeddings.weight", 11, 8)
    add("bert.embeddings.position_embeddings.weight", 9, 8)
    add("bert.embeddings.token_type_embeddings.weight", 2, 8)
    norm("bert.embeddings.LayerNorm")
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            dense(f"{layer}.attention.{name}", 8, 8)
        norm(f"{layer}.attention.output.LayerNorm")
        dense(f"{layer}.intermediate.dense", 8, 12)
        dense(f"{layer}.output.dense", 12, 8)
        norm(f"{layer}.output.LayerNorm")
    dense("bert.pooler.dense", 8, 8)
    dense("cls.predictions.transform.dense", 8, 8)
    norm("cls.predictions.transform.LayerNorm")
    add("cls.predictions.bias", 11)
    dense("cls.seq_relationship", 8, 2)
    return arrays


def write(folder, arrays, settings=None):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays, folder / "model.safetensors")
    return describe(folder, settings)


def describe(folder, settings=None):
    (folder / "config.json").write_text(json.dumps(write_config(CONFIG, "huggingface")))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def expected(*heads):
    return weights.expected_shapes(CONFIG, heads, 3)


def load(folder, *heads):
    return weights.load(weights.open_checkpoint(folder), expected(*heads))


@pytest.fixture
def arrays():
    return huggingface_arrays()


def test_every_tensor_arrives_transposed_where_it_must(tmp_path, arrays):
    folder = write(tmp_path / "a", arrays, {"do_lower_case": False})
    checkpoint = weights.open_checkpoint(folder)
    assert (checkpoint.format, checkpoint.config, checkpoint.tokenizer.lowercase) == (
        "huggingface",
        CONFIG,
        False,
    )
    got, report = weights.load(checkpoint, expected("mlm", "nsp"))
    assert len(got) == len(arrays)
    assert (report.missing, report.unused, report.skipped) == ([], [], [])
    assert {name: a.shape for name, a in got.items()} == expected("mlm", "nsp")
    layer = "bert.encoder.layer.1"
    for ours, array in {
        "embeddings/token": arrays["bert.embeddings.word_embeddings.weight"],
        "embeddings/norm/gamma": arrays["bert.embeddings.LayerNorm.weight"],
        "layer_1/attention/value/kernel": arrays[f"{layer}.attention.self.value.weight"].T,
        "layer_1/attention/output/kernel": arrays[f"{layer}.attention.output.dense.weight"].T,
        "layer_1/ffn/intermediate/kernel": arrays[f"{layer}.intermediate.dense.weight"].T,
        "layer_1/ffn/norm/beta": arrays[f"{layer}.output.LayerNorm.bias"],
        "nsp/kernel": arrays["cls.seq_relationship.weight"].T,
        "mlm/bias": arrays["cls.predictions.bias"],
    }.items():
        np.testing.assert_array_equal(got[ours], array)


def test_the_config_of_the_own_dialect_is_read(tmp_path, arrays):
    folder = write(tmp_path / "a", arrays)
    google = dataclasses.replace(CONFIG, hidden_act="gelu_tanh")
    (folder / "bert_config.json").write_text(json.dumps(write_config(google, "google")))
    assert weights.open_checkpoint(folder).config == CONFIG


def test_old_spelling_no_prefix_and_shards_give_the_same(tmp_path, arrays):
    plain, _ = load(write(tmp_path / "plain", arrays))
    encoder = {name: a for name, a in arrays.items() if name.startswith("bert.")}

    bare = {name.removeprefix("bert."): a for name, a in encoder.items()}
    old = {
        n.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): a
        for n, a in arrays.items()
    }
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    places = {name: f"model-0000{i % 2 + 1}-of-00002.safetensors" for i, name in enumerate(encoder)}
    for file in set(places.values()):
        save_file({n: a for n, a in encoder.items() if places[n] == file}, sharded / file)
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))

    for folder in (write(tmp_path / "bare", bare), write(tmp_path / "old", old), describe(sharded)):
        got, _ = load(folder)
        for name, array in plain.items():
            np.testing.assert_array_equal(got[name], array, err_msg=f"{folder.name} {name}")

    (sharded / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(weights.CheckpointError, match=r"model-00002-of-00002\.safetensors"):
        weights.open_checkpoint(sharded)


def test_two_spellings_of_one_variable_are_an_error(tmp_path, arrays):
    arrays["embeddings.LayerNorm.gamma"] = np.ones(8, np.float32)
    with pytest.raises(weights.CheckpointError, match=r"has both .*embeddings/norm/gamma"):
        load(write(tmp_path / "a", arrays))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_floats_become_float32(tmp_path, arrays, dtype):
    small = {name: a.astype(dtype) for name, a in arrays.items()}
    checkpoint = weights.open_checkpoint(write(tmp_path / "a", small))
    assert checkpoint.variables["cls.predictions.bias"][1] == np.dtype(dtype)
    got, _ = weights.load(checkpoint, expected("mlm"))
    assert {a.dtype for a in got.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(got["mlm/bias"], small["cls.predictions.bias"].astype(np.float32))


def test_quantised_weights_are_refused(tmp_path, arrays):
    arrays["bert.pooler.dense.weight"] = np.ones((8, 8), np.int8)
    with pytest.raises(weights.CheckpointError, match=r"bert.pooler.dense.weight .* int8"):
        load(write(tmp_path / "a", arrays))


def test_tied_copies_are_skipped_if_they_are_copies(tmp_path, arrays):
    copies = {
        "cls.predictions.decoder.weight": arrays["bert.embeddings.word_embeddings.weight"].copy(),
        "cls.predictions.decoder.bias": arrays["cls.predictions.bias"].copy(),
        "bert.embeddings.position_ids": np.arange(9)[None],
    }
    _, report = load(write(tmp_path / "a", arrays | copies), "mlm", "nsp")
    assert {name for name, _ in report.skipped} == set(copies)

    copies["cls.predictions.decoder.weight"][2, 3] += 1
    untied = write(tmp_path / "b", arrays | copies)
    with pytest.raises(weights.CheckpointError, match=r"decoder\.weight differs from bert\.embed"):
        load(untied, "mlm")
    load(untied)  # without the head it does not matter


def test_the_table_runs_backwards(tmp_path, arrays):
    head = {
        "classifier.weight": np.ones((3, 8), np.float32),
        "classifier.bias": np.arange(3, dtype=np.float32),
        "qa_outputs.weight": np.ones((2, 8), np.float32),
        "qa_outputs.bias": np.ones(2, np.float32),
    }
    got, _ = load(write(tmp_path / "a", arrays | head), "mlm", "nsp", "classifier", "span")
    back = weights.to_format(got, CONFIG, "huggingface")
    assert set(back) == set(arrays | head)
    for name, array in (arrays | head).items():
        np.testing.assert_array_equal(back[name], array)
    google = weights.to_format(got, CONFIG, "google")
    assert google["output_weights"].shape == (3, 8)
    assert google["cls/squad/output_weights"].shape == (2, 8)


def test_truncated_file_and_huge_header(tmp_path, arrays):
    folder = write(tmp_path / "a", arrays)
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        whole[:5],
        (1 << 60).to_bytes(8, "little") + whole[8:],
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n",
    ):
        file.write_bytes(damaged)
        with pytest.raises(weights.CheckpointError, match=r"model.safetensors .*get it again"):
            weights.open_checkpoint(folder)
