"""Reading and writing the two JSON dialects."""

import dataclasses
import json

import oracle
import pytest

from bert_tf2.config import VARIANTS, EncoderConfig, parse_config, read_config
from bert_tf2.weights import registry

GOOGLE = {
    "vocab_size": 30522,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
    "hidden_act": "gelu",
    "type_vocab_size": 2,
    "pooler_type": "first_token_transform",  # unknown keys are ignored
}
HUGGING_FACE = GOOGLE | {"model_type": "bert", "layer_norm_eps": 1e-5}


def test_gelu_means_tanh_to_google_and_erf_to_hugging_face():
    assert parse_config(GOOGLE).hidden_act == "gelu_tanh"
    assert parse_config(HUGGING_FACE).hidden_act == "gelu_erf"
    assert parse_config(HUGGING_FACE | {"hidden_act": "gelu_new"}).hidden_act == "gelu_tanh"
    assert parse_config(GOOGLE | {"hidden_act": "relu"}).hidden_act == "relu"


def test_what_is_left_out_means_what_the_original_readers_take():
    left_out = {name: value for name, value in GOOGLE.items() if name != "type_vocab_size"}
    assert parse_config(left_out).type_vocab_size == 16
    assert parse_config(left_out | {"model_type": "bert"}).type_vocab_size == 2
    assert parse_config(GOOGLE).layer_norm_eps == 1e-12
    assert parse_config(GOOGLE).max_position_embeddings == 512
    assert parse_config(HUGGING_FACE).layer_norm_eps == 1e-5


@pytest.mark.parametrize("hidden_act", oracle.ACTIVATIONS)
def test_both_dialects_bring_a_config_back(hidden_act):
    config = dataclasses.replace(oracle.TINY, hidden_act=hidden_act, layer_norm_eps=1e-6)
    assert parse_config(config.to_google()) == config
    assert parse_config(config.to_huggingface()) == config
    assert EncoderConfig(**config.to_dict()) == config
    assert json.loads(json.dumps(config.to_google())) == config.to_google()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 100, "num_attention_heads": 3}, "multiple of `num_attention_heads`"),
        ({"vocab_size": 0}, "`vocab_size` must be at least 1. Received: 0"),
        ({"vocab_size": "many"}, "must be an integer. Received: 'many'"),
        ({"hidden_dropout_prob": 1.0}, r"must be in \[0, 1\). Received: 1.0"),
        ({"layer_norm_eps": -1.0}, "`layer_norm_eps` must be above 0"),
        ({"hidden_act": "swish"}, "`hidden_act` must be one of"),
        ({"model_type": "gpt2"}, "a model of type 'gpt2'; known are"),
        ({"position_embedding_type": "relative_key"}, "only absolute position"),
    ],
)
def test_bad_values_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        parse_config(GOOGLE | change)


def test_bad_files(tmp_path):
    path = tmp_path / "config.json"
    for content, message in (
        ("{", "not a JSON file"),
        ("[]", "JSON object"),
        ("{}", "lacks vocab"),
    ):
        path.write_text(content, "utf-8")
        with pytest.raises(ValueError, match=message):
            read_config(path)
    with pytest.raises(FileNotFoundError):
        read_config(tmp_path / "none.json")


def test_every_variant_is_in_the_registry():
    names = {entry.name for entry in registry.entries()}
    assert set(VARIANTS) <= names
    assert VARIANTS["uncased_L-4_H-512_A-8"].intermediate_size == 2048


@pytest.mark.full
def test_variants_equal_the_published_configs(assets):
    folder = assets / "checkpoints" / "index-only"
    for name, place in (
        ("uncased_L-12_H-768_A-12", "bert_base_uncased_L-12_H-768_A-12"),
        ("uncased_L-8_H-512_A-8", "bert_uncased_L-8_H-512_A-8"),
        ("chinese_L-12_H-768_A-12", "bert_chinese_L-12_H-768_A-12"),
    ):
        assert read_config(folder / place / "bert_config.json") == VARIANTS[name]
