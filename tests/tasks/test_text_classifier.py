"""Strings in, answers out: the classifier through fit, evaluate, predict and files."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
import saved
import tensorflow as tf
from by_default import by_default
from closeness import BACKWARD, FORWARD, assert_near

from bert_tf2 import AdamW, Encoder, Preprocessor, TextClassifier

TEXTS = ["The kettle hums.", "It is white", "stone on stone", "rain, and more rain", "", "tea"]
NO_DROPOUT = dataclasses.replace(
    oracle.SMALL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
)
LABELS = ["tea", "stone", "stone", "rain", "tea", "tea"]


@pytest.fixture(scope="module")
def classifier():
    return oracle.tiny_classifier()


def test_logits_equal_the_oracle(classifier):
    inputs = {name: x.numpy() for name, x in classifier.preprocessor(TEXTS).items()}
    arrays = {name: v.numpy() for name, v in classifier.named_variables().items()}
    pooled = oracle.forward(classifier.encoder.config, arrays, inputs)["pooled_output"]
    want = pooled @ arrays["classifier/kernel"] + arrays["classifier/bias"]
    np.testing.assert_allclose(classifier.predict(TEXTS, verbose=0), want, atol=FORWARD)


def test_mean_pooling_equals_the_oracle():
    classifier = oracle.tiny_classifier(pooling="mean")
    inputs = {name: x.numpy() for name, x in classifier.preprocessor(TEXTS).items()}
    arrays = {name: v.numpy() for name, v in classifier.named_variables().items()}
    tokens = oracle.forward(classifier.encoder.config, arrays, inputs)["layer_outputs"][-1]
    mask = inputs["padding_mask"][..., None]
    pooled = (tokens * mask).sum(1) / mask.sum(1)
    want = pooled @ arrays["classifier/kernel"] + arrays["classifier/bias"]
    np.testing.assert_allclose(classifier.predict(TEXTS, verbose=0), want, atol=FORWARD)
    again = TextClassifier.from_config(classifier.get_config())
    assert again.pooling == "mean"


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
        assert_near(got, want, FORWARD, err_msg=form)


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
    assert_near(got, want, FORWARD)


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
            want, rel=BACKWARD
        )


def test_fit_learns():
    keras.utils.set_random_seed(3)
    model = oracle.tiny_classifier(config=NO_DROPOUT)
    model.compile({"learning_rate": 3e-3})
    before = model.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)
    history = model.fit(
        *(TEXTS * 4, LABELS * 4, 8), epochs=12, validation_data=(TEXTS, LABELS), verbose=0
    ).history
    after = model.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] / 3
    assert after["accuracy"] == 1.0
    assert history["val_accuracy"][-1] == 1.0
    assert [answer.label for answer in model.predict_labels(TEXTS, verbose=0)] == LABELS


def test_every_form_of_labels_gives_the_same_loss(classifier):
    want = classifier.evaluate(TEXTS, LABELS, verbose=0)
    numbers = [classifier.labels.index(label) for label in LABELS]
    ids = classifier.preprocessor(TEXTS)
    google = dict(
        zip(("input_word_ids", "input_type_ids", "input_mask"), ids.values(), strict=True)
    )
    for x, y in ((TEXTS, LABELS), (TEXTS, numbers), (google, LABELS)):
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(6)
        assert classifier.evaluate(x, y, verbose=0) == pytest.approx(want, rel=BACKWARD)
        assert classifier.evaluate(dataset, verbose=0) == pytest.approx(want, rel=BACKWARD)


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


@pytest.mark.full
def test_seeds_make_two_runs_equal():
    def run():
        keras.utils.set_random_seed(7)
        model = oracle.tiny_classifier()
        model.fit(TEXTS, LABELS, batch_size=2, epochs=2, verbose=0)
        return model.predict(TEXTS, verbose=0)

    np.testing.assert_array_equal(run(), run())


def test_sample_and_class_weights_reach_the_loss():
    model = oracle.tiny_classifier(config=NO_DROPOUT)
    model.compile({"learning_rate": 0.0})
    rows = zip(TEXTS, LABELS, strict=True)
    one_by_one = [model.evaluate([t], [y], verbose=0)[0] for t, y in rows]
    weight = np.arange(6.0)
    got = model.evaluate(TEXTS, LABELS, sample_weight=weight, verbose=0)[0]
    assert got == pytest.approx(np.mean(weight * one_by_one), rel=BACKWARD)
    by_class = {"tea": 2.0, "stone": 3.0, "rain": 0.0}
    history = model.fit(TEXTS, LABELS, epochs=1, class_weight=by_class, verbose=0).history
    want = np.mean([by_class[label] * loss for label, loss in zip(LABELS, one_by_one, strict=True)])
    assert history["loss"][0] == pytest.approx(want, rel=BACKWARD)
    with pytest.raises(ValueError, match="one number a text: 6"):
        model.fit(TEXTS, LABELS, sample_weight=[1.0], verbose=0)


@pytest.mark.full
def test_pairs_are_remembered_from_training_alone():
    model = oracle.tiny_classifier()
    model.predict((TEXTS, TEXTS), verbose=0)
    with pytest.raises(ValueError, match="not a class"):
        model.fit((TEXTS, TEXTS), ["fog"] * 6, verbose=0)
    assert not model.takes_pairs
    model.fit((TEXTS, TEXTS), LABELS, epochs=1, validation_data=(TEXTS, LABELS), verbose=0)
    assert model.takes_pairs


@pytest.mark.full
def test_a_run_that_goes_on_keeps_its_optimizer_and_one_that_is_done_says_so():
    model = oracle.tiny_classifier()
    model.fit(TEXTS, LABELS, epochs=4, initial_epoch=2, batch_size=3, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 4
    assert model.optimizer.schedule_steps == 8
    model.fit(TEXTS, LABELS, epochs=4, initial_epoch=2, batch_size=3, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 8
    with pytest.raises(ValueError, match="recipe's 8 steps are done"):
        model.fit(TEXTS, LABELS, epochs=6, initial_epoch=4, batch_size=3, verbose=0)


@pytest.mark.full
def test_what_keras_users_do(tmp_path):
    """Metrics objects, callbacks, freezing, cloning, weights files and half precision."""
    model = oracle.tiny_classifier()
    top2 = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")
    model.compile(metrics=["accuracy", top2])
    assert len(model.evaluate(TEXTS, LABELS, verbose=0)) == 3
    model.encoder.trainable = False
    frozen = {name: v.numpy() for name, v in model.encoder.named_variables().items()}
    stop = keras.callbacks.EarlyStopping("accuracy", patience=0, baseline=2.0)
    history = model.fit(TEXTS, LABELS, epochs=5, callbacks=[stop], verbose=0)
    assert len(history.epoch) < 5
    for name, variable in model.encoder.named_variables().items():
        np.testing.assert_array_equal(variable, frozen[name], err_msg=name)
    model.save_weights(tmp_path / "model.weights.h5")
    again = oracle.tiny_classifier()
    again.load_weights(tmp_path / "model.weights.h5")
    want = model.predict(model.preprocessor(TEXTS), verbose=0)
    assert_near(again.predict(TEXTS, verbose=0), want, FORWARD)
    clone = keras.models.clone_model(keras.Model(model.inputs, model.outputs))
    clone.set_weights(model.get_weights())
    ids = model.preprocessor(TEXTS)
    assert_near(clone.predict(ids, verbose=0), want, FORWARD)
    theirs = {"input_ids": ids["token_ids"], "attention_mask": ids["padding_mask"]}
    assert_near(model(theirs), want, FORWARD)


@pytest.mark.parametrize("trained", by_default([False, True], [True]))
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
    assert again.compiled == model.compiled == trained
    if trained:
        assert again.optimizer.iterations.numpy() == model.optimizer.iterations.numpy()
    again.fit(TEXTS, LABELS, epochs=1, verbose=0)  # the recipe came along
    assert np.abs(again.predict(TEXTS, verbose=0) - want).max() > 0


def test_from_preset_reads_back_what_was_written(tmp_path, reference, caplog):
    model = oracle.tiny_classifier()
    arrays = {name: v.numpy() for name, v in model.named_variables().items()}
    vocabulary = model.preprocessor.tokenizer.vocabulary
    folder = tmp_path / "uncased_tiny"
    saved.google(folder, model.encoder.config, arrays, vocabulary)

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
    with pytest.raises(ValueError, match=r"Label 'fog' is not a class\. Classes: \['tea'"):
        classifier.evaluate(unknown, verbose=0)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe caf\xe9", "\ud800 lone", "", "rain " * 20000, "x" * 100000]
)
def test_strange_texts_are_answered(classifier, text):
    assert np.isfinite(classifier.predict([text, "tea"], verbose=0)).all()


def test_bad_settings():
    model = oracle.tiny_classifier()
    with pytest.raises(ValueError, match="`pooling` must be one of"):
        oracle.tiny_classifier(pooling="max")
    for labels in ("ab", [None, 2]):
        with pytest.raises(ValueError, match="must be a list of str"):
            TextClassifier(model.encoder, model.preprocessor, labels=labels)
    for labels in (["one"], ["same", "same"]):
        with pytest.raises(ValueError, match="two or more different names"):
            oracle.tiny_classifier(labels)
    longer = Preprocessor(model.preprocessor.tokenizer, max_length=21)
    with pytest.raises(ValueError, match="at most 20, the encoder's positions"):
        TextClassifier(model.encoder, longer, labels=2)
    small = Encoder(oracle.SMALL)
    with pytest.raises(ValueError, match="at most 97 entries"):
        TextClassifier(small, model.preprocessor, labels=2)
    with pytest.raises(ValueError, match="drop_padding=False"):
        oracle.tiny_classifier().compile(jit_compile=True)


@pytest.mark.full
def test_xla_takes_the_same_step_with_padding_kept():
    def run(**compiled):
        keras.utils.set_random_seed(1)
        model = oracle.tiny_classifier(config=NO_DROPOUT, drop_padding=False, pad=True)
        model.compile({"learning_rate": 1e-3}, **compiled)
        model.fit(TEXTS, LABELS, batch_size=6, epochs=2, verbose=0)
        return model.predict(TEXTS, verbose=0)

    np.testing.assert_allclose(run(jit_compile=True), run(), atol=2 * BACKWARD)
