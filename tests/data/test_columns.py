"""The forms in which people hold texts: each is read the one way it can be meant, or refused."""

from collections import UserDict

import numpy as np
import pytest
import tensorflow as tf
from forms import ONE, PAIRS, REFUSED, SINGLE, TWO, Sequence, Series

from bert_tf2.data import columns
from bert_tf2.data.sample_weights import sample_weights
from bert_tf2.text.forms import cells


def read(x):
    found = columns.text_columns(x)
    return {name: [text.decode() for text in column.numpy()] for name, column in found.items()}


@pytest.mark.parametrize("form", SINGLE)
def test_texts(form):
    assert read(SINGLE[form]()) == {"text": ONE}
    assert not columns.is_pair(SINGLE[form]())
    assert not columns.is_encoded(SINGLE[form]())


@pytest.mark.parametrize("form", PAIRS)
def test_pairs(form):
    assert read(PAIRS[form]()) == {"text": ONE, "text_pair": TWO}
    assert columns.is_pair(columns.as_dataset(PAIRS[form](), batch))
    with pytest.raises((TypeError, ValueError), match=r"no pairs|no others"):
        columns.text_columns(PAIRS[form](), columns.TEXT_NAMES[:1])


@pytest.mark.parametrize("form", REFUSED)
def test_refused_in_a_few_words(form):
    x, error, message = REFUSED[form]
    with pytest.raises(error, match=message) as caught:
        columns.text_columns(x)
    assert len(str(caught.value)) < 350
    assert "\n" not in str(caught.value)


def test_real_pandas():
    pandas = pytest.importorskip("pandas")
    for x in (
        pandas.Series(ONE, index=[7, 7, 8]),
        pandas.Series(ONE, dtype="category"),
        pandas.DataFrame({"review": ONE}),
        pandas.DataFrame({"text": ONE, "text_pair": ONE})[["text"]],
    ):
        assert read(x) == {"text": ONE}
    assert read(pandas.DataFrame({"text": ONE, "text_pair": TWO})) == read((ONE, TWO))
    with pytest.raises(TypeError, match="index 1"):
        columns.text_columns(pandas.Series(["a", None]))


def test_ids():
    for name in ("token_ids", "input_ids", "input_word_ids"):
        assert columns.is_encoded(UserDict({name: [[1]]}))


# === What goes with texts =========================================================================


@pytest.mark.parametrize("weights", [[1, 2.5], np.array([[1], [2.5]]), Series([1.0, 2.5])])
def test_sample_weights(weights):
    assert sample_weights(weights, 2).tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "one number a text: 2. Received shape"),
        (1.0, "one number a text: 2"),
        (["a", "b"], "one number a text: 2"),
        ([1, float("nan")], "finite. Received at index 1: nan"),
    ],
)
def test_wrong_sample_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        sample_weights(weights, 2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((ONE, [1]), (ONE, [1], None)),
        ([ONE, [1]], (ONE, [1], None)),
        ((ONE, [1], [2]), (ONE, [1], [2])),
        (((ONE, TWO), [1]), ((ONE, TWO), [1], None)),
        (ONE, (ONE, None, None)),
        (ONE[:2], (ONE[:2], None, None)),
        ([("a", "b"), ("c", "d")], ([("a", "b"), ("c", "d")], None, None)),
        ({"text": ONE}, ({"text": ONE}, None, None)),
    ],
)
def test_validation_data(data, expected):
    assert columns.validation(data) == expected


def test_split_sets_the_last_rows_apart():
    texts = [str(i) for i in range(10)]
    (x, y, w), (xs, ys, ws) = columns.split(
        columns.text_columns, texts, Series(list(range(10))), None, 0.25
    )
    assert (read(x)["text"], list(y), w) == (texts[:7], list(range(7)), None)
    assert (read(xs)["text"], list(ys), ws) == (texts[7:], [7, 8, 9], None)
    (x, y, _), _ = columns.split(columns.text_columns, {"input_ids": [[1], [2]]}, [0, 1], None, 0.5)
    assert (x["input_ids"].tolist(), y) == ([[1]], [0])
    assert columns.split(columns.text_columns, ONE, TWO, None, 0.5, "given") == (
        (ONE, TWO, None),
        "given",
    )
    dataset = tf.data.Dataset.from_tensor_slices(ONE)
    for x, fraction, message in (
        (ONE, 1.0, "between 0 and 1"),
        (ONE, -0.5, "between 0 and 1"),
        (ONE, 0.999, "part of 3 rows empty"),
        (dataset, 0.5, ".take"),
    ):
        with pytest.raises(ValueError, match=message):
            columns.split(columns.text_columns, x, TWO, None, fraction)


# === Data that come in batches ====================================================================


ENTRIES = {
    "texts and names": ([(ONE, TWO), (ONE[:1], TWO[:1])], {"text": ONE, "labels": TWO}),
    "texts alone": ([ONE, ONE[:2]], {"text": ONE}),
    "pairs": ([((ONE, TWO), [0, 1, 0])], {"text": ONE, "text_pair": TWO, "labels": [0, 1, 0]}),
    "weights": ([(ONE, [1.0] * 3, np.ones(3))], {"text": ONE, "labels": [1.0] * 3}),
    "series": ([(Series(ONE), Series(TWO))], {"text": ONE, "labels": TWO}),
    "ids": (
        [({"token_ids": [[1, 2]]}, [1]), ({"token_ids": [[1], [3]]}, [1, 2])],
        {"token_ids": [[1, 2]], "labels": [1]},
    ),
}


def batch(x, y=None, weights=None):
    """A batch as a task reads it."""
    encoded = columns.is_encoded(x)
    found = {n: np.array(ids) for n, ids in x.items()} if encoded else columns.text_columns(x)
    return found if y is None else found | {"labels": np.array(cells(y))}


@pytest.mark.parametrize("form", ENTRIES)
@pytest.mark.parametrize("kind", [Sequence, iter, lambda entries: (entry for entry in entries)])
def test_batches_of_python(form, kind):
    entries, expected = ENTRIES[form]
    dataset = columns.as_dataset(kind(entries), batch)
    assert int(dataset.cardinality()) == len(entries)
    for _ in range(2):
        batches = list(dataset)
        assert len(batches) == len(entries)
    found = batches[0].columns
    texts = {n: np.char.decode(v.numpy().astype("S")) if v.dtype == tf.string else v.numpy()
             for n, v in found.items()}  # fmt: skip
    assert {name: value.tolist() for name, value in texts.items()} == expected


def test_epochs_of_a_sequence():
    sequence = Sequence([(ONE, TWO)] * 3)
    dataset = columns.as_dataset(sequence, batch)
    assert [len(list(dataset)) for _ in range(2)] == [3, 3]
    assert sequence.ended == 2
    with pytest.raises(ValueError, match="at least one batch"):
        columns.as_dataset(Sequence([]), batch)


def test_generators():
    endless = columns.as_dataset(((ONE, TWO) for _ in iter(int, 1)), batch, endless=True)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(list(endless.take(5))) == 5
    assert columns.as_dataset(iter(ONE), batch) == ONE
    with pytest.raises(TypeError, match="not a function"):
        columns.as_dataset(lambda: iter(ONE), batch)


@pytest.mark.parametrize("x", [{"text": ONE, "words": ONE}, {"sentence": ONE}, {"text_pair": ONE}])
def test_batches_with_other_columns(x):
    with pytest.raises(ValueError, match=r"must have the columns \['text', 'text_pair'\]"):
        columns.in_graph({name: tf.constant(column) for name, column in x.items()})
