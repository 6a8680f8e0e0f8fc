"""What verbs write, and whether they may: checked before any work, official files after it."""

import os
from pathlib import Path

from bert_tf2 import files
from bert_tf2.cli.flags import UsageError

WRITTEN = ("output_file", "output_dir", "new_words_file")  # flags that name what is written


def check_not_read(flags):
    """Raises a ValueError where a file that a verb writes is one that another flag names."""
    given = {name: flags[name].value for name in flags if flags[name].present}
    outputs = [*_paths(given.get("output_file")), *_paths(given.get("new_words_file"))]
    if "resume" in flags and not flags.resume:  # of a run that goes on the folder is its own
        names = ["model.keras", *(flags["to"].value or [] if "to" in flags else [])]
        outputs += [
            Path(folder, name) for folder in _paths(given.get("output_dir")) for name in names
        ]
    others = [value for name, value in given.items() if name not in WRITTEN]
    inputs = [path for value in [*others, flags.arguments] for path in _paths(value)]
    files.check_not_read(outputs, inputs)


def _paths(value):
    """The texts of a flag's value, one or several; of numbers and switches none."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text and "\0" not in text]


def check_input(path):
    """Raises a FileNotFoundError before anything is opened for a file that is not there."""
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {path}")


def check_checkpoint(given):
    """Raises, before data are read, where --init_checkpoint names a whole model, or nothing."""
    from bert_tf2.weights import discovery, registry

    discovery.refuse_whole_models(registry.resolve(given))


def check_output(path, overwrite=False, suffixes=None):
    """Raises, before any work is done, where an output cannot be written.

    Args:
        path: a file or a folder.
        overwrite: whether a file, or a folder with something in it, may be there.
        suffixes: those that a file may have; None: any, or a folder.

    Raises:
        ValueError: another suffix.
        FileExistsError: it is there.
        OSError: no such place can be made.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f"Expected a file that ends in {', '.join(suffixes)}. Received: {path}")
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and (not overwrite or (suffixes and path.is_dir())):
        raise FileExistsError(f"{path} exists: give another name, or --overwrite to replace it")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise NotADirectoryError(f"{path} cannot be made: {above} is no folder one can write to")


def check_official(flags, model):
    """Raises, before any work is done, if --output_dir is asked for what a task has no files for.

    Raises:
        UsageError: there are no official files of these rows.
        ValueError: a SavedModel, of which what they need is not to be had.
        FileExistsError: one is there, and --overwrite is not given.
    """
    names = model.row.kind.files
    if flags.glue:
        from bert_tf2.data.glue import SUBMITTED, named

        names = [f"{named(flags.glue)[0]}{SUBMITTED.get(Path(flags.input_file).stem, '')}.tsv"]
    if not names or not flags.input_file:
        raise UsageError(
            "--output_dir is for official files: of questions, of tags, or with --glue, from "
            "--input_file; give --output_file",
            flags.command,
        )
    if model.row.kind.of_task and model.task is None:
        raise ValueError(
            f"{model.name} is a SavedModel, which gives no n best answers, and --output_dir writes "
            "them: give its .keras file, or --output_file"
        )
    for name in names:
        check_output(Path(flags.output_dir) / name, flags.overwrite)


def write_official(flags, model, rows, answers):
    """Writes what the official programs of a task's files read, to --output_dir; says where."""
    folder = Path(flags.output_dir)
    if flags.glue:
        from bert_tf2.data.glue import write_submission

        given = [model.row.kind.given(model, found) for found in answers]
        split = Path(flags.input_file).stem
        paths = [write_submission(folder, flags.glue, given, split, flags.overwrite)]
    else:
        paths = model.row.kind.write(folder, model, rows, answers, flags.overwrite)
    for path in paths:
        print(f"written: {path}")
