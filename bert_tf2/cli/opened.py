"""Trained models, whatever they were saved as: .keras file, exported SavedModel, checkpoint."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from bert_tf2.cli import console, task_table
from bert_tf2.cli.flags import UsageError, one_of
from bert_tf2.files import check_tree

LABELS_FILE = "assets.extra/labels.txt"  # beside a SavedModel's graph: one class a line, in order
STEPS = 16  # batches that are given to a model at a time


class Opened(NamedTuple):
    """A trained model.

    Attributes:
        name: what the user called it.
        row: of the table of tasks.
        answer: x, batch size -> an iterator of dicts of arrays (B, …), the task's `answers`.
        pairs: whether it takes pairs of texts.
        classes: the names of a classifier's classes, or None.
        task: the Keras model; None for a SavedModel.
    """

    name: str
    row: task_table.TaskRow
    answer: Callable
    pairs: bool
    classes: list[str] | None
    task: object | None

    def answers(self, examples, batch_size):
        """The answers to each row, a dict, with a progress bar."""
        sides = [examples.texts] + ([examples.pairs] if examples.pairs else [])
        if len(sides) != 1 + self.pairs:
            kind = "pairs of texts" if self.pairs else "single texts"
            raise ValueError(
                f"{self.name} was trained on {kind}. Received: {len(sides)} column(s) of text; see "
                "--text_pair_column"
            )
        with tqdm(total=len(examples), unit="text", disable=None, mininterval=0.5) as bar:
            for start in range(0, len(examples), STEPS * batch_size):
                part = [side[start : start + STEPS * batch_size] for side in sides]
                for found in self.answer(tuple(part) if self.pairs else part[0], batch_size):
                    rows = len(next(iter(found.values())))
                    yield from ({n: v[i] for n, v in found.items()} for i in range(rows))
                    bar.update(rows)


def open_model(flags, servable=True):
    """What --model, --saved_model or --init_checkpoint names, which its files tell apart.

    Args:
        flags: with `task`, which only a checkpoint without a task of its own needs.
        servable: whether a SavedModel will do.

    Raises:
        ValueError: a SavedModel, or a task, that does not do here; a head that was never trained.
        UsageError: class names for what has its own, or has none.
        FileNotFoundError: there is nothing of that name.
    """
    from bert_tf2.weights.discovery import exported

    flag = which(flags)
    given = flags[flag].value
    place = Path(given).expanduser()
    served = exported(place)
    if flags.labels and (served or flag == "saved_model" or place.suffix == ".keras"):
        raise UsageError(f"--labels is for checkpoints: {given} has its own classes", flags.command)
    if flag == "saved_model" or (served and servable):
        return _saved_model(served or place)
    task = load_task(given) if place.suffix == ".keras" else _of_checkpoint(flags, given)
    classes = getattr(task, "labels", None)
    row = task_table.row_of(type(task).__name__)
    return Opened(given, row, task.answer, task.takes_pairs, classes, task)


def which(flags):
    """The flag that names the model; UsageError if none or several do."""
    names = ("model", "saved_model", "init_checkpoint")
    return one_of(flags, *(name for name in names if name in flags))


def load_task(path):
    """The task in a .keras file."""
    if not Path(path).expanduser().is_file():
        raise FileNotFoundError(f"No model at {path}: expected a .keras file")
    console.import_tensorflow()
    import keras

    for row in task_table.TASKS.values():
        row.load()  # registers the class
    model = keras.saving.load_model(Path(path).expanduser())
    task_table.row_of(type(model).__name__)
    return model


def _of_checkpoint(flags, given):
    """The task that a checkpoint holds; its head must be there."""
    console.import_tensorflow()
    from bert_tf2 import weights

    checkpoint = weights.open_checkpoint(weights.resolve(given), flags.bert_config_file)
    heads = weights.heads(checkpoint)
    row = task_table.TASKS.get(flags.task) or task_table.row_of_checkpoint(checkpoint, heads)
    if flags.labels and not row.labelled:
        raise UsageError("--labels is for classifiers", flags.command)
    missing, own = [row.head], {"labels": flags.labels} if flags.labels else {}
    if row.head in heads:
        task = row.load().from_preset(
            given, config_file=flags.bert_config_file, max_length=flags.max_seq_length, **own
        )
        missing = task.load_report.missing
    if missing:
        raise ValueError(
            f"{given} holds no trained head of a {row.load().__name__}: its answers would mean "
            f"nothing. Train it with bert_tf2 finetune. Missing: {', '.join(missing[:4])}"
        )
    return task


def _saved_model(folder):
    """The `serving_default` signature of a SavedModel."""
    if not (folder / "saved_model.pb").is_file():
        raise FileNotFoundError(f"No SavedModel in {folder}: expected a saved_model.pb there")
    console.import_tensorflow()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  its operations are in the graph

    check_tree(folder)
    note = "runs its own graph, which may read and write files: open none that you do not trust."
    print(f"{folder} {note}", file=sys.stderr)
    try:
        loaded = tf.saved_model.load(folder)
    except (tf.errors.OpError, IndexError) as error:
        raise ValueError(f"{folder} is damaged: its variables cannot be read. {error}") from error
    serve = loaded.signatures.get("serving_default")
    row = serve and task_table.row_by_answers(serve.structured_outputs)
    labels = folder / LABELS_FILE
    if row is None or (row.labelled and not labels.is_file()):
        raise FileNotFoundError(
            f"{folder} must answer as a task of ours does, with {LABELS_FILE} for a classifier: "
            "export it with bert_tf2 export"
        )
    names = sorted(serve.structured_input_signature[1])  # text, text_pair

    def answer(x, batch_size, keep_alive=loaded):  # a signature alone does not hold its variables
        sides = x if isinstance(x, tuple) else (x,)
        for start in range(0, len(sides[0]), batch_size):
            part = [tf.constant(side[start : start + batch_size]) for side in sides]
            found = serve(**dict(zip(names, part, strict=True)))
            yield {name: value.numpy() for name, value in found.items()}

    classes = labels.read_text(encoding="utf-8").splitlines() if row.labelled else None
    return Opened(str(folder), row, answer, len(names) == 2, classes, None)
