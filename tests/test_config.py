"""Reading and writing the two JSON dialects."""

import dataclasses
import functools
import json
import math

import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_tf2.config import ACTIVATIONS, FAMILIES, EncoderConfig
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import (
    expected_shapes,
    names,
    parse_config,
    read_config,
    registry,
    write_config,
)

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
    assert parse_config(write_config(config, "google")) == config
    assert parse_config(write_config(config, "huggingface")) == config
    assert EncoderConfig(**config.to_dict()) == config
    assert json.loads(json.dumps(write_config(config, "google"))) == write_config(config, "google")


@st.composite
def configs(draw):
    """Random configs of every family, with what its variables can have."""
    family = draw(st.sampled_from(list(FAMILIES)))
    heads, layers = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    probability = st.sampled_from([0.0, 0.1, 0.25])
    values = {
        "vocab_size": draw(st.integers(1, 99)),
        "hidden_size": heads * draw(st.integers(1, 4)),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": draw(st.integers(1, 40)),
        "hidden_act": draw(st.sampled_from(ACTIVATIONS)),
        "hidden_dropout_prob": draw(probability),
        "attention_probs_dropout_prob": draw(probability),
        "classifier_dropout_prob": draw(st.none() | probability),
        "max_position_embeddings": draw(st.integers(5, 30)),
        "layer_norm_eps": draw(st.sampled_from([1e-12, 1e-5])),
    }
    if FAMILIES[family].get("type_vocab_size", 2) == 2:
        values["type_vocab_size"] = draw(st.integers(1, 4))
    if family in ("albert", "electra", "electra_generator"):
        values["embedding_size"] = draw(st.none() | st.integers(1, 20))
    if family == "albert":
        values["num_hidden_groups"] = draw(st.integers(1, layers))
        values["inner_group_num"] = draw(st.integers(1, 3))
    if family == "distilbert":
        values["sinusoidal_positions"] = draw(st.booleans())
        values["layer_norm_eps"] = 1e-12  # the one that transformers' code knows
    return EncoderConfig(family=family, **FAMILIES[family] | values)


@given(configs())
def test_random_configs_come_back_and_have_names_of_their_own(config):
    assert EncoderConfig(**json.loads(json.dumps(config.to_dict()))) == config
    written = {
        "google": functools.partial(write_config, config, "google"),
        "huggingface": functools.partial(write_config, config, "huggingface"),
        "keras_hub": functools.partial(write_config, config, "keras_hub"),
    }
    for family, format in names.NAMES:
        if family == config.family:
            table = names.variables(config, format)
            assert len({row.theirs for row in table.values()}) == len(table)
            if format in written:
                assert parse_config(json.loads(json.dumps(written[format]()))) == config
            if format != "keras_hub":  # whose writer refuses what it has no place for
                assert set(expected_shapes(config)) <= set(table)


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


ALBERT = GOOGLE | {"embedding_size": 32, "num_hidden_groups": 1, "inner_group_num": 1}


def test_the_family_is_recognised():
    assert parse_config(GOOGLE).family == "bert"
    assert parse_config(ALBERT).family == "albert"
    assert parse_config(GOOGLE | {"family": "electra"}).family == "electra"
    electra = HUGGING_FACE | {"model_type": "electra"}
    assert parse_config(electra).family == "electra"
    masked = electra | {"architectures": ["ElectraForMaskedLM"]}
    assert parse_config(masked).family == "electra_generator"
    assert parse_config(HUGGING_FACE | {"model_type": "xlm-roberta"}).family == "xlm_roberta"


def test_families_mean_different_things_by_gelu():
    """google-research/electra computes the erf form, bert and albert the tanh form."""
    assert parse_config(ALBERT).hidden_act == "gelu_tanh"
    assert parse_config(GOOGLE | {"family": "electra"}).hidden_act == "gelu_erf"
    assert parse_config(ALBERT | {"hidden_act": "relu"}).hidden_act == "relu"


def test_what_families_leave_out():
    albert = parse_config(ALBERT)
    assert (albert.hidden_dropout_prob, albert.classifier_dropout) == (0.0, 0.1)
    assert albert.has_projection
    distilbert = {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 9, "vocab_size": 7}
    distilbert = parse_config(distilbert | {"model_type": "distilbert"})
    assert (distilbert.type_vocab_size, distilbert.pooler) == (0, False)
    assert (distilbert.classifier_act, distilbert.classifier_dropout) == ("relu", 0.2)
    roberta = parse_config(HUGGING_FACE | {"model_type": "roberta", "pad_token_id": 1})
    assert roberta.max_length == 512 - 2
    assert roberta.classifier_act == "tanh"


def test_layers_of_a_group_share_a_block():
    config = parse_config(ALBERT | {"num_hidden_layers": 5, "num_hidden_groups": 2})
    blocks = [f"group_{group}_inner_0" for group in (0, 0, 0, 1, 1)]
    assert config.block_names() == blocks
    inner = dataclasses.replace(config, num_hidden_layers=2, inner_group_num=2)
    assert inner.block_names() == [f"group_{g}_inner_{k}" for g in (0, 1) for k in (0, 1)]
    assert parse_config(GOOGLE).block_names() == ["layer_0", "layer_1"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_hidden_groups": 3}, "`num_hidden_groups` must be at most the 2 layers. Received: 3"),
        ({"family": "albert"}, "`num_hidden_groups` must be given"),
        ({"inner_group_num": 2}, "`num_hidden_groups` must be given"),
        ({"embedding_size": 0}, "`embedding_size` must be at least 1. Received: 0"),
        ({"pooler": 1}, "`pooler` must be True or False. Received: 1"),
        ({"classifier_act": "swish"}, "`classifier_act` must be one of"),
        ({"classifier_dropout_prob": 1.5}, "`classifier_dropout_prob` must be in"),
        ({"position_padding_id": 19}, "`max_position_embeddings` must be above"),
        ({"embedding_size": 8, "project_embeddings": False}, "must not be False where"),
        ({"family": "gpt2"}, "`family` must be one of"),
    ],
)
def test_values_that_exclude_each_other(values, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(oracle.TINY, **values)


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


def test_every_bert_variant_is_in_the_registry():
    names = {entry.name for entry in registry.entries()}
    assert {name for name, config in VARIANTS.items() if config.family == "bert"} <= names
    assert VARIANTS["uncased_L-4_H-512_A-8"].intermediate_size == 2048


@pytest.mark.parametrize(
    ("name", "millions"),  # of parameters, without heads, as their papers round them
    [
        ("uncased_L-12_H-768_A-12", 110),
        ("albert_base_v2", 12),
        ("albert_large_v1", 18),
        ("albert_xlarge_v2", 60),
        ("albert_xxlarge_v2", 235),  # the paper counts 235 with 30k pieces, and no pooler
        ("distilbert_base_uncased", 66),
        ("electra_small", 14),
        ("electra_base", 110),
        ("electra_large", 335),
        ("roberta_base", 125),
        ("roberta_large", 355),
    ],
)
def test_variants_have_the_published_sizes(name, millions):
    shapes = expected_shapes(VARIANTS[name])
    count = sum(math.prod(shape) for shape in shapes.values())
    assert count == pytest.approx(millions * 1e6, rel=0.06)


@pytest.mark.parametrize(
    ("name", "parameters"),  # as keras-hub's presets state them, which have no head either
    [
        ("all-MiniLM-L6-v2", 22_713_216),
        ("uncased_L-12_H-768_A-12_2020", 109_482_240),
        ("albert_xxlarge_v2", 222_595_584),
        ("distilbert_base_cased", 65_190_912),
        ("distilbert_base_multilingual_cased", 134_734_080),
        # Less a pooler, which keras-hub gives ELECTRA and its publisher does not.
        ("electra_small_generator", 13_548_800 - 256 * 257),
        ("electra_base_generator", 33_576_960 - 256 * 257),
        ("electra_large_generator", 51_065_344 - 256 * 257),
        # With the pooler, two positions and one segment that keras-hub leaves out.
        ("xlm_roberta_base", 277_450_752 + 768 * 769 + 3 * 768),
        ("xlm_roberta_large", 558_837_760 + 1024 * 1025 + 3 * 1024),
        ("roberta_large_mnli", 354_307_072 + 1024 * 1025 + 3 * 1024),
    ],
)
def test_variants_have_as_many_parameters_as_in_keras_hub(name, parameters):
    assert sum(map(math.prod, expected_shapes(VARIANTS[name]).values())) == parameters


@pytest.mark.full
def test_variants_equal_the_published_configs(assets, minilm):
    folder = assets / "checkpoints" / "index-only"
    for name, place in (
        ("uncased_L-12_H-768_A-12", "bert_base_uncased_L-12_H-768_A-12"),
        ("uncased_L-8_H-512_A-8", "bert_uncased_L-8_H-512_A-8"),
        ("chinese_L-12_H-768_A-12", "bert_chinese_L-12_H-768_A-12"),
    ):
        assert read_config(folder / place / "bert_config.json") == VARIANTS[name]
    zh = folder / "albert_base_zh_google" / "albert_config.json"
    assert read_config(zh) == VARIANTS["albert_base_zh"]
    assert read_config(minilm / "config.json") == VARIANTS["all-MiniLM-L6-v2"]


def test_a_value_that_their_code_does_not_read_is_not_written():
    config = dataclasses.replace(oracle.TINIES["distilbert"], layer_norm_eps=1e-5)
    with pytest.raises(ValueError, match="`layer_norm_eps` must be 1e-12, which is what"):
        write_config(config, "huggingface")
