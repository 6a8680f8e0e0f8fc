"""keras-hub opens what we write, and we what it writes: equal numbers, equal ids."""

import dataclasses
import json

import numpy as np
import oracle
import pytest
from closeness import BACKWARD
from keras_presets import (
    CONFIGS,
    SENTENCEPIECE,
    WORDS,
    assert_same,
    contents,
    reopened,
    tiny,
)

from bert_tf2 import Encoder, WordPieceTokenizer, weights
from bert_tf2.weights import write_config
from bert_tf2.weights.containers import hdf5

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
            for word, value in write_config(config, "keras_hub")["config"].items()
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
        oracle.classifier_logits(got.config, got.arrays, inputs), want, atol=BACKWARD, rtol=0
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
    weights.save(
        folder, contents(CONFIGS["roberta"], tokenizer=weights.TokenizerSource(files)), "keras_hub"
    )
    tokenizer = keras_hub.models.RobertaTokenizer.from_preset(str(folder))
    assert as_lists(tokenizer(["tea", "te tea"])) == [[9], [8, 10, 9]]


@pytest.mark.full
@pytest.mark.parametrize("name", ["albert", "xlm_roberta"])
def test_sentencepiece_models_open_there(keras_hub, assets, tmp_path, name):
    """One real model serves both: what counts is that it is found."""
    files = {SENTENCEPIECE[name]: (assets / "vocab" / "albert" / "spiece.model").read_bytes()}
    config = dataclasses.replace(CONFIGS[name], vocab_size=30_002)
    folder = weights.save(
        tmp_path / "a", contents(config, tokenizer=weights.TokenizerSource(files)), "keras_hub"
    )
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
    np.testing.assert_allclose(model.predict(texts), logits, atol=BACKWARD)


@pytest.mark.full
def test_what_we_add_to_the_config_harms_nothing(keras_hub, tmp_path):
    config = tiny("bert", attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.4)
    weights.save(tmp_path / "a", contents(config), "keras_hub")
    said = json.loads((tmp_path / "a/config.json").read_text())
    assert said["attention_probs_dropout_prob"] == 0.0
    model = keras_hub.models.Backbone.from_preset(str(tmp_path / "a"))
    assert_equal_outputs(Encoder.from_preset(tmp_path / "a"), model)
