"""Trained models, whatever they were saved as: .keras file, exported SavedModel, checkpoint."""

import contextlib
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from bert_tf2.cli import console, exported, row_streams, task_settings, task_table
from bert_tf2.cli.flags import UsageError, one_of
from bert_tf2.cli.label_columns import check_separator
from bert_tf2.files import check_tree, digest

ASKED = ("candidate_labels", "hypothesis_template", "multi_label")  # of zero-shot, when asked
OF_CHECKPOINTS = {  # flags -> what of it other models say themselves
    "labels": "classes",
    "task": "task",
    "bert_config_file": "config",
    "max_seq_length": "length",
}
STEPS = 16  # batches that are given to a model at a time


class Opened(NamedTuple):
    """A trained model.

    Attributes:
        name: what the user called it.
        row: of the table of tasks.
        answer: x, batch size -> an iterator of dicts of arrays (B, …), the task's `answers`.
        columns: the names of the columns that it takes.
        classes: the names of a classifier's classes or of a regressor's numbers, or None.
        candidates: what one of labels that are named when it is asked chooses from, or None.
        similarity: of vectors, the name of what compares them, where there is no task to say it.
        n_best_size: of questions, the answers that official files and scores are of.
        strict: of tags, their scheme, if what it does not allow is no entity; else None.
        thresholds: of several labels, a number or one a class.
        task: the Keras model; None for a SavedModel.
        words: whether it also reads rows of words, the column `words`.
        fingerprint: () -> a str that tells it from others, with their weights and settings.
        reader: the Keras model that reads texts, where something else computes.
    """

    name: str
    row: task_table.TaskRow
    answer: Callable
    columns: tuple[str, ...]
    classes: list[str] | None
    thresholds: object = 0.5
    task: object | None = None
    fingerprint: Callable = str
    words: bool = False
    reader: object | None = None
    candidates: list[str] | None = None
    n_best_size: int = 20
    strict: str | None = None
    similarity: str = "cosine"

    def read(self, flags, path, labelled=True):
        """The rows of a file, as this model's task reads them; says how many there are."""
        check_separator(flags, self.row)
        names = self.row.kind.names(self)
        found = self.row.read(flags, path, labelled and self.row.labelled, names)
        print(f"{path}: {found.about}")
        return row_streams.read_beside(found, flags, path, self.beside)

    def stream(self, flags, path):
        """The rows of a file of any size, see `row_streams`."""
        return row_streams.beside(self.row.stream(flags, path), flags, path, self.beside)

    @property
    def beside(self):
        """The columns that it takes beside those that its task reads."""
        return [name for name in self.columns if name == exported.OF_ROWS]

    def answers(self, rows, batch_size, bar=None):
        """The answers to each row, a dict, with a progress bar, which may be a longer one's."""
        words = self.words and set(rows.columns) == {"words"}
        if set(rows.columns) != set(self.columns) and not words:
            kind = "pairs of texts" if "text_pair" in self.columns else "single texts"
            raise ValueError(
                f"{self.name} reads {', '.join(self.columns)}"
                f"{f' ({kind})' if 'text' in rows.columns else ''}. Received: "
                f"{', '.join(rows.columns)}; see --text_pair_column"
            )
        size = STEPS * batch_size
        with _bar(len(rows)) if bar is None else contextlib.nullcontext(bar) as bar:
            for start in range(0, len(rows), size):
                part = rows.take(range(start, min(start + size, len(rows))))
                for found in self.answer(part.x, batch_size):
                    count = len(next(iter(found.values())))
                    yield from ({n: v[i] for n, v in found.items()} for i in range(count))
                    bar.update(count)


def _bar(count):
    return tqdm(total=count, unit="row", disable=None, mininterval=0.5)


def opened(name, task):
    """A task in memory as an `Opened`."""
    from bert_tf2.tasks import to_file

    raw = task.raw_names
    columns = raw[:1] if raw[1:] == ("text_pair",) and not task.takes_pairs else raw
    thresholds = getattr(task, "thresholds", None)
    return Opened(
        name,
        task_table.row_of_task(task),
        task.answer,
        columns,
        getattr(task, "labels", None),
        0.5 if thresholds is None else thresholds,
        task,
        lambda: to_file.fingerprint(task),
        "words" in task.signatures(),
        candidates=getattr(task, "candidate_labels", None),
    )


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
    if served or flag == "saved_model":
        check_says_all(flags, given)
    if flag == "saved_model" or (served and servable):
        return saved_model(served or place, flags)
    if place.suffix == ".keras":
        check_says_all(flags, given, ())
        task = load_task(given)
        task_settings.set_on(task, flags, given)
    else:
        task = of_checkpoint(flags, given)
    asked = {name: flags[name].value for name in ASKED if flags[name].value is not None}
    if asked and not hasattr(task, "set_candidates"):
        raise UsageError(f"--{next(iter(asked))} is for --task=zero_shot", flags.command)
    if asked:
        task.set_candidates(**asked)
    if "adapter_name" in flags and flags.adapter_name is not None:
        task.set_adapter(flags.adapter_name or None)
    told = "n_best_size" in flags and flags["n_best_size"].present
    if told and not hasattr(task, "predict_nbest"):
        raise UsageError("--n_best_size is for question_answering", flags.command)
    return opened(given, task)._replace(**{"n_best_size": flags.n_best_size} if told else {})


def check_says_all(flags, given, settings=(*task_settings.SETTINGS, "n_best_size")):
    """Raises a UsageError for a flag of checkpoints, or of settings, beside a model that says all
    that itself."""
    for name in (*OF_CHECKPOINTS, *settings):
        told = name in flags and flags[name].value is not None
        if told and (name != "n_best_size" or flags[name].present):
            own = OF_CHECKPOINTS.get(name, "setting")
            raise UsageError(
                f"--{name} is for checkpoints: {given} has its own {own}", flags.command
            )


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
    if type(model).__name__ == "Functional":
        raise ValueError(
            f"{path} is a Keras model of ids, such as distill --student=bilstm makes, and no task: "
            "give --saved_model the folder serving/1 beside it, which reads texts; in Python "
            "`teacher.answer(texts, model=student)`"
        )
    task_table.row_of(type(model).__name__)
    return model


def of_checkpoint(flags, given):
    """The task that a checkpoint holds; its head must be there."""
    console.import_tensorflow()
    from bert_tf2 import weights
    from bert_tf2.tasks.trained_heads import kind_for

    checkpoint = weights.open_checkpoint(weights.resolve(given), flags.bert_config_file)
    row = task_table.TASKS.get(flags.task) or task_table.row_of_checkpoint(checkpoint)
    cls, own = row.load(), {"labels": flags.labels} if flags.labels else {}
    if own and "labels" not in cls.settings:
        raise UsageError("--labels is for classifiers", flags.command)
    own |= task_settings.own_settings(flags, cls)
    if flags.task and "problem_type" in cls.settings:
        own["problem_type"] = row.problem
    kind = kind_for(cls, checkpoint)
    missing = [f"a head of {kind}"]
    plain = kind == "sentence"  # whose vectors may be the encoder's own
    if plain or kind in weights.head_kinds(weights.read_as(checkpoint, kind)):
        task = cls.from_preset(
            given, config_file=flags.bert_config_file, max_length=flags.max_seq_length, **own
        )
        missing = task.load_report.missing
    if missing:
        raise ValueError(
            f"{given} holds no trained head of a {row.cls}: its answers would mean nothing. Train "
            f"it with bert_tf2 finetune. Missing: {', '.join(missing[:4])}"
        )
    return task


def saved_model(folder, flags):
    """The `serving_default` signature of a SavedModel."""
    loaded = _loaded(folder)
    import tensorflow as tf

    from bert_tf2.cli import cut_there

    serve, beside = loaded.signatures.get("serving_default"), folder / "assets.extra"
    if serve is None or not (beside / "task.txt").is_file():
        raise FileNotFoundError(
            f"{folder} must answer as a task of ours does, with assets.extra/task.txt beside its "
            "graph: export it with bert_tf2 export"
        )
    row = task_table.row_of(
        exported.lines_of(beside, "task.txt")[0], None, serve.structured_outputs
    )
    named = "labels" in row.load().settings or (beside / "labels.txt").is_file()
    classes = exported.lines_of(beside, "labels.txt") if named else None
    names, fixed, each = exported.asked_of(flags, str(folder), serve.structured_input_signature[1])
    fixed = {name: tf.constant(value) for name, value in fixed.items()}
    answer = exported.asking(loaded, names[0], fixed, each, cut_there.teller(loaded, folder))
    thresholds = 0.5
    if (beside / "thresholds.txt").is_file():
        thresholds = [float(line) for line in exported.lines_of(beside, "thresholds.txt")]
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    tells = functools.partial(digest, paths)
    words = "words" in loaded.signatures
    candidates = flags["candidate_labels"].value if "candidate_labels" in flags else None
    if (beside / "candidate_labels.txt").is_file():
        candidates = exported.lines_of(beside, "candidate_labels.txt")
    said = exported.card_of(folder).get("settings") or {}
    return Opened(
        *(str(folder), row, answer, names, classes, thresholds, None, tells, words),
        candidates=candidates,
        similarity=said.get("similarity_fn_name", "cosine"),
    )


def _loaded(folder):
    """What TensorFlow reads in a SavedModel's folder; says that a graph is a program."""
    if not (folder / "saved_model.pb").is_file():
        raise FileNotFoundError(f"No SavedModel in {folder}: expected a saved_model.pb there")
    console.import_tensorflow()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  its operations are in the graph

    check_tree(folder)
    note = "runs its own graph, which may read and write files: open none that you do not trust."
    print(f"{folder} {note}", file=sys.stderr)
    try:
        return tf.saved_model.load(folder)
    except (tf.errors.OpError, IndexError) as error:
        raise ValueError(f"{folder} is damaged: its variables cannot be read. {error}") from error
