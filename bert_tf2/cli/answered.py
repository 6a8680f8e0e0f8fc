"""Rows -> what stands in a file of answers: any number of them, in order, in bounded memory."""

import contextlib
import itertools
import time
from pathlib import Path

from tqdm import tqdm

from bert_tf2 import __version__, drafts, files
from bert_tf2.cli import row_streams
from bert_tf2.cli.kinds_in_texts import of_length
from bert_tf2.cli.opened import STEPS
from bert_tf2.data import examples

WINDOW = 2048  # rows that are held at a time, and sorted by length
ELSEWHERE = {  # flags that do not change what is answered
    *("model", "saved_model", "init_checkpoint", "input_file", "output_file", "output_dir"),
    *("overwrite", "debug", "api_key", "timeout", "arguments", "command"),
}


def answered(model, rows, batch_size, bar=None):
    """The answers to some rows, computed in batches of like length.

    Args:
        model: an `Opened`. rows: n `Rows`.
        bar: of tqdm, to move on; None for one of its own.

    Returns:
        list of n pairs of dicts, the cells of a row and of its answer, in the order of the rows.
    """
    sizes = [sum(map(_size, row)) for row in rows]
    order = sorted(range(len(rows)), key=sizes.__getitem__, reverse=True)
    found = [None] * len(rows)
    for place, answers in zip(order, model.answers(rows.take(order), batch_size, bar), strict=True):
        cells = model.row.kind.cells(model, answers)
        if "words" in rows.columns and "tags" in cells:
            cells["tags"] = of_length(cells["tags"], len(rows.columns["words"][place]), model)
        found[place] = cells
    return [
        (dict(zip(rows.columns, row, strict=True)), cells)
        for row, cells in zip(rows, found, strict=True)
    ]


def _size(cell):
    """About how long a cell is: its characters, and one for each word or choice."""
    return len(cell) if isinstance(cell, str) else sum(map(len, cell)) + len(cell)


@contextlib.contextmanager
def _placed(where, model, rows):
    """Says where rows stand that a model refuses: in their own order, not in that by length."""
    try:
        yield
    except (ValueError, TypeError) as refused:
        error = refused
        try:
            if model.task is not None:
                model.task.read(rows.x)
        except (ValueError, TypeError) as own:
            error = own
        raise ValueError(f"{where}: {error}") from error


class Job:
    """A file of rows that a model is to answer.

    Args:
        flags: of the verb. model: an `Opened`.

    Raises:
        ValueError: with file and line: what is wrong with a row, of all that there are.
    """

    def __init__(self, flags, model):
        self.flags, self.model, self.batch_size = flags, model, flags.predict_batch_size
        self.path = flags.input_file
        self.count, kind = row_streams.counted(self.rows())
        print(f"{self.path}: {self.count} {kind}")

    def rows(self):
        """The rows of the file, one after another."""
        return self.model.stream(self.flags, self.path)

    def windows(self, start=0):
        """Yields what `answered` gives of each window of rows, from that row on."""
        left = itertools.islice(self.rows(), start, None)
        size, end = max(WINDOW, STEPS * self.batch_size), start
        with tqdm(
            total=self.count, initial=start, unit="row", disable=None, mininterval=0.5
        ) as bar:
            for rows in row_streams.windows(left, size):
                begin, end = end, end + len(rows)
                with _placed(f"{self.path}, rows {begin + 1} to {end}", self.model, rows):
                    found = answered(self.model, rows, self.batch_size, bar)
                yield found

    def to_file(self):
        """Writes --output_file; what an earlier run of the same has written, it goes on with."""
        file, started = self.flags.output_file, time.monotonic()
        with drafts.draft(file, self.said()) as draft:
            if begun := draft.done:
                print(f"{file}: goes on at row {begun + 1}, where an earlier run was interrupted")
            try:
                self._fill(draft)
            except KeyboardInterrupt as error:
                kept = f": {draft.done} of {self.count} rows are kept; the same command goes on"
                raise KeyboardInterrupt(kept if draft.done else "") from error
            draft.publish()
        speed = (self.count - begun) / (time.monotonic() - started)
        print(f"written: {self.count} rows to {file} ({speed:.0f} rows/s)")

    def said(self):
        """All that an answer depends on."""
        given = self.flags.flag_values_dict().items()
        paths = row_streams.files_of(self.path)
        return {
            "rows": self.count,
            "input": files.digest(paths),
            "model": self.model.fingerprint(),
            "settings": {name: value for name, value in given if name not in ELSEWHERE},
            "form": Path(self.flags.output_file).suffix.lower(),
            "bert_tf2": __version__,
        }

    def _fill(self, draft):
        size, names = draft.more.get("bytes", 0), draft.more.get("columns")
        with open(draft.part, "r+b" if draft.done else "wb") as file:
            there = file.seek(0, 2)
            if there < size:
                raise ValueError(f"{draft.part} must have {size:,} bytes. Received: {there:,}")
            file.truncate(size)
            file.seek(size)
            for pairs in self.windows(draft.done):
                table = [row | cells for row, cells in pairs]
                examples.check_rows(self.flags.output_file, table, names or list(table[0]))
                form = draft.said["form"]
                content = examples.formatted(table, form, header=not file.tell())
                file.write(content.encode("utf-8", "backslashreplace"))
                file.flush()
                names = list(table[0])
                draft.note(draft.done + len(table), bytes=file.tell(), columns=names)
