"""One of several, does B follow A, and labels never seen: each beside the same head by hand."""

import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD, FORWARD, assert_near

import bert_tf2

TEXTS = ["The kettle hums.", "rain"]
CHOICES = [["tea", "a stone", "no"], ["stone & rain", "", "tea"]]


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


# === Multiple choice ==============================================================================


@pytest.fixture(scope="module")
def chooser():
    return oracle.tiny_task(bert_tf2.MultipleChoice)


def pair_scores(task, texts, choices):
    """One pair at a time through the oracle: (n, N)."""
    arrays = {name: v.numpy() for name, v in task.named_variables().items()}
    found = []
    for text, row in zip(texts, choices, strict=True):
        inputs = task.preprocessor(([text] * len(row), row))
        inputs = {name: x.numpy() for name, x in inputs.items()}
        pooled = oracle.forward(task.encoder.config, arrays, inputs)["pooled_output"]
        found.append(pooled @ arrays["choice/kernel"] + arrays["choice/bias"])
    return np.stack(found)[..., 0]


def test_choices_equal_the_oracle(chooser):
    want = pair_scores(chooser, TEXTS, CHOICES)
    got = chooser.predict((TEXTS, CHOICES), verbose=0)
    assert_near(got, want, FORWARD)
    for found, row, names in zip(
        chooser.predict_choices((TEXTS, CHOICES)), want, CHOICES, strict=True
    ):
        assert found.index == row.argmax() and found.choice == names[row.argmax()]
        np.testing.assert_allclose(found.probabilities, softmax(row), atol=1e-5)
    loss, accuracy = chooser.evaluate((TEXTS, CHOICES), [0, 2], verbose=0)
    rows = softmax(want.astype("float64"))
    assert loss == pytest.approx(-np.log([rows[0, 0], rows[1, 2]]).mean(), rel=BACKWARD)
    assert accuracy == (want.argmax(1) == [0, 2]).mean()


def test_what_is_odd_about_right_choices(chooser):
    """Their numbers are places: no classes that each need rows, nor a score."""
    assert chooser.worth_saying({"labels": np.array([0, 2, 1])}) == []
    (said,) = chooser.worth_saying({"labels": np.array([2, 2])})
    assert "All 2 right choices are number 2" in said


def test_forms_of_choices(chooser):
    want = chooser.predict((TEXTS, CHOICES), verbose=0)
    ids = chooser.prepare(chooser.read((TEXTS, CHOICES)))[0]
    ids = {name: ids[name].numpy() for name in ("token_ids", "segment_ids", "padding_mask")}
    forms = [
        {"text": TEXTS, "choices": CHOICES},
        (np.array(TEXTS), np.array(CHOICES)),
        (tf.constant(TEXTS), tf.constant(CHOICES)),
        tf.data.Dataset.from_tensor_slices({"text": TEXTS, "choices": CHOICES}).batch(1),
        ids,
    ]
    for form in forms:
        assert_near(chooser.predict(form, verbose=0), want, FORWARD)
    dataset = tf.data.Dataset.from_tensor_slices(((TEXTS, CHOICES), [0, 2])).batch(2)
    assert chooser.evaluate(dataset, verbose=0) == pytest.approx(
        chooser.evaluate((TEXTS, CHOICES), [0, 2], verbose=0), rel=BACKWARD
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ((TEXTS, [["a", "b"], ["a"]]), "equally many choices: 2.*index 1: 1"),
        ((TEXTS, ["a", "b"]), "a list of str for each text. Received at index 0"),
        ((TEXTS, [["a"], ["b"]]), "two or more choices"),
        ((TEXTS, [["a", "b"]]), "two or more choices for each of 2"),
        ((TEXTS, [["a", 1], ["a", "b"]]), "index 1: 1"),
        (TEXTS, "must be a tuple"),
    ],
)
def test_choices_refused(chooser, x, message):
    with pytest.raises((TypeError, ValueError), match=message):
        chooser.predict(x, verbose=0)


def test_a_choice_that_is_none(chooser):
    with pytest.raises(ValueError, match="3 is no choice: a row has 3 of them"):
        chooser.evaluate((TEXTS, CHOICES), [0, 3], verbose=0)
    for y, place in (([0, -1], "1: -1"), ([[1, 0], [0, 1]], r"0: \[1, 0\]"), (["a", 0], "0: 'a'")):
        message = f"the number of the right choice of each row, from 0. Received at index {place}"
        with pytest.raises(ValueError, match=message):
            chooser.fit((TEXTS, CHOICES), y, verbose=0)


def test_the_mean_of_a_pair(tmp_path):
    """Of each choice the mean of its tokens, which a preset keeps."""
    task = oracle.tiny_task(bert_tf2.MultipleChoice, pooling="mean")
    arrays = {name: v.numpy() for name, v in task.named_variables().items()}
    pairs = [[text] * 3 for text in TEXTS], CHOICES
    inputs = task.preprocessor(tuple([x for row in side for x in row] for side in pairs))
    inputs = {name: x.numpy() for name, x in inputs.items()}
    states = oracle.forward(task.encoder.config, arrays, inputs)["layer_outputs"][-1]
    mask = inputs["padding_mask"][..., np.newaxis]
    mean = (states * mask).sum(1) / mask.sum(1)
    want = (mean @ arrays["choice/kernel"] + arrays["choice/bias"]).reshape(-1, 3)
    assert_near(task.predict((TEXTS, CHOICES), verbose=0), want, FORWARD)
    task.save_to_preset(tmp_path / "ours", "bert_tf2")
    again = bert_tf2.MultipleChoice.from_preset(tmp_path / "ours")
    assert_near(again.predict((TEXTS, CHOICES), verbose=0), want, FORWARD)
    with pytest.raises(ValueError, match="`pooling` must be one of"):
        oracle.tiny_task(bert_tf2.MultipleChoice, pooling="max")


@pytest.mark.full
def test_validation_split_and_length_buckets():
    task = oracle.tiny_task(bert_tf2.MultipleChoice)
    task.preprocessor.length_buckets = [8, 12]
    history = task.fit((TEXTS * 2, CHOICES * 2), [0, 1, 2, 0], validation_split=0.5, epochs=1)
    assert np.isfinite(history.history["val_loss"]).all()


# === Next sentence ================================================================================


@pytest.mark.parametrize(("family", "head"), [("bert", "nsp"), ("albert", "sop")])
def test_the_pretrained_head_of_pairs(tmp_path, family, head):
    task = oracle.tiny_task(bert_tf2.NextSentenceClassifier, oracle.TINIES[family])
    arrays = {name: v.numpy() for name, v in task.named_variables().items()}
    inputs = {n: x.numpy() for n, x in task.preprocessor((TEXTS, TEXTS[::-1])).items()}
    pooled = oracle.forward(task.encoder.config, arrays, inputs)["pooled_output"]
    want = pooled @ arrays[f"{head}/kernel"] + arrays[f"{head}/bias"]
    assert_near(task.predict((TEXTS, TEXTS[::-1]), verbose=0), want, FORWARD)
    task.save_to_preset(tmp_path / "google", "google")  # as a pretraining checkpoint has it
    again = bert_tf2.NextSentenceClassifier.from_preset(tmp_path / "google")
    assert again.load_report.missing == []
    assert_near(again.predict((TEXTS, TEXTS[::-1]), verbose=0), want, FORWARD)


def test_next_sentence_refusals():
    with pytest.raises(ValueError, match="reads the pooled output"):
        oracle.tiny_task(bert_tf2.NextSentenceClassifier, oracle.TINIES["distilbert"])
    task = oracle.tiny_task(bert_tf2.NextSentenceClassifier)
    with pytest.raises(ValueError, match="reads pairs"):
        task.predict(TEXTS)


# === Zero-shot ====================================================================================

NLI = ["contradiction", "Entailment", "neutral"]


@pytest.fixture(scope="module")
def zero():
    return oracle.tiny_task(bert_tf2.ZeroShotClassifier, labels=NLI)


@pytest.mark.parametrize("several", [False, True])
def test_labels_never_seen(zero, several):
    """As transformers' pipeline computes it, one pair at a time."""
    names = ["tea", "rain & stone"]
    found = zero.classify(TEXTS, names, "It is {} here.", several)
    for text, answer in zip(TEXTS, found, strict=True):
        logits = np.concatenate(
            [zero.predict(([text], [f"It is {name} here."]), verbose=0) for name in names]
        ).astype("float64")
        want = softmax(logits[:, 1]) if not several else softmax(logits[:, :2])[:, 1]
        order = np.argsort(-want)
        assert answer["sequence"] == text
        assert answer["labels"] == [names[i] for i in order]
        np.testing.assert_allclose(answer["scores"], want[order], rtol=1e-4)
    (alone,) = zero.classify(TEXTS[:1], names[:1], "It is {} here.", several)
    logits = zero.predict(([TEXTS[0]], [f"It is {names[0]} here."]), verbose=0).astype("float64")
    np.testing.assert_allclose(alone["scores"], softmax(logits[:, :2])[:, 1], rtol=1e-4)
    one = zero.classify(TEXTS[0], tf.constant(names), "It is {} here.", several)
    assert one["labels"] == found[0]["labels"]
    np.testing.assert_allclose(one["scores"], found[0]["scores"], rtol=1e-4)


def test_an_exported_model_takes_the_labels_or_has_them(zero, tmp_path):
    want = zero.classify(TEXTS, ["tea", "rain"])
    folder = bert_tf2.export_saved_model(zero, tmp_path / "open")
    served = tf.saved_model.load(folder).signatures["serving_default"]
    got = served(text=tf.constant(TEXTS), candidate_labels=tf.constant(["tea", "rain"]))
    one = served(text=tf.constant(TEXTS), candidate_labels=tf.constant(["tea"]))["scores"]
    alone = [answer["scores"] for answer in zero.classify(TEXTS, ["tea"])]
    np.testing.assert_allclose(one, alone, rtol=1e-4)
    for i, answer in enumerate(want):
        assert [name.decode() for name in got["labels"][i].numpy()] == answer["labels"]
        np.testing.assert_allclose(got["scores"][i], answer["scores"], rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ["a", "b"]}, "must be called entailment"),
        ({"labels": ["entailment", "no"], "multi_label": True}, "called contradiction"),
        ({"labels": ["entailment", "no"], "candidate_labels": "a"}, "a single label, needs"),
        ({"labels": NLI, "hypothesis_template": "This."}, 'one "{}"'),
        ({"labels": NLI, "multi_label": "no"}, "`multi_label` must be True or False"),
        ({"labels": NLI, "candidate_labels": "tea, tea"}, "different str"),
    ],
)
def test_zero_shot_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        oracle.tiny_task(bert_tf2.ZeroShotClassifier, **settings)


def test_no_labels(zero):
    with pytest.raises(ValueError, match="`candidate_labels` must be"):
        zero.classify(TEXTS)
    with pytest.raises(ValueError, match="`candidate_labels` must be set"):
        zero.predict(TEXTS, verbose=0)
