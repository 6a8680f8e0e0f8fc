"""Heads of ALBERT's run_squad_v2.py and ELECTRA's run_finetuning.py answer, and learn, as there."""

import collections
import json
import math

import answer_beams
import numpy as np
import oracle
import pytest
from by_default import by_default
from closeness import BACKWARD
from windows_of_questions import CONTEXTS, QUESTIONS, windows_of

import bert_tf2
from bert_tf2.data.squad import write_answers

FAMILIES = {"answerable_spans": "albert", "joint_spans": "electra"}
SETTINGS = {"doc_stride": 3, "max_question_len": 5}
ANSWERS = [
    {"text": "kettle", "answer_start": 30},
    (0, 9),
    None,
    {"text": [";"], "answer_start": [9]},
]


@pytest.fixture(scope="module", params=by_default(FAMILIES, ["answerable_spans"]))
def qa(request, tmp_path_factory):
    """A task opened from a folder of Google's; it was not told which head that has."""
    config = oracle.with_dropout(oracle.TINIES[FAMILIES[request.param]], 0.0)
    made = oracle.tiny_task(bert_tf2.QuestionAnswerer, config, head=request.param)
    folder = tmp_path_factory.mktemp("google") / "squad"
    made.save_to_preset(folder, "google")
    task = bert_tf2.QuestionAnswerer.from_preset(folder, **SETTINGS)
    assert (task.head, task.load_report.missing) == (request.param, [])
    return task


def beams_of(task, question, context):
    """For each window of a context its beam and the logit of no answer, and its places."""
    weights = {n: np.asarray(v) for n, v in task.named_variables().items()}
    for ids, segments, places in windows_of(task, question, context, 20, 3, 5):
        inputs = {"token_ids": ids, "segment_ids": segments, "padding_mask": [1] * len(ids)}
        inputs = {name: np.array([x]) for name, x in inputs.items()}
        states = oracle.forward(task.encoder.config, weights, inputs)["layer_outputs"][-1][0]
        found = answer_beams.beam(task.head, weights, states, segments, [1] * len(ids))
        yield *found, {place: tuple(where) for place, *where in places}


def plain(task, question, context, longest=30):
    """`write_predictions_v2` of one question: [(text, start, end log-probability, characters)] of
    all that is in a beam, the best first; and the odds of no answer."""
    found, nulls = [], []
    for starts, none, places in beams_of(task, question, context):
        nulls.append(none)
        for first, start, ends in starts:
            for last, end in ends:
                fits = first in places and last in places and places[first][2]
                if fits and first <= last < first + longest:
                    where = places[first][0], places[last][1]
                    found.append((context[slice(*where)], start, end, where))
    return sorted(found, key=lambda x: -(x[1] + x[2])), min(nulls)


def test_the_n_best_answers_are_those_of_the_scripts(qa):
    longest = 3
    how = {"max_answer_len": longest, "handle_impossible_answer": True}
    got = qa.predict_nbest((QUESTIONS, CONTEXTS), n_best_size=7, **how)
    for row, (question, context) in enumerate(zip(QUESTIONS, CONTEXTS, strict=True)):
        candidates, odds = plain(qa, question, context, longest)
        different = collections.OrderedDict()
        for text, start, end, _ in candidates:
            different.setdefault(text, (start, end))
        want = [*different.items()][:7] or [("", (0.0, 0.0))]
        assert [x["text"] for x in got.nbest[row]] == [text for text, _ in want]
        values = [(x["start_log_prob"], x["end_log_prob"]) for x in got.nbest[row]]
        np.testing.assert_allclose(values, [x for _, x in want], atol=3 * BACKWARD)
        total = sum(math.exp(sum(x)) for _, x in want)
        shares = [math.exp(sum(x)) / total for _, x in want]
        np.testing.assert_allclose(
            [x["probability"] for x in got.nbest[row]], shares, atol=3 * BACKWARD
        )
        assert got.null_odds[row] == pytest.approx(odds, abs=3 * BACKWARD)
        assert got.predictions[row] == ("" if odds > 0 else want[0][0])


@pytest.mark.parametrize("null", by_default([False, True], [True]))
def test_answers_are_the_likeliest_of_the_beam(qa, null):
    """No answer comes first where the scripts choose it: its odds are those to the best answer."""
    asked = qa.answer_question(QUESTIONS, CONTEXTS, top_k=5, handle_impossible_answer=null)
    for question, context, got in zip(QUESTIONS, CONTEXTS, asked, strict=True):
        candidates, odds = plain(qa, question, context)
        want = [(start + end, where) for _, start, end, where in candidates]
        if null:
            want.append((odds + max([x for x, _ in want], default=0.0), (0, 0)))
        total = sum(math.exp(x) for x, _ in want)
        want = [(math.exp(x) / total, where) for x, where in sorted(want, reverse=True)]
        want = want[:5] or [(0.0, (0, 0))]
        assert [(x["start"], x["end"]) for x in got] == [where for _, where in want]
        np.testing.assert_allclose([x["score"] for x in got], [x for x, _ in want], rtol=3e-4)
        assert all(x["answer"] == context[x["start"] : x["end"]] for x in got)
        assert not null or (got[0]["answer"] == "") == (odds > 0 or not candidates)


@pytest.mark.full
def test_the_files_are_the_scripts(qa, tmp_path):
    how = {"handle_impossible_answer": True}
    found = qa.predict_nbest((QUESTIONS, CONTEXTS), **how)
    never = qa.predict_nbest((QUESTIONS, CONTEXTS), null_score_diff_threshold=math.inf, **how)
    assert never.predictions == [row[0]["text"] for row in never.nbest]
    plainly = qa.predict_nbest((QUESTIONS, CONTEXTS))
    assert (plainly.null_odds, plainly.predictions) == (None, never.predictions)
    write_answers(tmp_path, ["a", "b", "c", "d"], found)
    nbest = json.loads((tmp_path / "nbest_predictions.json").read_text())
    names = ["text", "probability", "start_log_prob", "end_log_prob"]
    assert [*nbest] == ["a", "b", "c", "d"] and list(nbest["a"][0]) == names
    odds = json.loads((tmp_path / "null_odds.json").read_text())
    assert [*odds.values()] == found.null_odds


def test_the_loss_is_the_scripts(qa):
    """The right start is told; half of the cross-entropy of no answer is added."""
    columns = qa.read((QUESTIONS, CONTEXTS), ANSWERS, [1, 2, 3, 4])
    inputs, targets, weights = qa.prepare(columns)
    arrays = {n: np.asarray(v) for n, v in qa.named_variables().items()}
    ids = {name: np.asarray(inputs[name]) for name in ("token_ids", "segment_ids", "padding_mask")}
    states = oracle.forward(qa.encoder.config, arrays, ids)["layer_outputs"][-1]
    impossible = columns["labels"][:, 0].numpy() < 0  # of the question of each window
    losses = []
    for row, x in enumerate(states):
        start, end, none = targets[row].numpy().tolist()
        by_window = qa.head == "answerable_spans"
        assert none == (end == 0 if by_window else impossible[row])
        args = x, ids["segment_ids"][row], ids["padding_mask"][row], start, end, none
        losses.append(weights[row, 0].numpy() * answer_beams.loss(qa.head, arrays, *args))
    assert {0, 1} == {*targets[:, 2].numpy().tolist()} and len(losses) > 8
    got = qa.evaluate((QUESTIONS, CONTEXTS), ANSWERS, sample_weight=[1, 2, 3, 4], verbose=0)
    assert got == pytest.approx(np.mean(losses), rel=3 * BACKWARD)


@pytest.mark.full
def test_ids_train_as_their_texts_do(qa):
    """Of bare ids nobody knows the question: a window without the answer has none."""
    (want,) = qa.dataset((QUESTIONS, CONTEXTS), ANSWERS)
    ids = {name: x.numpy() for name, x in want.inputs.items() if name != "start_positions"}
    (got,) = qa.dataset(ids, want.targets[:, :2].numpy())
    for name, value in want.inputs.items():
        np.testing.assert_array_equal(got.inputs[name], value)
    if qa.head == "answerable_spans":
        np.testing.assert_array_equal(got.targets, want.targets)
    np.testing.assert_array_equal(got.targets[:, 2], want.targets[:, 1].numpy() == 0)


def test_another_head_than_the_files_is_said(qa, tmp_path, caplog):
    qa.save_to_preset(tmp_path / "google", "google")
    task = bert_tf2.QuestionAnswerer.from_preset(tmp_path / "google", head="spans")
    assert (task.head, task.load_report.missing) == ("spans", ["span/kernel", "span/bias"])
    assert "leave out `head='spans'` to use it" in caplog.text


def test_what_a_beam_cannot(qa):
    with pytest.raises(ValueError, match="must have `segment_ids`, 1 for the context"):
        qa.predict({"token_ids": np.ones((1, 8), "int32")}, verbose=0)
    with pytest.raises(ValueError, match="metrics must be left out for a head of"):
        qa.compile(metrics=["accuracy"])
    with pytest.raises(ValueError, match="`r_drop` must be 0"):
        qa.compile(r_drop=1.0)
    with pytest.raises(ValueError, match="give a function of its outputs"):
        bert_tf2.integrated_gradients(qa, QUESTIONS[0], CONTEXTS[1])
