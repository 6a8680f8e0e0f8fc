"""keras-hub presets: read, written, and what its classes cannot compute.

The tests marked full compare with keras-hub itself.
"""

import dataclasses
import json

import numpy as np
import oracle
import pytest
import saved

import bert_tf2
from bert_tf2 import Encoder, TextClassifier, WordPieceTokenizer, weights
from bert_tf2.config import parse_config
from bert_tf2.text.vocabulary import Vocabulary
from bert_tf2.weights import names
from bert_tf2.weights.containers import hdf5, keras_weights

ELECTRA = {"hidden_act": "gelu_tanh", "pooler": True}
ROBERTA = {"position_padding_id": None, "type_vocab_size": 0, "pooler": False}


def tiny(name, **values):
    return dataclasses.replace(oracle.TINIES[name], **values)


# One of each kind that keras-hub has a class for.
CONFIGS = {
    "bert": tiny("bert"),
    "albert": tiny("albert"),
    "albert, groups": tiny("albert, groups", num_hidden_layers=4),
    "albert, inner groups": tiny("albert, inner groups"),
    "distilbert": tiny("distilbert"),
    "electra": tiny("electra", **ELECTRA),
    "electra, equal sizes": tiny("electra, equal sizes", **ELECTRA),
    "roberta": tiny("roberta", **ROBERTA),
    "xlm_roberta": tiny("roberta", family="xlm_roberta", **ROBERTA),
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", "##a", "##b", "tea", "##s"]


def everything(config):
    """Random arrays of all that keras-hub has a name for."""
    table = names.variables(config, "keras_hub")
    return oracle.random_weights(
        {name: tuple(3 if n is None else n for n in row.shape) for name, row in table.items()}
    )


def contents(config, arrays=None, **rest):
    return weights.Contents(config, everything(config) if arrays is None else arrays, **rest)


def reopened(folder):
    return weights.contents_of(weights.open_checkpoint(folder))


def assert_same(got, want):
    assert set(got) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


# --- Ours alone. ----------------------------------------------------------------------------------


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
    assert (got.config, got.lowercase) == (config, True)
    assert got.tokenizer_files == weights.vocabulary_file(WORDS)
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
    written = config.to_keras_hub()
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


SENTENCEPIECE = {"albert": "spiece.model", "xlm_roberta": "sentencepiece.bpe.model"}


@pytest.mark.parametrize("name", [*SENTENCEPIECE, "roberta", "bert"])
def test_tokenizers_lie_among_the_assets(tmp_path, name):
    if name in SENTENCEPIECE:
        files, places = {SENTENCEPIECE[name]: b"pieces"}, ["vocabulary.spm"]
    elif name == "roberta":
        files = {"vocab.json": b"{}", "merges.txt": b"a b\n"}
        places = ["merges.txt", "vocabulary.json"]
    else:
        files, places = weights.vocabulary_file(WORDS), ["vocabulary.txt"]
    folder = weights.save(
        tmp_path / "a", contents(CONFIGS[name], tokenizer_files=files), "keras_hub"
    )
    assert sorted(file.name for file in (folder / "assets/tokenizer").iterdir()) == places
    assert reopened(folder)[0].tokenizer_files == files


@pytest.mark.parametrize("extra", ["x", "X"])
def test_the_case_is_said_even_where_only_the_vocabulary_shows_it(tmp_path, extra):
    """As our own tokenizer takes it; keras-hub would keep capitals where nothing is said."""
    files = weights.vocabulary_file([*WORDS, extra])
    folder = weights.save(
        tmp_path / "a", contents(CONFIGS["bert"], tokenizer_files=files), "keras_hub"
    )
    said = json.loads((folder / "tokenizer.json").read_text())["config"]
    assert said["lowercase"] == said["strip_accents"] == (extra == "x")
    assert weights.open_checkpoint(folder).lowercase == (extra == "x")
    (tmp_path / "vocab.txt").write_bytes(files["vocab.txt"])
    assert Vocabulary.read(tmp_path / "vocab.txt").is_lowercase() == (extra == "x")


def test_a_classifier_of_ours(tmp_path):
    task = oracle.tiny_classifier()
    task.save_to_preset(tmp_path / "a", "keras_hub")
    again = TextClassifier.from_preset(tmp_path / "a", labels=task.labels)
    texts = ["tea and rain", "a stone"]
    np.testing.assert_array_equal(again.predict(texts), task.predict(texts))


# --- Beside keras-hub. ----------------------------------------------------------------------------

CLASSES = {
    "bert": "Bert",
    "albert": "Albert",
    "distilbert": "DistilBert",
    "electra": "Electra",
    "roberta": "Roberta",
    "xlm_roberta": "XLMRoberta",
}


@pytest.fixture(scope="module")
def keras_hub():
    return pytest.importorskip("keras_hub")


def theirs(model, inputs):
    """-> sequence output and pooled output, None where the class has none."""
    outputs = model({name: inputs[name] for name in model.input})
    if not isinstance(outputs, dict):
        return np.asarray(outputs), None
    return tuple(np.asarray(outputs[name]) for name in ("sequence_output", "pooled_output"))


def assert_equal_outputs(encoder, model):
    """float32 through a few layers of values of order 1, in another order of sums."""
    inputs = oracle.random_inputs(encoder.config)
    ours, (sequence, pooled) = encoder(inputs), theirs(model, inputs)
    kept = inputs["padding_mask"].astype(bool)
    np.testing.assert_allclose(
        np.asarray(ours["sequence_output"])[kept], sequence[kept], atol=oracle.TOLERANCE, rtol=0
    )
    assert ("pooled_output" in ours) == (pooled is not None)
    if pooled is not None:
        np.testing.assert_allclose(ours["pooled_output"], pooled, atol=oracle.TOLERANCE, rtol=0)


def backbone(keras_hub, name):
    """A backbone of their own making, with random weights everywhere."""
    config = CONFIGS[name]
    model = getattr(keras_hub.models, f"{CLASSES[config.family]}Backbone")(
        **{
            word: value
            for word, value in config.to_keras_hub()["config"].items()
            if word not in ("name", "trainable")
        }
    )
    draw = np.random.default_rng(5)
    for variable in model.variables:
        one = "gamma" in variable.path
        variable.assign(one + 0.3 * draw.standard_normal(variable.shape))
    return model


@pytest.mark.full
@pytest.mark.parametrize("name", CONFIGS)
def test_their_presets_open_here(keras_hub, tmp_path, name):
    model = backbone(keras_hub, name)
    model.save_to_preset(tmp_path / "a")
    encoder = Encoder.from_preset(tmp_path / "a")
    # All of it is used: the count of numbers is theirs.
    assert sum(v.value.shape.num_elements() for v in encoder.named_variables().values()) == (
        model.count_params()
    )
    assert_equal_outputs(encoder, model)


@pytest.mark.full
def test_their_shards_open_here(keras_hub, tmp_path):
    model = backbone(keras_hub, "bert")
    model.save_to_preset(tmp_path / "a", max_shard_size=1e-5)
    assert len(list((tmp_path / "a").glob("*.h5"))) > 1
    assert_equal_outputs(Encoder.from_preset(tmp_path / "a"), model)


@pytest.mark.full
@pytest.mark.parametrize("name", CONFIGS)
def test_ours_open_there(keras_hub, tmp_path, name):
    encoder, _ = oracle.make_encoder(CONFIGS[name])
    encoder.save_to_preset(tmp_path / "a", "keras_hub")
    theirs_class = getattr(keras_hub.models, f"{CLASSES[CONFIGS[name].family]}Backbone")
    model = theirs_class.from_preset(str(tmp_path / "a"))
    assert_equal_outputs(encoder, model)
    model.save_to_preset(tmp_path / "b")  # and back, bit for bit
    first, again = (hdf5.list_variables(tmp_path / f"{x}/model.weights.h5") for x in "ab")
    assert first == again
    for kind in "ab":
        (tmp_path / kind / "metadata.json").unlink()
    assert_same(reopened(tmp_path / "b")[0].arrays, reopened(tmp_path / "a")[0].arrays)


@pytest.mark.full
@pytest.mark.parametrize("name", ["bert", "albert", "distilbert", "roberta"])
def test_classifiers_answer_alike(keras_hub, tmp_path, name):
    """Theirs here, and written from here there, from the folder alone."""
    config = CONFIGS[name]
    theirs_class = getattr(keras_hub.models, f"{CLASSES[config.family]}TextClassifier")
    model = theirs_class(backbone(keras_hub, name), num_classes=3)
    model.save_to_preset(tmp_path / "a")
    got, _ = reopened(tmp_path / "a")
    inputs = oracle.random_inputs(config)
    want = np.asarray(model({name: inputs[name] for name in model.input}))
    np.testing.assert_allclose(
        oracle.classifier_logits(got.config, got.arrays, inputs), want, atol=1e-5, rtol=0
    )
    weights.save(tmp_path / "b", got, "keras_hub")
    again = theirs_class.from_preset(str(tmp_path / "b"))
    np.testing.assert_array_equal(again({name: inputs[name] for name in again.input}), want)


@pytest.mark.full
def test_masked_lm_heads_of_roberta_come_and_go(keras_hub, tmp_path):
    model = keras_hub.models.RobertaMaskedLM(backbone(keras_hub, "roberta"))
    model.save_to_preset(tmp_path / "a")
    got, _ = reopened(tmp_path / "a")
    assert "mlm/bias" in got.arrays
    weights.save(tmp_path / "b", got, "keras_hub")
    again = keras_hub.models.RobertaMaskedLM.from_preset(str(tmp_path / "b"))
    for ours, theirs in zip(again.variables, model.variables, strict=True):
        if ours.dtype == "float32":  # not the state of a random generator
            np.testing.assert_array_equal(ours, theirs)


def as_lists(tokens):
    """keras-hub gives a ragged tensor or lists, as what is installed will have it."""
    return tokens.to_list() if hasattr(tokens, "to_list") else [list(row) for row in tokens]


@pytest.mark.full
def test_tokenizers_agree(keras_hub, tmp_path):
    """On strings that keras-hub's rules split as Google's do; full-width letters are none."""
    task = oracle.tiny_classifier()
    task.save_to_preset(tmp_path / "a", "keras_hub")
    model = keras_hub.models.BertTokenizer.from_preset(str(tmp_path / "a"))
    texts = ["Tea, and RAIN!", "a stone's throw (or two) away?", "Café naïve", "", "日本 tea"]
    ours = task.preprocessor.tokenizer(texts).to_list()
    assert as_lists(model(texts)) == ours

    theirs = keras_hub.models.BertTokenizer(vocabulary=WORDS, lowercase=True)
    keras_hub.models.BertTextClassifier(
        keras_hub.models.BertBackbone(
            len(WORDS), num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8
        ),
        num_classes=2,
        preprocessor=keras_hub.models.BertTextClassifierPreprocessor(theirs),
    ).save_to_preset(tmp_path / "b")
    tokenizer = WordPieceTokenizer.from_preset(tmp_path / "b")
    texts = ["Tea ab, cd", "teas jab", "x"]
    assert tokenizer(texts).to_list() == as_lists(theirs(texts))


@pytest.mark.full
def test_byte_pairs_open_there(keras_hub, tmp_path):
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "t", "e", "a", "te", "tea", "\u0120"]
    files = {
        "vocab.json": json.dumps({piece: i for i, piece in enumerate(pieces)}).encode(),
        "merges.txt": b"#version: 0.2\nt e\nte a\n",
    }
    folder = tmp_path / "a"
    weights.save(folder, contents(CONFIGS["roberta"], tokenizer_files=files), "keras_hub")
    tokenizer = keras_hub.models.RobertaTokenizer.from_preset(str(folder))
    assert as_lists(tokenizer(["tea", "te tea"])) == [[9], [8, 10, 9]]


@pytest.mark.full
@pytest.mark.parametrize("name", ["albert", "xlm_roberta"])
def test_sentencepiece_models_open_there(keras_hub, assets, tmp_path, name):
    """One real model serves both: what counts is that it is found."""
    files = {SENTENCEPIECE[name]: (assets / "vocab" / "albert" / "spiece.model").read_bytes()}
    config = dataclasses.replace(CONFIGS[name], vocab_size=30_002)
    folder = weights.save(tmp_path / "a", contents(config, tokenizer_files=files), "keras_hub")
    theirs = getattr(keras_hub.models, f"{CLASSES[name]}Tokenizer")
    want = theirs(proto=files[SENTENCEPIECE[name]])(["tea and rain"])
    assert as_lists(theirs.from_preset(str(folder))(["tea and rain"])) == as_lists(want)


@pytest.mark.full
def test_strings_go_in_where_the_folder_is_all_there_is(keras_hub, tmp_path):
    task = oracle.tiny_classifier(pad=True)
    task.save_to_preset(tmp_path / "a", "keras_hub")
    model = keras_hub.models.BertTextClassifier.from_preset(str(tmp_path / "a"))
    texts = ["tea and rain", "a stone"]
    logits = task.predict(texts)
    np.testing.assert_allclose(model.predict(texts), logits, atol=1e-5)


@pytest.mark.full
def test_what_we_add_to_the_config_harms_nothing(keras_hub, tmp_path):
    config = tiny("bert", attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.4)
    weights.save(tmp_path / "a", contents(config), "keras_hub")
    said = json.loads((tmp_path / "a/config.json").read_text())
    assert said["attention_probs_dropout_prob"] == 0.0
    model = keras_hub.models.Backbone.from_preset(str(tmp_path / "a"))
    assert_equal_outputs(Encoder.from_preset(tmp_path / "a"), model)
