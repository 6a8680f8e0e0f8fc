"""Answers as people hold them -> where they stand in their contexts."""

import numbers
from collections.abc import Mapping

import numpy as np

from bert_tf2.data.squad import ANSWER, check_place
from bert_tf2.messages import shorten
from bert_tf2.text.forms import cells

FORMS = (
    "{'text': str, 'answer_start': int}, SQuAD's lists of these, a tuple of the characters it "
    "begins and ends with, or None where there is no answer"
)
NOWHERE = (-1, -1)


def answer_spans(y, contexts, rows):
    """Where the answers of n questions begin, and end.

    Args:
        y: for each question a dict of `text` and `answer_start`, or such a dict of lists, or a list
            of such dicts, of which the first counts, and none is no answer; or a tuple (start, end)
            of characters, from 0, without the end; or None for no answer. Or int (n, 2), with -1.
        contexts: list of n str; None: ids are given, and their places are tokens, to the last one.
        rows: n.

    Returns:
        int32 (n, 2), -1 twice where there is no answer; of tokens 0 twice.

    Raises:
        TypeError, ValueError: another form, or an answer that does not stand there; the message has
            the index.
    """
    y = np.asarray(y).tolist() if len(getattr(y, "shape", ())) == 2 else cells(y, "y")
    if len(y) != rows:
        raise ValueError(f"`y` must have an answer a question: {rows}. Received: {len(y)}")
    context = [None] * rows if contexts is None else contexts
    return np.array([_span(i, *pair) for i, pair in enumerate(zip(y, context, strict=True))], "i4")


def answer_texts(y, contexts):
    """All right answers to each question, where `answer_spans` takes y: lists of str."""
    y = np.asarray(y).tolist() if len(getattr(y, "shape", ())) == 2 else cells(y, "y")
    return [_texts(*pair) for pair in zip(y, contexts, strict=True)]


def _texts(answer, context):
    if isinstance(answer, Mapping):
        texts = answer.get("text", [])
        return [texts] if isinstance(texts, str) else list(texts)
    if answer is None or not len(answer):
        return []
    if isinstance(answer[0], Mapping):
        return [x["text"] for x in answer]
    start, end = map(int, answer)
    return [] if (start, end) == NOWHERE else [context[start:end]]


def _span(index, answer, context):
    where = f"`y` at index {index}"
    answer = _first(where, answer)
    if answer is None:
        return (0, 0) if context is None else NOWHERE
    if isinstance(answer, Mapping) and context is not None:
        answer = {name: _plain(answer.get(name)) for name in ANSWER}
        check_place(where, context, answer)
        start = answer["answer_start"]
        return start, start + len(answer["text"])
    start, end = _pair(where, answer)
    if context is None:
        if 0 <= start <= end:
            return start, end
        raise ValueError(f"{where}: expected an answer's first and last token. Received: {answer}")
    if (start, end) == NOWHERE:
        return NOWHERE
    if not 0 <= start < end <= len(context) or not context[start:end].strip():
        raise ValueError(
            f"{where}: expected an answer with words, within the context's {len(context)} "
            f"characters. Received: {answer}"
        )
    return start, end


def _first(where, answer):
    """The first of several answers, or None."""
    if isinstance(answer, Mapping):
        columns = [answer.get(name) for name in ANSWER]
        several = [isinstance(column, list | np.ndarray) for column in columns]
        if not any(several):
            return answer or None
        if not all(several) or len(columns[0]) != len(columns[1]):
            raise ValueError(
                f"{where}: expected equally many `text` and `answer_start`. Received: "
                f"{shorten(answer)}"
            )
        answer = [dict(zip(ANSWER, pair, strict=True)) for pair in zip(*columns, strict=True)]
    of_dicts = isinstance(answer, list | np.ndarray) and all(isinstance(x, Mapping) for x in answer)
    return (answer[0] if len(answer) else None) if of_dicts else answer


def _pair(where, answer):
    try:
        pair = tuple(map(_plain, answer))
    except TypeError:
        pair = ()
    if [type(place) for place in pair] != [int, int]:
        raise TypeError(f"{where}: expected an answer as {FORMS}. Received: {shorten(answer)}")
    return pair


def _plain(value):
    """NumPy's numbers as Python's."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return int(value) if whole else value
