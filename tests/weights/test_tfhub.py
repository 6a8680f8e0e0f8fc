"""TF-Hub modules and the Model Garden's checkpoints: read by name, whatever lies around them."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf

from bert_tf2 import Encoder, MaskedLM, TextClassifier, weights
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import names, write_config
from bert_tf2.weights.containers import bundle, objects
from bert_tf2.weights.infer_config import infer_config
from bert_tf2.weights.loading import match

RECORDER = Path(__file__).parents[1] / "reference" / "model_garden" / "record_model_garden.py"
RECORDED = ("bert", "albert", "hub")  # what is committed, the hub module without its graph
ALL = ("bert", "bert_v2", "classifier", "albert", "hub", "tuned")


@pytest.fixture
def recorded(reference):
    return reference / "model_garden"


@pytest.fixture(scope="module")
def anew(tmp_path_factory):
    """All that the Model Garden writes, recorded now."""
    python = peers.python_of("model_garden")
    folder = tmp_path_factory.mktemp("model_garden")
    subprocess.run([python, RECORDER, folder], check=True, capture_output=True, timeout=900)
    return folder


def compare(folder):
    golden, encoder = np.load(folder / "golden.npz"), Encoder.from_preset(folder)
    got = encoder({n: golden[n] for n in ("input_word_ids", "input_mask", "input_type_ids")})
    for i, layer in enumerate(got["layer_outputs"]):
        np.testing.assert_allclose(layer, golden[f"layer_{i}"], atol=oracle.TOLERANCE)
    assert f"layer_{len(got['layer_outputs'])}" not in golden
    np.testing.assert_allclose(got["pooled_output"], golden["pooled_output"], atol=oracle.TOLERANCE)
    return encoder


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_outputs(recorded, name):
    encoder = compare(recorded / name)
    assert (encoder.load_report.missing, encoder.load_report.unused) == ([], [])


@pytest.mark.soak
@pytest.mark.parametrize("name", ALL)
def test_outputs_of_the_model_garden(anew, name):
    compare(anew / name)


def compare_masked_words(folder):
    golden, task = np.load(folder / "golden.npz"), MaskedLM.from_preset(folder)
    ids = {n: golden[n] for n in ("input_word_ids", "input_mask", "input_type_ids")}
    logits = task(ids | {"masked_positions": golden["positions"]})
    real = np.take_along_axis(golden["input_mask"], golden["positions"], 1) == 1
    np.testing.assert_allclose(logits[real], golden["mlm_logits"][real], atol=oracle.TOLERANCE)


def test_recorded_masked_words(recorded):
    compare_masked_words(recorded / "hub")


@pytest.mark.soak
@pytest.mark.parametrize("name", ["bert", "bert_v2", "hub"])
def test_masked_words_of_the_model_garden(anew, name):
    if name != "hub":
        shutil.copy(anew / "hub" / "assets" / "vocab.txt", anew / name)
    compare_masked_words(anew / name)


@pytest.mark.soak
def test_classifier_of_the_model_garden(anew):
    folder = anew / "classifier"
    shutil.copy(anew / "hub" / "assets" / "vocab.txt", folder)
    golden, task = np.load(folder / "golden.npz"), TextClassifier.from_preset(folder, list("abc"))
    ids = {n: golden[n] for n in ("input_word_ids", "input_mask", "input_type_ids")}
    assert task.load_report.missing == []
    np.testing.assert_allclose(task(ids), golden["logits"], atol=oracle.TOLERANCE)


def test_what_a_module_says_of_itself(recorded):
    for path in (recorded / "hub", recorded / "hub" / "variables" / "variables"):
        checkpoint = weights.open_checkpoint(path)
        assert (checkpoint.format, checkpoint.container) == ("tfhub", "objects")
        assert checkpoint.tokenizer.lowercase is False
        assert checkpoint.vocab_file == recorded / "hub" / "assets" / "vocab.txt"
        assert checkpoint.config == dataclasses.replace(
            oracle.TINY,
            vocab_size=23,
            hidden_size=8,
            num_attention_heads=2,
            intermediate_size=12,
            max_position_embeddings=9,
        )
    assert match(checkpoint).skipped == [("Variable", "setting of the tokenizer")]
    assert "TF-Hub or Model Garden" in weights.summary(checkpoint)


def test_heads_that_are_not_ours_are_skipped_with_a_reason(recorded):
    report = Encoder.from_preset(recorded / "bert").load_report
    reasons = {reason for _, reason in report.skipped}
    assert reasons == {"next-sentence head with a pooler of its own", "mlm not used by this model"}


@pytest.mark.soak
def test_what_lies_around_a_tuned_module_is_skipped_with_a_reason(anew):
    checkpoint = weights.open_checkpoint(anew / "tuned")
    assert checkpoint.tokenizer.lowercase is False
    matched = match(checkpoint)
    assert matched.unused == []
    assert {reason for _, reason in matched.skipped} == {
        "optimizer",
        "metric",
        "setting of the tokenizer",
        "layer of a model around the encoder",
    }


@pytest.mark.full
def test_a_published_index_maps_name_by_name(assets):
    place = assets / "checkpoints" / "index-only" / "tfhub_small_bert_savedmodel_imdb"
    checkpoint = weights.open_checkpoint(place)
    matched, config = match(checkpoint), checkpoint.config
    sizes = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    assert sizes == (4, 512, 8)
    assert matched.unused == []
    assert set(matched.found) == set(weights.expected_shapes(config))
    table = names.variables(config, "tfhub")
    for ours, theirs in matched.found.items():
        assert checkpoint.variables[theirs][0] == table[ours].stored
    assert len(matched.skipped) == len(checkpoint.variables) - len(matched.found)
    with pytest.raises(weights.CheckpointError, match="their data is not there"):
        weights.contents_of(checkpoint)


# --- Names that the recordings do not have. -------------------------------------------------------


def save_objects(prefix, arrays):
    """A TensorFlow 2 checkpoint of variables that were created under these names."""
    holder = tf.train.Checkpoint(
        **{f"v{i}": tf.Variable(x, name=name) for i, (name, x) in enumerate(arrays.items())}
    )
    prefix.parent.mkdir(parents=True, exist_ok=True)
    holder.write(str(prefix))


def stored(config=oracle.TINY):
    arrays = oracle.random_weights(weights.expected_shapes(config))
    return arrays, weights.to_format(arrays, config, "tfhub")


@pytest.mark.parametrize("scope", ["", "bert_encoder_v2/", "model/encoder/"])
def test_scopes(tmp_path, scope):
    arrays, theirs = stored()
    save_objects(tmp_path / "model.ckpt", {scope + name: x for name, x in theirs.items()})
    got, report = weights.contents_of(weights.open_checkpoint(tmp_path))
    assert report.unused == []
    for name, array in arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array, err_msg=name)


def test_the_first_modules_names(tmp_path):
    arrays, theirs = stored()
    first = {
        "type_embeddings/embeddings": "embedding_postprocessor/type_embeddings",
        "position_embedding/embeddings": "embedding_postprocessor/position_embeddings",
        "embeddings/layer_norm": "embedding_postprocessor/layer_norm",
        "transformer": "encoder",
        "self_attention/attention_output": "self_attention_output",
    }
    for new, old in first.items():
        theirs = {name.replace(new, old): x for name, x in theirs.items()}
    save_objects(tmp_path / "model.ckpt", {f"bert_model/{n}": x for n, x in theirs.items()})
    got, _ = weights.contents_of(weights.open_checkpoint(tmp_path))
    for name, array in arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array, err_msg=name)


def test_an_albert_of_no_published_size_needs_a_config(tmp_path):
    _, theirs = stored(oracle.TINIES["albert"])
    save_objects(tmp_path / "model.ckpt", theirs)
    with pytest.raises(
        weights.CheckpointError, match="nothing tells its num_hidden_layers: no pub"
    ):
        weights.open_checkpoint(tmp_path)


def test_a_config_beside_it_is_used(tmp_path):
    config = dataclasses.replace(oracle.TINY, hidden_act="relu", hidden_dropout_prob=0.2)
    save_objects(tmp_path / "model.ckpt", stored(config)[1])
    (tmp_path / "bert_config.json").write_text(json.dumps(write_config(config, "google")))
    assert weights.open_checkpoint(tmp_path).config == config


# --- Modules of TensorFlow 1: Google's names, in a SavedModel. ------------------------------------


def tf1_module(folder, config, operations=("Pow", "Tanh"), prefix=""):
    """Writes one, as far as we look at it. -> our name -> array."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    arrays = oracle.random_weights(weights.expected_shapes(config, ("mlm",)))
    theirs = weights.to_format(arrays, config, "google")
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "assets" / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    named = {prefix + name: x for name, x in theirs.items()}
    bundle.write(folder / "variables" / "variables", named)
    module = SavedModel()
    graph = module.meta_graphs.add().graph_def
    for operation in operations:
        graph.node.add(name=operation, op=operation)
    (folder / "saved_model.pb").write_bytes(module.SerializeToString())
    return arrays


@pytest.mark.parametrize("prefix", ["", "module/"])
def test_a_module_of_tensorflow_1(tmp_path, prefix):
    config = dataclasses.replace(oracle.TINY, hidden_size=128, num_attention_heads=2)
    arrays = tf1_module(tmp_path / "bert_uncased_tiny", config, prefix=prefix)
    for path in ("bert_uncased_tiny", "bert_uncased_tiny/saved_model.pb"):
        checkpoint = weights.open_checkpoint(tmp_path / path)
        assert (checkpoint.format, checkpoint.config) == ("google", config)
        assert checkpoint.tokenizer.lowercase is True
        assert checkpoint.vocab_file.name == "vocab.txt"
    got, report = weights.contents_of(checkpoint)
    assert (report.unused, report.skipped) == ([], [])
    assert set(got.arrays) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("operations", "activation"),
    [
        (("Pow", "Tanh"), "gelu_tanh"),
        (("Pow", "Tanh", "Relu"), "gelu_tanh"),
        (("Erf", "Tanh"), "gelu_erf"),
        (("Relu", "Tanh"), "relu"),
        (("Tanh",), "gelu_tanh"),
    ],
)
def test_the_activation_is_told_by_the_operations(tmp_path, operations, activation):
    config = dataclasses.replace(oracle.TINY, hidden_size=64, num_attention_heads=1)
    tf1_module(tmp_path / "a", config, operations)
    assert weights.open_checkpoint(tmp_path / "a").config.hidden_act == activation


@pytest.mark.parametrize("format", ["google", "tfhub"])
@pytest.mark.parametrize(
    "name", ["albert_xlarge_v2", "uncased_L-4_H-512_A-8", "wwm_cased_L-24_H-1024_A-16"]
)
def test_published_sizes_are_told_by_names_and_shapes(tmp_path, name, format):
    config = VARIANTS[name]
    heads = () if format == "google" else ("mlm",)
    shapes = weights.expected_shapes(config, heads)
    table = names.variables(config, format)
    listed = {table[o].theirs: (table[o].stored, np.dtype("float32")) for o in shapes}
    tables = {family: naming for (family, f), naming in names.NAMES.items() if f == format}
    assert infer_config(listed, names.FORMATS[format], tables, tmp_path) == config


# --- Damage. --------------------------------------------------------------------------------------


def refuses(match):
    return pytest.raises(weights.CheckpointError, match=match)


def test_unknown_and_missing_variables(tmp_path):
    _, theirs = stored()
    save_objects(tmp_path / "a" / "model.ckpt", theirs | {"adapter/kernel": np.ones((3, 3))})
    with refuses(r"unknown in the file: adapter/kernel"):
        Encoder.from_preset(tmp_path / "a")
    theirs.pop("transformer/layer_1/self_attention/key/bias")
    save_objects(tmp_path / "b" / "model.ckpt", theirs)
    with refuses(r"missing .*layer_1/attention/key/bias \(transformer/layer_1/self_attention/key"):
        Encoder.from_preset(tmp_path / "b")
    save_objects(tmp_path / "c" / "model.ckpt", {"dense/kernel": np.ones((3, 3))})
    flat = theirs | {"word_embeddings/embeddings": np.ones(97, "float32")}
    save_objects(tmp_path / "d" / "model.ckpt", flat)
    with refuses("there is no embeddings/token among"):
        weights.open_checkpoint(tmp_path / "d")
    with refuses(r"no config, .* no embeddings/token .* among dense/kernel, … Name a `config"):
        weights.open_checkpoint(tmp_path / "c")


def test_two_encoders_in_one_file_are_refused(tmp_path):
    _, theirs = stored()
    twice = {f"{side}/{name}": x for side in ("query", "passage") for name, x in theirs.items()}
    save_objects(tmp_path / "model.ckpt", twice)
    with refuses("has both passage/.* and query/"):
        Encoder.from_preset(tmp_path)


def test_a_damaged_object_graph(tmp_path):
    arrays = {"v/.ATTRIBUTES/VARIABLE_VALUE": np.ones(2, "float32")}
    bundle.write(tmp_path / "model.ckpt", arrays | {objects.GRAPH: np.array(b"\xff\xff no graph")})
    with refuses("_CHECKPOINTABLE_OBJECT_GRAPH, which names the variables, is damaged"):
        weights.open_checkpoint(tmp_path)


def test_a_damaged_graph_and_damaged_variables(recorded, tmp_path):
    folder = tmp_path / "hub"
    shutil.copytree(recorded / "hub", folder)
    (folder / "saved_model.pb").write_bytes(b"\xff\xff no proto")
    with refuses(r"saved_model.pb is damaged"):
        weights.open_checkpoint(folder)
    (folder / "saved_model.pb").unlink()
    data = folder / "variables" / "variables.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:2000])
    with refuses(r"variables.data-00000-of-00001 is truncated|is damaged"):
        Encoder.from_preset(folder)
    data.write_bytes(whole[:100] + bytes([whole[100] ^ 255]) + whole[101:])
    with refuses(r"variables is damaged; get it again"):
        Encoder.from_preset(folder)
    shutil.rmtree(folder / "variables")
    with refuses(r"holds no checkpoint. Known are .*variables/variables.index"):
        weights.open_checkpoint(folder)
