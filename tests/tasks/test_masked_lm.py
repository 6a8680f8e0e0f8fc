"""Masked words: text in, training, words out, and files."""

import keras
import numpy as np
import oracle
import pytest
import saved
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default
from closeness import BACKWARD, CANCELLED, FORWARD, assert_near
from tiny_masked_lm import TEXTS, TOKENIZER

from bert_tf2 import Checkpoints, Encoder, MaskedLM, Preprocessor, TextClassifier, weights
from bert_tf2.data import pipeline, pretraining
from bert_tf2.modeling.heads import MASKED_WORDS_VARIABLES
from bert_tf2.training.optimizers import AdamW
from bert_tf2.weights import names

# --- The model. -----------------------------------------------------------------------------------


def loss_and_gradients(task):
    inputs, targets = tiny_masked_lm.records()
    variables = {name: v.value for name, v in task.named_variables().items() if v.trainable}

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = task({n: tf.constant(x) for n, x in inputs.items()}, training=True)
            logits = outputs["mlm"] if task.second_task else outputs
            mean = keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
            loss = mean(targets["masked_ids"], logits, targets["masked_weights"])
            if task.second_task:
                loss += mean(targets["next_sentence_labels"], outputs[task.second_task])
        return logits, loss, tape.gradient(loss, variables)

    logits, loss, gradients = step()
    found = {n: tf.convert_to_tensor(g).numpy() for n, g in gradients.items() if g is not None}
    return logits.numpy(), float(loss), found


@pytest.mark.parametrize("family", by_default(oracle.TINIES, ("albert",)))
def test_padding_dropped_or_kept(family):
    config = oracle.TINIES[family]
    second = "nsp" if config.pooler else None
    steps = [
        loss_and_gradients(tiny_masked_lm.make(config, drop_padding=drop, second_task=second))
        for drop in (False, True)
    ]
    (want_logits, want_loss, want), (logits, loss, got) = steps
    assert_near(logits, want_logits, BACKWARD)
    assert loss == pytest.approx(want_loss, rel=BACKWARD)
    assert got.keys() == want.keys() >= {"embeddings/token", "mlm/bias", "mlm/transform/kernel"}
    for name, gradient in got.items():  # the same sums in another order
        atol = 1e-5 * max(0.1, np.abs(want[name]).max())
        np.testing.assert_allclose(gradient, want[name], atol=atol, rtol=BACKWARD, err_msg=name)


def test_the_encoder_leaves_its_pooler_trainable():
    """It is read by nobody here, and perhaps by the next task."""
    task = tiny_masked_lm.make()
    before = task.encoder.parts["pooler"].kernel.numpy()
    task.compile("sgd")
    task.fit(TEXTS, epochs=1, verbose=0)
    kernel = task.encoder.parts["pooler"].kernel
    np.testing.assert_array_equal(kernel, before)
    classifier = TextClassifier(task.encoder, task.preprocessor, labels=2)
    assert any(variable is kernel for variable in classifier.trainable_variables)


@pytest.mark.parametrize("position", [-1, 3, 0.5])
@pytest.mark.parametrize("way", ["__call__", "predict_on_batch"])
def test_positions_that_are_not_there(way, position):
    inputs = {"token_ids": np.ones((2, 3), "int32"), "masked_positions": [[0, 1], [1, position]]}
    with pytest.raises(ValueError, match=rf"`masked_positions` .*0 to 2. Received: {position}"):
        getattr(tiny_masked_lm.make(), way)(inputs)


def test_heads_that_cannot_be():
    with pytest.raises(ValueError, match=r"`second_task` must be one of.*'mlm'"):
        tiny_masked_lm.make(second_task="mlm")
    with pytest.raises(ValueError, match=r"reads the pooled output.*distilbert"):
        tiny_masked_lm.make(oracle.TINIES["distilbert"], second_task="nsp")
    inputs, _ = tiny_masked_lm.records()
    del inputs["masked_positions"]
    with pytest.raises(ValueError, match=r"`masked_positions`.*Received: \['token_ids'"):
        tiny_masked_lm.make()(inputs)


# --- Training on texts. ---------------------------------------------------------------------------


@pytest.mark.full
def test_what_is_learnt_by_heart_is_filled_in():
    """Which word is missing only the words around it tell."""
    keras.utils.set_random_seed(1)
    encoder = Encoder(tiny_masked_lm.make(oracle.TINY).encoder.config)
    task = MaskedLM(encoder, Preprocessor(TOKENIZER, 7), rate=0.3)
    task.compile({"learning_rate": 3e-3})
    texts = ["the stone on warm", "and unremarkable on the"] * 40
    history = task.fit(texts, batch_size=8, epochs=10, validation_data=texts[:6], verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 10
    answers = task.fill_masks(["the stone on [MASK]", "and [MASK] on the"], top=1)
    assert [answer[0][0].word for answer in answers] == ["warm", "unremarkable"]
    got = task.evaluate(texts[:6], verbose=0, return_dict=True)
    assert set(got) == {"loss", "mlm_accuracy", "mlm_perplexity"}
    assert got["mlm_accuracy"] > 0.8  # two words hidden may leave it open which they were
    for name, value in got.items():  # always the same words are hidden
        assert history[f"val_{name}"][-1] == pytest.approx(value, rel=BACKWARD)


@pytest.mark.full
def test_metrics_are_those_of_all_predictions():
    task = tiny_masked_lm.make(whole_words=True, rate=0.3)
    got = task.evaluate(TEXTS, batch_size=5, verbose=0, return_dict=True)
    logits, ids, weight = [], [], []
    settings = {"rate": 0.3, "whole_words": True}
    sampling = pipeline.Sampling(pipeline.Order(0))
    for targets in pretraining.masked_texts(TEXTS, task.preprocessor, sampling, **settings):
        assert targets["masked_positions"].shape[1] == 6  # 0.3 of 20
        logits.append(task(task.prepare(targets)[0]))
        ids.append(targets["masked_ids"])
        weight.append(targets["masked_weights"])
    weight = np.concatenate(weight)
    assert 0 < weight.mean() < 1
    loss, accuracy = tiny_masked_lm.mean_loss(np.concatenate(logits), np.concatenate(ids), weight)
    assert got["mlm_perplexity"] == pytest.approx(np.exp(loss), rel=BACKWARD)
    assert got["mlm_accuracy"] == pytest.approx(accuracy, rel=BACKWARD)


@pytest.mark.full
def test_every_form_of_texts_gives_the_same_loss():
    task = tiny_masked_lm.make()
    want = task.evaluate(TEXTS, verbose=0)
    one_by_one = tf.data.Dataset.from_tensor_slices(TEXTS)
    for x in (np.array(TEXTS), one_by_one.batch(3)):
        assert task.evaluate(x, verbose=0) == pytest.approx(want, rel=FORWARD)


@pytest.mark.full
def test_an_interrupted_run_hides_the_same_words_again(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    def fit(*callbacks):
        keras.utils.set_random_seed(4)
        task = tiny_masked_lm.make()
        task.fit(TEXTS, batch_size=8, epochs=2, callbacks=list(callbacks), verbose=0)
        return [np.array(v) for v in task.named_variables().values()]

    alone = fit()
    checkpoints = Checkpoints(tmp_path, every=3)
    with pytest.raises(KeyboardInterrupt):
        fit(checkpoints, Stop())
    for got, want in zip(fit(Checkpoints(tmp_path)), alone, strict=True):
        assert_near(got, want, FORWARD)


@pytest.mark.full
def test_seeds_make_two_runs_equal():
    def run():
        keras.utils.set_random_seed(7)
        task = tiny_masked_lm.make(dropout=True)
        task.compile("sgd")
        return task.fit(TEXTS, batch_size=4, epochs=2, verbose=0).history["loss"]

    first = run()
    assert first == run()
    assert first[0] != first[1]


@pytest.mark.full
def test_the_recipe_counts_the_rows():
    task = tiny_masked_lm.make()
    rows = len(list(pretraining.full_rows(TEXTS, TOKENIZER, 20)))
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    task.fit(dataset, batch_size=4, epochs=2, verbose=0)
    assert isinstance(task.optimizer, AdamW)
    assert task.optimizer.schedule_steps == 2 * -(-rows // 4)
    assert int(task.optimizer.iterations.numpy()) == 2 * -(-rows // 4)
    endless = dataset.repeat()
    task.fit(endless, batch_size=4, epochs=2, steps_per_epoch=3, verbose=0)
    assert int(task.optimizer.iterations.numpy()) == 6
    with pytest.raises(ValueError, match="never ends"):
        task.fit(endless, verbose=0)
    task.fit(TEXTS, batch_size=4, epochs=1, steps_per_epoch=rows, verbose=0)  # four passes
    assert int(task.optimizer.iterations.numpy()) == rows


@pytest.mark.full
def test_xla_and_static_shapes_train_as_the_plain_graph_does():
    losses = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(1)
        task = tiny_masked_lm.make(drop_padding=False, pad=True)
        task.compile({"learning_rate": 1e-3}, jit_compile=jit_compile)
        losses.append(task.fit(TEXTS, batch_size=4, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=CANCELLED)


@pytest.mark.full
def test_fit_in_fewer_bits():
    losses = []
    for dtype in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(1)
        task = tiny_masked_lm.make(dtype=dtype)
        task.compile(keras.optimizers.SGD(0.1))
        losses.append(task.fit(TEXTS, batch_size=8, epochs=3, verbose=0).history["loss"])
    assert losses[0][2] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)


@pytest.mark.parametrize(
    ("x", "y", "second", "error", "message"),
    [
        (TEXTS, TEXTS, None, ValueError, "leave out `y`"),
        (TEXTS, None, "sop", ValueError, "a document of two sentences"),
        ((TEXTS, TEXTS), None, None, TypeError, "no pairs.*tuple"),
        (None, None, None, TypeError, "Received: None"),
        (tiny_masked_lm.records()[0], None, None, ValueError, "`y`.*Received: None"),
        (
            tiny_masked_lm.records()[0],
            {"masked_ids": np.zeros((6, 4))},
            None,
            ValueError,
            "masked_weights",
        ),
        ([], None, None, ValueError, "at least one text"),
        (["", " "], None, None, ValueError, "at least one row"),
        ("tea", None, None, TypeError, "bare string"),
        (
            tf.data.Dataset.from_tensors(tiny_masked_lm.records()[0]),
            None,
            None,
            ValueError,
            "masked_ids",
        ),
    ],
)
def test_bad_data_is_refused(x, y, second, error, message):
    with pytest.raises(error, match=message):
        tiny_masked_lm.make(second_task=second).fit(x, y, verbose=0)


def test_weights_that_have_no_meaning_are_refused():
    task = tiny_masked_lm.make()
    with pytest.raises(ValueError, match=r"`class_weight` must be left out: a MaskedLM"):
        task.fit(TEXTS, class_weight={0: 2.0}, verbose=0)
    for call in (task.fit, task.evaluate):
        with pytest.raises(ValueError, match=r"`sample_weight` must be left out"):
            call(TEXTS, sample_weight=[1.0] * len(TEXTS), verbose=0)


# --- Answers. -------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [None, "nsp"])
def test_fill_masks(second):
    task = tiny_masked_lm.make(second_task=second)
    texts = ["the [MASK] hums.", "[MASK] stone, [MASK] stone", "a kettle [MASK]"]
    logits = task.predict(texts, verbose=0)
    logits = logits["mlm"] if second else logits
    assert logits.shape == (3, 2, TOKENIZER.vocabulary_size)
    answers = task.fill_masks(texts, top=3, batch_size=2)
    assert [len(answer) for answer in answers] == [1, 2, 1]
    for row, answer in zip(logits, answers, strict=True):
        for scores, fillings in zip(row, answer, strict=False):
            shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            best = np.argsort(-shares)[:3]
            assert [f.word for f in fillings] == [TOKENIZER.id_to_token(int(i)) for i in best]
            np.testing.assert_allclose(
                [f.probability for f in fillings], shares[best], rtol=CANCELLED
            )
    inputs = task.preprocessor(["x"]) | {"masked_positions": [[1]]}
    assert len(task.predict(inputs, verbose=0)) == (2 if second else 1)
    for bad in (["no mask"], ["a " * 30 + "[MASK]"]):
        with pytest.raises(ValueError, match=r"must have \[MASK\].*20 tokens.*index 0"):
            task.fill_masks(bad)
    with pytest.raises(TypeError, match="bare string"):
        task.fill_masks("the [MASK]")


# --- Files. ---------------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("second", [pytest.param(None, marks=pytest.mark.full), "nsp"])
def test_keras_file_brings_back_everything(tmp_path, second):
    task = tiny_masked_lm.make(second_task=second, rate=0.2, max_predictions=2, whole_words=True)
    task.fit(*(tiny_masked_lm.records() if second else (TEXTS,)), epochs=1, verbose=0)
    task.save(tmp_path / "mlm.keras")
    again = keras.saving.load_model(tmp_path / "mlm.keras")
    assert isinstance(again, MaskedLM)
    for name in ("second_task", "rate", "max_predictions", "whole_words"):
        assert getattr(again, name) == getattr(task, name)
    variables = again.named_variables()
    for name, variable in task.named_variables().items():
        np.testing.assert_array_equal(variables[name], variable, err_msg=name)
    assert again.get_layer("mlm").token_table() is variables["embeddings/token"]
    data = tiny_masked_lm.records() if second else (TEXTS,)
    want = task.evaluate(*data, verbose=0, return_dict=True)
    assert again.evaluate(*data, verbose=0, return_dict=True) == pytest.approx(want, rel=FORWARD)
    assert int(again.optimizer.iterations.numpy()) == int(task.optimizer.iterations.numpy()) > 0
    if not second:
        again.fit(*data, epochs=1, verbose=0)


def test_checkpoints_bring_their_own_heads(tmp_path, caplog):
    task = tiny_masked_lm.make(second_task="nsp")
    arrays = {name: v.numpy() for name, v in task.named_variables().items()}
    vocabulary = TOKENIZER.vocabulary
    folder = tmp_path / "uncased_tiny"
    saved.google(folder, task.encoder.config, arrays, vocabulary)

    again = MaskedLM.from_preset(folder, second_task="nsp", whole_words=True)
    assert again.load_report.missing == [] and again.whole_words
    got, want = (m.evaluate(*tiny_masked_lm.records(), verbose=0) for m in (again, task))
    assert got == want
    alone = MaskedLM.from_preset(folder)
    assert alone.load_report.missing == []
    assert {why for _, why in alone.load_report.skipped} == {"nsp not used by this model"}

    bare = {name: array for name, array in arrays.items() if names.head_of(name) is None}
    saved.google(tmp_path / "bare", task.encoder.config, bare, vocabulary)
    fresh = MaskedLM.from_preset(tmp_path / "bare")
    assert set(fresh.load_report.missing) == set(MASKED_WORDS_VARIABLES)
    assert "newly initialised: " in caplog.text and "mlm/transform/kernel" in caplog.text
    classifier = TextClassifier.from_preset(folder, labels=2)
    np.testing.assert_array_equal(
        classifier.named_variables()["embeddings/token"], arrays["embeddings/token"]
    )


def test_albert_writes_its_sentence_order_head(tmp_path):
    task = tiny_masked_lm.make(oracle.TINIES["albert"], second_task="sop")
    arrays = {name: v.numpy() for name, v in task.named_variables().items()}
    prefix = saved.google(tmp_path / "albert", task.encoder.config, arrays)
    found = {name for name, _ in tf.train.list_variables(str(prefix))}
    assert {"cls/seq_relationship/output_weights", "cls/predictions/output_bias"} <= found
    other = MaskedLM(Encoder(task.encoder.config), task.preprocessor, "sop")
    shapes = {name: tuple(v.shape) for name, v in other.named_variables().items()}
    loaded, report = weights.load(weights.open_checkpoint(tmp_path / "albert"), shapes)
    assert report.missing == []
    for name, array in loaded.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
