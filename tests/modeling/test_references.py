"""The encoder against outputs of the original implementations."""

import dataclasses
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf2 import Encoder, weights
from bert_tf2.config import read_config
from bert_tf2.modeling.encoder import input_tensors

pytestmark = pytest.mark.full
TOLERANCE = 5e-6  # the reference's own float32 noise is up to 3e-6


def google_inputs(arrays, prefix=""):
    names = ("input_ids", "input_mask", "segment_ids")
    ids, mask, segments = (arrays[prefix + name] for name in names)
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}


def test_bert_tiny(assets):
    folder = assets / "reference" / "bert_tiny"
    golden = np.load(folder / "golden.npz")
    outputs = Encoder.from_preset(folder)(google_inputs(golden))
    for i, got in enumerate(outputs["layer_outputs"]):
        np.testing.assert_allclose(got, golden[f"encoder_layer_{i}"], atol=TOLERANCE)
    np.testing.assert_allclose(outputs["pooled_output"], golden["pooled_output"], atol=TOLERANCE)


@pytest.mark.parametrize("drop_padding", [False, True])
def test_bert_tiny_odd_masks(assets, drop_padding):
    folder = assets / "reference" / "bert_tiny"
    edge = np.load(folder / "edge.npz")
    encoder, inputs = Encoder.from_preset(folder), google_inputs(edge)
    symbolic = input_tensors()
    outputs = keras.Model(symbolic, encoder.encode(symbolic, drop_padding=drop_padding))(inputs)
    mask = inputs["padding_mask"]
    computed = np.where(mask[:, :1] == 0, 1, mask) if drop_padding else np.ones_like(mask)
    want = edge["sequence_output"] * computed[..., None]
    np.testing.assert_allclose(outputs["sequence_output"], want, atol=TOLERANCE)
    np.testing.assert_allclose(outputs["pooled_output"], edge["pooled_output"], atol=TOLERANCE)


def test_bert_tiny_defaults_and_full_length(assets):
    folder = assets / "reference" / "bert_tiny"
    edge, encoder = np.load(folder / "edge.npz"), Encoder.from_preset(folder)
    got = encoder({"input_ids": edge["input_ids"]})["sequence_output"]
    np.testing.assert_allclose(got, edge["sequence_output_defaults"], atol=TOLERANCE)
    got = encoder({"input_ids": edge["full_ids"]})["sequence_output"]
    np.testing.assert_allclose(got, edge["full_sequence_output"], atol=TOLERANCE)


def test_bert_tiny_gradients_of_the_encoder(assets):
    """d(total loss)/d(variable) with both pretraining heads, computed here from their weights."""
    folder = assets / "reference" / "bert_tiny"
    golden, want = np.load(folder / "golden.npz"), np.load(folder / "golden_grads.npz")
    encoder = Encoder.from_preset(folder)
    checkpoint = weights.open_checkpoint(folder)
    heads = weights.expected_shapes(encoder.config, heads=("mlm", "nsp"))
    head, _ = weights.load(checkpoint, heads)
    variables = encoder.named_variables()
    with tf.GradientTape() as tape:
        outputs = encoder(google_inputs(golden))
        loss = _pretraining_loss(outputs, golden, head, variables["embeddings/token"])
    found = tape.gradient(loss, [v.value for v in variables.values()])
    assert float(loss) == pytest.approx(float(golden["total_loss"]), abs=1e-5)
    names = weights.to_format(
        {n: np.asarray(v) for n, v in variables.items()}, encoder.config, "google"
    )
    for theirs, got in zip(names, found, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(got), want[theirs], atol=TOLERANCE, err_msg=theirs
        )


def _pretraining_loss(outputs, golden, head, table):
    """As get_masked_lm_output and get_next_sentence_output of Google's run_pretraining.py."""
    x = tf.gather(outputs["sequence_output"], golden["masked_lm_positions"], batch_dims=1)
    x = tf.reshape(x, (-1, x.shape[-1])) @ head["mlm/transform/kernel"] + head["mlm/transform/bias"]
    x = tf.nn.gelu(x, approximate=True)
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    x = (x - mean) / tf.sqrt(variance + 1e-12) * head["mlm/norm/gamma"] + head["mlm/norm/beta"]
    logits = tf.matmul(x, table.value, transpose_b=True) + head["mlm/bias"]
    labels = np.ravel(golden["masked_lm_ids"])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    weight = np.ravel(golden["masked_lm_weights"])
    mlm = tf.reduce_sum(losses * weight) / (weight.sum() + 1e-5)
    logits = outputs["pooled_output"] @ head["nsp/kernel"] + head["nsp/bias"]
    labels = np.ravel(golden["next_sentence_labels"])
    return mlm + tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def test_tf1_mini_checkpoint_in_googles_own_graph(assets):
    golden = np.load(assets / "reference" / "official_graph" / "google_graph_mini.npz")
    encoder = Encoder.from_preset(assets / "checkpoints" / "tf1-mini-keras-bert")
    outputs = encoder(google_inputs(golden, "in_"))
    for i, got in enumerate(outputs["layer_outputs"]):
        want = golden[f"out_layer_{i}"].reshape(got.shape)
        np.testing.assert_allclose(got, want, atol=TOLERANCE)
    np.testing.assert_allclose(outputs["pooled_output"], golden["out_pooled"], atol=TOLERANCE)
    scores = encoder.attention_scores(google_inputs(golden, "in_"))[0]
    np.testing.assert_allclose(scores, golden["out_attn_probs_0"], atol=TOLERANCE)


def test_minilm_in_hugging_face(assets, minilm):
    golden = np.load(assets / "reference" / "official_graph" / "minilm_l6_v2_hf.npz")
    encoder = Encoder.from_preset(minilm)
    cases = {name.split("/")[0] for name in golden.files}
    assert len(cases) == 5
    for case in cases:
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = {name: golden[f"{case}/{name}"] for name in names}
        outputs = encoder(inputs)
        mask = inputs["attention_mask"][..., None]
        want = golden[f"{case}/last_hidden_state"]
        got = outputs["sequence_output"] * mask
        step = mask.shape[1] // want.shape[1]  # of the long case every 64th token is kept
        np.testing.assert_allclose(got[:, ::step], want * mask[:, ::step], atol=2e-5)
        np.testing.assert_allclose(
            outputs["pooled_output"], golden[f"{case}/pooler_output"], atol=2e-5
        )
        if f"{case}/hidden_states" in golden:  # the embeddings, then each layer; 32 columns of them
            layers = golden[f"{case}/hidden_states"][1:]
            for got, want in zip(outputs["layer_outputs"], layers, strict=True):
                np.testing.assert_allclose(got[..., :32] * mask, want * mask, atol=2e-5)
            got = encoder.attention_scores(inputs)[0] * mask[:, None]
            want = golden[f"{case}/attention_layer0"] * mask[:, None]
            np.testing.assert_allclose(got, want, atol=2e-5)


def test_chinese_bert_in_googles_own_graph(assets):
    """The published graph on seeded weights: `values` restates how its authors drew them."""
    folder = assets / "checkpoints" / "index-only" / "bert_chinese_L-12_H-768_A-12"
    golden = np.load(assets / "reference" / "official_graph" / "google_graph_zhbert.npz")
    # This graph was written in 2018, before Google's code took the tanh form of GELU.
    config = read_config(folder / "bert_config.json")
    encoder = Encoder(dataclasses.replace(config, hidden_act="gelu_erf"))
    variables = encoder.named_variables()
    theirs = weights.to_format(
        {name: np.empty(v.shape, "float32") for name, v in variables.items()},
        encoder.config,
        "google",
    )
    for name, variable in zip(theirs, variables.values(), strict=True):
        variable.assign(values(name, tuple(variable.shape)))
    outputs = encoder(google_inputs(golden, "in_"))
    for i, got in enumerate(outputs["layer_outputs"]):
        got = got.numpy().reshape(-1, 768)[[0, 1, 50, 99], :64]
        np.testing.assert_allclose(got, golden[f"out_layer_{i}"], atol=2e-5)
    np.testing.assert_allclose(outputs["pooled_output"], golden["out_pooled"], atol=2e-5)


def values(name, shape):
    generator = np.random.RandomState(zlib.crc32(name.encode()))
    noise = generator.standard_normal(shape).astype(np.float32)
    return (1.0 + 0.1 * noise if name.endswith("gamma") else 0.05 * noise).astype(np.float32)
