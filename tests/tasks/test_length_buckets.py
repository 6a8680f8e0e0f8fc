"""Few shapes for XLA and TPUs: texts of one bucket in a batch, padded to the bucket's length."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import CANCELLED, FORWARD, assert_near

from bert_tf2 import QuestionAnswerer, TokenClassifier
from bert_tf2.data import pipeline

WORDS = ("tea", "stone", "rain", "leaf", "cold", "hot")
TEXTS = [" ".join(WORDS[(i + j) % 6] for j in range(1 + i % 13)) for i in range(50)]
LABELS = [("tea", "stone", "rain")[i % 3] for i in range(50)]


def classifier(dropout=0.1, **kwargs):
    off = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = dataclasses.replace(oracle.SMALL, **off)
    clf = oracle.tiny_classifier(config=config, drop_padding=False)
    clf.preprocessor = type(clf.preprocessor)(clf.preprocessor.tokenizer, 20, **kwargs)
    return clf


def test_buckets_are_the_lengths_texts_are_padded_to():
    preprocess = classifier(length_buckets=[12, 6]).preprocessor
    for texts in (TEXTS, (TEXTS, TEXTS[::-1])):
        buckets = preprocess.buckets(texts)
        assert set(buckets) == {6, 12, 20} if texts is TEXTS else {12, 20}
        for i in range(0, 50, 7):
            row = (texts[0][i : i + 1], texts[1][i : i + 1]) if texts is not TEXTS else [TEXTS[i]]
            assert preprocess(row)["token_ids"].shape[1] == buckets[i]


def test_batches_hold_one_bucket_each_and_every_row_once():
    clf = classifier(length_buckets=[6, 12])
    sampling = pipeline.Sampling(pipeline.Order(1), shuffle=True)
    dataset = clf.dataset(TEXTS, LABELS, batch_size=4, sampling=sampling)
    counts = np.unique(clf.preprocessor.buckets(TEXTS), return_counts=True)[1]
    assert len(dataset) == sum(-(-n // 4) for n in counts)
    for _ in range(2):  # every epoch
        batches = list(dataset)
        assert len(batches) == len(dataset)
        sizes = [len(y) for _, y, _ in batches]
        assert sum(sizes) == 50 and sum(size < 4 for size in sizes) <= 3
        for x, *_ in batches:
            longest = x["padding_mask"].numpy().sum(1).max()
            assert x["token_ids"].shape[1] == next(n for n in (6, 12, 20) if n >= longest)


def test_equal_answers_with_and_without_buckets():
    clf = classifier()
    plain = clf.predict(TEXTS, batch_size=8, verbose=0)
    clf.preprocessor = classifier(length_buckets=[6, 12]).preprocessor
    assert_near(clf.predict(TEXTS, batch_size=8, verbose=0), plain, FORWARD)


@pytest.mark.full
def test_xla_trains_on_buckets_as_the_plain_graph_does():
    losses = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(5)
        clf = classifier(dropout=0.0, length_buckets=[12])
        clf.compile({"learning_rate": 1e-3}, jit_compile=jit_compile)
        losses.append(clf.fit(TEXTS, LABELS, batch_size=8, epochs=2, verbose=0).history["loss"])
    assert losses[0][1] < losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=CANCELLED)


def test_buckets_are_saved(tmp_path):
    clf = classifier(length_buckets=[6, 12])
    clf.save(tmp_path / "clf.keras")
    again = keras.saving.load_model(tmp_path / "clf.keras")
    assert again.preprocessor.length_buckets == [6, 12]
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), clf.predict(TEXTS, verbose=0))


@pytest.mark.parametrize("buckets", [[2, 8], [8, 20], [8, 30]])
def test_impossible_buckets(buckets):
    with pytest.raises(ValueError, match=r"between 3 and 19.*Received"):
        classifier(length_buckets=buckets)


@pytest.mark.full
def test_pairs_and_datasets_train_on_buckets():
    clf = classifier(dropout=0.0, length_buckets=[6, 12])
    clf.compile({"learning_rate": 1e-3})
    fitted = clf.fit((TEXTS, TEXTS[::-1]), LABELS, batch_size=8, epochs=4, verbose=0)
    assert fitted.history["loss"][3] < fitted.history["loss"][0]
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(1)
    expected = [max(clf.preprocessor.buckets(TEXTS[i : i + 1])) for i in range(50)]
    found = [x["token_ids"].shape[1] for x, *_ in clf.dataset(dataset)]
    assert found == expected and len(set(found)) == 3
    clf.fit(dataset, epochs=1, verbose=0)


def test_padding_to_one_length_leaves_no_buckets():
    with pytest.raises(ValueError, match=r"left out with `pad_to_max_length=True`"):
        classifier(length_buckets=[6, 12], pad_to_max_length=True)


BUCKETS = [10, 15]


def rows_of_one_bucket(task, x, y, rows):
    """The lengths of batches to train on; each of `rows` comes once, with its like."""
    task.preprocessor.length_buckets = BUCKETS
    sampling = pipeline.Sampling(pipeline.Order(1), shuffle=True)
    found, lengths = 0, []
    for inputs, *_ in task.dataset(x, y, batch_size=4, sampling=sampling):
        sizes = inputs["padding_mask"].numpy().sum(1)
        lengths.append(inputs["token_ids"].shape[1])
        low = max((n for n in BUCKETS if n < lengths[-1]), default=0)
        assert ((sizes > low) & (sizes <= lengths[-1])).all()
        found += len(sizes)
    assert found == rows and set(lengths) == {*BUCKETS, 20}
    return lengths


def test_windows_of_contexts_go_with_those_of_their_length():
    task = oracle.tiny_task(QuestionAnswerer, doc_stride=6, max_question_len=5)
    task.preprocessor.max_length = 20
    questions = ["what tea?"] * 50
    windows = len(task.read((questions, TEXTS), [None] * 50)["window"])
    assert windows > 50
    lengths = rows_of_one_bucket(task, (questions, TEXTS), [None] * 50, windows)
    assert len(lengths) < windows / 4 + 3


def test_words_with_tags_go_with_those_of_their_length():
    task = oracle.tiny_task(TokenClassifier, labels=["O", "B-TEA"], doc_stride=None)
    task.preprocessor.max_length = 20
    words = [text.split() for text in TEXTS]
    rows_of_one_bucket(task, words, [["O"] * len(row) for row in words], 50)
