"""The encoder against outputs of the original implementations."""

import dataclasses
import zlib

import numpy as np
import pytest
from closeness import DEEP, FORWARD

from bert_tf2 import Encoder, weights
from bert_tf2.weights import read_config

pytestmark = pytest.mark.full
TOLERANCE = FORWARD  # the reference's own float32 noise is up to 3e-6


def google_inputs(arrays, prefix=""):
    names = ("input_ids", "input_mask", "segment_ids")
    ids, mask, segments = (arrays[prefix + name] for name in names)
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}


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
        np.testing.assert_allclose(got[:, ::step], want * mask[:, ::step], atol=DEEP)
        np.testing.assert_allclose(
            outputs["pooled_output"], golden[f"{case}/pooler_output"], atol=DEEP
        )
        if f"{case}/hidden_states" in golden:  # the embeddings, then each layer; 32 columns of them
            layers = golden[f"{case}/hidden_states"][1:]
            for got, want in zip(outputs["layer_outputs"], layers, strict=True):
                np.testing.assert_allclose(got[..., :32] * mask, want * mask, atol=DEEP)
            got = encoder.attention_scores(inputs)[0] * mask[:, None]
            want = golden[f"{case}/attention_layer0"] * mask[:, None]
            np.testing.assert_allclose(got, want, atol=DEEP)


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
        np.testing.assert_allclose(got, golden[f"out_layer_{i}"], atol=DEEP)
    np.testing.assert_allclose(outputs["pooled_output"], golden["out_pooled"], atol=DEEP)


def values(name, shape):
    generator = np.random.RandomState(zlib.crc32(name.encode()))
    noise = generator.standard_normal(shape).astype(np.float32)
    return (1.0 + 0.1 * noise if name.endswith("gamma") else 0.05 * noise).astype(np.float32)
