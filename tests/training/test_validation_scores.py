"""Official figures in the logs of each epoch, before other callbacks read them."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
from closeness import FORWARD

import bert_tf2
from bert_tf2.scoring import classification, entities, questions, regression
from bert_tf2.training.validation_scores import Scores

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "", "a stone"]
NAMES = ["tea", "rain", "stone", "tea", "rain", "stone"]
SETS = [["tea"], [], ["rain", "tea"], ["stone"], [], ["rain"]]
MATRIX = [[name in chosen for name in ("tea", "stone", "rain")] for chosen in SETS]
TAGS = [["B-tea", "O", "O"], ["O"], ["B-tea"]]
several = "multi_label_classification"


def figures_of(task, scores):
    """What the callback adds to the logs after an epoch."""
    scores.set_model(task)
    scores.on_train_begin()
    logs = {"loss": 1.0}
    scores.on_epoch_end(0, logs)
    assert logs.pop("loss") == 1.0 and all(type(value) is float for value in logs.values())
    return logs


def tiny(cls, **settings):
    return oracle.tiny_task(cls, **settings)


def predicted_tags(task, x):
    return [list(row.tags) for row in task.predict_tags(x)]


def of_classes(task, x):
    return [answer.label for answer in task.predict_labels(x)]


def answered(task, x):
    return {i: row["answer"] for i, row in enumerate(task.answer_question(*x))}


def of_labels(task, x):
    shares = [[answer.probabilities[n] for n in task.labels] for answer in task.predict_labels(x)]
    return np.array(shares, "float32")


CASES = {
    "classes": (
        lambda: oracle.tiny_classifier(),
        (TEXTS, NAMES, classification.scores, None),
        (NAMES, of_classes),
        ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "matthews"],
    ),
    "classes by number": (
        lambda: oracle.tiny_classifier(),
        (TEXTS, [("tea", "stone", "rain").index(name) for name in NAMES], classification.matthews),
        (NAMES, of_classes),
        ["matthews"],
    ),
    "several labels": (
        lambda: oracle.tiny_classifier(problem_type=several),
        (TEXTS, SETS, classification.multi_label, "probabilities"),
        (MATRIX, of_labels),
        ["micro_f1", "macro_f1", "accuracy", "roc_auc", "map"],
    ),
    "numbers": (
        lambda: tiny(bert_tf2.TextRegressor),
        (TEXTS, [1, 2.5, 0, 1, -1, 3], regression.spearman),
        ([1, 2.5, 0, 1, -1, 3], lambda task, x: task.predict(x, verbose=0)[:, 0]),
        ["spearman"],
    ),
    "entities": (
        lambda: tiny(bert_tf2.TokenClassifier, labels=["O", "B-tea"]),
        ([["tea", "rain", "a"], ["a"], ["tea"]], TAGS, entities.score, predicted_tags),
        (TAGS, predicted_tags),
        ["precision", "recall", "f1", "macro_f1", "support", "predicted", "correct", "accuracy"],
    ),
    "answers": (
        lambda: tiny(bert_tf2.QuestionAnswerer, doc_stride=3, max_question_len=5),
        (
            (NAMES, TEXTS),
            {i: [text, "tea"] for i, text in enumerate(TEXTS)},
            questions.score_v1,
            answered,
        ),
        ({i: [text, "tea"] for i, text in enumerate(TEXTS)}, answered),
        ["exact_match", "f1"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_figures_are_the_official_ones_of_the_answers(name):
    make, given, (gold, answers), names = CASES[name]
    task = make()
    got = figures_of(task, Scores(*given, batch_size=2))
    want = given[2](gold, answers(task, given[0]))
    want = want if isinstance(want, dict) else {names[0]: want}
    assert got == pytest.approx({f"val_{n}": want[n] for n in names}, rel=1e-6, nan_ok=True)


class Scripted:
    """A metric that is best after the second epoch, and the loss once more."""

    def __init__(self):
        self.left = [0.1, 0.5, 0.4, 0.3, 0.9]

    def __call__(self, gold, logits):
        numbers = ["tea", "stone", "rain"].index
        shares = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        loss = -np.mean([row[numbers(name)] for row, name in zip(shares, gold, strict=True)])
        return {"again": loss, "scripted": self.left.pop(0), "classes": {}}


class Kept(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


@pytest.mark.parametrize("first", [pytest.param(True, marks=pytest.mark.full), False])
def test_the_run_is_stopped_at_the_best_whatever_the_order(tmp_path, first):
    config = dataclasses.replace(oracle.with_dropout(oracle.SMALL, 0.0), num_hidden_layers=1)
    task = oracle.tiny_classifier(config=config, dropout=0.0)
    task.compile({"learning_rate": 1e-2, "ema_momentum": 0.5})
    scores = Scores(TEXTS, NAMES, Scripted(), "logits")
    stop = keras.callbacks.EarlyStopping("val_scripted", mode="max", patience=2)
    stop.restore_best_weights = True
    saved, kept = bert_tf2.Checkpoints(tmp_path, monitor="val_scripted"), Kept()
    others = [stop, kept, saved, keras.callbacks.SwapEMAWeights()]
    how = {"validation_data": (TEXTS, NAMES), "batch_size": 3, "verbose": 0, "epochs": 5}
    callbacks = [scores, *others] if first else [*others, scores]
    history = task.fit(TEXTS, NAMES, callbacks=callbacks, **how).history
    assert history["val_scripted"] == [0.1, 0.5, 0.4, 0.3]
    assert history["val_again"] == pytest.approx(history["val_loss"], rel=FORWARD)
    best_and_last = {2, 4}
    assert {int(place.name.split("-")[1]) for place in saved.found()} == best_and_last
    for got, want in zip(task.get_weights(), kept.weights[1], strict=True):
        np.testing.assert_array_equal(got, want)


def test_what_cannot_be_scored_is_said():
    task = oracle.tiny_classifier()
    figures_of(task, Scores(TEXTS, NAMES, lambda gold, said: 0.5, prefix="dev_"))
    for scores, says in (
        (Scores(TEXTS, [*NAMES[:-1], "coffee"], classification.scores), "coffee"),
        (Scores(TEXTS, NAMES[:-1], classification.scores), "5"),
        (Scores(TEXTS, NAMES, classification.scores, "lable"), r"one of \['label', .*'lable'"),
        (Scores(TEXTS, NAMES, lambda *_: {"loss": 1}, prefix=""), "'loss' is in the logs already"),
    ):
        with pytest.raises(ValueError, match=says):
            figures_of(task, scores)


def test_rows_of_several_answers_want_a_function():
    words = [["the", "kettle", "hums"], ["rain"], ["tea"]]
    task = tiny(bert_tf2.TokenClassifier, labels=["O", "B-tea", "I-tea"])
    scores = Scores(words, TAGS, entities.score)
    with pytest.raises(ValueError, match=r"a function of \(task, x\) where a row"):
        figures_of(task, scores)
