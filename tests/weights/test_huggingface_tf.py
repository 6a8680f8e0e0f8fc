"""`tf_model.h5` of Hugging Face's TensorFlow classes, recorded by reference/transformers_tf."""

import shutil
import zipfile

import h5py
import numpy as np
import oracle
import pytest
from safetensors.numpy import save_file

import bert_tf2
from bert_tf2 import Encoder, weights
from bert_tf2.weights.containers import hdf5

HEADS = {
    "bert": {"mlm", "nsp"},
    "albert": {"mlm", "sop"},
    "distilbert": {"pre_classifier", "classifier"},
    "electra": {"pre_classifier", "classifier"},
    "electra_generator": {"mlm"},
    "roberta": {"pre_classifier", "classifier"},
    "xlm_roberta": {"mlm"},
}


@pytest.fixture(scope="module")
def folders(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformers_tf")
    with zipfile.ZipFile(reference / "transformers_tf" / "tiny.zip") as archive:
        archive.extractall(folder)
    return folder


def changed(folders, name, target, change):
    """A copy of a folder in which `change(arrays)` was done to the arrays of its tf_model.h5."""
    shutil.copytree(folders / name, target)
    file = target / "tf_model.h5"
    arrays = {n: np.array(a) for n, a in hdf5.read(file, hdf5.list_variables(file)).items()}
    change(arrays)
    hdf5.write(file, arrays)
    return target


def whole(folder):
    return weights.contents_of(weights.open_checkpoint(folder))


@pytest.mark.parametrize("name", HEADS)
def test_every_layer_and_the_logits_are_theirs(folders, name):
    golden = np.load(folders / name / "golden.npz")
    contents, report = whole(folders / name)
    assert contents.config.family == name
    assert (report.missing, report.unused) == ([], [])
    found = {ours.split("/")[0] for ours in contents.arrays}
    assert found & set().union(*HEADS.values()) == HEADS[name]
    inputs = {name: golden[name] for name in ("input_ids", "attention_mask")}
    layers = Encoder.from_preset(folders / name)(inputs)["layer_outputs"]
    assert f"hidden_state_{len(layers) + 1}" not in golden
    for i, got in enumerate(layers, start=1):
        np.testing.assert_allclose(got, golden[f"hidden_state_{i}"], atol=oracle.TOLERANCE)
    if "pre_classifier" in HEADS[name]:
        ids, mask = inputs.values()
        ours = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
        logits = oracle.classifier_logits(contents.config, contents.arrays, ours)
        np.testing.assert_allclose(logits, golden["logits"], atol=oracle.TOLERANCE)


@pytest.mark.parametrize("name", HEADS)
def test_every_variable_is_used_or_said_to_be_another_copy(folders, name):
    stored = hdf5.list_variables(folders / name / "tf_model.h5")
    _, report = whole(folders / name)
    whys = {why for _, why in report.skipped}
    assert len(report.loaded) + len(report.skipped) == len(stored)
    assert all(why.startswith(("the embeddings, once more", "the same as")) for why in whys)
    assert bool(whys) == ("mlm" in HEADS[name])


def test_values_arrive_in_their_places(folders):
    contents, _ = whole(folders / "bert")
    with h5py.File(folders / "bert/tf_model.h5") as root:
        inner = root["bert/tf_bert_for_pre_training/bert"]
        head = root["mlm___cls/tf_bert_for_pre_training/mlm___cls/predictions"]
        for ours, array in {
            "embeddings/token": inner["embeddings/word_embeddings/weight:0"],
            "layer_1/attention/key/kernel": inner["encoder/layer_._1/attention/self/key/kernel:0"],
            "layer_1/ffn/norm/beta": inner["encoder/layer_._1/output/LayerNorm/beta:0"],
            "mlm/bias": head["bias:0"],
            "mlm/transform/kernel": head["transform/dense/kernel:0"],
        }.items():
            np.testing.assert_array_equal(contents.arrays[ours], array)


def test_the_models_name_does_not_matter(folders, tmp_path):
    def rename(arrays):
        for name in list(arrays):
            arrays[name.replace("tf_bert_for_pre_training", "my_model_2")] = arrays.pop(name)

    want, _ = whole(folders / "bert")
    got, _ = whole(changed(folders, "bert", tmp_path / "a", rename))
    assert set(got.arrays) == set(want.arrays)


@pytest.mark.parametrize(
    ("name", "part"),
    [("bert", "word_embeddings/weight:0"), ("albert", "predictions/decoder/bias:0")],
)
def test_copies_that_differ_are_refused(folders, tmp_path, name, part):
    def differ(arrays):
        (copy,) = (n for n in arrays if n.endswith(part) and not n.startswith(f"{name}/"))
        arrays[copy] = arrays[copy] + 1

    with pytest.raises(weights.CheckpointError, match=r"differs from .*share the two"):
        whole(changed(folders, name, tmp_path / "a", differ))


def test_the_unknown_is_named(folders, tmp_path):
    def add(arrays):
        arrays["bert/tf_bert_for_pre_training/bert/adapter/kernel:0"] = np.ones(3)

    with pytest.raises(
        weights.CheckpointError, match=r"unknown in the file: bert/.*adapter/kernel"
    ):
        whole(changed(folders, "bert", tmp_path / "a", add))


def test_safetensors_beside_it_come_first(folders, tmp_path):
    shutil.copytree(folders / "roberta", tmp_path / "a")
    contents, _ = whole(tmp_path / "a")
    stored = weights.to_format(contents.arrays, contents.config, "huggingface")
    save_file(stored, tmp_path / "a" / "model.safetensors")
    assert weights.open_checkpoint(tmp_path / "a").format == "huggingface"
    named = weights.open_checkpoint(tmp_path / "a" / "tf_model.h5")
    assert named.format == "huggingface_tf"


def test_it_is_read_and_not_written(folders, tmp_path):
    bert_tf2.convert(folders / "bert", tmp_path / "a", to="huggingface")
    assert (tmp_path / "a" / "model.safetensors").is_file()
    with pytest.raises(ValueError, match="`format` must be one of"):
        bert_tf2.convert(folders / "bert", tmp_path / "b", to="huggingface_tf")
