"""One function of rows, for whatever hands rows to functions: Ray Data, Apache Beam, a loop."""

import json

import numpy as np

from bert_tf2.cli import answered, flags
from bert_tf2.cli.opened import open_model
from bert_tf2.cli.rows import Rows
from bert_tf2.cli.verbs import VERBS
from bert_tf2.messages import shorten

PREDICT = "predict"  # the verb whose flags there are, and whose answers
COMMAND = "Answerer"  # for messages


class Answerer:
    """Answers rows with a model, which is loaded once.

    Args:
        model: a `.keras` file, the folder of an exported SavedModel, or a checkpoint with a trained
            head, as `--model` of `bert_tf2 predict`.
        batch_size: rows that are computed at once.
        **settings: other flags of `bert_tf2 predict` that a model is opened with, such as
            `task="zero_shot", candidate_labels=["sports", "politics"]`.

    Raises:
        UsageError: no such flag. ValueError, FileNotFoundError: as `bert_tf2 predict`.

    Example:

    >>> answers = Answerer("clf.keras")
    >>> answers([{"text": "what a film", "id": 7}])
    [{'text': 'what a film', 'id': 7, 'label': 'positive', 'probability': 0.98, …}]
    """

    def __init__(self, model, batch_size=32, **settings):
        given = {"model": model, "predict_batch_size": batch_size} | settings
        words = [f"--{name}={_word(value)}" for name, value in given.items()]
        self.flags = flags.parse(COMMAND, VERBS[PREDICT].flags, words)
        self.model = open_model(self.flags)
        self.batch_size = self.flags.predict_batch_size

    def __call__(self, rows):
        """Answers rows.

        Args:
            rows: list of n dicts with the columns that the task reads, such as `text`; what else is
                in them is handed through.

        Returns:
            list of n dicts, each a row with what `bert_tf2 predict` writes of its answer, in JSON's
            types, in the order of the rows.

        Raises:
            ValueError: a row without a column, or with a cell that is no text, or no list of them
                where there must be one; a column of the name of an answer's cell.
        """
        if not rows:
            return []
        names = self._columns(rows[0])
        if missing := [i for i, row in enumerate(rows) if not row.keys() >= {*names}]:
            raise ValueError(
                f"Rows must have {', '.join(names)}. Received at index {missing[0]}: "
                f"{', '.join(map(str, rows[missing[0]])) or 'nothing'}"
            )
        for i, row in enumerate(rows):
            for name in names:
                _check_cell(f"at index {i}", name, row[name])
        columns = Rows({name: [row[name] for row in rows] for name in names}, None, "")
        found = []
        pairs = answered.answered(self.model, columns, self.batch_size, _Bar())
        for row, (_, cells) in zip(rows, pairs, strict=True):
            if both := row.keys() & cells.keys():
                raise ValueError(f"Rows and answers must not both have {', '.join(sorted(both))}")
            found.append(dict(row) | json.loads(json.dumps(cells, default=lambda x: x.tolist())))
        return found

    def _columns(self, row):
        """The columns to read; of a TokenClassifier also `words`, where rows have them."""
        own = "words" in row and "text" not in row
        return ("words",) if own else self.model.columns


class _Bar:
    """In place of a bar: rows come from many sides, and nobody looks."""

    def update(self, count):
        pass


def _check_cell(where, name, cell):
    """A str; of `words` and `choices` str in a list, a tuple or an array."""
    several = name in ("words", "choices")
    texts = [*cell] if several and isinstance(cell, list | tuple | np.ndarray) else [cell]
    if several == (texts == [cell]) or not all(isinstance(text, str) for text in texts):
        what = "a list of str" if several else "a str"
        raise ValueError(f"Rows must have {what} in {name!r}. Received {where}: {shorten(cell)}")


def _word(value):
    """A value as a flag has it."""
    return ",".join(value) if isinstance(value, list | tuple) else value
