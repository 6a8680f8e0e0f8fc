"""The forms in which people hold classes: each is read the one way it can be meant, or refused."""

from collections import UserDict

import numpy as np
import pytest
import tensorflow as tf
from forms import NUMBERS, STARS, TONES, WRONG, Frame, Series

from bert_tf2.data import labels


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (TONES, TONES),
        (tuple(TONES), TONES),
        (np.unique(["good", "bad", "good"]), TONES),
        (Series(TONES), TONES),
        (tf.constant(TONES), TONES),
        ([b"bad", "good"], TONES),
        (3, ["0", "1", "2"]),
        (np.int64(2), ["0", "1"]),
        ([0, 1], ["0", "1"]),
        (np.unique([5, 1, 5]), ["1", "5"]),
        ([0.0, 1.0], ["0", "1"]),
        ([1.5, 2.0], ["1.5", "2"]),
        (np.array([False, True]), ["False", "True"]),
    ],
)
def test_class_names(given, names):
    assert labels.class_names(given) == names
    assert all(type(name) is str for name in labels.class_names(given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *((x, "must be a list of str") for x in (None, "ab", True, 2.0, set(TONES), {"a": 0})),
        *((x, "must be a list of str") for x in ([None, "a"], [["a"], ["b"]], [float("nan"), 1])),
        *((x, "two or more different names") for x in (1, 0, -1, ["one"], ["a", "a"], [0, "0"])),
        *(([f"a{x}b", "c"], f"single lines.*U\\+{ord(x):04X}") for x in "\r\n\0\x85\u2028\u2029"),
        *(([x, "c"], "single lines") for x in ("", " ", "\ud800")),
        ([str(i // 2) for i in range(999)], "more than once"),
    ],
)
def test_wrong_class_names(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        labels.class_names(given)
    assert len(str(caught.value)) < 350


def in_graph(y, names):
    """As a batch of a dataset, for what a tensor can hold."""
    y = y.to_numpy() if hasattr(y, "to_numpy") else y
    y = np.array(y.tolist() if isinstance(y, np.ndarray) and y.dtype == object else y)
    dataset = tf.data.Dataset.from_tensor_slices(y).batch(8)
    with labels.errors_named():
        return next(
            dataset.map(lambda y: labels.class_numbers_in_graph(y, names)).as_numpy_iterator()
        )


@pytest.mark.parametrize(("names", "y", "expected"), NUMBERS)
def test_class_numbers(names, y, expected):
    numbers = labels.class_numbers(y, names, len(expected))
    assert (numbers.dtype, numbers.tolist()) == (np.int32, expected)
    assert in_graph(y, names).tolist() == expected


@pytest.mark.parametrize(("names", "y", "message"), WRONG)
def test_labels_that_are_none(names, y, message):
    with pytest.raises(ValueError, match=message) as caught:
        labels.class_numbers(y, names)
    with pytest.raises(ValueError, match=message.split(" at index")[0].rstrip("'")) as in_graphs:
        in_graph(y, names)
    assert max(len(str(caught.value)), len(str(in_graphs.value))) < 600
    assert "node" not in str(in_graphs.value)


@pytest.mark.parametrize(
    ("names", "y", "message"),
    [
        (TONES, [1, None], "Label None at index 1 is missing"),
        (TONES, [("bad", "good"), ("bad",)], r"Label \('bad', 'good'\) at index 0"),
        (TONES, [object()], "Label <object"),
        (["1", "2", "many"], [1], "give names"),
        (["1", "01"], [1], "give names"),
        ([*TONES, "so"], [True], "Label True"),
        (["next", "random"], [True, False], "Label True at index 0 .*no two are called true"),
        (["entailment", "not_entailment"], [False], "Label False"),
        (["spam", "ham"], [True], "Label True"),
        (["1", "2"], [True], "Label True"),
        (TONES, [[0.5, 0.5]], "one-hot.*neither shares.*index 0"),
        (TONES, [[1, 0], [1, 1]], "one-hot.*nor several at once. Received at index 1"),
        ([*TONES, "so"], np.eye(2), r"one-hot rows of 3 classes.*\(2, 2\)"),
        (TONES, Frame(a=[1], b=[0]), r"one column a class|column a class.*\['a', 'b'\]"),
        (TONES, "good", "one label a text|list of labels"),
        (TONES, {"a": 1}, "must be"),
        (TONES, set(TONES), "must be"),
    ],
)
def test_labels_of_no_one_meaning(names, y, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        labels.class_numbers(y, names)
    assert len(str(caught.value)) < 350


def test_one_label_a_text():
    with pytest.raises(ValueError, match=r"one label a text: 3\. Received: 2"):
        labels.class_numbers([0, 1], TONES, 3)


def test_one_hot_frames_go_by_the_names_of_their_columns():
    """As pandas.get_dummies makes them, sorted by name."""
    frame = Frame(bad=[1, 0, 0], good=[0, 1, 1])
    assert labels.class_numbers(frame, ["good", "bad"]).tolist() == [1, 0, 0]


def test_datasets_with_other_labels():
    for y, message in (([[1, 1]], "not one-hot"), ([["a", "b"]], "shape"), ([[1, 2, 3]], "shape")):
        with pytest.raises(ValueError, match=message):
            in_graph(y, TONES)


# === Weights ====================================================================================


@pytest.mark.parametrize(
    ("names", "given", "weights"),
    [
        (TONES, {0: 2.0}, [2, 1]),
        (TONES, {"good": 3}, [1, 3]),
        (TONES, UserDict({np.int64(1): np.float32(0.5)}), [1, 0.5]),
        (TONES, [1, 2], [1, 2]),
        (TONES, np.array([0.5, 2]), [0.5, 2]),
        (TONES, {}, [1, 1]),
        (STARS, {5: 2}, [1, 1, 1, 1, 2]),
        (["1", "0"], {1: 2}, [2, 1]),
    ],
)
def test_class_weights(names, given, weights):
    assert labels.class_weights(given, names) == dict(enumerate(weights))


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (TONES, {"fog": 1}, "`class_weight`: 'fog' is not a class. Classes"),
        (TONES, {2: 1}, "2 is not a class"),
        (STARS, {0: 1}, "0 is not a class.*give names"),
        (TONES, {0: 1, "bad": 2}, "names a class twice"),
        (TONES, [1], "list of one number a class: 2"),
        (TONES, "balanced", "dict by class"),
        (TONES, 2.0, "dict by class"),
        (TONES, {0: -1}, "numbers from 0"),
        (TONES, [1, float("nan")], "numbers from 0"),
        (TONES, [1, None], "numbers from 0"),
    ],
)
def test_wrong_class_weights(names, given, message):
    with pytest.raises(ValueError, match=message):
        labels.class_weights(given, names)
