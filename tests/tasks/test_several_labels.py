"""Several labels a text: in every form of y, against sigmoids in NumPy, with tuned thresholds."""

import forms
import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD, FORWARD

import bert_tf2
from bert_tf2.data import label_sets

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea"]
NAMES = ["tea", "rain", "stone"]
SETS = [["tea"], [], ["stone", "rain"], ["tea", "rain", "stone"]]
FLAGS = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]])
SEVERAL = {"problem_type": "multi_label_classification"}


@pytest.fixture(scope="module")
def task():
    return oracle.tiny_classifier(NAMES, **SEVERAL)


FORMS = {
    "lists": SETS,
    "sets": [set(row) for row in SETS],
    "numbers": [[0], [], [2, 1], [0, 1, 2]],
    "an array": FLAGS,
    "booleans": FLAGS.astype(bool),
    "floats": FLAGS.astype("float64"),
    "rows of 0 and 1": FLAGS.tolist(),
    "a tensor": tf.constant(FLAGS),
    "a frame": forms.Frame(rain=FLAGS[:, 1], tea=FLAGS[:, 0], stone=FLAGS[:, 2]),
    "arrays": [np.array(row, object) for row in SETS],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    np.testing.assert_array_equal(label_sets.label_matrix(FORMS[form], NAMES, 4), FLAGS)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["tea", "rain", "tea", "tea"], "a list of labels for each text"),
        ([["tea"], ["milk"], [], []], "index 1, .'milk'.*not a class"),
        ([["tea", "tea"], [], [], []], "index 0 names a label twice"),
        (FLAGS[:3], "one row of labels a text: 4. Received: 3"),
        (FLAGS[:, :2], "rows of 3 values"),
        (FLAGS * 0.5, "0 and 1 only. Received at index 0"),
        ("tea", "a list of lists"),
        ([[3], [], [], []], "not a class"),
    ],
)
def test_refused(y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        label_sets.label_matrix(y, NAMES, 4)


def test_what_could_mean_both_is_refused():
    with pytest.raises(ValueError, match="could mean labels or 0 and 1"):
        label_sets.label_matrix([[0, 1], [1, 0]], ["a", "b"])
    got = label_sets.label_matrix(np.array([[0, 1], [1, 0]]), ["a", "b"])
    np.testing.assert_array_equal(got, [[0, 1], [1, 0]])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_loss_and_answers(task):
    logits = task.predict(TEXTS, verbose=0)
    shares = sigmoid(logits.astype("float64"))
    want = -(FLAGS * np.log(shares) + (1 - FLAGS) * np.log(1 - shares)).mean()
    yes = logits > 0
    f1 = 2 * (yes & (FLAGS == 1)).sum() / (yes.sum() + FLAGS.sum())
    got = task.evaluate(TEXTS, SETS, verbose=0, return_dict=True)
    assert got == pytest.approx(
        {"loss": want, "accuracy": (yes == FLAGS).mean(), "f1": f1}, rel=BACKWARD
    )
    for row, (labels, by_name) in zip(shares, task.predict_labels(TEXTS), strict=True):
        assert [*by_name.values()] == pytest.approx(row, abs=FORWARD)
        best = sorted((p, n) for n, p in by_name.items() if p >= 0.5)[::-1]
        assert labels == [name for _, name in best]
    (answers,) = task.answer(TEXTS)
    assert [[x.decode() for x in row if x] for row in answers["labels"]] == [
        found.labels for found in task.predict_labels(TEXTS)
    ]


@pytest.mark.parametrize("y", [FLAGS.astype("int64"), tf.ragged.constant(SETS)])
def test_datasets(task, y):
    data = tf.data.Dataset.from_tensor_slices((TEXTS, y)).batch(4)
    want = task.evaluate(TEXTS, SETS, verbose=0)
    assert task.evaluate(data, verbose=0) == pytest.approx(want, rel=BACKWARD)


def test_a_label_of_a_dataset_that_is_none(task):
    data = tf.data.Dataset.from_tensor_slices((TEXTS, tf.constant([["milk"]] * 4))).batch(4)
    with pytest.raises(ValueError, match="'milk' is not a class"):
        task.evaluate(data, verbose=0)


def test_class_weights():
    task = oracle.tiny_classifier(NAMES, config=oracle.with_dropout(oracle.SMALL, 0.0), **SEVERAL)
    logits = task.predict(TEXTS, verbose=0)
    slope = ((sigmoid(logits) - FLAGS) * [3.0, 1.0, 0.0]).sum(0) / 12
    bias = task.named_variables()["classifier/bias"]
    before = bias.numpy()
    task.compile(keras.optimizers.SGD(0.1))
    task.fit(TEXTS, SETS, epochs=1, class_weight=forms.Indexed(stone=0.0, tea=3.0), verbose=0)
    np.testing.assert_allclose(bias.numpy(), before - 0.1 * slope, atol=1e-6)


def test_thresholds_are_tuned_and_kept(tmp_path):
    task = oracle.tiny_classifier(NAMES, **SEVERAL)
    before = task.predict_labels(TEXTS)
    tuned = task.tune_thresholds(TEXTS, SETS)
    chosen = [found.labels for found in task.predict_labels(TEXTS)]
    for name in NAMES:  # no other threshold is better
        gold = np.array([name in row for row in SETS])
        shares = np.array([found.probabilities[name] for found in before])

        def f1(least, gold=gold, shares=shares):
            yes = shares >= least
            return 2 * (gold & yes).sum() / max(gold.sum() + yes.sum(), 1)

        assert f1(tuned[name]) == max(f1(least) for least in [*shares, 0.5])
        assert [name in row for row in chosen] == (shares >= tuned[name]).tolist()
    task.save_to_preset(tmp_path / "preset")
    again = bert_tf2.TextClassifier.from_preset(tmp_path / "preset")
    assert again.thresholds == task.thresholds
    assert [found.labels for found in again.predict_labels(TEXTS)] == chosen
    for others in (["fog", "sun", "dew"], ["fog", "sun"]):  # to be trained on
        other = bert_tf2.TextClassifier.from_preset(tmp_path / "preset", labels=others)
        assert other.thresholds is None
    for given in (np.array([0.5, 0.25, 1.0], "float32"), forms.Indexed(stone=1.0, rain=0.25)):
        task.set_thresholds(given)
        assert dict(zip(NAMES, task.thresholds, strict=True)) == {
            "tea": 0.5,
            "rain": 0.25,
            "stone": 1.0,
        }
    task.set_thresholds({"tea": 0.0})
    assert all("tea" in found.labels for found in task.predict_labels(TEXTS))


def test_refusals(task):
    with pytest.raises(ValueError, match="`thresholds` is for several labels"):
        oracle.tiny_classifier(NAMES, thresholds=0.3)
    with pytest.raises(ValueError, match="from 0 to 1, one a class: 3"):
        task.set_thresholds([0.5, 2, 0.1])
    for wrong in ("0.5,0.5", "0.5", True, [True, False, True], ["0.1"] * 3, [[1], [1, 1]]):
        with pytest.raises(ValueError, match=r"from 0 to 1, one a class: 3\. Received"):
            task.set_thresholds(wrong)
    with pytest.raises(ValueError, match="must be of the classes"):
        task.set_thresholds({"milk": 0.5})
    with pytest.raises(ValueError, match="TextRegressor"):
        oracle.tiny_classifier(NAMES, problem_type="regression")


def test_the_problem_comes_from_the_checkpoint(task, tmp_path):
    task.save_to_preset(tmp_path / "hf", "huggingface")
    again = bert_tf2.TextClassifier.from_preset(tmp_path / "hf")
    assert again.problem_type == "multi_label_classification" and again.labels == NAMES
    with pytest.raises(ValueError, match="Open it as a TextClassifier"):
        bert_tf2.TextRegressor.from_preset(tmp_path / "hf")
