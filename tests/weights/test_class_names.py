"""What a config says of a classifier's answers is read, kept, or refused by name."""

import dataclasses
import json
import re

import numpy as np
import oracle
import pytest
from keras import ops

from bert_tf2 import (
    Encoder,
    Reranker,
    SentenceEncoder,
    TextClassifier,
    Tokenizer,
    convert,
    weights,
)
from bert_tf2.weights.containers import safetensors

LABELS = ["tea", "stone", "rain"]


@pytest.fixture(scope="module")
def classifier():
    return oracle.tiny_classifier(LABELS)


@pytest.fixture
def folder(classifier, tmp_path):
    return classifier.save_to_preset(tmp_path / "hf", "huggingface")


def change(folder, **words):
    file = folder / "config.json"
    values = json.loads(file.read_text("utf-8-sig")) | words
    file.write_text(json.dumps({k: v for k, v in values.items() if v != "nothing"}), "utf-8-sig")


def test_logits_are_named_by_number_not_by_order(classifier, folder):
    change(folder, id2label={"2": "c", "0": "a", "1": "b"})
    again = TextClassifier.from_preset(folder)
    assert again.labels == ["a", "b", "c"]
    texts = ["a stone", "the rain"]
    want = ops.convert_to_numpy(classifier.predict(texts))
    np.testing.assert_array_equal(again.predict(texts), want)


@pytest.mark.parametrize(
    "id2label",
    [
        {"a": 0, "b": 1, "c": 2},
        {"0": "a", "00": "b", "1": "c"},
        {"0": None, "1": "b", "2": "c"},
        {"0": "a", "1": "b"},
        {"0": "a", "1": "b", "2": "c", "3": "d"},
        ["a", "b", "c"],
        "abc",
        5,
        {"0": "a", "1": "b", "c": "c"},
    ],
    ids=str,
)
def test_classes_are_as_many_as_logits_and_numbered(folder, id2label):
    change(folder, id2label=id2label)
    with pytest.raises(weights.CheckpointError, match=r"config.json: `id2label` must name the"):
        TextClassifier.from_preset(folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"id2label": {"0": "a", "1": "b", "2": "a"}}, "`id2label` must name each.*'a' is there"),
        ({"id2label": {"0": "a", "1": " ", "2": "b"}}, "`id2label` must name each.*' ' is empty"),
        ({"label2id": {"tea": 1}}, r"`label2id` must say .*'tea' is 0 there. Received: 1"),
        ({"id2label": "nothing", "label2id": {"a": 0, "b": 1}}, "`label2id` must name the 3"),
        ({"id2label": "nothing", "label2id": {"a": 0, "b": 1, "c": 1}}, "`label2id` must name"),
        ({"id2label": "nothing", "label2id": {"a": "x", "b": 1, "c": 2}}, "`label2id` must name"),
        ({"id2label": None, "label2id": ["a", "b", "c"]}, "`label2id` must name the 3"),
    ],
)
def test_names_that_are_no_ones_or_two_things(folder, words, message):
    change(folder, **words)
    opened = weights.open_checkpoint(folder)
    assert opened.labels is None and re.search(f"config.json: {message}", opened.labels_refused)


def test_wrong_names_are_in_the_way_of_nobody_else(classifier, folder, tmp_path):
    """Who needs none, or brings some, opens the folder; converted and shown, they are left out."""
    label2id = {"LABEL_0": 0, "LABEL_1": 1}
    change(folder, id2label="nothing", label2id=label2id)
    for cls in (TextClassifier, Reranker):
        with pytest.raises(weights.CheckpointError, match=r"the 3 classes.*give `labels` here"):
            cls.from_preset(folder)
    for cls in (Encoder, Tokenizer, SentenceEncoder):
        assert cls.from_preset(folder)
    again = TextClassifier.from_preset(folder, labels=["a", "b", "c"])
    assert (again.labels, again.load_report.missing) == (["a", "b", "c"], [])
    (said,) = convert(folder, tmp_path / "a", to="huggingface").warnings
    assert "the class names were left out" in said and str(label2id) in said
    assert weights.open_checkpoint(tmp_path / "a").labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert "none: " in weights.summary(weights.open_checkpoint(folder))


def test_names_told_by_their_numbers_alone(folder):
    change(folder, id2label="nothing", label2id={"c": 2, "a": 0, "b": 1})
    assert weights.open_checkpoint(folder).labels == ("a", "b", "c")
    change(folder, id2label={"0": "a", "1": "b", "2": "c"}, label2id={"LABEL_0": 0, "b": 1})
    assert weights.open_checkpoint(folder).labels == ("a", "b", "c")


@pytest.mark.parametrize(
    "id2label, names",
    [
        ({"0": "a", "1": "b", "5": "c"}, ["a", "b", "LABEL_2"]),
        ({"1": "a", "2": "b", "3": "c"}, ["LABEL_0", "a", "b"]),
    ],
    ids=str,
)
def test_gaps_in_their_numbers_are_said(folder, id2label, names):
    change(folder, id2label=id2label)
    opened = TextClassifier.from_preset(folder)
    assert opened.labels == names
    (said,) = opened.load_report.warnings
    assert re.search(r"config.json: `id2label` has gaps.*are called LABEL_\d$", said)


def test_classes_that_nothing_names_are_numbered_as_transformers_does(folder):
    change(folder, id2label="nothing", label2id="nothing")
    assert weights.open_checkpoint(folder).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_they_are_counted_behind_a_prefix(folder):
    opened = weights.open_checkpoint(folder)
    stored = opened.read(opened.variables)
    safetensors.write(folder / "model.safetensors", {f"module.{n}": x for n, x in stored.items()})
    assert weights.open_checkpoint(folder).labels == tuple(LABELS)
    change(folder, id2label={"0": "a", "1": "b"})
    assert "must name the 3 classes" in weights.open_checkpoint(folder).labels_refused


def test_they_matter_only_to_a_classifier(tmp_path, classifier):
    folder = classifier.encoder.save_to_preset(tmp_path / "hf", "huggingface")
    change(folder, id2label={"5": "c"})
    assert weights.open_checkpoint(folder).labels is None
    assert Encoder.from_preset(folder)


def test_what_a_head_answers_is_described(folder):
    text = weights.summary(weights.open_checkpoint(folder))
    assert re.search("answers +single_label_classification\nlabels +tea, stone, rain\n", text)


@pytest.mark.parametrize("kind", weights.PROBLEM_TYPES)
def test_the_kind_of_answer_is_kept(folder, kind, tmp_path):
    change(folder, problem_type=kind)
    assert weights.open_checkpoint(folder).problem_type == kind
    convert(folder, tmp_path / "ours", to="bert_tf2")
    convert(tmp_path / "ours", tmp_path / "again", to="huggingface")
    assert weights.open_checkpoint(tmp_path / "again").problem_type == kind
    assert json.loads((tmp_path / "again" / "config.json").read_text())["problem_type"] == kind
    report = convert(folder, tmp_path / "google", to="google")
    assert any(f"no place for the kind of answer, {kind}" in line for line in report.warnings)


def test_an_unknown_kind_is_refused(folder):
    change(folder, problem_type="ranking")
    with pytest.raises(weights.CheckpointError, match=r"`problem_type` must be .*'ranking'"):
        weights.open_checkpoint(folder)


def test_without_a_model_type_it_is_read_as_hugging_face_means_it(folder, classifier):
    change(folder, model_type="nothing", architectures=["BertForSequenceClassification"])
    assert weights.open_checkpoint(folder).config == classifier.encoder.config
    change(folder, model_type="nothing", architectures="nothing")
    with pytest.raises(ValueError, match=r"config.json must say what the model is"):
        weights.open_checkpoint(folder)


def test_untied_words_need_a_table_of_their_own(tmp_path):
    config = oracle.TINY
    arrays = oracle.random_weights(weights.expected_shapes(config, ("mlm",)))
    folder = weights.save(tmp_path / "a", weights.Contents(config, arrays), "huggingface")
    change(folder, tie_word_embeddings=True)
    assert weights.open_checkpoint(folder)
    change(folder, tie_word_embeddings=False)
    with pytest.raises(weights.CheckpointError, match="`tie_word_embeddings` must be true"):
        weights.open_checkpoint(folder)


@pytest.mark.parametrize(
    "said", [{"model_type": "camembert"}, {"architectures": ["CamembertModel"]}]
)
def test_camembert_is_roberta_with_pieces_numbered_in_its_own_way(tmp_path, reference, said):
    config = dataclasses.replace(oracle.TINIES["roberta"], vocab_size=900)
    files = {"sentencepiece.bpe.model": reference / "tokenizers" / "sentencepiece.bpe.model"}
    arrays = oracle.random_weights(weights.expected_shapes(config))
    contents = weights.Contents(config, arrays, weights.TokenizerSource(files).in_memory())
    folder = weights.save(tmp_path / "a", contents, "huggingface")
    (folder / "tokenizer_config.json").unlink()
    change(folder, **{"model_type": "nothing"} | said)
    opened = weights.open_checkpoint(folder)
    assert (opened.config, opened.tokenizer.settings["family"]) == (config, "camembert")
    assert Tokenizer.from_preset(folder).family == "camembert"
