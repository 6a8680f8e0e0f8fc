"""brightmart's Chinese ALBERT, whose token table is a product, against NumPy."""

import dataclasses
import json

import numpy as np
import oracle
import pytest

from bert_tf2 import Encoder, MaskedLM, weights
from bert_tf2.weights.containers import bundle

CONFIG = dataclasses.replace(oracle.TINIES["albert"], embedding_size=None)
NARROW = 10  # E of the stored table
# Ours -> his, from https://github.com/brightmart/albert_zh, modeling.py and run_pretraining.py.
NAMES = {
    "embeddings/position": "bert/embeddings/position_embeddings",
    "embeddings/segment": "bert/embeddings/token_type_embeddings",
    "embeddings/norm": "bert/embeddings/LayerNorm",
    "group_0_inner_0/attention/query": "bert/encoder/layer_shared/attention/self/query",
    "group_0_inner_0/attention/key": "bert/encoder/layer_shared/attention/self/key",
    "group_0_inner_0/attention/value": "bert/encoder/layer_shared/attention/self/value",
    "group_0_inner_0/attention/output": "bert/encoder/layer_shared/attention/output/dense",
    "group_0_inner_0/attention/norm": "bert/encoder/layer_shared/attention/output/LayerNorm",
    "group_0_inner_0/ffn/intermediate": "bert/encoder/layer_shared/intermediate/dense",
    "group_0_inner_0/ffn/output": "bert/encoder/layer_shared/output/dense",
    "group_0_inner_0/ffn/norm": "bert/encoder/layer_shared/output/LayerNorm",
    "pooler": "bert/pooler/dense",
    "mlm/transform": "cls/predictions/transform/dense",
    "mlm/norm": "cls/predictions/transform/LayerNorm",
    "mlm/bias": "cls/predictions/output_bias",
}
SETTINGS = {
    "vocab_size": 97,
    "hidden_size": 24,
    "embedding_size": NARROW,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def his_name(ours):
    unit = max((unit for unit in NAMES if ours.startswith(unit)), key=len)
    return NAMES[unit] + ours.removeprefix(unit)


@pytest.fixture
def written(tmp_path):
    """-> folder, and our arrays, as his graph would compute with them."""
    arrays = oracle.random_weights(weights.expected_shapes(CONFIG, ("mlm",)))
    generator = np.random.default_rng(5)
    first = generator.standard_normal((97, NARROW)).astype("float32")
    second = (0.1 * generator.standard_normal((NARROW, 24))).astype("float32")
    arrays["embeddings/token"] = first.astype("float64") @ second
    his = {his_name(n): x for n, x in arrays.items() if n != "embeddings/token"}
    his |= {
        "bert/embeddings/word_embeddings": first,
        "bert/embeddings/word_embeddings_2": second,
        "bert/embeddings/word_embeddings_2/adam_m": second,
        "cls/seq_relationship/output_weights": np.ones((2, 24), "float32"),
        "cls/seq_relationship/output_bias": np.ones(2, "float32"),
        "global_step": np.array(7),
    }
    folder = tmp_path / "albert_base_zh"
    folder.mkdir()
    bundle.write(folder / "albert_model.ckpt", his)
    (folder / "albert_config_base.json").write_text(json.dumps(SETTINGS))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(92))]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    return folder, arrays


def test_layers_are_numpys(written):
    folder, arrays = written
    encoder = Encoder.from_preset(folder)
    assert encoder.config == CONFIG
    assert {why for _, why in encoder.load_report.skipped} == {
        "optimizer slot",
        "step counter",
        "mlm not used by this model",
        "sop not used by this model",
    }
    inputs = oracle.odd_masks(CONFIG)
    got, want = encoder(inputs), oracle.forward(CONFIG, arrays, inputs)
    for layer, array in zip(got["layer_outputs"], want["layer_outputs"], strict=True):
        oracle.assert_close(layer, array, inputs)
    oracle.assert_close(got["pooled_output"], want["pooled_output"], inputs)


def test_masked_words_are_numpys(written):
    folder, arrays = written
    task = MaskedLM.from_preset(folder)
    inputs = oracle.random_inputs(CONFIG)
    positions = np.zeros((len(inputs["token_ids"]), 1), "int32")
    got = task(inputs | {"masked_positions": positions})[:, 0]
    x = oracle.forward(CONFIG, arrays, inputs)["first_output"]
    x = x @ arrays["mlm/transform/kernel"] + arrays["mlm/transform/bias"]
    x = oracle.ACTIVATIONS["gelu_tanh"](x)
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    x = x * arrays["mlm/norm/gamma"] + arrays["mlm/norm/beta"]
    want = x @ arrays["embeddings/token"].T + arrays["mlm/bias"]
    np.testing.assert_allclose(got, want, atol=oracle.TOLERANCE)


def test_it_is_converted_like_any_albert(written, tmp_path):
    contents, _ = weights.contents_of(weights.open_checkpoint(written[0]))
    weights.save(tmp_path / "google", contents, "google")
    again = weights.open_checkpoint(tmp_path / "google")
    assert (again.container, again.config) == ("bundle", CONFIG)
    back, _ = weights.contents_of(again)
    for name, array in contents.arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array, err_msg=name)


def test_norms_elsewhere_are_refused(written):
    folder, _ = written
    (folder / "albert_config_base.json").write_text(json.dumps(SETTINGS | {"ln_type": "preln"}))
    with pytest.raises(weights.CheckpointError, match=r"`ln_type` must be 'postln'.*'preln'"):
        weights.open_checkpoint(folder)


def test_tables_that_cannot_be_multiplied_are_refused(written):
    folder, _ = written
    for tables in (((97, 10), (11, 24)), ((97,), (10, 24)), ((97, 10), (10,))):
        place = "bert/embeddings/word_embeddings"
        arrays = {place: np.ones(tables[0]), f"{place}_2": np.ones(tables[1])}
        bundle.write(folder / "albert_model.ckpt", arrays)
        with pytest.raises(weights.CheckpointError, match=r"must be the token table. Received"):
            weights.open_checkpoint(folder)
