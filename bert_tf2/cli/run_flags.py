"""What the flags of a training run mean: checked, completed, and recalled for one that goes on."""

import os
from collections import Counter
from pathlib import Path

from bert_tf2.cli import console, scores
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.task_arguments import glue_task
from bert_tf2.cli.task_table import TASKS
from bert_tf2.data.beir import Beir

PATHS = ("init_checkpoint", "bert_config_file", "vocab_file", "train_file", "dev_file")
MANY = ("seed_*", "fold_*", "stage_*", "texts", "rows")  # folders of a run in several parts
FEW = 8  # rows that are answered before training, to know a figure's name
FALLING = ("loss", "rmse", "mlm_perplexity")  # figures of which less is better
PATHS += ("test_file", "data_dir", "input_file")


def task(flags):
    """The task to train: the one that is named, or that --glue's files are of."""
    glue = glue_task(flags)
    own = "text_regression" if glue and glue.labels is None else "text_classification"
    vectors = own == "text_regression" and flags.task == "sentence_similarity"
    if glue and not vectors and flags.task not in (None, own):
        raise UsageError(
            f"--glue={flags.glue} is a task of {own}. Received: --task={flags.task}", flags.command
        )
    return flags.task or own


def files_of_glue(flags):
    """--data_dir as run_classifier.py has it: the files of a task of GLUE by their names."""
    if not flags.data_dir:
        return
    glue = glue_task(flags)
    if glue is None:
        raise UsageError("--data_dir is for --glue: give --train_file", flags.command)
    splits = ["train", *(split for split in glue.splits if split.startswith("dev"))]
    for name, split in zip(("train_file", "dev_file", "test_file"), splits, strict=False):
        if flags[name].value is None:
            flags[name].value = str(Path(flags.data_dir) / f"{split}.tsv")


def recall(flags):
    """Gives flags that are not on the command line the values of the run that goes on.

    Returns:
        dict, name -> value, of all that the run was told; empty where none has begun yet, and the
        command line says what to train on.
    """
    from bert_tf2.training.runlog import read_run

    place = Path(flags.output_dir)
    places = [place, *(p for many in MANY for p in place.glob(many))]
    runs = [run for run in map(read_run, places) if run]
    if not runs and not any(n in flags and flags[n].value for n in ("train_file", "input_file")):
        raise FileNotFoundError(
            f"{place} must hold a run to go on with: there is no run.json in it"
        )
    newest = max(runs, key=lambda run: run["started"][-1], default={"settings": {}})
    for name, value in newest["settings"].items():
        if name in flags and not flags[name].present:
            flags[name].value = value
    return newest["settings"]


def make_absolute(flags):
    """Paths as they are from any folder, so that a run can be gone on with from another one."""
    for name in filter(lambda name: name in flags, PATHS):
        given = flags[name].value
        several = isinstance(given, list)
        found = [_absolute(path) for path in (given if several else [given])]
        flags[name].value = found if several else found[0]


def _absolute(given):
    """A path that is there, from the root; anything else as it is."""
    path = Path(given or "").expanduser()
    there = path.exists() or path.with_name(path.name + ".index").is_file()
    return os.path.abspath(path) if given and there else given


def seeds(flags):
    """The seeds to train with: those of --seeds, or the one of --seed."""
    try:
        seeds = [int(seed) for seed in flags.seeds or [flags.seed]]
    except ValueError as error:
        raise UsageError(f"--seeds takes integers, 1,2,3. {error}", flags.command) from error
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"--seeds must differ from each other. Received: {seeds}", flags.command)
    return seeds


def whole_epochs(flags):
    epochs = flags.num_train_epochs
    if epochs < 1 or epochs != int(epochs):
        raise UsageError(
            f"--num_train_epochs must be a whole number from 1. Received: {epochs}", flags.command
        )
    return int(epochs)


def check_class_weight(flags):
    """Raises a UsageError for --class_weight where nothing is weighed by class."""
    if flags.class_weight is None:
        return
    if not (TASKS[flags.task].classes or flags.task == "next_sentence"):
        raise UsageError(f"--class_weight is for classes, and {flags.task} has none", flags.command)
    if flags.crf:
        raise UsageError("--class_weight goes without --crf, which weighs texts", flags.command)


def class_weight(flags, model, rows):
    """--class_weight=balanced: for each class its share of all that is labelled, to count as much
    as the others: all / (classes * of it), of rows, their labels or words. Else None."""
    if flags.class_weight is None:
        return None
    labels = rows.labels
    if flags.task == "token_classification":  # entities by characters, too, are learned as tags
        numbers = model.read(rows.x, labels)["labels"].values.numpy()
        labels = [model.labels[number] for number in numbers if number >= 0]
    labels = [name for x in labels for name in (x if isinstance(x, list) else [x])]
    counts = Counter(labels)
    return {name: len(labels) / (len(counts) * count) for name, count in counts.items()}


def runs(flags, seeds, data):
    """(name of its folder, seed, {split: Rows}) of each run: one, or one a seed or a fold."""
    if flags.early_stopping and "dev" not in data:
        raise UsageError("--early_stopping needs a --dev_file", flags.command)
    if not flags.folds:
        return [(f"seed_{seed}" if flags.seeds else "", seed, data) for seed in seeds]
    for name in ("seeds", "dev_file", "early_stopping", "monitor"):
        if flags[name].value:
            raise UsageError(
                f"--folds goes without --{name}: each fold is scored, and chosen by, once",
                flags.command,
            )
    rows = data["train"]
    parts = len(rows) if rows.groups is None else len({*rows.groups})
    what = "the rows" if rows.groups is None else "the different texts, or articles, of its rows"
    if parts < 2 <= len(rows):
        raise UsageError(
            "--folds needs rows about two texts or more, of which each is in one fold. Received: "
            f"{len(rows)} rows, all about one: use --seeds with a --dev_file",
            flags.command,
        )
    if not 2 <= flags.folds <= parts:
        raise UsageError(f"--folds must be from 2 to {parts}, {what}", flags.command)
    if parts < len(rows):
        print(f"--folds={flags.folds}: {what}, {parts}, are dealt out; none is in two folds")
    console.import_tensorflow()
    from bert_tf2.tasks.repeated import dealt

    fold_of, found = dealt(rows.labels, len(rows), flags.folds, seeds[0], rows.groups), []
    for fold in range(flags.folds):
        dev = [i for i, number in enumerate(fold_of) if number == fold]
        train = [i for i, number in enumerate(fold_of) if number != fold]
        part = data | {"train": rows.take(train), "dev": rows.take(dev)}
        found.append((f"fold_{fold + 1}", seeds[0], part))
    return found


def _few(dev):
    """Some rows that have all figures which the whole has; None of BEIR's, of all its texts."""
    if isinstance(dev.source, Beir):
        return None
    labels = dev.labels or ()
    first = {str(label): i for i, label in reversed([*enumerate(labels)])}  # 0 and 1 of pairs
    silent = [i for i, x in enumerate(labels) if isinstance(x, dict) and not x["text"]][:1]
    return dev.take(sorted({*range(min(len(dev), FEW)), *[*first.values()][-FEW:], *silent}))


def stopping(flags, model, dev):
    """The callbacks of --early_stopping, and those that bring figures which Keras does not count.

    These, and those of --monitor, are the task's own, of the dev rows after each epoch.
    """
    wanted = {flags.early_stopping, (flags.monitor or "").removeprefix("val_")} - {None, ""}
    if not wanted or dev is None:
        return []
    import keras

    from bert_tf2.cli.opened import opened
    from bert_tf2.training.validation_scores import Scores

    keras_own = {getattr(metric, "name", metric) for metric in model.default_metrics() or ()}
    own, found = wanted - keras_own - {"loss"}, []

    def figures(task, x, rows=dev):
        known = opened(flags.output_dir, task)
        answers = known.row.kind.for_scores(known, rows, flags.eval_batch_size)
        return scores.score(flags, known, rows, answers)

    def chosen(_, counted):
        if strange := own - counted.keys():
            plain = [n for n, v in counted.items() if not isinstance(v, dict | list)]
            known = [*dict.fromkeys([*plain, *sorted(keras_own), "loss"])]
            known.remove("rows")
            raise ValueError(
                f"The figures of {flags.task} are {', '.join(known)}. "
                f"Received: {', '.join(strange)}"
            )
        return {name: counted[name] for name in own}

    if own and (few := _few(dev)):
        chosen(None, figures(model, few.x, few))  # a name that is none is said before any step
    if own:
        found.append(Scores(dev.x, dev.labels, chosen, figures))
    if name := flags.early_stopping:
        mode = "min" if name in FALLING else "max"
        how = {"patience": flags.patience, "restore_best_weights": True, "verbose": 1}
        found.append(keras.callbacks.EarlyStopping(f"val_{name}", mode=mode, **how))
    return found
