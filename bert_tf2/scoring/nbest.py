"""Logits of windows -> the likeliest answers, as `write_predictions` of run_squad.py has them.

From google-research/bert, `run_squad.py`. Letters: n questions, W windows of their contexts in the
order of the questions, L length, N best tokens, C candidates of all questions.
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


class Answers(NamedTuple):
    """The answers to n questions.

    Attributes:
        predictions: list of n str, "" for no answer.
        nbest: for each a list of dicts, the best first: `text`, `probability` (the softmax over the
            list), `start_logit`, `end_logit`.
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
        logits: a `Logits`.
        text: function of a window's number and the positions of two tokens in it, the first and the
            last, to the text of that answer.
        n_best_size: N, how many tokens of a window may begin, and how many end an answer; and how
            many answers there are, at most.
        max_answer_length: in tokens.
        with_null: whether there may be no answer, as in SQuAD 2.0: then "" is in each list, and it
            is predicted if `null_odds` is above the threshold; or if nothing else can be, where the
            original ends in an error. The odds are then those to the lowest logits of all.
        null_score_diff_threshold: see `scoring.questions.score_v2` for the best one.
        none: the text where there is nothing that could be an answer; `NONE` in the original.

    Returns:
        `Answers`.
    """
    window, first, last, sums = _candidates(logits, n_best_size, max_answer_length)
    null = _null(logits) if with_null else None
    if with_null:
        window = np.concatenate([window, null])
        first, last = (np.concatenate([x, np.zeros_like(null)]) for x in (first, last))
        lowest = logits.start[null, 0].astype("f8") + logits.end[null, 0]
        sums, lowest = np.concatenate([sums, lowest]), lowest.tolist()
        floor = float(logits.start.min()) + float(logits.end.min())
    rows = logits.rows[window]
    order = np.lexsort((-sums, rows))  # of equal ones the first, the null after all
    count = int(logits.rows[-1]) + 1 if len(logits.rows) else 0
    bounds = np.searchsorted(rows[order], np.arange(count + 1)).tolist()
    values = (logits.start[window, first], logits.end[window, last])
    columns = [x[order].tolist() for x in (window, first, last, *values)]
    found = Answers([], [], [] if with_null else None)
    for row in range(count):
        candidates = zip(*(x[bounds[row] : bounds[row + 1]] for x in columns), strict=True)
        entries = _different(candidates, text, n_best_size)
        if with_null and all(entry[0] for entry in entries):
            entries.append(("", *(x[null[row], 0].item() for x in (logits.start, logits.end))))
        found.nbest.append(_with_shares(entries or [(none, 0.0, 0.0)]))
        if with_null:
            best = (start + end for said, start, end in entries if said)
            found.null_odds.append(lowest[row] - next(best, floor))
        found.predictions.append(_chosen(found, null_score_diff_threshold))
    return found


def _candidates(logits, size, longest):
    """Window, first and last token, and sum of logits of all candidates (C,), in Google's order."""
    first, last = (np.argsort(-x, 1, "stable")[:, :size] for x in (logits.start, logits.end))
    may_start = np.take_along_axis(logits.most & (logits.begins >= 0), first, 1)
    may_end = np.take_along_axis(logits.stops >= 0, last, 1)
    tokens = last[:, np.newaxis] - first[:, :, np.newaxis] + 1  # (W, N, N)
    fits = (tokens >= 1) & (tokens <= longest)
    fits &= may_start[:, :, np.newaxis] & may_end[:, np.newaxis]
    window, i, j = np.nonzero(fits)
    first, last = first[window, i], last[window, j]
    sums = logits.start[window, first].astype("f8") + logits.end[window, last]
    return window, first, last, sums


def _null(logits):
    """The window of each question whose logits of "[CLS]" are lowest, int (n,)."""
    order = np.lexsort((logits.start[:, 0].astype("f8") + logits.end[:, 0], logits.rows))
    return order[np.unique(logits.rows, return_index=True)[1]]


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


def _with_shares(entries):
    sums = [start + end for _, start, end in entries]
    highest = max(sums)
    shares = [math.exp(value - highest) for value in sums]
    total = sum(shares)
    return [
        {"text": said, "probability": share / total, "start_logit": start, "end_logit": end}
        for (said, start, end), share in zip(entries, shares, strict=True)
    ]


def _chosen(found, threshold):
    """The prediction for the last list."""
    texts = [entry["text"] for entry in found.nbest[-1]]
    if found.null_odds is None:
        return texts[0]
    said = next((said for said in texts if said), "")
    return "" if found.null_odds[-1] > threshold else said
