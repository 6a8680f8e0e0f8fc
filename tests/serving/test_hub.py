"""Reusable SavedModels: called, fine-tuned, saved again by others, and read back."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import oracle
import pytest
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default
from closeness import BACKWARD, CANCELLED, FORMULA, assert_near

import bert_tf2
from bert_tf2 import Encoder, MaskedLM, weights
from bert_tf2.serving.hub import export_text_encoder
from bert_tf2.weights import names

PROGRAM = Path(__file__).parents[1] / "helpers" / "fine_tune_hub.py"
HUB_NAMES = {
    "input_word_ids": "token_ids",
    "input_mask": "padding_mask",
    "input_type_ids": "segment_ids",
}


def hub_inputs(inputs):
    return {theirs: tf.constant(inputs[ours]) for theirs, ours in HUB_NAMES.items()}


QUICK = ("albert, groups", "distilbert, sinusoidal")


@pytest.fixture(scope="module", params=by_default(oracle.TINIES, QUICK))
def exported(request, tmp_path_factory):
    """-> config, arrays, the folder, and the loaded module."""
    config = oracle.TINIES[request.param]
    encoder, arrays = oracle.make_encoder(config)
    folder = tmp_path_factory.mktemp("hub") / "encoder"
    assert export_text_encoder(encoder, folder) == folder
    return config, arrays, folder, tf.saved_model.load(str(folder))


def test_outputs_are_the_oracles(exported):
    config, arrays, _, module = exported
    inputs = oracle.random_inputs(config)
    want, got = oracle.forward(config, arrays, inputs), module(hub_inputs(inputs))
    assert set(got) == {"sequence_output", "encoder_outputs", "pooled_output", "default"}
    for layer, array in zip(got["encoder_outputs"], want["layer_outputs"], strict=True):
        oracle.assert_close(layer, array, inputs)
    oracle.assert_close(got["sequence_output"], want["layer_outputs"][-1], inputs)
    pooled = want["pooled_output"] if config.pooler else want["first_output"]
    oracle.assert_close(got["pooled_output"], pooled, inputs)
    np.testing.assert_array_equal(got["default"], got["pooled_output"])


def test_training_drops_out_anew_each_time(exported):
    config, _, _, module = exported
    inputs = hub_inputs(oracle.random_inputs(config))
    quiet, again = module(inputs)["default"], module(inputs, training=False)["default"]
    np.testing.assert_array_equal(quiet, again)
    first, second = (module(inputs, training=True)["default"] for _ in range(2))
    assert np.abs(first - quiet).max() > 0.01
    assert np.abs(first - second).max() > 0.01


def test_gradients_are_those_of_the_encoder(tmp_path):
    config = oracle.with_dropout(oracle.TINY, 0.0)
    encoder, _ = oracle.make_encoder(config)
    export_text_encoder(encoder, tmp_path / "a")
    module, inputs = tf.saved_model.load(str(tmp_path / "a")), oracle.random_inputs(config)
    with tf.GradientTape() as tape:
        pooled = module(hub_inputs(inputs), training=True)["pooled_output"]
        loss = tf.reduce_sum(tf.square(pooled - 0.3))
    got = tape.gradient(loss, module.trainable_variables)
    got = {v.name.removesuffix(":0"): g for v, g in zip(module.variables, got, strict=True)}
    want = oracle.gradients(encoder, inputs)
    table = names.variables(config, "tfhub")
    assert set(got) == {table[ours].theirs for ours in want}
    for ours, gradient in want.items():
        array = tf.convert_to_tensor(got[table[ours].theirs]).numpy().reshape(gradient.shape)
        np.testing.assert_allclose(array, gradient, atol=2 * BACKWARD, rtol=CANCELLED, err_msg=ours)


def test_it_is_read_back_bit_by_bit(exported):
    config, arrays, folder, module = exported
    encoder = Encoder.from_preset(folder)
    assert encoder.config == config
    assert (encoder.load_report.missing, encoder.load_report.skipped) == ([], [])
    for name, variable in encoder.named_variables().items():
        np.testing.assert_array_equal(variable, arrays[name], err_msg=name)
    trainable = [v for v in encoder.named_variables().values() if v.trainable]
    assert len(module.trainable_variables) == len(trainable)
    assert len(module.variables) == len(arrays)
    assert list(module.regularization_losses) == []


@pytest.mark.full
def test_names_and_shapes_are_the_hubs(reference, tmp_path):
    hub = reference / "model_garden" / "hub"
    bert_tf2.convert(hub, tmp_path / "a", to="tfhub")
    theirs, ours = (weights.open_checkpoint(f).variables for f in (hub, tmp_path / "a"))
    assert ours.pop("do_lower_case") == theirs.pop("Variable")
    assert ours == {name.removeprefix("bert/"): row for name, row in theirs.items()}


def test_a_mixed_precision_encoder_is_exported_in_float32(tmp_path):
    encoder, arrays = oracle.make_encoder()
    low = Encoder(oracle.TINY, dtype="mixed_bfloat16", recompute=True)
    for name, variable in low.named_variables().items():
        variable.assign(arrays[name])
    export_text_encoder(low, tmp_path / "a")
    inputs = oracle.random_inputs(oracle.TINY)
    got = tf.saved_model.load(str(tmp_path / "a"))(hub_inputs(inputs))["sequence_output"]
    np.testing.assert_allclose(got, encoder(inputs)["sequence_output"], atol=oracle.TOLERANCE)


@pytest.mark.full
def test_masked_words_vocabulary_and_case(tmp_path):
    task = tiny_masked_lm.make()
    folder = bert_tf2.export_text_encoder(task, tmp_path / "a")
    module = tf.saved_model.load(str(folder))
    (vocabulary,) = task.preprocessor.tokenizer.files().values()
    assert Path(module.vocab_file.asset_path.numpy().decode()).read_bytes() == vocabulary
    assert bool(module.do_lower_case) is True
    inputs = oracle.random_inputs(task.encoder.config, batch=3, length=6)
    positions = np.array([[1, 2], [0, 0], [5, 3]], "int32")
    got = module.mlm(hub_inputs(inputs) | {"masked_lm_positions": tf.constant(positions)})
    real = np.take_along_axis(inputs["padding_mask"], positions, 1) == 1
    want = task(inputs | {"masked_positions": positions})
    np.testing.assert_allclose(got["mlm_logits"][real], want[real], atol=oracle.TOLERANCE)
    assert len(module.mlm.trainable_variables) == len(module.trainable_variables) + 5
    again = MaskedLM.from_preset(folder)
    assert again.load_report.missing == []
    for name, variable in task.named_variables().items():
        np.testing.assert_array_equal(again.named_variables()[name], variable, err_msg=name)


def test_an_encoder_takes_a_tokenizer(tmp_path):
    task = oracle.tiny_classifier()
    folder = export_text_encoder(task.encoder, tmp_path / "a", task.preprocessor.tokenizer)
    assert weights.open_checkpoint(folder).vocab_file.name == "vocab.txt"


def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path, monkeypatch):
    encoder, _ = oracle.make_encoder()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        export_text_encoder(encoder, tmp_path / "a")

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(OSError, match="no space"):
        export_text_encoder(encoder, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


# --- By way of `convert`. -------------------------------------------------------------------------


@pytest.mark.full
def test_a_checkpoint_is_converted_and_back(tmp_path):
    config = oracle.TINY
    arrays = oracle.random_weights(weights.expected_shapes(config, ("mlm", "nsp")))
    vocabulary = weights.of_vocabulary((f"w{i}" for i in range(config.vocab_size)), lowercase=True)
    contents = weights.Contents(config, arrays, vocabulary)
    weights.save(tmp_path / "google", contents, "google")
    report = bert_tf2.convert(tmp_path / "google", tmp_path / "hub", to="tfhub")
    left_out = [name for name, why in report.skipped if why == "tfhub has no place for it"]
    assert left_out == ["nsp/kernel", "nsp/bias"]
    bert_tf2.convert(tmp_path / "hub", tmp_path / "back", to="google")
    back, _ = weights.contents_of(weights.open_checkpoint(tmp_path / "back"))
    assert set(back.arrays) == {name for name in arrays if not name.startswith("nsp/")}
    for name, array in back.arrays.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert back.tokenizer.files == vocabulary.files
    with pytest.raises(ValueError, match=r"must be float32 for tfhub. Received: 'float16'"):
        bert_tf2.convert(tmp_path / "google", tmp_path / "low", to="tfhub", dtype="float16")


# --- In the hands of a TF-Hub user. ---------------------------------------------------------------


def fine_tune(out, **settings):
    for package in ("tensorflow_hub", "tf_keras"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package}: pip install {package}")
    done = subprocess.run(
        [sys.executable, PROGRAM, json.dumps(settings | {"out": str(out)})],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(out)


@pytest.mark.full
@pytest.mark.parametrize("name", ["bert", "albert"])
def test_fine_tuning_alone_and_mirrored(tmp_path, name):
    config = oracle.with_dropout(oracle.TINIES[name], 0.0)
    encoder, arrays = oracle.make_encoder(config)
    export_text_encoder(encoder, tmp_path / "encoder")
    inputs = oracle.random_inputs(config, batch=8)
    given = {theirs: inputs[ours].tolist() for theirs, ours in HUB_NAMES.items()}
    common = {"folder": str(tmp_path / "encoder"), "inputs": given}
    common["rate"] = 1e-4
    saved = {"saved": str(tmp_path / "tuned")}
    alone = fine_tune(tmp_path / "alone.npz", **common, **saved)
    mirrored = fine_tune(tmp_path / "mirrored.npz", **common, replicas=2)

    pooled = oracle.forward(config, arrays, inputs)["pooled_output"]
    np.testing.assert_allclose(alone["first"], pooled.sum(-1, keepdims=True), atol=5e-5)
    assert alone["losses"][-1] < alone["losses"][0]
    np.testing.assert_allclose(mirrored["losses"], alone["losses"], rtol=FORMULA)
    assert_near(mirrored["last"], alone["last"], BACKWARD)
    names_before = [n for n in alone if n.startswith("before/")]
    still = [n for n in names_before if np.array_equal(alone[n], after(alone, n))]
    # Softmax does not see what is added to all keys.
    assert [n for n in still if not n.endswith("key/bias:0")] == []

    tuned = Encoder.from_preset(tmp_path / "tuned")
    assert tuned.config == config
    table = names.variables(config, "tfhub")
    for ours, variable in tuned.named_variables().items():
        want = alone[f"after/{table[ours].theirs}:0"].reshape(variable.shape)
        np.testing.assert_array_equal(variable, want, err_msg=ours)
    module = tf.saved_model.load(str(tmp_path / "tuned"))  # and it can be trained further
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(hub_inputs(inputs), training=True))
    assert all(g is not None for g in tape.gradient(loss, module.trainable_variables))


def after(arrays, name):
    return arrays[name.replace("before/", "after/")]


@pytest.mark.full
def test_dropout_in_a_users_fit(tmp_path):
    config = oracle.with_dropout(oracle.TINY, 0.3)
    export_text_encoder(oracle.make_encoder(config)[0], tmp_path / "encoder")
    inputs = oracle.random_inputs(config, batch=8)
    given = {theirs: inputs[ours].tolist() for theirs, ours in HUB_NAMES.items()}
    settings = {"folder": str(tmp_path / "encoder"), "inputs": given, "rate": 0.0}
    for replicas in (1, 2):
        run = fine_tune(tmp_path / "out.npz", **settings, replicas=replicas)
        assert len(set(run["losses"].tolist())) == 4  # the same step, drawn anew each time


def test_a_config_survives_where_names_cannot_tell_it(tmp_path):
    config = dataclasses.replace(oracle.TINIES["albert"], hidden_act="relu", layer_norm_eps=1e-6)
    export_text_encoder(oracle.make_encoder(config)[0], tmp_path / "a")
    assert weights.open_checkpoint(tmp_path / "a").config == config
