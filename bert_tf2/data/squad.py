"""SQuAD 1.1 and 2.0: questions to texts, and answers that stand in them.

Rajpurkar et al. 2016 and 2018. The published JSON; or JSON Lines with a question a line, flat:
"id", "question", "context", "answers": {"text": [...], "answer_start": [...]}.
"""

import dataclasses
import json
from pathlib import Path

from bert_tf2 import files
from bert_tf2.data import json_lines, tables
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

ANSWER = {"text": str, "answer_start": int}
QUESTION = {"id": (str, int), "question": str, "answers?": [ANSWER], "is_impossible?": bool}
FILE = {"data": [{"paragraphs": [{"context": str, "qas": [QUESTION]}]}]}
NEAR = 40  # characters of a text, for messages


@dataclasses.dataclass(frozen=True)
class Questions:
    """Questions, a row each.

    Attributes:
        ids: list of str, each once.
        questions: list of str.
        contexts: list of str, the text of each question.
        answers: list of lists of str, the right answers; empty where there is none.
        starts: list of lists of int, where each answer begins, in characters from 0.
        impossible: list of bool, whether a question has no answer (SQuAD 2.0).
        articles: list of str, which texts belong together, and into one fold: the title of an
            article, else its number; in JSON Lines "title", else the context itself.
        places: list of str, the file, line and id of each.

    Answers, starts and impossible are None where the answers were not read.
    """

    ids: list[str]
    questions: list[str]
    contexts: list[str]
    answers: list[list[str]] | None = None
    starts: list[list[int]] | None = None
    impossible: list[bool] | None = None
    articles: list[str] | None = dataclasses.field(default=None, compare=False)
    places: list[str] | None = dataclasses.field(default=None, compare=False)

    def __len__(self):
        return len(self.ids)

    def gold(self):
        """What `scoring.questions` takes: dict of id to the list of right answers."""
        return dict(zip(self.ids, self.answers, strict=True))

    def targets(self):
        """What `QuestionAnswerer.fit` takes as `y`: of each question its answers and starts."""
        pairs = zip(self.answers, self.starts, strict=True)
        return [dict(zip(ANSWER, pair, strict=True)) for pair in pairs]


def read_squad(path, labelled=True, encoding=None):
    """Reads a SQuAD file.

    Args:
        path: a .json file as published, of 1.1 or 2.0; or .jsonl, a question a line.
        labelled: whether to read answers; else there may be none.
        encoding: of a .jsonl file, Python's name; default: UTF-8. JSON as published is in UTF-8.

    Returns:
        `Questions`, with one row at least.

    Raises:
        ValueError: with file and id: a question or context without text, an id twice, an answer
            that does not stand in its context where it should, none where there must be one, or one
            of a question that has none; or JSON of another form.
        OSError: the file cannot be read.
    """
    rows, seen, articles, places = [], set(), [], []
    for article, where, *row in _each(path, labelled, encoding):
        if row[0] in seen:
            raise ValueError(f"{where}: its id is there twice")
        seen.add(row[0])
        rows.append(row)
        articles.append(article)
        places.append(where)
    columns = map(list, zip(*rows, strict=True))
    return Questions(*columns, articles=articles, places=places)


def each(path, labelled=False, encoding=None):
    """Each question in turn: its place, id, text and context, and where labelled its answers.

    Arguments and errors are those of `read_squad`, but that ids may be there twice.
    """
    return (row[1:] for row in _each(path, labelled, encoding))


def _each(path, labelled, encoding):
    """As `each`, and before it the article."""
    path, none = Path(path), True
    of_lines = path.suffix.lower() == ".jsonl"
    if encoding and not of_lines:
        raise ValueError(f"{path}: `encoding` is for .jsonl: JSON as published is in UTF-8")
    rows = _of_lines(path, encoding) if of_lines else _of_file(path)
    for where, article, context, question in rows:
        none, key = False, str(question["id"])
        where = f"{where}, question {shorten(key, 60)}"
        for name, text in (("question", question["question"]), ("context", context)):
            if not json_lines.text(where, name, text).strip():
                raise ValueError(f"{where}: the {name} has no text")
        answers = _answers(where, context, question) if labelled else ()
        yield article, where, key, question["question"], context, *answers
    if none:
        raise ValueError(f"{path}: expected questions. Received: none")


def _of_file(path):
    """(file, article, context, question) of each question of a published file."""
    for number, article in enumerate(files.read_json(path, FILE, at_most=None)["data"], 1):
        title = _title(article) or f"article {number}"
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                # Of 1.1, where every question has an answer, none is told to have none.
                yield path, title, paragraph["context"], {"is_impossible": False} | question


def _title(row):
    """What an article is called; SQuAD 1.1 to 2.0 and Hugging Face's rows have it."""
    return row["title"] if isinstance(row.get("title"), str) else ""


def _of_lines(path, encoding):
    wanted = ("id", "question", "context")
    for number, row in json_lines.rows(path, TextFile(path, encoding), wanted):
        where = f"{path}, line {number}"
        article = _title(row) or row["context"]
        if "answers" not in row:
            yield where, article, row["context"], row
            continue
        answers = row["answers"]
        if isinstance(answers, dict):  # columns, as Hugging Face's datasets have them
            columns = [answers.get(name) for name in ANSWER]
            if not all(isinstance(x, list) for x in columns) or len(set(map(len, columns))) != 1:
                raise ValueError(
                    f"{where}: expected lists of equal lengths in answers.text and "
                    f"answers.answer_start. Received: {shorten(answers)}"
                )
            answers = [dict(zip(ANSWER, pair, strict=True)) for pair in zip(*columns, strict=True)]
        if not isinstance(answers, list) or not all(isinstance(x, dict) for x in answers):
            raise ValueError(
                f"{where}: expected a list of answers, each with text and answer_start. Received: "
                f"{shorten(answers)}"
            )
        yield where, article, row["context"], row | {"answers": answers}


def _answers(where, context, question):
    """(texts, starts, impossible) of a question, checked."""
    if not {"answers", "is_impossible"} & question.keys():
        raise ValueError(
            f"{where}: expected 'answers', an empty list where there is none. Received the keys "
            f"{tables.shown(question)}"
        )
    answers = question.get("answers", [])
    impossible = question.get("is_impossible", not answers)
    if impossible != (not answers):
        raise ValueError(
            f"{where}: expected answers unless `is_impossible` is true. Received: "
            f"{len(answers)} answers, and {str(impossible).lower()}"
        )
    for answer in answers:
        check_place(where, context, answer)
    return [x["text"] for x in answers], [x["answer_start"] for x in answers], not answers


def check_place(where, context, answer):
    """Raises a ValueError, which begins with `where`, for an answer that is not at its place."""
    text, start = answer.get("text"), answer.get("answer_start")
    if isinstance(start, bool) or not isinstance(start, int) or not isinstance(text, str):
        raise ValueError(
            f"{where}: expected an answer's text and its start, an integer. Received: "
            f"{shorten(answer)}"
        )
    if not text.strip():
        raise ValueError(f"{where}: an answer has no text")
    if start >= 0 and context.startswith(text, start):
        return
    place = context.find(text)
    elsewhere = f"it is at {place}" if place >= 0 else "it is nowhere in it"
    there = context[start : start + NEAR] if 0 <= start < len(context) else ""
    raise ValueError(
        f"{where}: the answer {shorten(text)} must stand in the context at character {start}, from "
        f"0: {elsewhere}. Received there: {shorten(there)}"
    )


def write_answers(folder, ids, answers, overwrite=False):
    """Writes the files of run_squad.py: `predictions.json`, `nbest_predictions.json`, and where
    there may be no answer `null_odds.json`.

    Args:
        folder: where they belong; made if it is not there.
        ids: list of n different str.
        answers: a `scoring.nbest.Answers`, or a tuple like it; what is None is not written.
        overwrite: replace files that exist.

    Returns:
        list of Path, the files.

    Raises:
        FileExistsError: one exists and `overwrite` is False; nothing is written.
    """
    names = ("predictions", "nbest_predictions", "null_odds")
    found = {
        Path(folder, f"{name}.json"): values
        for name, values in zip(names, answers, strict=True)
        if values is not None
    }
    for path in found:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists: give another name or ask to overwrite it")
    for path, values in found.items():
        content = json.dumps(dict(zip(ids, values, strict=True)), indent=4)
        files.write_file(path, content + "\n")
    return list(found)
