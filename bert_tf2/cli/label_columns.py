"""--label_column and the names that a model knows -> the columns to read, or what is wrong."""

from bert_tf2.cli.flags import UsageError
from bert_tf2.data.class_names import ORDERS, some


def label_columns(path, kind, given, names):
    """What `read_examples` takes as `label` and as `names`.

    Args:
        path: of the file, for messages.
        kind: of the labels, see `LabelReader`.
        given: --label_column: one, or several with commas where labels or numbers have one each.
        names: of the classes, labels or numbers of the model that is asked; None takes any.

    Raises:
        ValueError: columns that are not those of the model's labels or numbers.
    """
    columns = given.split(",")
    if kind == "class":
        return given, names
    if names is not None and sorted(columns) == sorted(names):
        return [*names], None  # by their names, in the model's order
    if len(columns) == 1 and (kind == "several" or names is None or len(names) == 1):
        return given, names if kind == "several" else None
    if names is None:
        return columns, None
    what = "labels" if kind == "several" else "numbers"
    raise ValueError(
        f"{path}: --label_column must name a column for each of the model's {what}, called as they "
        f"are: {some(names)}. Received: {given}"
    )


def check_separator(flags, row):
    """Raises a UsageError for --label_separator where no cell has several labels.

    Args:
        row: of the table of tasks.
    """
    if "label_separator" not in flags or not flags["label_separator"].present:
        return
    if row.problem != "multi_label_classification":
        raise UsageError("--label_separator is for multi_label_classification", flags.command)
    if "," in flags.label_column:
        raise UsageError(
            "--label_separator is for one --label_column. Received: " + flags.label_column,
            flags.command,
        )


def orders(flags):
    """The names of whether texts follow each other, of the checkpoint that is to learn it."""
    from bert_tf2 import weights

    checkpoint = weights.open_checkpoint(
        weights.resolve(flags.init_checkpoint), flags.bert_config_file
    )
    return ORDERS["sop" if checkpoint.config.family == "albert" else "nsp"]


def check_glue(path, flags, kind, names):
    """Raises a ValueError, which names the file, for a task of GLUE that a model is not of.

    Arguments are those of `label_columns`; --glue is given.
    """
    from bert_tf2.data.glue import named

    known, task = named(flags.glue)
    if (kind == "number") != (task.labels is None) or kind == "several":
        wanted = {"number": "scores", "several": "several labels a text"}.get(kind, "classes")
        have = "scores" if task.labels is None else "a class a text"
        raise ValueError(f"{path}: the model is of {wanted}; --glue={known} has {have}")
    if kind == "number" and names and len(names) > 1:
        raise ValueError(
            f"{path}: --glue={known} has one score a row. Received: a model of {len(names)} "
            f"numbers, {some(names)}"
        )
    if kind == "class" and names and not {*task.labels} <= {*names}:
        raise ValueError(
            f"{path}: the classes of --glue={known} are {some(task.labels)}. Received: a model of "
            f"{some(names)} (of a checkpoint: name them by --labels, in its order)"
        )
