"""Every family against outputs of the original implementations."""

import json
import zlib

import googles
import keras
import numpy as np
import pytest
import tensorflow as tf
from closeness import BACKWARD, DEEP, FORWARD

from bert_tf2 import Encoder, weights
from bert_tf2.modeling.encoder import input_tensors
from bert_tf2.weights import read_config

pytestmark = pytest.mark.full
TOLERANCE = FORWARD  # the references' own float32 noise is up to 3e-6
WITH_EDGES = ("bert_tiny", "albert_tiny_v2")


def compare_layers(outputs, golden, prefix="encoder_layer_"):
    assert f"{prefix}{len(outputs['layer_outputs'])}" not in golden
    for i, got in enumerate(outputs["layer_outputs"]):
        np.testing.assert_allclose(got, golden[f"{prefix}{i}"], atol=TOLERANCE)


@pytest.mark.parametrize("name", googles.SECOND_TASKS)
def test_layers(assets, name):
    golden = np.load(assets / "reference" / name / "golden.npz")
    encoder = Encoder.from_preset(assets / "reference" / name)
    outputs = encoder(googles.inputs_of(golden))
    compare_layers(outputs, golden)
    np.testing.assert_allclose(outputs["pooled_output"], golden["pooled_output"], atol=TOLERANCE)


@pytest.mark.parametrize("name", WITH_EDGES)
@pytest.mark.parametrize("drop_padding", [False, True])
def test_odd_masks(assets, name, drop_padding):
    folder = assets / "reference" / name
    edge, encoder = np.load(folder / "edge.npz"), Encoder.from_preset(folder)
    inputs, symbolic = googles.inputs_of(edge), input_tensors()
    outputs = keras.Model(symbolic, encoder.encode(symbolic, drop_padding=drop_padding))(inputs)
    mask = inputs["padding_mask"]
    computed = np.where(mask[:, :1] == 0, 1, mask) if drop_padding else np.ones_like(mask)
    want = edge["sequence_output"] * computed[..., None]
    np.testing.assert_allclose(outputs["sequence_output"], want, atol=TOLERANCE)
    np.testing.assert_allclose(outputs["pooled_output"], edge["pooled_output"], atol=TOLERANCE)


@pytest.mark.parametrize("name", WITH_EDGES)
def test_defaults_and_full_length(assets, name):
    folder = assets / "reference" / name
    edge, encoder = np.load(folder / "edge.npz"), Encoder.from_preset(folder)
    got = encoder({"input_ids": edge["input_ids"]})["sequence_output"]
    np.testing.assert_allclose(got, edge["sequence_output_defaults"], atol=TOLERANCE)
    got = encoder({"input_ids": edge["full_ids"]})["sequence_output"]
    np.testing.assert_allclose(got, edge["full_sequence_output"], atol=TOLERANCE)


@pytest.mark.parametrize("name", googles.SECOND_TASKS)
def test_gradients(assets, name):
    """d(total loss)/d(variable) with both pretraining heads, computed here from their weights."""
    folder = assets / "reference" / name
    golden, want = np.load(folder / "golden.npz"), np.load(folder / "golden_grads.npz")
    encoder = Encoder.from_preset(folder)
    heads = weights.expected_shapes(encoder.config, heads=("mlm", googles.SECOND_TASKS[name]))
    head, _ = weights.load(weights.open_checkpoint(folder), heads)
    variables = encoder.named_variables()
    with tf.GradientTape() as tape:
        outputs = encoder(googles.inputs_of(golden))
        table = variables["embeddings/token"]
        loss = _pretraining_loss(outputs, golden, head, table, googles.SECOND_TASKS[name])
    found = tape.gradient(loss, [v.value for v in variables.values()])
    assert float(loss) == pytest.approx(float(golden["total_loss"]), abs=BACKWARD)
    names = weights.to_format(
        {n: np.asarray(v) for n, v in variables.items()}, encoder.config, "google"
    )
    for theirs, got in zip(names, found, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(got), want[theirs], atol=TOLERANCE, err_msg=theirs
        )


def _pretraining_loss(outputs, golden, head, table, second):
    """Google's `run_pretraining.py`: masked words, then next sentence (nsp) or order (sop)."""
    x = tf.gather(outputs["sequence_output"], golden["masked_lm_positions"], batch_dims=1)
    x = tf.reshape(x, (-1, x.shape[-1])) @ head["mlm/transform/kernel"] + head["mlm/transform/bias"]
    x = tf.nn.gelu(x, approximate=True)
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    x = (x - mean) / tf.sqrt(variance + 1e-12) * head["mlm/norm/gamma"] + head["mlm/norm/beta"]
    logits = tf.matmul(x, table.value, transpose_b=True) + head["mlm/bias"]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        np.ravel(golden["masked_lm_ids"]), logits
    )
    weight = np.ravel(golden["masked_lm_weights"])
    mlm = tf.reduce_sum(losses * weight) / (weight.sum() + 1e-5)
    logits = outputs["pooled_output"] @ head[f"{second}/kernel"] + head[f"{second}/bias"]
    labels = np.ravel(golden["next_sentence_labels"])
    return mlm + tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def test_chinese_albert_in_googles_own_graph(assets):
    """The published graph on seeded weights: `values` restates how its authors drew them."""
    folder = assets / "checkpoints" / "index-only" / "albert_base_zh_google"
    golden = np.load(assets / "reference" / "official_graph" / "google_graph_albert.npz")
    encoder = Encoder(read_config(folder / "albert_config.json"))
    variables = encoder.named_variables()
    theirs = weights.to_format(
        {name: np.empty(v.shape, "float32") for name, v in variables.items()},
        encoder.config,
        "google",
    )
    for name, variable in zip(theirs, variables.values(), strict=True):
        variable.assign(values(name, tuple(variable.shape)))
    outputs = encoder(googles.inputs_of(golden, "in_"))
    for i, got in enumerate(outputs["layer_outputs"]):
        np.testing.assert_allclose(got[..., :128], golden[f"out_layer_{i}"], atol=DEEP)
    np.testing.assert_allclose(outputs["pooled_output"][:, :128], golden["out_pooled"], atol=DEEP)


def values(name, shape):
    generator = np.random.RandomState(zlib.crc32(name.encode()))
    noise = generator.standard_normal(shape).astype(np.float32)
    return (1.0 + 0.1 * noise if name.endswith("gamma") else 0.05 * noise).astype(np.float32)


def test_distilbert(assets):
    folder = assets / "reference" / "distilbert_tiny"
    golden, encoder = np.load(folder / "golden.npz"), Encoder.from_preset(folder)
    outputs = encoder(googles.inputs_of(golden))
    assert "pooled_output" not in outputs
    compare_layers(outputs, golden)
    got = encoder({"token_ids": golden["input_ids"]})["sequence_output"]
    np.testing.assert_allclose(got, golden["last_hidden_state_nomask"], atol=TOLERANCE)


def test_distilbert_classifier(assets, tmp_path):
    """The fine-tuned head: its arrays in a safetensors file, as the published ones have them."""
    from safetensors.numpy import save_file

    from bert_tf2 import Preprocessor, TextClassifier, WordPieceTokenizer
    from bert_tf2.weights.filling import load_variables

    folder = assets / "reference" / "distilbert_tiny"
    golden, arrays = np.load(folder / "golden.npz"), dict(np.load(folder / "seqcls_weights.npz"))
    save_file(arrays, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    checkpoint = weights.open_checkpoint(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    preprocessor = Preprocessor(WordPieceTokenizer(tmp_path / "vocab.txt"), 64)
    classifier = TextClassifier(Encoder(checkpoint.config), preprocessor, labels=3)
    report = load_variables(checkpoint, classifier.named_variables())
    assert (report.missing, report.skipped) == ([], [])
    assert classifier.dropout == 0.2
    logits = classifier(googles.inputs_of(golden))
    np.testing.assert_allclose(logits, golden["seqcls_logits"], atol=TOLERANCE)


@pytest.mark.parametrize(
    ("family", "part", "prefix"),
    [
        ("electra", "discriminator", "encoder_layer_"),
        ("electra_generator", "generator", "generator_layer_"),
    ],
)
def test_electra(assets, tmp_path, family, part, prefix):
    """Google's ELECTRA has no config file: the one here is written as ours are."""
    folder = assets / "reference" / "electra_tiny"
    golden, sizes = np.load(folder / "golden.npz"), json.loads((folder / "config.json").read_text())
    config = sizes[part] | {"embedding_size": sizes["embedding_size"], "family": family}
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = Encoder.from_preset(folder, config_file=tmp_path / "config.json")
    compare_layers(encoder(googles.inputs_of(golden)), golden, prefix)
    heads = weights.expected_shapes(encoder.config, ("rtd" if part == "discriminator" else "mlm",))
    checkpoint = weights.open_checkpoint(folder, config_file=tmp_path / "config.json")
    _, report = weights.load(checkpoint, heads, optional_heads=False)
    other = "generator" if part == "discriminator" else "discriminator"
    assert {why for _, why in report.skipped} == {
        "optimizer slot",
        "step counter",
        f"the {other}'s",
    }
