"""No setting of a task is lost in another format without its name being said."""

import json

import keras
import numpy as np
import oracle
import pytest

import bert_tf2
from bert_tf2 import weights

NLI = ["entailment", "neutral", "contradiction"]
# Class, its settings, and those that Hugging Face's format has no word for.
LOST = {
    "several labels": (
        bert_tf2.TextClassifier,
        {"labels": ["10", "2", "1"], "problem_type": "multi_label_classification"},
        {"thresholds": [0.06, 0.24, 0.5]},
    ),
    "answers": (
        bert_tf2.QuestionAnswerer,
        {},
        {"handle_impossible_answer": True, "max_answer_len": 3, "max_question_len": 5}
        | {"doc_stride": 4, "top_k": 2},
    ),
    "zero-shot": (
        bert_tf2.ZeroShotClassifier,
        {"labels": NLI},
        {
            "candidate_labels": np.array(["a", "b"]),
            "hypothesis_template": "On {}.",
            "multi_label": True,
        },
    ),
    "tags": (
        bert_tf2.TokenClassifier,
        {"labels": ["O", "B-X", "I-X"]},
        {"aggregation_strategy": "max", "doc_stride": 4},
    ),
    "vectors": (bert_tf2.SentenceEncoder, {"prompts": {"q": "q "}, "truncate_dim": 4}, {}),
    "next": (bert_tf2.NextSentenceClassifier, {}, {}),
}


@pytest.mark.parametrize("name", LOST)
def test_what_hugging_face_has_no_word_for_is_named(name, tmp_path, caplog):
    cls, kept, lost = LOST[name]
    task = oracle.tiny_task(cls, **kept, **lost)
    task.save_to_preset(tmp_path / "out", "huggingface")
    said = "huggingface has no word for"
    assert caplog.text.count(said) == bool(lost)
    for setting in task.settings:
        assert (f" {setting}=" in caplog.text) == (setting in lost), setting
    again = cls.from_preset(tmp_path / "out", **lost)
    for setting in task.settings:
        assert json.dumps(getattr(again, setting)) == json.dumps(getattr(task, setting)), setting
    task.save_to_preset(tmp_path / "ours")
    report = bert_tf2.convert(tmp_path / "ours", tmp_path / "converted", "huggingface")
    assert sum(said in sentence for sentence in report.warnings) == bool(lost)


def test_googles_format_has_no_word_for_a_length(tmp_path, caplog):
    task = oracle.tiny_task(bert_tf2.TextRegressor)
    task.preprocessor.max_length = 7
    task.save_to_preset(tmp_path / "out", "google")
    assert "google has no word for max_length=7" in caplog.text


def test_numbers_of_numpy_are_kept(tmp_path):
    """In presets, other formats and Keras's files, as Python's."""
    how = {"dropout": np.float32(0.25), "multi_label": np.True_}
    task = oracle.tiny_task(bert_tf2.ZeroShotClassifier, labels=NLI, **how)
    for form in ("bert_tf2", "huggingface"):
        task.save_to_preset(tmp_path / form, form)
    task.save(tmp_path / "a.keras")
    said = weights.open_checkpoint(tmp_path / "bert_tf2").task["settings"]
    assert (said["dropout"], said["multi_label"]) == (0.25, True)


def test_switches_that_were_kept_as_numbers(tmp_path):
    """Files of earlier versions hold 1 where True is asked for by now."""
    task = oracle.tiny_task(bert_tf2.MaskedLM)
    task.whole_words, task.drop_padding, task.encoder.recompute = 1, 0, 1
    task.save_to_preset(tmp_path / "kept")
    task.save(tmp_path / "kept.keras")
    again = keras.saving.load_model(tmp_path / "kept.keras")
    found = again.whole_words, again.drop_padding, again.encoder.recompute
    assert [*map(repr, found)] == ["True", "False", "True"]
    assert bert_tf2.MaskedLM.from_preset(tmp_path / "kept").whole_words is True


@pytest.mark.full
def test_a_scheme_is_of_its_own_labels(tmp_path):
    """With others the labels are the tags, as always: of another scheme, or parts of speech."""
    task = oracle.tiny_task(bert_tf2.TokenClassifier, labels=["X"], scheme="IOB2")
    task.save_to_preset(tmp_path / "a")
    for labels in (["NOUN", "VERB"], ["O", "B-X", "I-X", "E-X", "S-X"]):
        other = bert_tf2.TokenClassifier.from_preset(tmp_path / "a", labels=labels)
        assert (other.labels, other.scheme) == (labels, None)
    same = bert_tf2.TokenClassifier.from_preset(tmp_path / "a", labels=task.labels)
    assert (same.labels, same.scheme) == (task.labels, "IOB2")
