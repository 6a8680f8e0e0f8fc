"""Strings in, answers out: the classifier through fit, evaluate, predict and files."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf

from bert_tf2 import AdamW, TextClassifier, weights

TEXTS = ["The kettle hums.", "It is white", "stone on stone", "rain, and more rain", "", "tea"]
LABELS = ["tea", "stone", "stone", "rain", "tea", "tea"]


@pytest.fixture(scope="module")
def classifier():
    return oracle.tiny_classifier()


def test_logits_equal_the_oracle(classifier):
    inputs = {name: x.numpy() for name, x in classifier.preprocessor(TEXTS).items()}
    arrays = {name: v.numpy() for name, v in classifier.named_variables().items()}
    pooled = oracle.forward(classifier.encoder.config, arrays, inputs)["pooled_output"]
    want = pooled @ arrays["classifier/kernel"] + arrays["classifier/bias"]
    np.testing.assert_allclose(classifier.predict(TEXTS, verbose=0), want, atol=5e-6)


def test_every_form_of_input_gives_the_same_logits(classifier):
    want = classifier.predict(TEXTS, verbose=0)
    forms = {
        "array": np.array(TEXTS),
        "objects": np.array(TEXTS, dtype=object),
        "bytes": [text.encode() for text in TEXTS],
        "tensor": tf.constant(TEXTS),
        "dict": {"text": TEXTS},
        "dataset": tf.data.Dataset.from_tensor_slices(TEXTS).batch(4),
        "ids": classifier.preprocessor(TEXTS),
        "batches of two": TEXTS,
    }
    for form, x in forms.items():
        got = classifier.predict(x, batch_size=2 if form == "batches of two" else 32, verbose=0)
        np.testing.assert_allclose(got, want, atol=1e-6, err_msg=form)


def test_pairs(classifier):
    first, second = TEXTS[:2], ["No, it is grey.", "rain"]
    got = classifier.predict((first, second), verbose=0)
    np.testing.assert_array_equal(
        got, classifier.predict({"text": first, "text_pair": second}, verbose=0)
    )
    assert np.abs(got - classifier.predict(first, verbose=0)).max() > 1e-3
    assert classifier.evaluate((first, second), ["tea", "rain"], verbose=0)


def test_padding_kept_and_dropped_agree(classifier):
    kept = oracle.tiny_classifier(drop_padding=False)
    got, want = (model.predict(TEXTS, verbose=0) for model in (kept, classifier))
    np.testing.assert_allclose(got, want, atol=2e-6)


def test_predict_labels(classifier):
    logits = classifier.predict(TEXTS, verbose=0)
    answers = classifier.predict_labels(TEXTS, verbose=0)
    for row, answer in zip(logits, answers, strict=True):
        assert answer.label == classifier.labels[row.argmax()]
        assert answer.probabilities.keys() == set(classifier.labels)
        assert answer.probability == answer.probabilities[answer.label]
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        want = np.exp(row[0] - row[1])
        assert answer.probabilities["tea"] / answer.probabilities["stone"] == pytest.approx(
            want, rel=1e-5
        )


@pytest.mark.parametrize("form", ["lists", "numbers", "dataset"])
def test_fit_learns(form):
    keras.utils.set_random_seed(3)
    model = oracle.tiny_classifier(dropout=0.0)
    model.compile({"learning_rate": 3e-3})
    x, y = TEXTS * 4, LABELS * 4
    if form == "numbers":
        y = [model.labels.index(label) for label in y]
    if form == "dataset":
        x, y = tf.data.Dataset.from_tensor_slices((x, y)).batch(8), None
    before = model.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)
    history = model.fit(
        x, y, batch_size=8, epochs=12, validation_data=(TEXTS, LABELS), verbose=0
    ).history
    after = model.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] / 4
    assert after["accuracy"] == 1.0
    assert history["val_accuracy"][-1] == 1.0
    assert [answer.label for answer in model.predict_labels(TEXTS, verbose=0)] == LABELS


def test_the_recipe_is_googles_and_starts_anew_with_each_fit():
    model = oracle.tiny_classifier()
    for epochs in (2, 1):
        model.fit(TEXTS * 10, LABELS * 10, batch_size=6, epochs=epochs, verbose=0)
        assert isinstance(model.optimizer, AdamW)
        assert int(model.optimizer.iterations.numpy()) == 10 * epochs
        schedule = model.optimizer.get_config()["learning_rate"]["config"]
        assert schedule == {"init_lr": 5e-5, "total_steps": 10 * epochs, "warmup_steps": epochs}


def test_a_compiled_optimizer_is_kept():
    model = oracle.tiny_classifier()
    model.compile(keras.optimizers.SGD(0.1))
    for _ in range(2):
        model.fit(TEXTS, LABELS, batch_size=6, epochs=1, verbose=0)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert int(model.optimizer.iterations.numpy()) == 2


def test_seeds_make_two_runs_equal():
    def run():
        keras.utils.set_random_seed(7)
        model = oracle.tiny_classifier()
        model.fit(TEXTS, LABELS, batch_size=2, epochs=2, verbose=0)
        return model.predict(TEXTS, verbose=0)

    np.testing.assert_array_equal(run(), run())


def test_sample_and_class_weights_reach_the_loss(classifier):
    one_by_one = [classifier.evaluate([t], [y], verbose=0)[0] for t, y in zip(TEXTS, LABELS)]
    weight = np.arange(6.0)
    got = classifier.evaluate(TEXTS, LABELS, sample_weight=weight, verbose=0)[0]
    assert got == pytest.approx(np.mean(weight * one_by_one), rel=1e-5)


@pytest.mark.parametrize("trained", [False, True])
def test_keras_file_brings_back_everything(tmp_path, trained):
    model = oracle.tiny_classifier()
    if trained:
        model.fit((TEXTS, TEXTS), LABELS, batch_size=2, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, TextClassifier)
    assert again.labels == model.labels
    assert again.takes_pairs == trained
    assert again.preprocessor.tokenizer.vocabulary == model.preprocessor.tokenizer.vocabulary
    for name, variable in model.named_variables().items():
        np.testing.assert_array_equal(again.named_variables()[name], variable, err_msg=name)
    want = model.predict(TEXTS, verbose=0)
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), want)
    assert again.optimizer.iterations.numpy() == model.optimizer.iterations.numpy()
    again.fit(TEXTS, LABELS, epochs=1, verbose=0)  # the recipe came along
    assert np.abs(again.predict(TEXTS, verbose=0) - want).max() > 0


def test_from_preset_reads_back_what_was_written(tmp_path, reference, caplog):
    model = oracle.tiny_classifier()
    arrays = {name: v.numpy() for name, v in model.named_variables().items()}
    vocabulary = model.preprocessor.tokenizer.vocabulary
    folder = tmp_path / "uncased_tiny"
    weights.save_google(folder, model.encoder.config, arrays, vocabulary)

    again = TextClassifier.from_preset(folder, labels=model.labels)
    assert again.load_report.missing == []
    got, want = (m.predict(TEXTS, verbose=0) for m in (again, model))
    np.testing.assert_array_equal(got, want)

    two = TextClassifier.from_preset(folder, labels=["no", "yes"], max_length=8)
    assert sorted(two.load_report.missing) == ["classifier/bias", "classifier/kernel"]
    assert "newly initialised: classifier/kernel, classifier/bias" in caplog.text
    assert two.preprocessor.max_length == 8
    fresh = TextClassifier.from_preset(folder, labels=["no", "yes"], load_weights=False)
    assert (
        np.abs(fresh.named_variables()["embeddings/token"] - arrays["embeddings/token"]).max() > 0
    )


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (
            TEXTS,
            ["fog"] * 6,
            ValueError,
            r"Label 'fog' at index 0 is not a class. Classes: \['tea'",
        ),
        (TEXTS, [3] * 6, ValueError, "Label 3 at index 0"),
        (TEXTS, LABELS[:2], ValueError, "one label a text: 6. Received: 2"),
        (TEXTS, None, ValueError, "`y`, the labels, must be given"),
        ([], [], ValueError, "at least one text"),
        ("tea", ["tea"], TypeError, "bare string"),
        ([1, 2], ["tea", "tea"], TypeError, "Received at index 0: 1"),
        ((TEXTS, TEXTS[:2]), LABELS, ValueError, "equally long"),
        ({"texts": TEXTS}, LABELS, ValueError, r"token_ids"),
        ({"text": TEXTS, "words": TEXTS}, LABELS, ValueError, "text_pair"),
    ],
)
def test_bad_data_is_refused_before_training(classifier, x, y, error, message):
    before = classifier.named_variables()["classifier/kernel"].numpy()
    with pytest.raises(error, match=message):
        classifier.fit(x, y, verbose=0)
    np.testing.assert_array_equal(classifier.named_variables()["classifier/kernel"], before)


def test_bad_datasets(classifier):
    unbatched = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS))
    with pytest.raises(ValueError, match="must be batched"):
        classifier.fit(unbatched, verbose=0)
    with pytest.raises(ValueError, match="never ends"):
        classifier.fit(unbatched.batch(2).repeat(), verbose=0)
    unknown = tf.data.Dataset.from_tensor_slices((TEXTS, ["fog"] * 6)).batch(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="A label is not a class"):
        classifier.evaluate(unknown, verbose=0)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe caf\xe9", "\ud800 lone", "", "rain " * 20000, "x" * 100000]
)
def test_strange_texts_are_answered(classifier, text):
    assert np.isfinite(classifier.predict([text, "tea"], verbose=0)).all()


def test_bad_settings():
    for labels in (["one"], ["same", "same"]):
        with pytest.raises(ValueError, match="two or more different names"):
            oracle.tiny_classifier(labels)
    with pytest.raises(ValueError, match="drop_padding=False"):
        oracle.tiny_classifier().compile(jit_compile=True)


def test_xla_takes_the_same_step_with_padding_kept():
    def run(**compiled):
        keras.utils.set_random_seed(1)
        model = oracle.tiny_classifier(drop_padding=False, dropout=0.0)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        model.compile({"learning_rate": 1e-3}, **compiled)
        model.preprocessor.pad_to_max_length = True
        model.fit(TEXTS, LABELS, batch_size=6, epochs=2, verbose=0)
        return model.predict(TEXTS, verbose=0)

    np.testing.assert_allclose(run(jit_compile=True), run(), atol=2e-5)
