"""One training on several folds and from several seeds."""

from collections import Counter

import keras
import numpy as np
import oracle
import pytest

import bert_tf2
from bert_tf2.data.columns import text_columns

ROWS = 23
TEXTS = [f"text {i}" for i in range(ROWS)]
NAMES = [["tea", "rain", "stone"][(i % 7 > 2) + (i % 7 > 5)] for i in range(ROWS)]


class Recorder:
    """What `cross_validate` needs of a task; it remembers what it was given."""

    made: list = []  # noqa: RUF012

    def __init__(self):
        self.encoder = object()
        self.made.append(self)
        self.drawn = float(np.random.rand())

    def read_texts(self, x):
        return text_columns(x)

    def fit(self, x, y, **how):
        self.learnt, self.how = (x, y), how

    def evaluate(self, x, y, verbose, return_dict):
        self.scored = x, y
        return {"rows": len(x["text"]), "drawn": self.drawn, "note": "no number"}


@pytest.fixture
def recorder():
    Recorder.made = []
    return Recorder


def numbers(x):
    return [int(text.split()[1]) for text in x["text"].numpy()]


@pytest.mark.parametrize(
    "y, classes",
    [
        (NAMES, True),
        (np.array(NAMES), True),
        ([NAMES.index(name) for name in NAMES], True),
        ([i / 7 for i in range(ROWS)], False),
        (np.eye(ROWS), False),
        (None, False),
    ],
)
def test_each_row_is_scored_once_by_who_did_not_learn_it(recorder, y, classes):
    found = bert_tf2.cross_validate(recorder, TEXTS, y, folds=4, seed=3, epochs=2)
    scored = [numbers(task.scored[0]) for task in recorder.made]
    assert sorted(i for rows in scored for i in rows) == list(range(ROWS))
    for task, rows in zip(recorder.made, scored, strict=True):
        assert sorted(rows + numbers(task.learnt[0])) == list(range(ROWS))
        assert task.how == {"epochs": 2, "callbacks": None}
        for part, (_, labels) in ((rows, task.scored), (numbers(task.learnt[0]), task.learnt)):
            assert labels is y or np.array_equal(labels, [y[i] for i in part])
        counts = Counter(NAMES[i] for i in rows)
        if classes:
            assert all(abs(counts[n] - k / 4) < 1 for n, k in Counter(NAMES).items())
    sizes = [5, 6, 6, 6]
    assert sorted(fold["rows"] for fold in found["folds"]) == sizes
    assert found["mean"]["rows"] == ROWS / 4 and found["std"]["drawn"] == 0.0  # one seed for all
    assert found["std"]["rows"] == pytest.approx(np.std(sizes, ddof=1))
    assert found["mean"].keys() == {"rows", "drawn"}


def test_seeds_and_their_own_scores(recorder):
    def run(seed):
        return {"drawn": recorder().drawn, "seed": seed}

    found = bert_tf2.over_seeds(run, [5, 6, 7])
    keras.utils.set_random_seed(6)
    assert found["seeds"][6] == {"drawn": float(np.random.rand()), "seed": 6}
    assert found["mean"]["seed"] == 6.0 and found["std"]["seed"] == 1.0
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="no two alike"):
            bert_tf2.over_seeds(run, seeds)


def test_rows_of_one_group_are_in_one_fold(recorder):
    groups = [i % 5 if i < 15 else 5 + i % 2 for i in range(ROWS)]
    bert_tf2.cross_validate(recorder, TEXTS, NAMES, folds=np.int64(3), groups=groups)
    folds = [numbers(task.scored[0]) for task in recorder.made]
    assert sorted(i for rows in folds for i in rows) == list(range(ROWS))
    assert sum(len({groups[i] for i in rows}) for rows in folds) == 7  # each group once
    assert sorted(map(len, folds)) == [7, 7, 9]


def test_questions_about_a_text_are_in_one_fold():
    """A context that was learned from is no test; and so of choices."""

    class Asked(Recorder):
        made: list = []  # noqa: RUF012
        together = bert_tf2.QuestionAnswerer.together

        def read_texts(self, x):
            return text_columns(x, ("question", "context"))

        def evaluate(self, x, y, verbose, return_dict):
            self.scored = x
            return {}

    x = (TEXTS, [f"context {i % 6}" for i in range(ROWS)])
    bert_tf2.cross_validate(Asked, x, [None] * ROWS, folds=3)
    folds = [{*task.scored["context"].numpy()} for task in Asked.made]
    assert [len(texts) for texts in folds] == [2, 2, 2] and len(set.union(*folds)) == 6
    with pytest.raises(ValueError, match="from 2 to 6, the different texts"):
        bert_tf2.cross_validate(Asked, x, [None] * ROWS, folds=7)
    assert bert_tf2.MultipleChoice.together == "text"
    Asked.made = []
    x = (TEXTS, [" " * (i % 2) if i > 5 else "context" for i in range(ROWS)])
    bert_tf2.cross_validate(Asked, x, [None] * ROWS, folds=3)
    assert sorted(len(task.scored["context"]) for task in Asked.made) == [7, 8, 8]


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"folds": 1}, "from 2 to the number of rows, 23. Received: 1"),
        ({"folds": ROWS + 1}, "Received: 24"),
        ({"callbacks": [keras.callbacks.History()]}, "function of the fold's number"),
        ({"groups": [1, 2]}, "`groups` must be one a row: 23. Received: 2"),
        ({"groups": [1] * ROWS}, "All 23 rows are about one text, .*`groups`"),
        ({"validation_split": 0.1}, r"Received: \['validation_split'\]"),
    ],
)
def test_what_would_not_be_a_fair_score_is_refused(recorder, wrong, says):
    with pytest.raises(ValueError, match=says):
        bert_tf2.cross_validate(recorder, TEXTS, NAMES, **wrong)


def test_tasks_that_share_an_encoder_are_refused(recorder):
    shared = recorder()
    with pytest.raises(ValueError, match="an encoder of its own"):
        bert_tf2.cross_validate(lambda: shared, TEXTS, NAMES)


@pytest.mark.full
def test_the_figures_are_those_of_the_same_lines_by_hand():
    texts, labels = ["tea", "a stone", "rain & tea", "the rain"] * 2, ["tea", "stone"] * 4
    found = bert_tf2.cross_validate(
        oracle.tiny_classifier, texts, labels, 2, 1, epochs=1, verbose=0
    )
    recorded = []

    def spy():
        task = oracle.tiny_classifier()
        fit = task.fit
        task.fit = lambda x, y, **how: recorded.append((x, y)) or fit(x, y, **how)
        return task

    again = bert_tf2.cross_validate(
        spy, texts, np.array(labels), 2, 1, score=lambda *_: {}, epochs=0
    )
    assert again["folds"] == [{}, {}]
    for fold, (x, y) in enumerate(recorded):
        keras.utils.set_random_seed(1)
        task = oracle.tiny_classifier()
        task.fit(x, y, epochs=1, verbose=0)
        x, y = recorded[1 - fold]
        want = task.evaluate(x, y, verbose=0, return_dict=True)
        assert found["folds"][fold] == pytest.approx(want, rel=1e-5)
