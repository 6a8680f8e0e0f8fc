"""Rows of each task, words, choices and several labels too, in each way that data come in."""

import functools

import numpy as np
import oracle
import pytest
import tensorflow as tf
from by_default import by_default
from forms import Sequence

import bert_tf2
from bert_tf2.data import labels

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "a stone"]
WORDS = [["the", "kettle", "hums"], ["rain"], ["stone", "rain"], ["tea"], ["a"]]
CHOICES = [["tea", "rain", "a stone"]] * 5
TAGS = [["O"] * (len(row) - 1) + ["X"] for row in WORDS]
NAMES = ["tea", "rain", "stone"]
ONES = np.ones(5)


def maker(cls, **settings):
    config = oracle.with_dropout(oracle.SMALL, 0.0)
    return functools.partial(oracle.tiny_task, cls, config, **settings)


ROWS = {
    "words": (maker(bert_tf2.TokenClassifier, labels=["O", "X"]), WORDS, TAGS),
    "choices": (maker(bert_tf2.MultipleChoice), (TEXTS, CHOICES), [0, 1, 2, 0, 1]),
    "several labels": (
        maker(bert_tf2.TextClassifier, labels=NAMES, problem_type="multi_label_classification"),
        TEXTS,
        [["tea"], [], ["rain", "tea"], ["stone"], []],
    ),
    "numbers": (maker(bert_tf2.TextRegressor), (TEXTS, TEXTS[::-1]), [1, 2.5, 0, 1, -1]),
}
made = functools.cache(lambda name: ROWS[name][0]())


def part(x, rows):
    return tuple(side[rows] for side in x) if isinstance(x, tuple) else x[rows]


@pytest.mark.parametrize("name", by_default(ROWS, ["words"]))
def test_batches_of_python(name):
    """A `PyDataset` and a generator of batches, read as rows in memory are."""
    task, (_, x, y) = made(name), ROWS[name]
    want = task.evaluate(x, y, batch_size=3, verbose=0)
    entries = [(part(x, rows), y[rows]) for rows in (slice(3), slice(3, 5))]
    for data in (Sequence(entries), iter(entries)):
        np.testing.assert_allclose(task.evaluate(data, verbose=0), want, rtol=1e-5)
    alone = Sequence([(x,) for x, _ in entries])
    got, want = (list(task.answer(data, 3)) for data in (alone, x))
    for one, other in zip(got, want, strict=True):
        for key in other:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.full
@pytest.mark.parametrize("form", by_default([list, tf.ragged.constant], [list]))
def test_words_set_apart_for_validation(form):
    task = made("words")
    weights = {"sample_weight": ONES} if form is list else {}
    history = task.fit(
        WORDS, form(TAGS), validation_split=0.4, epochs=1, verbose=0, **weights
    ).history
    want = task.evaluate(WORDS[3:], TAGS[3:], verbose=0)
    assert history["val_loss"][0] == pytest.approx(want[0], rel=1e-5)


def test_a_generator_of_words_gives_rows():
    task = made("words")
    assert [row.words for row in task.predict_tags(iter(WORDS))] == WORDS
    assert [row.words for row in task.predict_tags(WORDS, batch_size=2)] == WORDS


def of(*columns):
    return tf.data.Dataset.from_tensor_slices(columns).batch(5)


RAGGED = tf.ragged.constant
TWO = {"text": TEXTS, "choices": CHOICES}
IDS = {"token_ids": np.ones((5, 4), "int32")}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("words", (RAGGED(WORDS), RAGGED(TAGS), np.ones((5, 3))), "one number a row"),
        ("numbers", (TEXTS, ONES, np.ones((5, 2))), "one number a row"),
        ("numbers", (TEXTS, ONES, TEXTS), "one number a row"),
        ("numbers", (TEXTS, np.ones((5, 2))), r"1 numbers a row. Received.*\(None, 2\)"),
        ("choices", (TWO, ONES * 0.7), "Label 0.7 is not a class"),
        ("choices", (TWO, TEXTS), "Label 'The kettle hums.' is not a class"),
        ("choices", (TWO, np.eye(5)[:, :3]), r"names or numbers of classes \(B,\)"),
        ("choices", (TWO, ONES > 0), "must be names or numbers"),
        ("choices", (TWO, ONES * 3), "Label 3 is no choice"),
        ("words", ({"text": TEXTS, "text_pair": TEXTS}, RAGGED(TAGS)), r"columns \['text'\]"),
        ("words", (IDS, np.full((5, 4), 2)), "Label 2 is not a class"),
        ("words", (IDS, np.full((5, 4), -1)), "Label -1 is not a class"),
        ("words", (IDS, np.full((5, 4), 0.7)), "Label 0.7 is not a class"),
        ("words", (IDS, np.full((5, 4), "Y")), "Label 'Y' is not a class"),
        ("words", (IDS, np.zeros((5, 3))), "Shapes .* are incompatible"),
        (
            "words",
            (RAGGED(WORDS).to_tensor(), RAGGED([[*row, "O"] for row in TAGS]).to_tensor()),
            "words and tags of a text",
        ),
        ("words", (RAGGED(WORDS), ONES), r"must be \(B, words\), ragged or filled up"),
    ],
)
def test_refused_in_datasets(name, data, message):
    with pytest.raises(ValueError, match=message), labels.errors_named():
        list(made(name).dataset(of(*data)))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((4, 4)), r"a tag for each token, \(5, 4\)"),
        (np.zeros((5, 3)), "a tag for each token"),
        ([[0], [0, 1], [0], [0], [0]], "a tag for each token"),
        ([None] * 5, "a tag for each token"),
    ],
)
def test_tags_of_ids_in_memory(y, message):
    with pytest.raises(ValueError, match=message):
        made("words").evaluate(IDS, y, verbose=0)


def test_a_tag_that_is_missing():
    with pytest.raises(ValueError, match="Label None, a tag of the text at index 0"):
        made("words").evaluate(WORDS[:1], [[None, "O", "X"]], verbose=0)


def test_names_of_the_tags_of_ids():
    task = made("words")
    names = np.array([["O", "X", "X", "O"]] * 5)
    want = task.evaluate(IDS, (names == "X").astype(int), verbose=0)
    assert task.evaluate(IDS, names, verbose=0) == pytest.approx(want)


@pytest.mark.parametrize("ask", ["predict", "answer"])
@pytest.mark.parametrize(
    ("name", "message"), [("numbers", "1 numbers a row"), ("several labels", "of shape|names")]
)
def test_two_texts_an_element_are_no_pair(name, message, ask):
    """They are x and y: the second one would go unread."""
    task = made(name)
    with pytest.raises(ValueError, match=message):
        found = getattr(task, ask)(of(TEXTS, TEXTS))
        list(found)


def test_next_sentences_of_single_texts():
    task = maker(bert_tf2.NextSentenceClassifier)()
    for x in (TEXTS, tf.data.Dataset.from_tensor_slices(TEXTS).batch(5)):
        with pytest.raises(ValueError, match="reads pairs"):
            task.predict(x, verbose=0)
