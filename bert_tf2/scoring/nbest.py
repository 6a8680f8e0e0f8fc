"""Logits of windows -> the likeliest answers, as `write_predictions` of run_squad.py has them.

From google-research/bert, `run_squad.py`; of beams from google-research/albert `squad_utils.py`,
`write_predictions_v2`, and google-research/electra `finetune/qa/qa_metrics.py`. Letters: n
questions, W windows of their contexts in the order of the questions, L length, N best tokens, C
candidates of all questions.
"""

import math
from typing import NamedTuple

import numpy as np

NONE = "empty"  # what run_squad.py answers where nothing can be


class Logits(NamedTuple):
    """What a model says of the windows of n contexts.

    Attributes:
        rows: int (W,), the question of each, ascending; each of 0 … n - 1 is there.
        start, end: float (W, L), that an answer begins there, and ends there; "[CLS]" is at 0.
        begins, stops: int (W, L), the characters of the context that a token begins and ends at,
            -1 twice where none of the context's is.
        most: bool (W, L), whether a token has most context in this window.
    """

    rows: np.ndarray
    start: np.ndarray
    end: np.ndarray
    begins: np.ndarray
    stops: np.ndarray
    most: np.ndarray

    along = ("start", "end", "begins", "stops", "most")  # what is of tokens
    words = ("start_logit", "end_logit")  # what the files call the two values of an answer

    def candidates(self, size, longest):
        """All `Candidates`, in Google's order."""
        first, last = (np.argsort(-x, 1, "stable")[:, :size] for x in (self.start, self.end))
        window, i, j = np.nonzero(_fits(self, first, last[:, np.newaxis], longest))
        first, last = first[window, i], last[window, j]
        return Candidates(window, first, last, self.start[window, first], self.end[window, last])

    def null(self):
        """Of each question the window whose logits of "[CLS]" are lowest, and these: `Candidates`;
        and float (n,), their sums."""
        sums = self.start[:, 0].astype("f8") + self.end[:, 0]
        window = np.lexsort((sums, self.rows))[np.unique(self.rows, return_index=True)[1]]
        first = np.zeros_like(window)
        found = Candidates(window, first, first, self.start[window, 0], self.end[window, 0])
        return found, sums[window]


class Beams(NamedTuple):
    """The same of a model that finds an answer's end after its start, in a beam of N starts.

    Attributes:
        rows, begins, stops, most: as of `Logits`.
        start: float (W, N), the logarithms of the chances of starts; first: int (W, N), their
            tokens.
        end: float (W, N, N), the same of ends of each start; last: int, their tokens.
        none: float (W,), the logit that there is no answer. That is how much it is above the best
            answer, whatever that has, and it is in no list.
    """

    rows: np.ndarray
    start: np.ndarray
    first: np.ndarray
    end: np.ndarray
    last: np.ndarray
    none: np.ndarray
    begins: np.ndarray
    stops: np.ndarray
    most: np.ndarray

    along = ("begins", "stops", "most")
    words = ("start_log_prob", "end_log_prob")

    def candidates(self, size, longest):
        """All `Candidates`, in Google's order; the beam says how many, and not `size`."""
        window, i, j = np.nonzero(_fits(self, self.first, self.last, longest))
        columns = (self.first[window, i], self.last[window, i, j])
        return Candidates(window, *columns, self.start[window, i], self.end[window, i, j])

    def null(self):
        """None, which is no candidate; and float (n,), the lowest logits of a question."""
        lowest = np.full(int(self.rows.max(initial=-1)) + 1, np.inf)
        np.minimum.at(lowest, self.rows, self.none.astype("f8"))
        return None, lowest


class Candidates(NamedTuple):
    """What may be an answer, (C,) each: window, first and last token, and the values of these."""

    window: np.ndarray
    first: np.ndarray
    last: np.ndarray
    start: np.ndarray
    end: np.ndarray


class Answers(NamedTuple):
    """The answers to n questions.

    Attributes:
        predictions: list of n str, "" for no answer.
        nbest: for each a list of dicts, the best first: `text`, `probability` (the softmax over the
            list), `start_logit`, `end_logit`; of beams `start_log_prob`, `end_log_prob`.
        null_odds: list of n floats, how much no answer is above the best one, in logits; None if
            every question has one.
    """

    predictions: list[str]
    nbest: list[list[dict]]
    null_odds: list[float] | None


def nbest(
    logits,
    text,
    n_best_size=20,
    max_answer_length=30,
    with_null=False,
    null_score_diff_threshold=0.0,
    none="",
):
    """The likeliest answers, of which no two have the same text.

    Args:
        logits: a `Logits` or `Beams`.
        text: function of a window's number and the positions of two tokens in it, the first and the
            last, to the text of that answer.
        n_best_size: N, how many tokens of a window may begin, and how many end an answer; and how
            many answers there are, at most.
        max_answer_length: in tokens.
        with_null: whether there may be no answer, as in SQuAD 2.0: then "" is in each list, and it
            is predicted if `null_odds` is above the threshold; or if nothing else can be, where the
            original ends in an error. The odds are then those to the lowest logits of all. Of
            beams "" is in no list, and the odds are the model's own.
        null_score_diff_threshold: see `scoring.questions.score_v2` for the best one.
        none: the text where there is nothing that could be an answer; `NONE` in the original.

    Returns:
        `Answers`.
    """
    found = logits.candidates(n_best_size, max_answer_length)
    null, lowest = logits.null() if with_null else (None, None)
    if null is not None:
        found = Candidates(*map(np.concatenate, zip(found, null, strict=True)))
        floor = float(logits.start.min()) + float(logits.end.min())
    rows = logits.rows[found.window]
    # Of equal ones the first, the null after all.
    order = np.lexsort((-(found.start.astype("f8") + found.end), rows))
    count = int(logits.rows[-1]) + 1 if len(logits.rows) else 0
    bounds = np.searchsorted(rows[order], np.arange(count + 1)).tolist()
    columns = [x[order].tolist() for x in found]
    answers = Answers([], [], [] if with_null else None)
    for row in range(count):
        candidates = zip(*(x[bounds[row] : bounds[row + 1]] for x in columns), strict=True)
        entries = _different(candidates, text, n_best_size)
        if null is not None and all(entry[0] for entry in entries):
            entries.append(("", null.start[row].item(), null.end[row].item()))
        answers.nbest.append(_with_shares(entries or [(none, 0.0, 0.0)], logits.words))
        if with_null:
            best = (start + end for said, start, end in entries if said)
            own = next(best, floor) if null is not None else 0.0
            answers.null_odds.append(float(lowest[row]) - own)
        answers.predictions.append(_chosen(answers, null_score_diff_threshold))
    return answers


def _fits(logits, first, last, longest):
    """bool (W, N, N): whether tokens first (W, N) and last (W, 1 or N, N) may hold an answer."""
    tokens = last - first[:, :, np.newaxis] + 1
    may_start = np.take_along_axis(logits.most & (logits.begins >= 0), first, 1)
    may_end = np.take_along_axis((logits.stops >= 0)[:, np.newaxis], last, 2)
    return (tokens >= 1) & (tokens <= longest) & may_start[:, :, np.newaxis] & may_end


def _different(candidates, text, size):
    """The first candidates that differ in their texts: tuples of text, start and end logit."""
    found = {}
    for window, first, last, start, end in candidates:
        said = text(window, first, last) if first else ""
        if said not in found:
            found[said] = (said, start, end)
            if len(found) == size:
                break
    return list(found.values())


def _with_shares(entries, words):
    sums = [start + end for _, start, end in entries]
    highest = max(sums)
    shares = [math.exp(value - highest) for value in sums]
    total = sum(shares)
    return [
        {"text": said, "probability": share / total, **dict(zip(words, values, strict=True))}
        for (said, *values), share in zip(entries, shares, strict=True)
    ]


def _chosen(found, threshold):
    """The prediction for the last list."""
    texts = [entry["text"] for entry in found.nbest[-1]]
    if found.null_odds is None:
        return texts[0]
    said = next((said for said in texts if said), "")
    return "" if found.null_odds[-1] > threshold else said
