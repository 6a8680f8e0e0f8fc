"""Scores of classes and of several labels, beside scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from bert_tf2.scoring import classification

RANDOM = np.random.default_rng(14)


def few(rows, *classes):
    return RANDOM.choice(classes, rows).tolist()


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (few(50, "0", "1"), few(50, "0", "1")),
        (few(200, "a", "b", "c", "é"), few(200, "a", "b", "c", "z")),
        (few(60, 1, 2, 10), few(60, 1, 2, 10)),
        (["a"] * 5, ["a"] * 5),
        (["a"] * 5, ["b"] * 5),
        (few(60_000, "0", "1"), few(60_000, "0", "1")),  # products beyond int64
    ],
)
def test_classes(gold, predicted):
    found = classification.scores(gold, predicted)
    sides = list(map(str, gold)), list(map(str, predicted))
    assert found["accuracy"] == found["micro_f1"] == metrics.accuracy_score(*sides)
    assert found["matthews"] == pytest.approx(metrics.matthews_corrcoef(*sides), abs=1e-12)
    assert classification.matthews(gold, predicted) == found["matthews"]
    for average in ("macro", "weighted"):
        wanted = metrics.f1_score(*sides, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(wanted, abs=1e-12)
    report = metrics.classification_report(*sides, output_dict=True, zero_division=0)
    for name, scores in found["classes"].items():
        wanted = {k.replace("-score", ""): v for k, v in report[name].items()}
        assert scores == pytest.approx(wanted, abs=1e-12)
    names, counts = classification.confusion(gold, predicted)
    assert counts.tolist() == metrics.confusion_matrix(*sides, labels=names).tolist()


def test_one_class_counts():
    gold, predicted = few(90, 0, 1), few(90, 0, 1)
    assert classification.binary_f1(gold, predicted) == metrics.f1_score(gold, predicted)
    assert classification.binary_f1(gold, predicted, 0) == pytest.approx(
        metrics.f1_score(gold, predicted, pos_label=0)
    )
    with pytest.raises(ValueError, match=r"`positive` must be a class that occurs.*'yes'"):
        classification.binary_f1(gold, predicted, "yes")


def test_classes_in_an_order():
    found = classification.scores(["b", "a"], ["b", "b"], labels=["b", "a", "c"])
    assert list(found["classes"]) == ["b", "a", "c"]
    assert found["macro_f1"] == pytest.approx((2 / 3) / 3)
    with pytest.raises(ValueError, match=r"must name every class.*'a'"):
        classification.scores(["b", "a"], ["b", "b"], labels=["b"])
    for gold, predicted in (([], []), (["a"], [])):
        with pytest.raises(ValueError, match="as many answers as gold rows"):
            classification.scores(gold, predicted)


@pytest.mark.parametrize("gold", [[1, 0, 1], [1.0, 0.0, 1.0], np.array([1, 0, 1], "uint8")])
def test_numbers_are_one_class_however_spelt(gold):
    assert classification.scores(gold, [1, 0, 1])["accuracy"] == 1.0
    assert list(classification.scores(gold, [1, 0, 1])["classes"]) == ["0", "1"]


@pytest.mark.parametrize(
    "predicted", [["1", "0"], [True, False], [1, None], [1, np.nan], [b"1", 0]]
)
def test_what_could_mean_two_things(predicted):
    with pytest.raises(ValueError, match="both be names, both numbers or both booleans"):
        classification.scores([1, 0], predicted)


# === Several labels a row ===


def labels(rows, width, dtype="float32", digits=2):
    gold = (RANDOM.random((rows, width)) < 0.3).astype(int)
    noise = RANDOM.random((rows, width)).round(digits)  # with many that are equal
    return gold, ((gold + noise) / 2).round(digits).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_labels(dtype):
    gold, probabilities = labels(120, 6, dtype)
    thresholds = np.linspace(0.2, 0.8, 6)
    found = classification.multi_label(gold, probabilities, thresholds, names="abcdef")
    given = probabilities >= thresholds
    for average in ("micro", "macro"):
        wanted = metrics.f1_score(gold, given, average=average)
        assert found[f"{average}_f1"] == pytest.approx(wanted, abs=1e-12)
    assert found["accuracy"] == metrics.accuracy_score(gold, given)
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(gold, probabilities), abs=1e-12)
    wanted = metrics.average_precision_score(gold, probabilities)
    assert found["map"] == pytest.approx(wanted, abs=1e-12)
    for number, (name, scores) in enumerate(found["labels"].items()):
        assert name == "abcdef"[number]
        assert scores["support"] == gold[:, number].sum()
        assert scores["f1"] == pytest.approx(metrics.f1_score(gold[:, number], given[:, number]))
        wanted = metrics.roc_auc_score(gold[:, number], probabilities[:, number])
        assert scores["roc_auc"] == pytest.approx(wanted, abs=1e-12)


def test_labels_that_no_row_or_every_row_has():
    gold = np.array([[0, 1, 1], [0, 1, 0]])
    found = classification.multi_label(gold, np.array([[0.1, 0.9, 0.8], [0.2, 0.9, 0.3]]))
    aucs = [scores["roc_auc"] for scores in found["labels"].values()]
    precisions = [scores["average_precision"] for scores in found["labels"].values()]
    np.testing.assert_equal(aucs, [np.nan, np.nan, 1.0])
    np.testing.assert_equal(precisions, [np.nan, 1.0, 1.0])
    assert (found["roc_auc"], found["map"]) == (1.0, 1.0)
    nothing = classification.multi_label([[0], [0]], [[0.1], [0.2]])
    np.testing.assert_equal([nothing["roc_auc"], nothing["map"]], [np.nan, np.nan])
    assert nothing["macro_f1"] == 0.0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tuned_thresholds_are_the_best(dtype):
    gold, probabilities = labels(40, 5, dtype, digits=3)
    thresholds = classification.tune_thresholds(gold, probabilities)
    assert (thresholds.dtype, thresholds.shape) == (np.dtype(dtype), (5,))
    for column in range(5):
        some = probabilities[:, column]
        of_all = [
            metrics.f1_score(gold[:, column], some >= t, zero_division=0) for t in [*some, 1.1]
        ]
        tuned = metrics.f1_score(gold[:, column], some >= thresholds[column])
        assert tuned == pytest.approx(max(of_all), abs=1e-12)


def test_thresholds_next_to_each_other_and_undefined():
    one = np.nextafter(np.float32(0.5), np.float32(1))  # no float32 lies between
    probabilities = np.array([[one], [np.float32(0.5)]])
    assert classification.tune_thresholds([[1], [0]], probabilities) == one
    assert classification.tune_thresholds([[0], [0]], probabilities) == 0.5
    assert classification.tune_thresholds([[1], [1]], [[0.0], [1.0]]) == 0.0
    assert classification.tune_thresholds([[1], [0]], [[0.9], [0.3]]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("gold", "probabilities", "message"),
    [
        ([[0, 2]], [[0.1, 0.2]], "`gold` must hold 0 and 1"),
        ([[0, 1]], [[0.1, -3.0]], "are they logits"),
        ([[0, 1]], [[0.1, np.nan]], "`probabilities` must be finite"),
        ([[0, 1]], [[0.1]], r"one shape. Received: \(1, 2\) and \(1, 1\)"),
        ([["a", "b"]], [[0.1, 0.2]], "`gold` must be 0 or 1"),
        ([], [], "`gold` must be finite"),
    ],
)
def test_wrong_labels(gold, probabilities, message):
    for function in (classification.multi_label, classification.tune_thresholds):
        with pytest.raises(ValueError, match=message):
            function(gold, probabilities)
    with pytest.raises(ValueError, match="one for each of 2 labels"):
        classification.multi_label([[0, 1]], [[0.1, 0.2]], names=["a"])
