"""Task files as the verbs read and write them."""

import os
from pathlib import Path

from bert_tf2.cli.task_table import class_counts
from bert_tf2.data import tables
from bert_tf2.data.examples import Examples, read_examples


def read(flags, path, labelled=True):
    """The `Examples` of a file, with the column flags; prints how many rows came.

    Without labels, a .txt file will do, a text a line.

    Raises:
        ValueError, OSError: as `read_examples`.
    """
    if not labelled and str(path).lower().endswith(".txt"):
        content = tables.decode(Path(path), flags.encoding)
        examples = Examples([line for _, line in tables.lines(content) if line.strip()])
    else:
        examples = read_examples(
            path,
            text=flags.text_column,
            text_pair=flags.text_pair_column,
            label=flags.label_column if labelled else None,
            header=flags.header,
            delimiter=flags.delimiter,
            encoding=flags.encoding,
        )
    kind = "pairs" if examples.pairs else "texts"
    print(f"{path}: {len(examples)} {kind}{class_counts(examples.labels)}")
    return examples


def check_input(path):
    """Raises a FileNotFoundError before anything is opened for a file that is not there."""
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {path}")


def inputs(examples):
    """What a task takes as `x`: a list of texts, or a tuple of two lists for pairs."""
    return (examples.texts, examples.pairs) if examples.pairs else examples.texts


def check_labels(path, examples, classes):
    """Raises a ValueError at the first label that is not one of the classes."""
    known = set(classes)
    for line, label in zip(examples.lines, examples.labels, strict=True):
        if label not in known:
            raise ValueError(
                f"{path}, line {line}: the label must be one of the classes {', '.join(classes)}. "
                f"Received: {label!r}"
            )


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
