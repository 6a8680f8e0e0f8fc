"""Files of several endings of which one is right: SWAG, RACE, CommonsenseQA and plain JSON Lines.

What all become: a context and its choices. Where a file has a text and a question about it, each
choice is the question with an answer: in its one gap, "_" or "____" apart from words, or after it.
"""

import dataclasses
import re
import string
from pathlib import Path

from bert_tf2 import files
from bert_tf2.data import examples, json_lines
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

SWAG = ("sent1", "sent2", *(f"ending{i}" for i in range(4)))  # Zellers et al. 2018
RACE = {"article": str, "questions": [str], "options": [[str]]}  # Lai et al. 2017
RACE_CHOICES = 4
GAP = re.compile(r"(?<!\w)_+(?!\w)|_{3,}")  # and no "_" of a name, such as "max_length"
LATE = re.compile(r"_+(?!\w)")  # behind a word, "It is_ .", as RACE has some


@dataclasses.dataclass(frozen=True)
class Choices:
    """Rows of one context and several choices.

    Attributes:
        contexts: list of str.
        choices: list of lists of str, two or more a row.
        labels: list of int, the right choice, from 0; None where it was not read.
        places: list of str, the file and line of each row.
    """

    contexts: list[str]
    choices: list[list[str]]
    labels: list[int] | None = None
    places: list[str] | None = dataclasses.field(default=None, compare=False)

    def __len__(self):
        return len(self.contexts)


def read_choices(path, labelled=True, encoding=None):
    """Reads a file, or a folder, of contexts with several choices.

    Args:
        path: told by its form:
            a .csv file as SWAG's, with the columns sent1, sent2, ending0 … ending3, label;
            a .json or .txt file as RACE's, an article with its questions, or a folder of such;
            a .jsonl file with `question`, `choices` (a list of texts), `answer` (a number from 0, a
            letter from A, or the text of a choice) and perhaps `context`; or as CommonsenseQA's,
            whose choices have labels of their own, and `answerKey`.
        labelled: whether to read which choice is right; test files may not say.
        encoding: see `read_examples`.

    Returns:
        `Choices`, with one row at least.

    Raises:
        ValueError: with file and line: no known form, too few choices, one without text, an answer
            that is none of them, or that could be two.
        OSError: the file cannot be read.
    """
    columns = map(list, zip(*each(path, labelled, encoding), strict=True))
    contexts, choices, labels, places = columns
    return Choices(contexts, choices, labels if labelled else None, places)


def each(path, labelled=False, encoding=None):
    """Each row of a file in turn: its context, choices, label (None unlabelled) and place.

    Arguments and errors are those of `read_choices`.
    """
    path, none = Path(path), True
    suffix = "" if path.is_dir() else path.suffix.lower()
    if suffix not in READERS:
        raise ValueError(
            "Expected SWAG's .csv, RACE's .json or .txt or a folder of them, or .jsonl. Received: "
            f"{path}"
        )
    for where, context, options, names, answer in READERS[suffix](path, labelled, encoding):
        none = False
        for name, text in (("context", context), *(("choice", option) for option in options)):
            if not json_lines.text(where, name, text).strip():
                raise ValueError(f"{where}: a {name} has no text")
        if len(options) < 2:
            raise ValueError(f"{where}: expected two choices or more. Received: {shorten(options)}")
        yield context, options, _number(where, answer, names) if labelled else None, where
    if none:
        raise ValueError(f"{path}: expected contexts with choices. Received: none")


def check_count(where, choices, count):
    """Raises a ValueError, which begins with `where`, unless a row has so many choices.

    Files may have rows of different numbers of choices; a `MultipleChoice` takes them of one.
    """
    if len(choices) != count:
        raise ValueError(
            f"{where}: expected {count} choices, as in the first row. Received: {len(choices)}, "
            f"{shorten(choices)}"
        )


def _number(where, answer, names):
    """The number of the right choice; `names` lists for each what it may be called."""
    called = [number for number, known in enumerate(names) if answer in known]
    if answer is None or isinstance(answer, bool) or len(called) != 1:
        why = "and could be several" if called[1:] else "and is none of them"
        raise ValueError(
            f"{where}: the answer must be one of {len(names)} choices, {why}. Received: "
            f"{shorten(answer)}, of {shorten(names, 200)}"
        )
    return called[0]


# Each yields (file and line, context, choices, their names, answer).


def _swag(path, labelled, encoding):
    wanted = [*SWAG, "label"] if labelled else SWAG
    names = [[str(number)] for number in range(len(SWAG) - 2)]
    for number, row in examples.rows(path, wanted, encoding=encoding, chosen=False):
        where = f"{path}, line {number}"
        context, start, *endings = (row[column] for column in SWAG)
        for column, ending in zip(SWAG[2:], endings, strict=True):
            if not ending.strip():
                raise ValueError(f"{where}: expected an ending in {column!r}. Received: none")
        yield where, context, [f"{start} {end}".strip() for end in endings], names, row.get("label")


def _race(path, labelled, encoding):
    # As published, .txt files of one JSON object.
    paths = sorted(x for x in path.rglob("*") if x.suffix in (".txt", ".json"))
    names = [[letter] for letter in string.ascii_uppercase[:RACE_CHOICES]]
    for file in paths if path.is_dir() else [path]:
        found = files.read_json(file, RACE | ({"answers": [str]} if labelled else {}))
        answers = found["answers"] if labelled else [None] * len(found["questions"])
        counts = len(found["questions"]), len(found["options"]), len(answers)
        if len(set(counts)) != 1:
            raise ValueError(
                f"{file}: expected options and an answer for each question. Received: {counts[0]} "
                f"questions, {counts[1]} rows of options, {counts[2]} answers"
            )
        columns = zip(found["questions"], found["options"], answers, strict=True)
        for number, (question, options, answer) in enumerate(columns, 1):
            where = f"{file}, question {number}"
            if len(options) != RACE_CHOICES:
                raise ValueError(
                    f"{where}: expected {RACE_CHOICES} options. Received: {shorten(options)}"
                )
            choices = [_asked(where, question, option) for option in options]
            yield where, found["article"], choices, names, answer


def _json_lines(path, labelled, encoding):
    for number, row in json_lines.rows(path, TextFile(path, encoding), ("question",)):
        where, question = f"{path}, line {number}", row["question"]
        if isinstance(question, dict):  # CommonsenseQA as its authors publish it
            row = row | {"choices": question.get("choices"), "question": question.get("stem")}
        choices, names = _named_choices(where, row.get("choices"))
        question, context = row["question"], row.get("context")
        if context is not None:
            choices = [_asked(where, question, choice) for choice in choices]
        answer = next((row[key] for key in ("answer", "answerKey") if key in row), None)
        yield where, question if context is None else context, choices, names, answer


def _named_choices(where, choices):
    """(texts, names) of the choices of a line, in any of its three forms."""
    if isinstance(choices, dict):
        texts, labels = choices.get("text"), choices.get("label")
    elif isinstance(choices, list) and choices and all(isinstance(x, dict) for x in choices):
        texts, labels = ([choice.get(key) for choice in choices] for key in ("text", "label"))
    else:
        texts, labels = choices, None
    lists = [x for x in (texts, labels) if x is not None]
    if texts is None or not all(isinstance(x, list) and len(x) == len(texts) for x in lists):
        raise ValueError(
            f"{where}: expected `choices` as a list of texts, or with a label each. Received: "
            f"{shorten(choices)}"
        )
    if labels is not None:
        return texts, [[label] for label in labels]
    letters = string.ascii_uppercase
    return texts, [[i, *letters[i : i + 1], text] for i, text in enumerate(texts)]


def _asked(where, question, choice):
    """A question with its answer: in its gap, or after it; of several gaps none is the answer's."""
    for name, text in (("question", question), ("choice", choice)):
        if not json_lines.text(where, name, text).strip():
            raise ValueError(f"{where}: a {name} has no text")
    parts = GAP.split(question)
    if len(parts) == 1 and len(re.findall("_+", question)) == 1:
        parts = LATE.split(question)
    return choice.join(parts) if len(parts) == 2 else f"{question} {choice}"


READERS = {".csv": _swag, ".json": _race, ".txt": _race, "": _race, ".jsonl": _json_lines}
