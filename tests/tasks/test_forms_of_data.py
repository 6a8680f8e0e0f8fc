"""(Forms in which people hold texts and labels) x (what takes data): read alike, or refused.

A form is a row of the tables of tests/data; what takes data is a row of `TAKERS` here.
"""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from by_default import by_default
from forms import NUMBERS, ONE, PAIRS, REFUSED, SINGLE, TWO, WRONG, Sequence, Series

LABELS = ["tea", "rain", "stone"]  # of ONE and TWO; the classes are tea, stone, rain
NUMBERED = [0, 2, 1]


def losses(history):
    return history.history["loss"][0]


TAKERS = {  # what takes texts and labels -> the loss
    "fit": lambda model, x, y: losses(model.fit(x, y, batch_size=3, epochs=1, verbose=0)),
    "evaluate": lambda model, x, y: model.evaluate(x, y, batch_size=3, verbose=0)[0],
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y)[0],
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y)[0],
}
ASKERS = {  # what takes texts alone -> logits
    "predict": lambda model, x: model.predict(x, batch_size=3, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "call": lambda model, x: model(x).numpy(),
    "predict_labels": lambda model, x: np.log(
        [list(row.probabilities.values()) for row in model.predict_labels(x)]
    ),
}
WHOLE = {  # what holds texts and labels in one
    "dataset": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)).batch(3),
    "sequence": lambda x, y: Sequence([(x, y)]),
    "generator": lambda x, y: iter([(x, y)]),
    "dataset of dicts": lambda x, y: tf.data.Dataset.from_tensors(
        dict(zip(("text", "text_pair"), x if isinstance(x, tuple) else (x,), strict=False))
        | {"labels": y}
    ),
}


@pytest.fixture(scope="module")
def model():
    """A classifier that does not change as it learns, and its answers to the plainest form."""
    model = oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0), dropout=0.0)
    model.compile(keras.optimizers.SGD(0.0))
    return model


@pytest.fixture(scope="module")
def plain(model):
    """Logits and loss of texts, and of pairs, by NumPy from the logits of lists."""
    found = {}
    for name, x in (("texts", ONE), ("pairs", (ONE, TWO))):
        logits = model.predict(x, verbose=0).astype("float64")
        shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        found[name] = logits, -np.log(shares[range(3), NUMBERED]).mean()
    assert abs(found["texts"][1] - found["pairs"][1]) > 0.01
    return found


FORMS = [("texts", name) for name in SINGLE] + [("pairs", name) for name in PAIRS]
QUICK = [form for i, form in enumerate(FORMS) if i % 6 == 1]


def made(kind, form):
    return {"texts": SINGLE, "pairs": PAIRS}[kind][form]()


@pytest.mark.parametrize(("kind", "form"), by_default(FORMS, QUICK))
def test_texts(model, plain, kind, form):
    logits, loss = plain[kind]
    for name, ask in ASKERS.items():
        received = ask(model, made(kind, form))
        received = received - received.mean(-1, keepdims=True)
        expected = logits - logits.mean(-1, keepdims=True)
        np.testing.assert_allclose(received, expected, atol=2e-5, err_msg=name)
    for name, take in TAKERS.items():
        received = take(model, made(kind, form), LABELS)
        np.testing.assert_allclose(received, loss, atol=2e-5, err_msg=name)
    assert model.takes_pairs is (kind == "pairs")


LABELLED = {
    "names": LABELS,
    "array": np.array(LABELS),
    "series": Series(LABELS),
    "numbers": NUMBERED,
    "whole floats": np.float32(NUMBERED),
    "column": np.array(NUMBERED)[:, None],
    "one-hot": np.eye(3)[NUMBERED],
    "tensor": tf.constant(NUMBERED),
}


@pytest.mark.parametrize("form", by_default(LABELLED, ("names", "one-hot")))
def test_labels(model, plain, form):
    y = LABELLED[form]
    for name, take in TAKERS.items():
        np.testing.assert_allclose(take(model, ONE, y), plain["texts"][1], atol=2e-5, err_msg=name)
    for name, whole in WHOLE.items():
        if form == "series" and "dataset" in name:
            continue
        for take in (TAKERS["fit"], TAKERS["evaluate"]):
            received = take(model, whole(ONE, y), None)
            np.testing.assert_allclose(received, plain["texts"][1], atol=2e-5, err_msg=name)


@pytest.mark.parametrize("whole", WHOLE)
def test_pairs_and_labels_in_one(model, plain, whole):
    for take in (TAKERS["fit"], TAKERS["evaluate"]):
        received = take(model, WHOLE[whole]((ONE, TWO), LABELS), None)
        np.testing.assert_allclose(received, plain["pairs"][1], atol=2e-5)
    assert model.takes_pairs


@pytest.mark.parametrize("form", REFUSED)
def test_texts_that_are_refused(model, form):
    x, error, _ = REFUSED[form]
    messages = set()
    for take in ASKERS.values():
        with pytest.raises(error) as caught:
            take(model, x)
        messages.add(str(caught.value))
    for take in TAKERS.values():
        with pytest.raises(error) as caught:
            take(model, x, LABELS)
        messages.add(str(caught.value))
    assert len(messages) == 1, messages


@pytest.mark.parametrize(("names", "y", "expected"), NUMBERS)
def test_every_reading_of_labels_reaches_the_step_once(model, names, y, expected, monkeypatch):
    """What is a number of a class already is not taken for a name again."""
    monkeypatch.setattr(model, "labels", names)
    (batch,) = model.dataset(ONE[:1] * len(expected), y)
    assert batch.targets.numpy().tolist() == expected


@pytest.mark.parametrize(("names", "y", "message"), WRONG)
def test_wrong_labels_are_named(model, names, y, message, monkeypatch):
    """Before a step in memory, and with the label, not the graph, from a dataset."""
    monkeypatch.setattr(model, "labels", names)
    y, texts = np.array(y), ONE[: len(y)]
    for take in TAKERS.values():
        with pytest.raises(ValueError, match=message):
            take(model, texts, y)
    with pytest.raises(ValueError, match=message.split(" at index")[0].rstrip("'")) as caught:
        model.evaluate(tf.data.Dataset.from_tensors((texts, y)), verbose=0)
    assert len(str(caught.value)) < 600
    assert "node" not in str(caught.value)


def test_a_bad_text_in_a_later_batch_is_named(model):
    for ask in ("predict", "predict_labels"):
        with pytest.raises(ValueError, match=r"Received at index 1: None") as caught:
            ASKERS[ask](model, Sequence([ONE, ["a", None]]))
        assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match=r"Received at index 1: None"):
        TAKERS["evaluate"](model, Sequence([(ONE, LABELS), (["a", None], LABELS[:2])]), None)


def test_generators_without_an_end_and_rows_set_apart(model, plain):
    endless = ((ONE, LABELS) for _ in iter(int, 1))
    history = model.fit(endless, steps_per_epoch=2, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["loss"], [plain["texts"][1]] * 2, atol=2e-5)
    split = model.fit(ONE * 2, LABELS * 2, validation_split=0.5, epochs=1, verbose=0).history
    np.testing.assert_allclose(split["val_loss"], split["loss"], atol=2e-5)
