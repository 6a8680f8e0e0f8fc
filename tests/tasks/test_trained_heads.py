"""A checkpoint whose head is of another kind than a task reads: said, and no labels are taken."""

import json
import logging

import head_models
import oracle
import pytest

from bert_tf2 import MultipleChoice, SentenceEncoder, TextClassifier, weights

SAID = {
    "classes": "open it as a TextClassifier or a TextRegressor to use it",
    "tokens": "open it as a TokenClassifier to use it",
    "spans": "open it as a QuestionAnswerer to use it",
    "choice": "open it as a MultipleChoice to use it",
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(92))]


@pytest.fixture(params=SAID)
def kind(request):
    return request.param


@pytest.fixture
def folder(kind, tmp_path):
    arrays = oracle.random_weights(head_models.shapes_of(oracle.SMALL, kind))
    source = weights.of_vocabulary(WORDS, lowercase=True)
    labels = ("tea", "stone", "rain") if kind in ("classes", "tokens") else None
    contents = weights.Contents(oracle.SMALL, arrays, source, labels)
    return weights.save(tmp_path / "hf", contents, "huggingface")


def test_the_task_that_reads_it_is_named(folder, kind, caplog):
    other = TextClassifier if kind == "choice" else MultipleChoice
    with caplog.at_level(logging.WARNING, "bert_tf2"):
        other.from_preset(folder, **({"labels": 2} if kind == "choice" else {}))
    assert f"was fine-tuned with a head of {kind}, which a {other.__name__}" in caplog.text
    assert SAID[kind] in caplog.text


def test_its_labels_are_those_of_its_own_task(folder, kind, caplog):
    if kind == "classes":
        assert TextClassifier.from_preset(folder).labels == ["tea", "stone", "rain"]
        return
    with pytest.raises(ValueError, match="`labels`"):
        TextClassifier.from_preset(folder)
    assert SAID[kind] in caplog.text
    # They are not the classes of this new head, whose order is free.
    assert TextClassifier.from_preset(folder, labels=["rain", "tea", "stone"]).labels[0] == "rain"


SAID_OF_ITSELF = {
    "labels": (TextClassifier, {"labels": ["tea", "rain"]}, ["tea", "stone", "rain"], "classifier"),
    "modules": (SentenceEncoder, {"modules": ["norm"]}, [{"kind": "dense", "width": 5}], "dense_0"),
}


@pytest.mark.parametrize("name", SAID_OF_ITSELF)
def test_a_preset_that_does_not_hold_what_it_says(tmp_path, name):
    """It is refused, unless who opens it asks for other sizes than it says."""
    cls, settings, other, wanted = SAID_OF_ITSELF[name]
    folder = oracle.tiny_task(cls, **settings).save_to_preset(tmp_path / "a")
    said = json.loads((folder / "bert_tf2.json").read_text())
    said["task"]["settings"][name] = other
    if name == "labels":
        said["labels"] = other
    (folder / "bert_tf2.json").write_text(json.dumps(said))
    with pytest.raises(weights.CheckpointError, match=f"what it says of itself: .*{wanted}"):
        cls.from_preset(folder)
    cls.from_preset(folder, **{name: other})
