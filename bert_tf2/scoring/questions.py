"""Scores of answers to questions, as the official evaluate-v1.1.py and evaluate-v2.0.py.

Rajpurkar et al. 2016 and 2018. Shares are per cent, 0 … 100, as those programs print them.
"""

import functools
import logging
import math
import numbers
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from bert_tf2.messages import shorten

LOGGER = logging.getLogger("bert_tf2")
ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII's alone, as there


@functools.lru_cache(100_000)
def normalize(text):
    """Lowercased, without punctuation, articles and extra white space, in this order. -> str."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(gold, predicted):
    """Whether two answers are equal once they are normalized. -> bool."""
    return normalize(gold) == normalize(predicted)


def f1(gold, predicted):
    """F1 of the words that two answers share, in 0 … 1; two without words agree. -> float."""
    gold, predicted = normalize(gold).split(), normalize(predicted).split()
    if not gold or not predicted:
        return float(gold == predicted)
    common = (Counter(gold) & Counter(predicted)).total()
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall) if common else 0.0


def score_v1(gold, predictions):
    """SQuAD 1.1.

    Args:
        gold: dict of question id to a list of right answers, one or more.
        predictions: dict of question id to an answer. What is absent counts 0, and is said.

    Returns:
        dict: "exact_match" and "f1", floats in 0 … 100.

    Raises:
        ValueError: no questions, or one without a right answer.
    """
    _check(gold, predictions)
    if without := [key for key, answers in gold.items() if not answers]:
        raise ValueError(
            f"SQuAD 1.1 has an answer to each question, `score_v2` scores those without. Received: "
            f"none for {shorten(without)}"
        )
    if absent := [key for key in gold if key not in predictions]:
        LOGGER.warning(
            "%d of %d questions have no prediction, and count 0: %s",
            len(absent),
            len(gold),
            shorten(absent),
        )
    said = [(answers, predictions[key]) for key, answers in gold.items() if key in predictions]
    exact = sum(_best(exact_match, *pair) for pair in said)
    words = sum(_best(_f1_of_words, *pair) for pair in said)
    return {"exact_match": 100.0 * exact / len(gold), "f1": 100.0 * words / len(gold)}


def _f1_of_words(gold, predicted):
    """F1 as of 1.1, where two answers without words share nothing."""
    return f1(gold, predicted) if normalize(gold) else 0.0


def _best(score, answers, predicted):
    return max(score(answer, predicted) for answer in answers)


def score_v2(gold, predictions, null_odds=None, threshold=1.0):
    """SQuAD 2.0, where a question may have no answer.

    Args:
        gold: dict of question id to a list of right answers, empty where there is none.
        predictions: dict of question id to an answer, "" for none; of every question.
        null_odds: dict of question id to how much speaks for no answer, in any unit: a
            probability, or null_odds.json as of run_squad.py.
        threshold: above it the answer is taken as "", whatever was predicted.

    Returns:
        dict: "exact" and "f1", floats in 0 … 100, and "total", the questions; the same of those
        with an answer ("HasAns_exact" …) and without ("NoAns_exact" …), where there are any. With
        `null_odds` also "best_exact" and "best_f1" that a threshold could reach, and it
        ("best_exact_thresh", "best_f1_thresh"); and the average precision of curves over the
        thresholds ("pr_exact_ap", "pr_f1_ap", "pr_oracle_ap").

    Raises:
        ValueError: no questions, or a prediction or odds missing.
    """
    _check(gold, predictions)
    odds = dict.fromkeys(predictions, 0.0) if null_odds is None else null_odds
    for name, found in (("predictions", predictions), ("null_odds", odds)):
        if absent := [key for key in gold if key not in found]:
            raise ValueError(
                f"`{name}` must have every question. {len(absent)} of {len(gold)} are missing: "
                f"{shorten(absent)}"
            )
    right = {key: [x for x in answers if normalize(x)] or [""] for key, answers in gold.items()}
    if strange := [key for key in gold if not _is_number(odds[key])]:
        raise ValueError(
            f"`null_odds` must map each question to a number. Received for {strange[0]!r}: "
            f"{shorten(odds[strange[0]])}"
        )
    raw = {
        name: {key: float(_best(score, right[key], predictions[key])) for key in gold}
        for name, score in (("exact", exact_match), ("f1", f1))
    }
    final = {
        name: {k: s if odds[k] <= threshold else float(not gold[k]) for k, s in scores.items()}
        for name, scores in raw.items()
    }
    groups = {
        "": list(gold),
        "HasAns_": [key for key in gold if gold[key]],
        "NoAns_": [key for key in gold if not gold[key]],
    }
    found = {}
    for prefix, keys in groups.items():
        if keys:
            for name, scores in final.items():
                found[prefix + name] = 100.0 * sum(scores[key] for key in keys) / len(keys)
            found[f"{prefix}total"] = len(keys)
    return found if null_odds is None else found | _over_thresholds(gold, predictions, odds, raw)


def best_threshold(gold, predictions, null_odds):
    """The odds of no answer up to which an answer is to be given, for the best F1.

    It is half way between those of the last question that is answered and of the next one, so that
    it does not hang on a digit; `best_f1_thresh` of `score_v2` is the former.

    Args:
        gold, predictions, null_odds: as of `score_v2`, with an answer for every question.

    Returns:
        float; below all odds where silence is best, above them where answers are.

    Raises:
        ValueError: answers to all questions, or to none; or as `score_v2`.
    """
    score_v2(gold, predictions, null_odds)  # raises
    if len({bool(answers) for answers in gold.values()}) < 2:
        raise ValueError(
            "Questions with and without an answer are needed, to find when to be silent. Received: "
            f"{len(gold)} questions, all {'with' if any(gold.values()) else 'without'} one"
        )
    keys = sorted(gold, key=null_odds.get)
    right = {key: [x for x in answers if normalize(x)] or [""] for key, answers in gold.items()}
    gains = [
        _best(f1, right[k], predictions[k]) if gold[k] else -float(bool(predictions[k]))
        for k in keys
    ]
    place = int(np.argmax(np.cumsum([0.0, *gains])))
    odds = [null_odds[key] for key in keys]
    around = [odds[0] - 1.0, *odds, odds[-1] + 1.0]
    return float(np.mean(around[place : place + 2]))


def _over_thresholds(gold, predictions, odds, raw):
    """The best thresholds, and the curves' average precisions; equal odds in their own order."""
    keys = sorted((key for key in odds if key in gold), key=odds.get)
    best, curves = {}, {}
    for name, scores in raw.items():
        gains = [scores[k] if gold[k] else -float(bool(predictions[k])) for k in keys]
        sums = np.cumsum([sum(not answers for answers in gold.values()), *gains])
        place = int(np.argmax(sums))  # the first: no answer at all, or those up to a question
        best[f"best_{name}"] = float(100.0 * sums[place] / len(gold))
        best[f"best_{name}_thresh"] = odds[keys[place - 1]] if place else 0.0
    if any(gold.values()):
        sorted_odds = np.array([odds[key] for key in keys])
        for name, scores in (raw | {"oracle": dict.fromkeys(gold, 1.0)}).items():
            right = np.array([scores[key] if gold[key] else 0.0 for key in keys])
            curves[f"pr_{name}_ap"] = _average_precision(right, sorted_odds, gold)
    return best | curves


def _average_precision(right, odds, gold):
    """The area under precision over recall, in 0 … 100, with a step at each threshold."""
    sums = np.cumsum(right)
    recall = sums / sum(map(bool, gold.values()))
    cuts = np.append(odds[1:] != odds[:-1], True)
    precision = (sums / np.arange(1, len(sums) + 1))[cuts]
    return float(100.0 * (precision @ np.diff(recall[cuts], prepend=0.0)))


def _is_number(value):
    return isinstance(value, numbers.Real) and not math.isnan(value)


def _check(gold, predictions):
    """Raises a ValueError unless there are questions, and every answer is a str."""
    if not gold:
        raise ValueError("Expected one question or more. Received: none")
    for key, answers in gold.items():
        several = isinstance(answers, Iterable) and not isinstance(answers, str | bytes | Mapping)
        if not several or not all(isinstance(answer, str) for answer in answers):
            raise ValueError(
                f"`gold` must map each question to a list of str. Received for {key!r}: "
                f"{shorten(answers)}"
            )
    for key, answer in predictions.items():
        if not isinstance(answer, str):
            raise ValueError(
                f"`predictions` must map each question to a str. Received for {key!r}: "
                f"{shorten(answer)}"
            )
