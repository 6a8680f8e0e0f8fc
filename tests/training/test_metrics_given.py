"""The metrics that `compile` is given: the task's own by their names, weighted where places
count nothing, and none that takes logits for probabilities."""

import functools

import keras
import numpy as np
import oracle
import pytest

import bert_tf2

TEXTS = ["The kettle hums.", "rain", "tea"]
NAMES = ["tea", "rain", "stone"]
SEVERAL = {"labels": NAMES, "problem_type": "multi_label_classification"}
DATA = {
    "several labels": (bert_tf2.TextClassifier, SEVERAL, TEXTS, [["tea"], ["rain"], []]),
    "tags": (
        bert_tf2.TokenClassifier,
        {"labels": ["O", "X"]},
        [["a", "kettle", "hums"], ["rain"]],
        [["O", "X", "O"], [-100]],
    ),
    "numbers": (bert_tf2.TextRegressor, {}, TEXTS, [1, 2, 3.5]),
}


@functools.cache
def made(name):
    cls, settings, *data = DATA[name]
    return oracle.tiny_task(cls, **settings), data


@pytest.fixture(scope="module", params=DATA)
def asked(request):
    """A task, and what its own metrics give on some data."""
    task, data = made(request.param)
    task.compile("sgd")
    return task, data, task.evaluate(*data, verbose=0, return_dict=True)


@pytest.mark.parametrize("kind", ["metrics", "weighted_metrics"])
def test_names_are_those_of_the_tasks_own(asked, kind):
    task, data, want = asked
    task.compile("sgd", **{kind: [name for name in want if name != "loss"]})
    got = task.evaluate(*data, verbose=0, return_dict=True)
    assert got == pytest.approx(want, rel=1e-6)


def test_tags_of_no_meaning_count_in_no_metric():
    """A text's first pieces alone: padding, the others and -100 would all be of the first tag."""
    task, data = made("tags")
    task.compile("sgd", metrics=[keras.metrics.SparseCategoricalAccuracy("share")])
    share = task.evaluate(*data, verbose=0, return_dict=True)["share"]
    found = task.predict_tags(data[0])[0].tags
    assert share == pytest.approx(np.mean([a == b for a, b in zip(found, data[1][0], strict=True)]))
    with pytest.raises(ValueError, match="give them all there"):
        task.compile("sgd", metrics=["accuracy"], weighted_metrics=["accuracy"])


@pytest.mark.parametrize(
    "metric",
    [
        "AUC",
        "binary_accuracy",
        "sparse_categorical_crossentropy",
        keras.metrics.Precision(),
        keras.metrics.Recall(thresholds=[0.3, 0.6]),
        keras.metrics.BinaryAccuracy(threshold=0.5),
        keras.metrics.PrecisionAtRecall(0.5),
        keras.metrics.F1Score(threshold=0.5),
        keras.metrics.binary_accuracy,
    ],
    ids=lambda metric: getattr(metric, "name", None) or getattr(metric, "__name__", str(metric)),
)
def test_metrics_of_probabilities_are_refused(metric):
    with pytest.raises(ValueError, match="takes them for probabilities"):
        made("several labels")[0].compile("sgd", metrics=[metric])
    made("numbers")[0].compile("sgd", metrics=[metric])


@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.BinaryAccuracy(threshold=0.0),
        keras.metrics.AUC(from_logits=True),
        keras.metrics.Precision(top_k=1),
        keras.metrics.F1Score(),
        "mse",
    ],
    ids=lambda metric: getattr(metric, "name", None) or getattr(metric, "__name__", str(metric)),
)
def test_metrics_of_logits_are_taken(metric):
    made("several labels")[0].compile("sgd", metrics=[metric])


def test_labels_weigh_in_the_tasks_own_loss_alone():
    task, data = made("several labels")
    task.compile("sgd", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="with a loss of your own"):
        task.fit(*data, class_weight={"tea": 3.0}, verbose=0)


@pytest.mark.parametrize("name", DATA)
def test_two_dropouts_are_compared_where_a_text_has_one_class(name):
    """Of one number the softmax is 1, and of several labels none of theirs."""
    with pytest.raises(ValueError, match=r"`r_drop` must be 0.*Received: r_drop=1"):
        made(name)[0].compile("sgd", r_drop=1.0)
