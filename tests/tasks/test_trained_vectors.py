"""Vectors trained through `fit`: columns, steps in parts, draws, samplers, copies, and refusals."""

import keras
import numpy as np
import oracle
import pytest
import replicas
import tensorflow as tf
from closeness import assert_near

import bert_tf2
from bert_tf2.data import pipeline, sentence_rows
from bert_tf2.scoring.regression import spearman
from bert_tf2.tasks.vector_rows import kind_of_columns
from bert_tf2.training.objectives import default_kind

FIRST = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "a stone", "hums the kettle"]
SECOND = ["a kettle", "rain tea", "tea & stone", "the tea", "stone", "hums"]
THIRD = FIRST[::-1]
SCORES = [1, 0.5, 0.25, 0, 0.7, 0.3]
NAMES = ["x", "y"] * 3
softmax = {"kind": "softmax", "labels": ["x", "y"]}
cached = {"kind": "cached_multiple_negatives_ranking", "mini_batch_size": 2}


def made(dropout=0.0, layers=1, **settings):
    config = oracle.with_dropout(oracle.TINY if layers > 1 else oracle.SMALL, dropout)
    return oracle.tiny_task(bert_tf2.SentenceEncoder, config, **settings)


def trained(x, y, loss=None, epochs=2, batch_size=6, dropout=0.0, rate=0.01, **how):
    """A task after some steps in a fixed order, and its history."""
    keras.utils.set_random_seed(3)
    task = made(dropout, how.pop("layers", 1))
    keras.utils.set_random_seed(4)
    more = {n: how.pop(n) for n in ("batch_sampler", "prompts", "sample_weight") if n in how}
    task.compile(keras.optimizers.SGD(rate), loss, **how)
    kept = {"epochs": epochs, "batch_size": batch_size, "shuffle": False, "verbose": 0}
    return task, task.fit(x, y, **kept, **more).history


def moved(task):
    return {name: v.numpy() for name, v in task.named_variables().items()}


def assert_same(task, other, tolerance=1e-6):
    want = moved(other)
    for name, got in moved(task).items():
        assert_near(got, want[name], tolerance, err_msg=name)


@pytest.fixture(scope="module")
def pairs():
    """A task after two steps on pairs alone."""
    return trained((FIRST, SECOND), None)[0]


COLUMNS = {  # x, y, the loss that they ask for
    "anchors": ((FIRST, SECOND), None, "multiple_negatives_ranking"),
    "negatives": (list(zip(FIRST, SECOND, THIRD, strict=True)), None, "multiple_negatives_ranking"),
    "scores": ({"a": FIRST, "b": SECOND, "score": SCORES}, None, "cosent"),
    "classes": (FIRST, NAMES, "batch_hard_triplet"),
    "margins": ({"q": FIRST, "p": SECOND, "n": THIRD, "margin": SCORES}, None, "margin_mse"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_say_what_is_learnt(name):
    x, y, kind = COLUMNS[name]
    task = made()
    assert task.fit(FIRST) is task and not task.compiled
    x, y = sentence_rows.taken_apart(x, y)
    assert default_kind(*kind_of_columns(x, y)) == kind


def test_two_steps_by_hand(pairs):
    """Of SGD on pairs with a softmax over all others."""
    other = made()
    ids = [other.preprocessor(side) for side in (FIRST, SECOND)]
    for _ in range(2):
        step_by_hand(other, ids)
    assert_same(pairs, other)


def step_by_hand(other, ids):
    with tf.GradientTape() as tape:
        a, b = (tf.math.l2_normalize(other(side), -1) for side in ids)
        logits = 20 * tf.matmul(a, b, transpose_b=True)
        rows = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(6), logits)
        loss = tf.reduce_mean(rows)
    variables = other.trainable_variables
    for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign(variable - 0.01 * tf.convert_to_tensor(slope))


PARTS = {  # x, y, loss and how it is computed in parts
    "ranking": ((FIRST, SECOND, THIRD), None, None, {"micro_batches": 4}),
    "cosent": ((FIRST, SECOND), SCORES, None, {"micro_batches": 3}),
    "triplets": (FIRST, NAMES, None, {"micro_batches": 2}),
    "softmax": ((FIRST, SECOND), NAMES, softmax, {"micro_batches": 3}),
}


def test_micro_batches_take_the_step_of_the_whole(pairs):
    assert_same(trained((FIRST, SECOND), None, micro_batches=4)[0], pairs)


@pytest.mark.full
@pytest.mark.parametrize("name", PARTS)
def test_twenty_steps_in_micro_batches_are_those_of_the_whole(name):
    x, y, loss, how = PARTS[name]
    steps = {"epochs": 20, "rate": 1e-3}
    whole, losses = trained(x, y, loss, **steps)
    parts, others = trained(x, y, loss, **steps, **how)
    assert_same(parts, whole)
    np.testing.assert_allclose(others["loss"], losses["loss"], rtol=1e-5)


def test_the_second_pass_draws_the_dropout_of_the_first(pairs):
    """One part of all rows takes the step of the plain loss, which draws once."""
    plain, _ = trained((FIRST, SECOND), None, dropout=0.4)
    one, _ = trained((FIRST, SECOND), None, cached | {"mini_batch_size": 6}, dropout=0.4)
    assert_same(one, plain)
    kernel = "layer_0/ffn/output/kernel"
    assert np.abs(moved(pairs)[kernel] - moved(plain)[kernel]).max() > 1e-4


def train_on_both(strategy, name):
    """Called by the next test in a process that has two devices."""
    x, y, loss, _ = PARTS[name]
    twenty, odd = {"epochs": 20}, {"batch_size": 5}
    for steps, parts in ((twenty, 1), (twenty, 2), (odd, 2)):
        with strategy.scope():
            both, _ = trained(x, y, loss, micro_batches=parts, rate=1e-3, **steps)
        assert_same(both, trained(x, y, loss, rate=1e-3, **steps)[0])


@pytest.mark.full
@pytest.mark.parametrize("name", PARTS)
def test_two_replicas_share_their_negatives(name):
    """Also where a batch of five, or its last row alone, is parted unequally."""
    replicas.call(__file__, "train_on_both", name)


@pytest.mark.full
def test_layers_of_all_depths_learn():
    loss = {"kind": "matryoshka_2d", "loss": "cosent", "matryoshka_dims": [24, 8]}
    whole, losses = trained((FIRST, SECOND), SCORES, loss, layers=2)
    parts, others = trained((FIRST, SECOND), SCORES, loss, layers=2, micro_batches=3)
    assert_same(parts, whole)
    np.testing.assert_allclose(others["loss"], losses["loss"], rtol=1e-5)


def batches_of(task, x, sampler, epochs=2):
    """The texts of each batch of each epoch, as `fit` would have them."""
    task.sampler = sampler
    order = pipeline.Order(1)
    sampling = pipeline.Sampling(order, True)
    task.compile(loss="multiple_negatives_ranking")
    data, found = task.dataset(x, None, None, 4, sampling), []
    for epoch in range(epochs):
        order.start(epoch)
        found.append([ids["token_ids"].numpy() for ids, _, _ in data])
        assert len(found[-1]) == data.cardinality()
    return found


def test_no_text_comes_twice_in_a_batch():
    anchors = [FIRST[i] for i in (0, 0, 0, 1, 1, 2, 3, 4, 5, 5)]
    positives = [SECOND[i] for i in (0, 1, 2, 1, 3, 4, 5, 0, 1, 2)]
    first, second = batches_of(made(), (anchors, positives), "no_duplicates")
    assert len(first) == 3 and sum(map(len, first)) == sum(map(len, second)) == 10
    for batch in first + second:
        rows = [tuple(ids[ids > 0]) for ids in batch.reshape(-1, batch.shape[-1])]
        assert len({*rows}) == len(rows) and len(batch) <= 4
    assert [x.tolist() for x in first] != [x.tolist() for x in second]
    plain = batches_of(made(), (anchors, positives), "batch_sampler", 1)[0]
    doubled = [b for b in plain if len({*map(bytes, b.reshape(-1, b.shape[-1]))}) < 2 * len(b)]
    assert doubled


@pytest.mark.full
def test_data_sets_of_numbers_take_the_same_step():
    task, _ = trained((FIRST, SECOND), SCORES)
    data = tf.data.Dataset.from_tensor_slices(({"a": FIRST, "b": SECOND}, SCORES)).batch(6)
    assert_same(trained(data, None)[0], task)
    named = tf.data.Dataset.from_tensor_slices({"a": FIRST, "b": SECOND, "score": SCORES})
    assert_same(trained(named.batch(6), None)[0], task)


def test_a_data_set_of_pairs_takes_the_same_step(pairs):
    rows = tf.data.Dataset.from_tensor_slices(((FIRST, SECOND),)).batch(6)
    assert_same(trained(rows, None)[0], pairs)


@pytest.mark.full
def test_prompts_stand_before_texts_to_learn_from():
    got, _ = trained((FIRST, SECOND), None, prompts=["tea ", "the stone "])
    before = [
        [f"{word} {text}" for text in side]
        for word, side in (("tea", FIRST), ("the stone", SECOND))
    ]
    assert_same(got, trained(tuple(before), None)[0])
    table, named = {"q": FIRST, "p": SECOND, "score": SCORES}, {"p": "the stone "}
    for x in (table, tf.data.Dataset.from_tensor_slices(table)):
        assert sentence_rows.prompts_of(named, x) == ("", "the stone ")


@pytest.mark.full
def test_weights_of_rows():
    got, _ = trained((FIRST, SECOND), SCORES, "cosine_similarity", sample_weight=[2, 0, 0, 0, 0, 1])
    rows = [[side[0], side[0], side[5]] for side in (FIRST, SECOND)]
    fewer, _ = trained(tuple(rows), [1, 1, 0.3], "cosine_similarity", rate=0.005)
    assert_same(got, fewer, 1e-5)


def test_spearman_of_validation_pairs_chooses_the_epoch():
    dev = (SECOND, THIRD)
    scores = bert_tf2.Scores(dev, SCORES, spearman, bert_tf2.SentenceEncoder.predict_similarity)
    stop = keras.callbacks.EarlyStopping("val_spearman", mode="max", restore_best_weights=True)
    task = made()
    task.compile({"learning_rate": 1e-3})
    history = task.fit(
        (FIRST, SECOND),
        SCORES,
        validation_data=(dev, SCORES),
        epochs=2,
        callbacks=[scores, stop],
        verbose=0,
    ).history
    assert {"loss", "pearson", "val_loss", "val_pearson", "val_spearman"} <= history.keys()
    best = np.argmax(history["val_spearman"])
    found = task.predict_similarity(dev)
    assert spearman(SCORES, found) == pytest.approx(history["val_spearman"][best])
    logs = task.evaluate(dev, SCORES, verbose=0, return_dict=True)
    assert logs["pearson"] == pytest.approx(np.corrcoef(found, SCORES)[0, 1], abs=1e-5)


def test_a_file_goes_on_with_its_loss(tmp_path):
    task, _ = trained((FIRST, SECOND), NAMES, softmax)
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert again.objective.settings == task.objective.settings
    np.testing.assert_array_equal(again.pair_head.kernel, task.pair_head.kernel)
    how = {"epochs": 1, "shuffle": False, "verbose": 0}
    for each in (task, again):
        each.fit((FIRST, SECOND), NAMES, **how)
    assert_same(again, task, 0)
    task.save_to_preset(tmp_path / "out", "sentence_transformers")  # without that head
    other = bert_tf2.SentenceEncoder.from_preset(tmp_path / "out")
    np.testing.assert_array_equal(other.encode(FIRST), task.encode(FIRST))


class Stopped(Exception):
    pass


@pytest.mark.full
def test_a_run_that_was_stopped_goes_on(tmp_path):
    """With dropout drawn twice a step, a shuffled order, and batches without duplicates."""

    def run(folder, stop=None, loss=cached):
        keras.utils.set_random_seed(5)
        task = made(dropout=0.3)
        task.compile({"learning_rate": 1e-3}, loss)
        saved = bert_tf2.Checkpoints(folder, every=1)

        def stopping(step, logs):
            if step == stop:
                raise Stopped

        each = keras.callbacks.LambdaCallback(on_train_batch_end=stopping)
        how = {"batch_size": 3, "epochs": 3, "batch_sampler": "no_duplicates", "verbose": 0}
        x = ([*FIRST, "rain"], [*SECOND, "a kettle"])
        return task, lambda: task.fit(x, callbacks=[each, saved], **how)

    whole, fit = run(tmp_path / "whole")
    fit()
    _, fit = run(tmp_path / "parts", stop=1)
    with pytest.raises(Stopped):
        fit()
    again, fit = run(tmp_path / "parts")
    fit()
    assert_same(again, whole, 0)
    _, fit = run(tmp_path / "parts", loss="multiple_negatives_ranking")
    with pytest.raises(ValueError, match=r"is of another run.*loss"):
        fit()


@pytest.mark.full
@pytest.mark.parametrize("loss", ["multiple_negatives_ranking", "cosent", cached])
def test_xla_takes_the_same_step(loss):
    """Of shapes that are known, as a TPU would have them."""
    y = SCORES if loss == "cosent" else None
    got = []
    for jit_compile in (False, True):
        config = oracle.with_dropout(oracle.SMALL, 0.0)
        task = oracle.tiny_task(bert_tf2.SentenceEncoder, config, pad=True, drop_padding=False)
        task.compile(keras.optimizers.SGD(0.01), loss, jit_compile=jit_compile)
        rows = ((FIRST, SECOND), y) if y else ((FIRST, SECOND),)
        data = tf.data.Dataset.from_tensor_slices(rows).batch(6, drop_remainder=True)
        task.fit(data, epochs=2, verbose=0)
        got.append(task)
    assert_same(*got, 1e-5)


BAD = {
    "labels for none": (
        lambda t: fitted(t, (FIRST, SECOND), SCORES, "multiple_negatives_ranking"),
        "takes texts alone: leave out `y`",
    ),
    "few texts": (lambda t: fitted(t, (FIRST, SECOND), None, "triplet"), "takes 3 texts a row"),
    "names of pairs": (lambda t: fitted(t, (FIRST, SECOND), NAMES), r"compile\(loss=.*softmax"),
    "texts alone": (lambda t: fitted(t, FIRST, None), "give `y`, the class of each text, or rows"),
    "nothing inside": (
        lambda t: t.compile(loss={"kind": "matryoshka", "matryoshka_dims": [4]}),
        "'matryoshka' stands around another loss.*Received: .*matryoshka_dims",
    ),
    "no binary": (
        lambda t: fitted(t, (FIRST, SECOND), SCORES, "contrastive"),
        "must be 1 for texts that are alike.*at index 1: 0.5",
    ),
    "margins": (
        lambda t: fitted(t, (FIRST, SECOND, THIRD), np.ones((6, 3))),
        "takes 1 margins or 2 scores. Received: 3",
    ),
    "weights": (
        lambda t: fitted(t, (FIRST, SECOND), SCORES, sample_weight=np.ones(6)),
        "`sample_weight` must be left out: 'cosent' is of pairs",
    ),
    "sampler": (
        lambda t: t.fit((FIRST, SECOND), batch_sampler="x"),
        "`batch_sampler` must be one of batch_sampler, no_duplicates",
    ),
    "lengths": (lambda t: fitted(t, (FIRST, SECOND[:3]), None), "must be equally long"),
    "rows": (lambda t: fitted(t, [("a", "b"), ("a",)], None), "at index 1"),
    "labels twice": (
        lambda t: fitted(t, {"a": FIRST, "b": SECOND, "score": SCORES}, SCORES),
        "one column of labels.*Received: score and y",
    ),
    "a text": (lambda t: fitted(t, (FIRST, [1] * 6), None), "text 2"),
    "loss": (lambda t: t.compile(loss="mean_squared_error"), "`loss` must be one of"),
    "parts twice": (
        lambda t: t.compile(loss=cached, micro_batches=2),
        "`micro_batches` must be left",
    ),
    "prompts": (
        lambda t: fitted(t, (FIRST, SECOND), None, prompts=["a"]),
        "`prompts` must be 2, one a text",
    ),
    "prompts of names": (
        lambda t: fitted(t, {"a": FIRST, "b": SECOND}, None, prompts={"c": "tea "}),
        "a dict by the names of columns, a, b. Received: .*'c'",
    ),
    "prompts of no columns": (
        lambda t: fitted(t, (FIRST, SECOND), None, prompts={"a": "tea "}),
        "by the names of columns. Received",
    ),
    "a label": (lambda t: fitted(t, (FIRST, SECOND), ["x", "z"] * 3, softmax), "z"),
    "no columns": (lambda t: fitted(t, (), None), "of one text or more. Received: {}"),
    "similarities": (lambda t: t.predict_similarity((FIRST, SECOND, THIRD)), "Expected pairs"),
}


def fitted(task, x, y, loss=None, **how):
    task.compile(loss=loss)
    task.fit(x, y, epochs=1, verbose=0, **how)


def test_scores_that_no_cosine_comes_to_are_said(caplog):
    task = made()
    fitted(task, (FIRST, SECOND), SCORES, "cosine_similarity")
    assert "cosines" not in caplog.text
    fitted(task, (FIRST, SECOND), [5 * score for score in SCORES], "cosine_similarity")
    assert "from -1 to 1 (0 to 1): these go from 0 to 5." in caplog.text


def test_one_loss_after_another():
    """What the first was measured by is not what the second is."""
    task = made()
    first = task.fit((FIRST, SECOND), SCORES, epochs=1, verbose=0).history
    classes = [np.int64(1), np.int64(2)] * 3
    second = task.fit(FIRST, classes, epochs=1, verbose=0).history
    assert {*first} == {"loss", "pearson"} and {*second} == {"loss"}


@pytest.fixture(scope="module")
def task():
    return made()


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(task, name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call(task)


@pytest.mark.full
@pytest.mark.parametrize(
    "data",
    [(SECOND, THIRD), ((SECOND, THIRD), None), [*zip(SECOND, THIRD, strict=True)]],
    ids=["columns", "x and y", "rows"],
)
def test_pairs_alone_are_validated_on(data):
    task = made()
    history = task.fit((FIRST, SECOND), validation_data=data, epochs=1, verbose=0).history
    want = task.evaluate((SECOND, THIRD), verbose=0, return_dict=True)["loss"]
    assert history["val_loss"] == [pytest.approx(want, rel=1e-5)]


@pytest.mark.full
def test_the_last_pairs_are_validated_on():
    task = made()
    every = (FIRST + SECOND, SECOND + THIRD)
    history = task.fit(every, validation_split=0.5, epochs=1, verbose=0).history
    want = task.evaluate((SECOND, THIRD), verbose=0, return_dict=True)["loss"]
    assert history["val_loss"] == [pytest.approx(want, rel=1e-5)]


def test_a_batch_needs_a_loss():
    with pytest.raises(ValueError, match="Say what is to be learnt"):
        made().train_on_batch((FIRST, SECOND))
