"""What people who know Keras do with a task, and what they expect of it."""

import functools
import multiprocessing

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default
from closeness import FORWARD, assert_near

import bert_tf2
from bert_tf2 import TextClassifier

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "", "a stone"]
LABELS = ["tea", "rain", "stone", "tea", "rain", "stone"]
FIT = {"batch_size": 3, "epochs": 1, "verbose": 0}
NO_DROPOUT = oracle.with_dropout(oracle.SMALL, 0.0)


def made(**settings):
    return oracle.tiny_classifier(config=NO_DROPOUT, dropout=0.0, **settings)


@pytest.fixture(scope="module")
def classifier():
    return made()


def test_raw_text_wherever_keras_takes_a_batch():
    task = made()
    want = task.predict(TEXTS, verbose=0)
    for got in (task(TEXTS), task.predict_on_batch(TEXTS), task(tf.constant(TEXTS))):
        assert_near(got, want, FORWARD)
    loss, accuracy = task.evaluate(TEXTS, LABELS, batch_size=6, verbose=0)
    assert_near(task.test_on_batch(TEXTS, LABELS), [loss, accuracy], FORWARD)
    task.compile(keras.optimizers.SGD(0.1))
    other = made()
    other.compile(keras.optimizers.SGD(0.1))
    other.fit(TEXTS, LABELS, batch_size=6, epochs=1, shuffle=False, verbose=0)
    assert task.train_on_batch(TEXTS, LABELS, return_dict=True)["loss"] == pytest.approx(
        loss, rel=FORWARD
    )
    assert_near(task.predict(TEXTS, verbose=0), other.predict(TEXTS, verbose=0), FORWARD)


@pytest.mark.full
def test_no_epochs_and_a_share_for_validation():
    task = made()
    assert task.fit(TEXTS, LABELS, batch_size=3, epochs=0, verbose=0).history == {}
    history = task.fit(TEXTS, LABELS, validation_split=1 / 3, **FIT).history
    want = task.evaluate(TEXTS[4:], LABELS[4:], verbose=0, return_dict=True)
    assert history["val_loss"][0] == pytest.approx(want["loss"], rel=FORWARD)
    assert int(task.optimizer.iterations.numpy()) == 2


@pytest.mark.parametrize(
    "weights", [{"stone": 3.0}, pytest.param({2: 3.0}, marks=pytest.mark.full), [1.0, 1.0, 1.0]]
)
def test_class_weights(classifier, weights):
    classifier.compile({"learning_rate": 0.0})
    tripled = isinstance(weights, dict)  # "stone", which is class 1, or class 2
    chosen = classifier.labels[2] if 2 in weights else "stone"
    by_name = {n: 3.0 if tripled and n == chosen else 1.0 for n in classifier.labels}
    want = classifier.fit(TEXTS, LABELS, sample_weight=[by_name[n] for n in LABELS], **FIT)
    got = classifier.fit(TEXTS, LABELS, class_weight=weights, **FIT)
    assert got.history["loss"][0] == pytest.approx(want.history["loss"][0], rel=FORWARD)


def test_the_usual_name_of_the_loss_is_the_tasks_own(classifier):
    classifier.compile({"learning_rate": 0.0})
    want = classifier.evaluate(TEXTS, LABELS, verbose=0)[0]
    for loss in (
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ):
        classifier.compile("sgd", loss)
        assert classifier.evaluate(TEXTS, LABELS, verbose=0)[0] == pytest.approx(want, rel=FORWARD)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.sparse_categorical_crossentropy,
        "categorical_crossentropy",
        "binary_crossentropy",
    ],
)
def test_losses_of_probabilities_are_refused(classifier, loss):
    with pytest.raises(ValueError, match="from_logits=True"):
        classifier.compile("sgd", loss)
    with pytest.raises(ValueError, match="from_logits=True"):
        classifier.compile("sgd", metrics=[keras.metrics.SparseCategoricalCrossentropy()])


def test_a_recipe_lists_its_settings(classifier):
    with pytest.raises(ValueError, match=r"'learning_rate', .*Received: \['learnig_rate'\]"):
        classifier.compile({"learnig_rate": 1e-3})


@pytest.mark.parametrize(
    "callback",
    [
        pytest.param(keras.callbacks.ReduceLROnPlateau("loss"), marks=pytest.mark.full),
        keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
    ],
)
def test_callbacks_that_set_the_rate(callback):
    task = made()
    with pytest.raises(ValueError, match=r"compile\(bert_tf2.AdamW\(3e-5\)\)"):
        task.fit(TEXTS, LABELS, callbacks=[callback], **FIT)
    task.compile(bert_tf2.AdamW(3e-5))
    task.fit(TEXTS, LABELS, callbacks=[callback], **FIT)


def test_a_second_fit_traces_nothing_and_starts_the_recipe_anew():
    task, counts = made(), []
    for epochs in (1, 2, 1):
        task.fit(TEXTS, LABELS, batch_size=3, epochs=epochs, shuffle=False, verbose=0)
        (step,) = [step for _, step in task.train_function.traced]
        counts.append(step.experimental_get_tracing_count())
        assert int(task.optimizer.iterations.numpy()) == 2 * epochs == task.optimizer.schedule_steps
    assert counts == [1, 1, 1]
    fresh = made()
    for variable, value in zip(fresh.variables, task.variables, strict=True):
        variable.assign(value)
    for each in (task, fresh):  # slots and rates are those of a new run
        each.fit(TEXTS, LABELS, batch_size=3, epochs=3, shuffle=False, verbose=0)
    for name, variable in fresh.named_variables().items():
        assert_near(task.named_variables()[name], variable, FORWARD, err_msg=name)


@pytest.mark.full
def test_what_is_frozen_between_two_fits_stays():
    task = made()
    task.fit(TEXTS, LABELS, **FIT)
    task.encoder.trainable = False
    before = task.encoder.named_variables()["embeddings/token"].numpy()
    task.fit(TEXTS, LABELS, **FIT)
    np.testing.assert_array_equal(task.encoder.named_variables()["embeddings/token"], before)
    assert len(task.optimizer.variables) == 1 + 2 * 2  # the count; two slots of two variables


def test_an_optimizer_does_not_follow_what_is_trained_later():
    task = made()
    task.compile("sgd")
    task.encoder.trainable = False
    task.fit(TEXTS, LABELS, **FIT)
    task.encoder.trainable = True
    for train in (task.fit, task.train_on_batch):
        with pytest.raises(ValueError, match=r"`compile` with a new one.*: 25 .* of 2"):
            train(TEXTS, LABELS)
    task.compile("sgd")
    task.train_on_batch(TEXTS, LABELS)


@pytest.mark.full
def test_texts_that_the_vocabulary_does_not_know_are_said_once(caplog):
    for task, learn in ((made(), [LABELS]), (tiny_masked_lm.make(), [])):
        for _ in range(2):
            task.fit(["ቡና ቡና", "ቡና ቡና ቡና"] * 3, *learn, **FIT)
        assert caplog.text.count("tokens are unknown to the vocabulary") == 1
        caplog.clear()


def frozen_parts(task):
    """-> how a task is frozen in the tests of ways to keep it."""
    task.encoder.parts["embeddings"].trainable = False
    task.encoder.parts["blocks"][0].trainable = False
    task.encoder.parts["pooler"].bias.trainable = False
    return sorted(v.path.split("/", 1)[-1] for v in task.trainable_variables)


@pytest.mark.parametrize("way", ["keras", "preset", "encoder in keras", "encoder in a preset"])
def test_what_is_frozen_is_kept(tmp_path, way, caplog):
    caplog.set_level("INFO")
    task = made()
    frozen_parts(task)
    kept = task.encoder if way.startswith("encoder") else task
    if way.endswith("keras"):
        kept.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
    else:
        kept.save_to_preset(tmp_path / "preset")
        again = type(kept).from_preset(tmp_path / "preset")
    want = [name for name, v in kept.named_variables().items() if v.trainable]
    assert [name for name, v in again.named_variables().items() if v.trainable] == want
    assert len(again.trainable_variables) == len(kept.trainable_variables) < 39
    assert ("frozen, as it was saved: " in caplog.text) == way.endswith("preset")


@pytest.mark.parametrize("optimizer", by_default(["sgd", "scaled", "recipe"], ["scaled"]))
def test_a_compiled_optimizer_comes_back(tmp_path, optimizer):
    task = made()
    given = {
        "sgd": keras.optimizers.SGD(0.5),
        "scaled": keras.optimizers.LossScaleOptimizer(bert_tf2.AdamW(1e-3)),
        "recipe": {"learning_rate": 1e-4},
    }[optimizer]
    task.compile(given)
    task.fit(TEXTS, LABELS, **FIT)
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert type(again.optimizer) is type(task.optimizer) and again.recipe == task.recipe
    again.fit(TEXTS, LABELS, **FIT)
    steps = 2 if optimizer == "recipe" else 4
    assert int(again.optimizer.iterations.numpy()) == steps


@keras.saving.register_keras_serializable("tests")
def doubled(targets, logits):
    return 2 * keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def test_a_compiled_function_comes_back_as_the_loss(tmp_path):
    task = made()
    task.compile("sgd", doubled)
    task.save(tmp_path / "task.keras")
    assert keras.saving.load_model(tmp_path / "task.keras").given_loss.function is doubled
    task.compile("sgd", functools.partial(doubled))
    task.save(tmp_path / "partial.keras")
    with pytest.raises(ValueError, match="`compile=False`"):
        keras.saving.load_model(tmp_path / "partial.keras")


@pytest.mark.parametrize("format", ["google", "huggingface", "keras_hub"])
def test_settings_in_other_formats_are_kept_or_lost_with_a_word(tmp_path, caplog, format):
    task = made(pooling="mean")
    task.dropout, task.preprocessor.max_length = 0.37, 16
    task.save_to_preset(tmp_path / "out", format)
    assert f"{format} has no word for the head's pooling='mean'" in caplog.text
    again = TextClassifier.from_preset(tmp_path / "out", task.labels, pooling="mean")
    assert again.dropout == 0.37
    assert again.preprocessor.max_length == {"huggingface": 16}.get(format, 20)
    caplog.clear()
    task.save_to_preset(tmp_path / "ours")
    assert "has no" not in caplog.text


def test_a_task_leaves_a_shared_encoder_as_it_is():
    first = made()
    count = len(first.trainable_variables)
    second = TextClassifier(first.encoder, first.preprocessor, 2, pooling="mean")
    assert len(first.trainable_variables) == count
    assert len(second.trainable_variables) == count - 2  # the pooler is not read


@pytest.mark.full
def test_pairs_are_kept_by_a_preset_and_reach_its_export(tmp_path):
    task = made()
    task.fit((TEXTS, TEXTS), LABELS, **FIT)
    task.save_to_preset(tmp_path / "preset")
    again = TextClassifier.from_preset(tmp_path / "preset")
    served = tf.saved_model.load(again.export(tmp_path / "served")).signatures["serving_default"]
    assert sorted(served.structured_input_signature[1]) == ["text", "text_pair"]


def test_files_without_a_place_for_the_vocabulary(classifier, tmp_path):
    for name in ("m.h5", "m.hdf5"):
        with pytest.raises(ValueError, match=r"\.keras file.*vocabulary"):
            classifier.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "labels, message", [(["rain", "stone", "tea"], "in the order"), (["a", "b", "c"], None)]
)
def test_names_for_a_trained_head(classifier, tmp_path, caplog, labels, message):
    classifier.save_to_preset(tmp_path / "hf", "huggingface")
    if message:
        with pytest.raises(ValueError, match=message):
            TextClassifier.from_preset(tmp_path / "hf", labels=labels)
        return
    TextClassifier.from_preset(tmp_path / "hf", labels=labels)
    assert "now called ['a', 'b', 'c']" in caplog.text


def ask(task, answers):
    try:
        answers.put(str(task.predict(["tea"], verbose=0)))
    except RuntimeError as error:
        answers.put(str(error))


def test_a_forked_process_says_that_it_would_hang(classifier):
    classifier.predict(["tea"], verbose=0)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=ask, args=(classifier, answers))
    process.start()
    assert "spawn" in answers.get(timeout=60)
    process.join()
