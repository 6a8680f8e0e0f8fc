"""Integrated gradients: equal to what NumPy and torch find by other ways, and complete."""

import logging

import keras
import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf
from closeness import CANCELLED

import bert_tf2
from bert_tf2.analysis import attribution
from bert_tf2.analysis.attribution import integrated_gradients
from bert_tf2.analysis.reading import read

THEIRS = ("input_ids", "token_type_ids", "attention_mask")
TEXT = "the tea is hot, rain on stone"


def by_differences(task, reading, target, steps=48, step=1e-4):
    """The same path, walked by the independent encoder in float64, one word moved at a time.

    Each position has a row of its own in a made-up table, so that each word can be moved alone.
    """
    weights = {n: v.numpy().astype("float64") for n, v in task.named_variables().items()}
    ids, table = reading.inputs["token_ids"][0], weights["embeddings/token"]
    end = table[ids]
    start = np.where(reading.special[:, None], end, table[task.preprocessor.tokenizer.pad_token_id])
    inputs = reading.inputs | {"token_ids": np.arange(len(ids))[None]}

    def logit(words):
        made_up = weights | {"embeddings/token": words}
        return oracle.classifier_logits(task.encoder.config, made_up, inputs)[0, target]

    scores, places = np.zeros(len(ids)), (np.arange(steps) + 0.5) / steps
    for place in places:
        for i in np.flatnonzero(~reading.special):
            moved = np.zeros_like(end)
            moved[i] = step * (end - start)[i]
            here = start + place * (end - start)
            scores[i] += (logit(here + moved) - logit(here - moved)) / (2 * step * steps)
    return scores, logit(end), logit(start)


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_as_numpy_finds_it(family):
    config = oracle.TINIES[family]
    task = oracle.tiny_classifier(config=config)
    found = integrated_gradients(task, "the tea", target="stone", steps=48)
    scores, end, start = by_differences(task, read(task, "the tea"), 1)
    np.testing.assert_allclose([found.output, found.blank], [end, start], atol=CANCELLED)
    np.testing.assert_allclose(found.scores, scores, atol=1e-3)  # of the rule of midpoints
    assert abs(found.missing) < 1e-4 and found.target == "stone"


@pytest.mark.full
def test_as_torch_finds_it(tmp_path):
    """By autograd through transformers' classes, in float64, at the same places."""
    jobs, ours = [], {}
    for family in ("bert", "distilbert", "albert", "roberta"):
        task, folder = oracle.tiny_classifier(config=oracle.TINIES[family]), tmp_path / family
        task.save_to_preset(folder / "model", format="huggingface")
        reading = read(task, TEXT)
        ids = dict(zip(THEIRS, reading.inputs.values(), strict=True))
        pad = task.preprocessor.tokenizer.pad_token_id
        ours[family] = integrated_gradients(task, TEXT, target=2)
        more = {"special": reading.special, "target": 2, "pad": pad, "steps": ours[family].steps}
        np.savez(folder / "in.npz", **ids, **more)
        jobs.append([str(folder / name) for name in ("model", "in.npz", "out.npz")])
    peers.run("transformers", "explain_with_transformers.py", {"attention": [], "gradients": jobs})
    for family, found in ours.items():
        want = np.load(tmp_path / family / "out.npz")
        assert abs(found.missing) <= 0.01 * abs(found.output - found.blank)
        np.testing.assert_allclose([found.blank, found.output], want["ends"], atol=CANCELLED)
        np.testing.assert_allclose(found.scores, want["scores"], atol=CANCELLED, err_msg=family)


CASES = [  # task, settings, texts, target, what it is called
    ("TextClassifier", {"labels": ["1", "0"]}, ("the tea", "rain"), "1", "1"),
    ("TextRegressor", {}, ("the tea",), None, "score"),
    ("QuestionAnswerer", {}, ("tea", "rain on stone"), (7, 8), "answer “on stone”"),
    ("TokenClassifier", {"labels": ["O", "B-A"]}, ("tea stone",), ("tea", "O"), "O of “tea”"),
    ("TokenClassifier", {"labels": ["O", "B-A"]}, ("tea",), None, "B-A of “tea”"),
    ("MaskedLM", {}, ("the [MASK] is",), "tea", "“tea” at the mask"),
    ("MultipleChoice", {}, ("the tea", "stone"), None, "choice"),
    ("SentenceEncoder", {}, ("the tea", "stone"), None, "likeness to 'stone'"),
]


@pytest.mark.parametrize(("name", "settings", "texts", "target", "called"), CASES)
def test_of_each_task(name, settings, texts, target, called):
    """The words add up to the difference, and special pieces add nothing."""
    task = oracle.tiny_task(getattr(bert_tf2, name), **settings)
    found = integrated_gradients(task, *texts, target=target, steps=16)
    assert found.target == called
    assert abs(found.missing) <= 0.01 * abs(found.output - found.blank) + CANCELLED
    assert not found.scores[found.special].any() and found.scores[~found.special].all()
    if name == "SentenceEncoder":
        want = task.similarity(*(task.encode([text]) for text in texts))
        assert found.output == pytest.approx(float(want[0, 0]), abs=CANCELLED)


def test_of_a_weight_of_a_sparse_vector():
    task = oracle.tiny_task(bert_tf2.SparseEncoder)
    vector = task.encode(["the tea"]).toarray()[0]
    largest = task.preprocessor.tokenizer.id_to_token(int(vector.argmax()))
    found = integrated_gradients(task, "the tea")
    assert found.target == f"weight of “{largest}”"
    assert found.output == pytest.approx(vector.max(), abs=CANCELLED)
    assert abs(found.missing) <= 0.01 * abs(found.output - found.blank) + CANCELLED
    same = integrated_gradients(task, "the tea", target=largest)
    np.testing.assert_array_equal(same.scores, found.scores)


def test_steps_grow_until_it_is_complete(caplog, monkeypatch):
    task = oracle.tiny_classifier()
    monkeypatch.setattr(attribution, "STEPS", (1, 2, 4))
    monkeypatch.setattr(attribution, "COMPLETE", 0.0)
    with caplog.at_level(logging.WARNING, "bert_tf2"):
        assert integrated_gradients(task, "the tea").steps == 4
    assert "not accounted for after 4 steps" in caplog.text
    monkeypatch.setattr(attribution, "COMPLETE", 1e9)
    assert integrated_gradients(task, "the tea").steps == 1


def test_a_function_of_outputs_and_what_stays_as_it_was():
    task = oracle.tiny_task(bert_tf2.SentenceEncoder)
    before = task.encode(["the tea"])

    def size(vectors):
        return tf.norm(vectors, axis=-1)

    found = integrated_gradients(task, "the tea", target=size)
    assert found.target == "size"
    assert found.output == pytest.approx(np.linalg.norm(before), abs=CANCELLED)
    np.testing.assert_array_equal(task.encode(["the tea"]), before)
    assert keras.backend.standardize_dtype(found.scores.dtype) == "float64"


def test_refuses():
    clf = oracle.tiny_classifier()
    with pytest.raises(ValueError, match=r"number below 3 or one name of .*'stone'.*: 'fog'"):
        integrated_gradients(clf, "tea", target="fog")
    with pytest.raises(ValueError, match="Received: 3"):
        integrated_gradients(clf, "tea", target=3)
    with pytest.raises(ValueError, match="`steps` must be 1"):
        integrated_gradients(clf, "tea", steps=0)
    with pytest.raises(TypeError, match=r"must be a task\. Received: a Encoder"):
        integrated_gradients(clf.encoder, "tea")
    vec = oracle.tiny_task(bert_tf2.SentenceEncoder)
    with pytest.raises(ValueError, match="give `text_pair`"):
        integrated_gradients(vec, "tea")
    with pytest.raises(ValueError, match="Received: 'fog'"):
        integrated_gradients(oracle.tiny_task(bert_tf2.SparseEncoder), "tea", target="fog")
    tags = oracle.tiny_task(bert_tf2.TokenClassifier, labels=["O", "B-A"])
    with pytest.raises(ValueError, match=r"must be \(position, tag\)"):
        integrated_gradients(tags, "tea", target="O")
