"""Retrieval as BEIR's folders have it (Thakur et al. 2021): texts, queries, and who answers whom.

* corpus.jsonl: {"_id": "d1", "title": "…", "text": "…"}, a text a line; a title may be left out
* queries.jsonl: {"_id": "q1", "text": "…"}
* qrels/test.tsv: query-id, corpus-id and score, with tabs between, under that header
"""

import dataclasses
import logging
from pathlib import Path

from bert_tf2.data import json_lines, tables
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

LOGGER = logging.getLogger("bert_tf2")
CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
COLUMNS = ("query-id", "corpus-id", "score")


@dataclasses.dataclass(frozen=True)
class Beir:
    """A corpus, queries, and what answers them.

    Attributes:
        corpus: id -> text, with its title before it, if it has one, and a space between.
        queries: id -> text, of those alone that something answers, in the file's order.
        relevant: id of a query -> {id of a text: grade}, an int from 0, which is not relevant.
    """

    corpus: dict[str, str]
    queries: dict[str, str]
    relevant: dict[str, dict[str, int]]

    def __len__(self):
        return len(self.queries)


def is_beir(path):
    """Whether a path is a folder with the corpus and the queries."""
    return all((Path(path) / name).is_file() for name in (CORPUS, QUERIES))


def read_beir(folder, split="test"):
    """Reads a folder of BEIR.

    Relevant texts that the corpus lacks stay: they count as not found, as in BEIR, and are said.

    Args:
        folder: with the three files.
        split: the name of the file of scores: "train", "dev" or "test".

    Returns:
        `Beir`.

    Raises:
        ValueError: with file and line: a key or a column that is not there, an id or a text that is
            no string, an id or a pair that is there twice, a score that is no int, or a
            query that is not in the file of queries; or no query that something answers.
        OSError: a file cannot be read.
    """
    folder = Path(folder)
    corpus, queries = _texts(folder / CORPUS, "title"), _texts(folder / QUERIES)
    relevant = _relevant(folder / QRELS / f"{split}.tsv", queries)
    answered = {query for query, grades in relevant.items() if any(grades.values())}
    if not answered:
        raise ValueError(
            f"{folder / QRELS / f'{split}.tsv'}: expected a score above 0. Received: none"
        )
    pairs = {(q, i) for q in answered for i, grade in relevant[q].items() if grade}
    if lost := {i for _, i in pairs} - corpus.keys():
        LOGGER.warning(
            "%s: %d of the relevant texts are not in the corpus and count as not found, such as %s",
            *(folder, len(lost), shorten(min(lost))),
        )
    queries = {query: text for query, text in queries.items() if query in answered}
    return Beir(corpus, queries, {query: relevant[query] for query in queries})


def _texts(path, title=None):
    """id -> text, perhaps with what stands before it."""
    found = {}
    for number, row in json_lines.rows(path, TextFile(path), ("_id", "text")):
        where = f"{path}, line {number}"
        name, text = (json_lines.text(where, key, row[key]) for key in ("_id", "text"))
        if row.get(title):
            text = f"{json_lines.text(where, title, row[title])} {text}"
        if name in found:
            raise ValueError(f"{where}: expected an `_id` of its own. Received: {name!r} again")
        found[name] = text.strip()
    return found


def _relevant(path, queries):
    """id of a query -> {id of a text: grade}."""
    found = {}
    for number, row in tables.rows(path, TextFile(path), COLUMNS, True, "\t", chosen=False):
        query, text, score = (row[name].strip() for name in COLUMNS)
        where = f"{path}, line {number}"
        if query not in queries:
            raise ValueError(
                f"{where}: expected the id of a query in {QUERIES}. Received: {query[:80]!r}"
            )
        if not score.removeprefix("-").isdecimal():
            raise ValueError(f"{where}: expected an int as score. Received: {score[:80]!r}")
        if text in (grades := found.setdefault(query, {})):
            raise ValueError(
                f"{where}: expected a pair once. Received: {query!r} and {text!r} again"
            )
        grades[text] = max(int(score), 0)  # TREC has -1 and -2 of what is no answer, too
    return found
