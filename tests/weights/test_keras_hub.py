"""keras-hub presets: read, written, and what its classes cannot compute."""

import dataclasses
import json

import numpy as np
import oracle
import pytest
import saved
from keras_presets import (
    CONFIGS,
    SENTENCEPIECE,
    WORDS,
    assert_same,
    contents,
    everything,
    reopened,
    tiny,
)

import bert_tf2
from bert_tf2 import TextClassifier, Tokenizer, weights
from bert_tf2.weights import names, parse_config, write_config
from bert_tf2.weights.containers import hdf5, keras_weights


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_written_comes_back(tmp_path, name):
    config = CONFIGS[name]
    arrays = everything(config)
    weights.save(tmp_path / "a", contents(config, arrays), "keras_hub")
    got, report = reopened(tmp_path / "a")
    assert (report.skipped, report.unused, report.missing) == ([], [], [])
    if name == "albert, groups":  # between equal widths keras-hub has a projection all the same
        assert got.config == dataclasses.replace(config, project_embeddings=True)
        eye = got.arrays["embeddings/projection/kernel"]
        np.testing.assert_array_equal(eye, np.eye(config.hidden_size))
        arrays = got.arrays | arrays
    else:
        assert got.config == config
    assert_same(got.arrays, arrays)


def test_heads_apart(tmp_path):
    """keras-hub keeps the heads apart, (D, N, H), and their biases too."""
    config = CONFIGS["bert"]
    weights.save(tmp_path / "a", contents(config), "keras_hub")
    shapes = {n: s for n, (s, _) in hdf5.list_variables(tmp_path / "a/model.weights.h5").items()}
    attention = "layers/transformer_encoder_1/_self_attention_layer"
    assert shapes[f"{attention}/query_dense/vars/0"] == (24, 3, 8)
    assert shapes[f"{attention}/query_dense/vars/1"] == (3, 8)
    assert shapes[f"{attention}/output_dense/vars/0"] == (3, 8, 24)


@pytest.mark.parametrize("old", ["Keras 2", "Keras 2.13"])
def test_older_names(tmp_path, old):
    config = CONFIGS["bert"]
    arrays = everything(config)
    weights.save(tmp_path / "a", contents(config, arrays), "keras_hub")
    stored = weights.to_format(arrays, config, "keras_hub")
    stored = {n.replace("/query_dense", "/_query_dense"): a for n, a in stored.items()}
    if old == "Keras 2.13":
        layers = "_layer_checkpoint_dependencies/"
        stored = {n.replace("layers/", layers): array for n, array in stored.items()}
    keras_weights.write(tmp_path / "a/model.weights.h5", stored)
    assert_same(reopened(tmp_path / "a")[0].arrays, arrays)


def test_optimizer_and_random_state_are_skipped_and_the_unknown_named(tmp_path):
    config = CONFIGS["bert"]
    arrays = everything(config)
    weights.save(tmp_path / "a", contents(config, arrays), "keras_hub")
    stored = weights.to_format(arrays, config, "keras_hub")
    known = {
        "task/optimizer/vars/0": np.array(3, np.int64),
        "layers/dropout/seed_generator/vars/0": np.zeros(2, np.uint32),
    }
    keras_weights.write(tmp_path / "a/model.weights.h5", stored | known)
    assert {name for name, _ in reopened(tmp_path / "a")[1].skipped} == set(known)
    lora = "layers/transformer_encoder/_self_attention_layer/query_dense/lora_kernel_a"
    keras_weights.write(tmp_path / "a/model.weights.h5", stored | {lora: np.zeros(2, "f4")})
    with pytest.raises(weights.CheckpointError, match=f"unknown in the file: {lora}"):
        reopened(tmp_path / "a")
    gone = "layers/transformer_encoder/_feedforward_output_dense/vars/1"
    keras_weights.write(
        tmp_path / "a/model.weights.h5", {n: a for n, a in stored.items() if n != gone}
    )
    with pytest.raises(weights.CheckpointError, match=f"layer_0/ffn/output/bias .{gone}"):
        reopened(tmp_path / "a")


def test_the_masked_lm_head_of_another_epsilon_is_left_out(tmp_path):
    """keras-hub's has 1e-5 in every family, as RoBERTa."""
    for name in ("bert", "roberta"):
        config = CONFIGS[name]
        arrays = everything(config)
        weights.save(tmp_path / name, contents(config, arrays), "keras_hub")
        stored = weights.to_format(arrays, config, "keras_hub")
        head = {"task/layers/masked_lm_head/vars/0": np.zeros(config.vocab_size, np.float32)}
        keras_weights.write(tmp_path / name / "model.weights.h5", head | stored)
        checkpoint = weights.open_checkpoint(tmp_path / name)
        _, report = weights.load(checkpoint, weights.expected_shapes(config))
        whys = {why for n, why in report.skipped if "masked_lm_head" in n}
        other = name == "bert"
        want = "a masked-LM head of another epsilon" if other else "mlm not used by this model"
        assert whys == {want}


def test_google_to_ours_to_keras_hub_and_back(tmp_path):
    """Bit for bit; Google's heads, which keras-hub has no place for, are said."""
    config = CONFIGS["bert"]
    arrays = oracle.random_weights(weights.expected_shapes(config, ("mlm", "nsp", "classifier"), 3))
    saved.google(tmp_path / "uncased", config, arrays, WORDS)
    bert_tf2.convert(tmp_path / "uncased", tmp_path / "ours", to="bert_tf2")
    report = bert_tf2.convert(tmp_path / "ours", tmp_path / "keras", to="keras_hub")
    assert {name.split("/")[0] for name, _ in report.skipped} == {"mlm", "nsp"}
    got, _ = reopened(tmp_path / "keras")
    kept = {n: a for n, a in arrays.items() if n.split("/")[0] not in ("mlm", "nsp")}
    assert_same(got.arrays, kept)
    assert (got.config, got.tokenizer.lowercase) == (config, True)
    assert got.tokenizer == weights.of_vocabulary(WORDS, lowercase=True, strip_accents=True)
    again = bert_tf2.convert(tmp_path / "keras", tmp_path / "google", to="google")
    assert "strip_accents" not in str(again.warnings)  # Google's lower-casing strips accents too
    with pytest.raises(ValueError, match="There is no other format of bert"):
        bert_tf2.convert(tmp_path / "ours", tmp_path / "other", to="other")


REFUSED = {
    "another activation": (tiny("bert", hidden_act="gelu_erf"), "'hidden_act': 'gelu_erf'"),
    "another epsilon": (tiny("bert", layer_norm_eps=1e-6), "'layer_norm_eps': 1e-06"),
    "no pooler": (tiny("bert without pooler"), "'pooler': False"),
    "no segments": (tiny("bert", type_vocab_size=0), "'type_vocab_size': 0"),
    "uneven groups": (tiny("albert, groups"), "would give 3 layers other ones of 2 groups"),
    "ELECTRA as published": (tiny("electra"), "'hidden_act': 'gelu_erf', 'pooler': False"),
    "RoBERTa as published": (tiny("roberta"), "'position_padding_id': 1"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_keras_hub_cannot_compute_is_refused(tmp_path, kind):
    config, said = REFUSED[kind]
    arrays = oracle.random_weights(weights.expected_shapes(config))
    table = names.variables(config, "keras_hub")
    known = {name: array for name, array in arrays.items() if name in table}
    with pytest.raises(ValueError, match="Write this model as bert_tf2 or") as error:
        weights.save(tmp_path / "a", contents(config, known), "keras_hub")
    assert said in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_family_it_has_no_class_for(tmp_path):
    config = oracle.TINIES["electra_generator"]
    with pytest.raises(ValueError, match="no keras_hub format of electra_generator"):
        weights.save(tmp_path / "a", weights.Contents(config, {}), "keras_hub")


def test_the_config_says_what_keras_hub_understands_and_the_rest_beside_it():
    config = tiny("bert", attention_probs_dropout_prob=0.3, initializer_range=0.05)
    written = write_config(config, "keras_hub")
    assert written["registered_name"] == "keras_hub>BertBackbone"
    assert written["config"]["dropout"] == 0.1
    assert written["attention_probs_dropout_prob"] == 0.3
    assert parse_config(written) == config
    del written["attention_probs_dropout_prob"]
    assert parse_config(written).attention_probs_dropout_prob == 0.1
    for broken, said in (
        ({"class_name": "GemmaBackbone"}, "type 'GemmaBackbone'; known are"),
        ({"class_name": ["BertBackbone"]}, "known are"),
        ({"config": None}, "must have a `config` of the class"),
        ({"config": {"dropout": "much"}}, "lacks vocab_size"),
    ):
        with pytest.raises(ValueError, match=said):
            parse_config(written | broken)


@pytest.mark.parametrize("name", [*SENTENCEPIECE, "roberta", "bert"])
def test_tokenizers_lie_among_the_assets(tmp_path, name):
    if name in SENTENCEPIECE:
        files, places = (
            weights.TokenizerSource({SENTENCEPIECE[name]: b"pieces"}),
            ["vocabulary.spm"],
        )
    elif name == "roberta":
        files = weights.TokenizerSource({"vocab.json": b"{}", "merges.txt": b"a b\n"})
        places = ["merges.txt", "vocabulary.json"]
    else:
        files, places = weights.of_vocabulary(WORDS, lowercase=True), ["vocabulary.txt"]
    folder = weights.save(tmp_path / "a", contents(CONFIGS[name], tokenizer=files), "keras_hub")
    assert sorted(file.name for file in (folder / "assets/tokenizer").iterdir()) == places
    assert reopened(folder)[0].tokenizer.files == files.files


@pytest.mark.parametrize("extra", ["x", "X"])
def test_the_case_is_said_even_where_only_the_vocabulary_shows_it(tmp_path, extra):
    """As our own tokenizer takes it; keras-hub would keep capitals where nothing is said."""
    files = weights.of_vocabulary([*WORDS, extra])
    folder = weights.save(tmp_path / "a", contents(CONFIGS["bert"], tokenizer=files), "keras_hub")
    said = json.loads((folder / "tokenizer.json").read_text())["config"]
    assert said["lowercase"] == said["strip_accents"] == (extra == "x")
    assert weights.open_checkpoint(folder).tokenizer.lowercase == (extra == "x")
    assert files.with_case().lowercase == (extra == "x")


# What a tokenizer.json says -> the settings that follow, or the word that is refused.
TOKENIZER_SAYS = [
    ({"lowercase": True, "strip_accents": False}, {"lowercase": True, "strip_accents": False}),
    ({"lowercase": False, "strip_accents": True}, {"lowercase": False, "strip_accents": True}),
    ({"lowercase": None}, {"lowercase": False, "strip_accents": False}),
    ({"split_on_cjk": False}, {"tokenize_chinese_chars": False}),
    ({"split": True, "oov_token": "[UNK]", "sequence_length": None}, {"lowercase": False}),
    ({"lowercase": "false"}, "lowercase"),
    ({"split_on_cjk": 0}, "split_on_cjk"),
    ({"split": False}, "split"),
    ({"suffix_indicator": "@@"}, "suffix_indicator"),
    ({"oov_token": "[OOV]"}, "oov_token"),
    ({"special_tokens_in_strings": True}, "special_tokens_in_strings"),
    ({"sequence_length": 8}, "sequence_length"),
]


@pytest.mark.parametrize(("says", "follows"), TOKENIZER_SAYS)
def test_words_of_a_tokenizer(tmp_path, says, follows):
    """Followed, or refused by name; what is left out is as in keras-hub's class."""
    files = weights.of_vocabulary(WORDS, lowercase=True)
    folder = weights.save(tmp_path / "a", contents(CONFIGS["bert"], tokenizer=files), "keras_hub")
    file = folder / "tokenizer.json"
    whole = json.loads(file.read_text())
    whole["config"] = {"vocabulary": None} | says
    file.write_text(json.dumps(whole))
    source = weights.open_checkpoint(folder).tokenizer
    if isinstance(follows, dict):
        assert not source.refused and follows.items() <= source.settings.items()
    else:
        assert f"`{follows}`" in source.refused
        with pytest.raises(ValueError, match=follows):
            Tokenizer.from_preset(folder)


def test_accents_and_chinese_characters_as_the_preset_says(tmp_path):
    """Ids by hand: "É" is "é" in lower case, and "日本" is a word where nothing splits it."""
    words = [*WORDS, "é", "日", "##本"]
    given = {"lowercase": True, "strip_accents": False, "tokenize_chinese_chars": False}
    files = weights.of_vocabulary(words, **given)
    config = dataclasses.replace(CONFIGS["bert"], vocab_size=len(words))
    weights.save(tmp_path / "a", contents(config, tokenizer=files), "keras_hub")
    assert reopened(tmp_path / "a")[0].tokenizer == files
    want = [words.index("é"), words.index("日"), words.index("##本")]
    assert Tokenizer.from_preset(tmp_path / "a")(["É 日本"]).to_list() == [want]


def test_a_classifier_of_ours(tmp_path):
    task = oracle.tiny_classifier()
    task.save_to_preset(tmp_path / "a", "keras_hub")
    again = TextClassifier.from_preset(tmp_path / "a", labels=task.labels)
    texts = ["tea and rain", "a stone"]
    np.testing.assert_array_equal(again.predict(texts), task.predict(texts))
