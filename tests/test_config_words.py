"""Words of a config that change what is computed: each is followed, or refused by name.

Gathered from the configuration_*.py and modeling_*.py of transformers 4 and 5 for these families.
"""

import json

import keras
import numpy as np
import oracle
import peers
import pytest
from closeness import BACKWARD

from bert_tf2.config import EncoderConfig
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.modeling.heads import MaskedWords
from bert_tf2.weights import parse_config, read_config
from bert_tf2.weights.config_words import names_of
from bert_tf2.weights.publishers import PUBLISHERS

SIZES = {
    "vocab_size": 97,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
}
ALBERT = SIZES | {"model_type": "albert", "embedding_size": 10}
DISTILBERT = {"model_type": "distilbert", "vocab_size": 97, "hidden_dim": 40, "dim": 24}
DISTILBERT |= {"n_layers": 2, "n_heads": 3}
MINIMAL = {
    kind: SIZES | {"model_type": kind}
    for kind in ("bert", "electra", "roberta", "xlm-roberta", "camembert", "mpnet")
} | {"albert": ALBERT, "distilbert": DISTILBERT}

FOLLOWED = [  # model_type, their word, value -> our field, value
    *[(kind, "layer_norm_eps", 1e-5, "layer_norm_eps", 1e-5) for kind in ("bert", "albert")],
    ("bert", "hidden_act", "gelu", "hidden_act", "gelu_erf"),
    ("bert", "hidden_act", "gelu_python", "hidden_act", "gelu_erf"),
    *[
        ("roberta", "hidden_act", word, "hidden_act", "gelu_tanh")
        for word in ("gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh")
    ],
    ("electra", "hidden_act", "relu", "hidden_act", "relu"),
    *[
        (kind, "hidden_act", "relu", "mlm_act", "gelu_erf")
        for kind in ("electra", "roberta", "xlm-roberta", "camembert", "mpnet")
    ],
    ("bert", "hidden_act", "relu", "mlm_act", None),
    ("distilbert", "activation", "relu", "hidden_act", "relu"),
    ("distilbert", "hidden_size", 12, "hidden_size", 24),  # beside `dim`
    ("distilbert", "sinusoidal_pos_embds", True, "sinusoidal_positions", True),
    ("distilbert", "seq_classif_dropout", 0.3, "classifier_dropout_prob", 0.3),
    ("roberta", "pad_token_id", 0, "position_padding_id", 0),
    ("bert", "pad_token_id", None, "position_padding_id", None),
    ("mpnet", "pad_token_id", 0, "position_padding_id", 1),  # its code counts from 1
    # Words of other families, which transformers' class passes over.
    ("mpnet", "type_vocab_size", 2, "type_vocab_size", 0),
    ("distilbert", "type_vocab_size", 2, "type_vocab_size", 0),
    ("distilbert", "layer_norm_eps", 1e-5, "layer_norm_eps", 1e-12),
    ("bert", "embedding_size", 12, "embedding_size", None),
    ("bert", "num_hidden_groups", 2, "num_hidden_groups", None),
    ("roberta", "inner_group_num", 2, "inner_group_num", 1),
    ("mpnet", "relative_attention_num_buckets", 32, "relative_buckets", 32),
    ("bert", "type_vocab_size", 4, "type_vocab_size", 4),
    ("albert", "num_hidden_groups", 2, "num_hidden_groups", 2),
    ("albert", "inner_group_num", 2, "inner_group_num", 2),
    ("bert", "classifier_dropout", 0.3, "classifier_dropout_prob", 0.3),
    ("bert", "hidden_size", 48.0, "hidden_size", 48),
]
REFUSED = [  # of every family
    ("is_decoder", True),
    ("is_encoder_decoder", True),
    ("add_cross_attention", True),
    ("position_embedding_type", "relative_key"),
    ("position_embedding_type", "relative_key_query"),
    ("position_embedding_type", "alibi"),
    ("position_embedding_type", None),
    ("pruned_heads", {"0": [1]}),
    ("per_layer_config", {"0": {"hidden_size": 12}}),
    ("quantization_config", {"quant_method": "bitsandbytes"}),
    ("auto_map", {"AutoModel": "modeling_other.OtherModel"}),
]
IGNORED = [  # as transformers does, or since the answer is the same
    ("is_decoder", False),
    ("is_decoder", None),
    ("pruned_heads", {}),
    ("chunk_size_feed_forward", 8),
    ("use_cache", True),
    ("torch_dtype", "float16"),
    ("dtype", "bfloat16"),
    ("summary_type", "mean"),
    ("summary_use_proj", False),
    ("summary_activation", "tanh"),
    ("qa_dropout", 0.4),
    ("use_bias", False),
    ("output_hidden_states", True),
    ("tie_word_embeddings", True),
    ("auto_map", {"AutoTokenizer": "tokenization_other.OtherTokenizer"}),
    ("gap_size", 0),
]


# Of how a model is run, of texts it would generate, of its classes (test_class_names.py).
OTHERS = """_name_or_path architectures bos_token_id eos_token_id id2label label2id model_type
output_attentions problem_type return_dict summary_last_dropout transformers_version"""
CLASSES = {
    "BertConfig": "bert",
    "AlbertConfig": "albert",
    "DistilBertConfig": "distilbert",
    "ElectraConfig": "electra",
    "RobertaConfig": "roberta",
    "XLMRobertaConfig": "xlm_roberta",
    "CamembertConfig": "roberta",
    "MPNetConfig": "mpnet",
}


@pytest.mark.soak
def test_no_word_of_transformers_is_left_out_here():
    said = peers.run("transformers", "words_of_transformers.py", [*CLASSES])
    tried = {word for word, _ in REFUSED + IGNORED} | {*OTHERS.split(), "pad_token_id"}
    for name, words in said.items():
        known = names_of(PUBLISHERS["huggingface"].CONFIG, CLASSES[name])
        assert set(words) <= tried | known, name


@pytest.mark.parametrize(("kind", "word", "value", "field", "ours"), FOLLOWED)
def test_words_that_are_followed(kind, word, value, field, ours):
    assert getattr(parse_config(MINIMAL[kind] | {word: value}), field) == ours


@pytest.mark.parametrize(("word", "value"), REFUSED, ids=str)
def test_words_that_are_refused_by_name(word, value):
    for values in MINIMAL.values():
        with pytest.raises(ValueError, match=rf"^x\.json: .*{word}") as caught:
            parse_config(values | {word: value}, "x.json")
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize(("word", "value"), IGNORED, ids=str)
def test_words_that_change_nothing(word, value):
    for values in MINIMAL.values():
        assert parse_config(values | {word: value}) == parse_config(values)


@pytest.mark.parametrize("word", ["gelu_10", "quick_gelu", "silu", "swish", "mish", "relu6", "x"])
def test_other_activations_are_refused(word):
    with pytest.raises(ValueError, match="`hidden_act` must be one of"):
        parse_config(MINIMAL["bert"] | {"hidden_act": word})


NUMBERS = ["vocab_size", "hidden_size", "type_vocab_size", "max_position_embeddings"]
RATES = ["hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps"]
RATES += ["initializer_range"]
BAD = [None, "12", "many" * 500, [], {}, True, float("nan"), float("inf"), -1, 10**400]


@pytest.mark.parametrize("word", NUMBERS + RATES)
def test_what_is_no_number_is_named(word):
    for value in [*BAD, *([2.5] if word in NUMBERS else [])]:
        with pytest.raises(ValueError, match=f"x.json: `{word}` must be") as caught:
            parse_config(MINIMAL["bert"] | {word: value}, "x.json")
        assert len(str(caught.value)) < 600


def test_the_word_is_named_as_the_file_has_it():
    with pytest.raises(ValueError, match=r"`dim` must be an integer\. Received: None"):
        parse_config(DISTILBERT | {"dim": None})
    with pytest.raises(ValueError, match=r"lacks hidden_size \(there dim\)"):
        parse_config({name: x for name, x in DISTILBERT.items() if name != "dim"})
    with pytest.raises(ValueError, match="`pad_token_id` must be an integer"):
        parse_config(MINIMAL["roberta"] | {"pad_token_id": None})


def test_numbers_of_other_types_are_taken():
    config = EncoderConfig(**SIZES | {"hidden_size": np.int64(24), "vocab_size": 97.0})
    assert config == EncoderConfig(**SIZES)
    assert json.dumps(config.to_dict())


@pytest.mark.parametrize(
    ("architecture", "family"),
    [
        ("BertModel", "bert"),
        ("BertLMHeadModel", "bert"),
        ("TFBertForMaskedLM", "bert"),
        ("AlbertForPreTraining", "albert"),
        ("RobertaModel", "roberta"),
        ("XLMRobertaForSequenceClassification", "xlm_roberta"),
        ("CamembertForMaskedLM", "roberta"),
        ("MPNetForMaskedLM", "mpnet"),
        ("ElectraModel", "electra"),
        ("ElectraForMaskedLM", "electra_generator"),
        ("BertGenerationEncoder", None),
        ("RobertaPreLayerNormModel", None),
        ("GPT2Model", None),
    ],
)
def test_without_a_model_type_the_class_tells_the_family(architecture, family):
    values = SIZES | {"architectures": [architecture], "hidden_act": "gelu"}
    if family is None:
        with pytest.raises(ValueError, match=f"type .*{architecture}"):
            parse_config(values)
    else:
        config = parse_config(values)
        assert (config.family, config.hidden_act) == (family, "gelu_erf")


def test_beside_weights_of_hugging_face_something_must_tell_the_family():
    assert parse_config(SIZES).family == "bert"
    for values in (SIZES, SIZES | {"architectures": []}, SIZES | {"architectures": None}):
        with pytest.raises(ValueError, match="must say what the model is, by `model_type`"):
            parse_config(values, "config.json", publisher="huggingface")


def test_a_byte_order_mark_is_no_part_of_the_config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SIZES), "utf-8-sig")
    assert read_config(path) == parse_config(SIZES)


@pytest.mark.parametrize("kind", ["roberta", "electra"])
def test_the_masked_word_head_has_its_own_activation(kind):
    """transformers: lm_head and generator_predictions call gelu, not `hidden_act`."""
    encoder = Encoder(parse_config(MINIMAL[kind] | {"hidden_act": "relu", "embedding_size": 24}))
    config, embeddings = encoder.config, encoder.parts["embeddings"]
    head = MaskedWords(embeddings, config, keras.initializers.TruncatedNormal(0.5), name="mlm")
    x = np.random.default_rng(0).standard_normal((1, 4, 24)).astype("float32")
    logits = head(x, np.array([[0, 2]], "int32"))
    kernel = np.asarray(head.transform.kernel, "float64")
    inner = oracle.ACTIVATIONS["gelu_erf"](x[0, [0, 2]] @ kernel)
    centred = inner - inner.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps)
    want = normed @ np.asarray(embeddings.token_table()).T
    np.testing.assert_allclose(logits[0], want, atol=BACKWARD)
