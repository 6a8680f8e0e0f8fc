"""The nine tasks of GLUE, and its diagnostics, in their published layout (Wang et al. 2018)."""

import logging
from pathlib import Path
from typing import NamedTuple

from bert_tf2 import files
from bert_tf2.data import json_lines, tables
from bert_tf2.data.examples import Examples
from bert_tf2.data.label_cells import LabelReader
from bert_tf2.data.text_files import TextFile
from bert_tf2.scoring import classification, regression

LOGGER = logging.getLogger("bert_tf2")
BINARY, ENTAILS = ("0", "1"), ("entailment", "not_entailment")
NLI = ("contradiction", "entailment", "neutral")  # the order of run_classifier.py


def _f1(gold, predicted):
    """F1 of the class 1; 0 where no row has it and none is given it, as scikit-learn says."""
    none = classification.confusion(gold, predicted)[0] == ["0"]
    return 0.0 if none else classification.binary_f1(gold, predicted)


METRICS = {
    "accuracy": lambda gold, predicted: classification.scores(gold, predicted)["accuracy"],
    "f1": _f1,
    "matthews": classification.matthews,
    "pearson": regression.pearson,
    "spearman": regression.spearman,
}


class GlueTask(NamedTuple):
    """What the files of a task hold, and how it is scored.

    Attributes:
        text: the column of the text.
        pair: that of the second text; None for single texts.
        label: that of the label, which test files do not have.
        labels: the classes as the files spell them, in order; None for a score.
        metrics: names in `METRICS`, GLUE's first one first.
        splits: the files' names, without .tsv.
    """

    text: str
    pair: str | None
    label: str
    labels: tuple | None
    metrics: tuple
    splits: tuple = ("train", "dev", "test")


TASKS = {
    "CoLA": GlueTask("sentence", None, "label", BINARY, ("matthews",)),
    "SST-2": GlueTask("sentence", None, "label", BINARY, ("accuracy",)),
    "MRPC": GlueTask("#1 String", "#2 String", "Quality", BINARY, ("f1", "accuracy")),
    "STS-B": GlueTask("sentence1", "sentence2", "score", None, ("pearson", "spearman")),
    "QQP": GlueTask("question1", "question2", "is_duplicate", BINARY, ("f1", "accuracy")),
    "MNLI": GlueTask(
        *("sentence1", "sentence2", "gold_label", NLI, ("accuracy",)),
        ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched"),
    ),
    "QNLI": GlueTask("question", "sentence", "label", ENTAILS, ("accuracy",)),
    "RTE": GlueTask("sentence1", "sentence2", "label", ENTAILS, ("accuracy",)),
    "WNLI": GlueTask("sentence1", "sentence2", "label", BINARY, ("accuracy",)),
    "AX": GlueTask("sentence1", "sentence2", "label", NLI, ("matthews",), ("diagnostic",)),
}
WITHOUT_HEADER = {("CoLA", "train"): {"sentence": 3, "label": 1}}
WITHOUT_HEADER["CoLA", "dev"] = WITHOUT_HEADER["CoLA", "train"]
SUBMITTED = {"test": "", "test_matched": "-m", "test_mismatched": "-mm", "diagnostic": ""}


def named(name):
    """The name and `GlueTask` of a task, however it is spelt: "SST-2", "sst2", "stsb" …

    Raises:
        ValueError: no such task.
    """
    plain = str(name).casefold().replace("-", "").replace("_", "")
    for known, task in TASKS.items():
        if known.casefold().replace("-", "") == plain:
            return known, task
    raise ValueError(f"GLUE's tasks are {', '.join(TASKS)}. Received: {name!r}")


def read_glue(folder, name, split="train"):
    """Reads one file of GLUE.

    In its published training files some rows have lost columns: they are left out, and that is
    said. Of other files every row counts, so there they are an error.

    Args:
        folder: the task's folder, or that of all tasks.
        name: "CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI", "QNLI", "RTE", "WNLI" or "AX".
        split: "train", "dev" or "test"; of MNLI, "dev_matched" and so on; of AX, "diagnostic".

    Returns:
        `Examples`; labels are class names, of STS-B floats, and None in a test file.

    Raises:
        ValueError: no such task or split; or with file and line: a row that lacks a column, a label
            that is no class or no number.
        OSError: the file cannot be read.
    """
    name, task = named(name)
    _check_split(name, task.splits, split)
    folder = Path(folder)
    path = (folder / name if (folder / name).is_dir() else folder) / f"{split}.tsv"
    label = None if split in SUBMITTED else task.label
    places = WITHOUT_HEADER.get((name, split), {})
    wanted = [column for column in (task.text, task.pair, label) if column is not None]
    wanted = [places.get(column, column) for column in wanted]
    left_out = [] if split == "train" else None
    reader = None if label is None else _reader(task, wanted[-1])
    found, lines = [], []
    for number, row in tables.rows(path, TextFile(path), wanted, not places, "\t", left_out, False):
        where = f"{path}, line {number}"
        texts = wanted if label is None else wanted[:-1]
        cells = [json_lines.text(where, column, row[column]) for column in texts]
        found.append([*cells, reader(where, row)] if reader else cells)
        lines.append(number)
    if left_out:
        LOGGER.warning("%d rows are left out. %s", len(left_out), left_out[0])
    if not found:
        raise ValueError(f"{path}: expected rows. Received: none")
    texts, *others = map(list, zip(*found, strict=True))
    return Examples(texts, others[0] if task.pair else None, others[-1] if reader else None, lines)


def _reader(task, column):
    return LabelReader("number" if task.labels is None else "class", column, task.labels)


def _check_split(name, splits, split):
    if split not in splits:
        raise ValueError(f"{name} has the files {', '.join(splits)}. Received: {split!r}")


def score(name, gold, predicted):
    """The figures by which GLUE scores a task. -> dict of metric to float, in 0 … 1 or -1 … 1.

    Args:
        name: of the task.
        gold, predicted: class names, or numbers for STS-B.
    """
    return {metric: float(METRICS[metric](gold, predicted)) for metric in named(name)[1].metrics}


def write_submission(folder, name, predictions, split="test", overwrite=False):
    """Writes predictions for a test file as GLUE takes them. -> Path of the file.

    Args:
        folder: where "CoLA.tsv", "MNLI-m.tsv" … belong; created if need be.
        name: of the task.
        predictions: of each row in order: class names, or numbers for STS-B.
        split: "test", "test_matched", "test_mismatched" or "diagnostic".
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        ValueError: no such task or test file, or a prediction that is no class or no number.
    """
    name, task = named(name)
    _check_split(name, [known for known in task.splits if known in SUBMITTED], split)
    path = Path(folder) / f"{name}{SUBMITTED[split]}.tsv"
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: give another name or ask to overwrite it")
    rows = ["index\tprediction\n"]
    reader = _reader(task, "prediction")
    for number, value in enumerate(predictions):
        value = value.item() if hasattr(value, "item") else value
        cell = reader(f"{name}, prediction {number}", {"prediction": value})
        rows.append(f"{number}\t{cell if task.labels else format(cell, '.6g')}\n")
    files.write_file(path, "".join(rows))
    return path
