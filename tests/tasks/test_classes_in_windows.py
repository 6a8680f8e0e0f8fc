"""Texts longer than a classifier reads: in windows, whose logits' mean answers."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import FORWARD, assert_near

import bert_tf2

LONG = "the kettle hums and the rain on a stone, rain & tea, " * 3
TEXTS = ["tea", LONG, "", "rain " * 31]
NAMES = ["tea", "rain", "stone", "rain"]
STRIDE, ROOM = 5, 18
several = "multi_label_classification"


def made(**settings):
    settings = {"doc_stride": STRIDE} | settings
    return oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0), **settings)


def windows_by_hand(task, text):
    """Logits (windows, C), of ids that a plain loop has cut."""
    tokenizer = task.preprocessor.tokenizer
    ids, start, rows = tokenizer([text])[0].numpy().tolist(), 0, []
    while True:
        part = ids[start : start + ROOM]
        rows.append([tokenizer.cls_token_id, *part, tokenizer.sep_token_id])
        if start + ROOM >= len(ids):
            break
        start += STRIDE
    return np.concatenate([task({"token_ids": np.array([row])}) for row in rows])


@pytest.fixture(scope="module")
def task():
    return made()


@pytest.fixture(scope="module")
def parts(task):
    return [windows_by_hand(task, text) for text in TEXTS]


def test_logits_are_the_mean_of_windows(task, parts):
    assert [len(part) for part in parts][0::2] == [1, 1] and min(len(parts[1]), len(parts[3])) > 2
    want = np.array([part.mean(0) for part in parts])
    for got in (
        task.predict(TEXTS, batch_size=3, verbose=0),
        task(TEXTS),
        task.predict_on_batch(TEXTS),
        task.predict(tf.data.Dataset.from_tensor_slices(TEXTS).batch(3), verbose=0),
    ):
        assert_near(got, want, FORWARD)
    shares = np.exp(want) / np.exp(want).sum(1, keepdims=True)
    for answer, share in zip(task.predict_labels(TEXTS), shares, strict=True):
        assert answer.label == task.labels[share.argmax()]
        assert answer.probability == pytest.approx(share.max(), rel=1e-5)


def test_a_text_counts_once_whatever_its_windows(task, parts):
    task.compile({"learning_rate": 0.0})
    got = task.evaluate(TEXTS, NAMES, batch_size=4, verbose=0, return_dict=True)
    losses, right = [], []
    for part, name in zip(parts, NAMES, strict=True):
        shares = np.exp(part) / np.exp(part).sum(1, keepdims=True)
        losses.append(-np.log(shares[:, task.labels.index(name)]).mean())
        right.append((part.argmax(1) == task.labels.index(name)).mean())
    assert got["loss"] == pytest.approx(np.mean(losses), rel=FORWARD)
    assert got["accuracy"] == pytest.approx(np.mean(right), rel=FORWARD)


def test_nothing_is_said_to_be_cut_and_what_has_no_meaning_is_refused(task, caplog):
    task.predict([LONG], verbose=0)
    assert "cut" not in caplog.text
    with pytest.raises(ValueError, match="`doc_stride` is for texts alone"):
        task.predict((TEXTS, TEXTS), verbose=0)
    for stride in (0, 2.5, "8", True):
        message = rf"`doc_stride` must be an int from 1, or None\. Received: {stride!r}"
        with pytest.raises(ValueError, match=message):
            made(doc_stride=stride)


@pytest.mark.full
@pytest.mark.parametrize("problem, y", [(None, NAMES), (several, [[n] for n in NAMES])])
def test_trained_saved_and_served(tmp_path, problem, y):
    task = made(**({"problem_type": problem} if problem else {}))
    task.fit(TEXTS, y, batch_size=4, epochs=2, verbose=0)
    want = task.predict(TEXTS, verbose=0)
    task.save(tmp_path / "task.keras")
    task.save_to_preset(tmp_path / "preset")
    served = bert_tf2.export_saved_model(task, tmp_path / "served")
    for again in (
        keras.saving.load_model(tmp_path / "task.keras"),
        bert_tf2.TextClassifier.from_preset(tmp_path / "preset"),
    ):
        assert again.doc_stride == STRIDE
        assert_near(again.predict(TEXTS, verbose=0), want, FORWARD)
    serve = tf.saved_model.load(str(served)).signatures["serving_default"]
    assert_near(serve(text=tf.constant(TEXTS))["logits"], want, FORWARD)
