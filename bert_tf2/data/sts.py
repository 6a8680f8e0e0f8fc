"""The STS benchmark's own files, sts-train.csv, sts-dev.csv and sts-test.csv (Cer et al. 2017).

Seven columns or more between tabs, without header or quotes: genre, file, year, number, score from
0 to 5, and the two texts.
"""

from pathlib import Path

from bert_tf2.data import tables
from bert_tf2.data.examples import Examples
from bert_tf2.data.label_cells import NUMBER, LabelReader
from bert_tf2.data.text_files import TextFile

NAMES = {f"sts-{split}{end}" for split in ("train", "dev", "test") for end in (".csv", ".tsv")}
SCORE, FIRST, SECOND = 4, 5, 6


def is_sts(path, encoding=None):
    """Whether a file has one of the benchmark's names, and its columns in the first line."""
    path = Path(path)
    if path.name not in NAMES or not path.is_file():
        return False
    _, line = next(tables.lines(TextFile(path, encoding)))
    cells = line.split("\t")
    return len(cells) > SECOND and NUMBER.fullmatch(cells[SCORE].strip()) is not None


def read_sts(path, encoding=None):
    """Reads a file of the STS benchmark; `encoding`: see `read_examples`.

    Returns:
        `Examples`: pairs, and scores from 0 to 5 as labels.

    Raises:
        ValueError: with file and line: fewer than seven columns, or a score that is no number.
        OSError: the file cannot be read.
    """
    path, found = Path(path), []
    reader = LabelReader("number", SCORE, None)
    for number, line in tables.lines(TextFile(path, encoding)):
        where, cells = f"{path}, line {number}", line.split("\t")
        if line.strip() and len(cells) <= SECOND:
            raise ValueError(
                f"{where}: expected seven columns or more between tabs. Received: {len(cells)}"
            )
        if line.strip():
            score = reader(where, {SCORE: cells[SCORE]})
            found.append((cells[FIRST].strip(), cells[SECOND].strip(), score, number))
    return Examples(*map(list, zip(*found, strict=True)))
