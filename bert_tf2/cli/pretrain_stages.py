"""The stages of `bert_tf2 pretrain`, and which of its flags are refused before training."""

from pathlib import Path
from typing import NamedTuple

from bert_tf2.cli.flags import UsageError
from bert_tf2.data.pretraining_files import is_records, read_texts

OF_TEXTS = (  # what records have from their making
    "masked_lm_prob",
    "max_predictions_per_seq",
    "do_whole_word_mask",
    "text_column",
    "encoding",
)


class Stage(NamedTuple):
    """A part of a run in which rows have one length.

    Attributes:
        length: of a row. steps: of it; None: those of the epochs. rate: the highest learning rate.
        data: texts, or patterns of records. files: those, or those of the texts.
        folder: of what is told of it.
    """

    length: int | None
    steps: int | None
    rate: float
    data: list
    files: list
    folder: Path


def stages(flags, place):
    """The stages that --max_seq_length, --num_train_steps, --learning_rate and files are of.

    Args:
        flags: of the verb. place: the folder of the run.

    Returns:
        list of `Stage`.

    Raises:
        UsageError: flags that do not go together, or that would count for nothing.
        ValueError, OSError: files that cannot be read.
    """
    lengths = _numbers(flags, "max_seq_length", int) or [None]
    steps = _numbers(flags, "num_train_steps", int) or [None]
    rates = _numbers(flags, "learning_rate", float)
    patterns, count = flags.input_file, len(lengths)
    records = [is_records(pattern) for pattern in patterns]
    if len(set(records)) > 1:
        raise UsageError("--input_file takes texts or records, not both", flags.command)
    if records[0] and count > 1 and len(patterns) != count:
        raise UsageError(
            f"--max_seq_length of {count} stages needs as many patterns of records, each of rows "
            f"of that length. Received: {len(patterns)}",
            flags.command,
        )
    for name, values in {"num_train_steps": steps, "learning_rate": rates}.items():
        if len(values) not in (1, count):
            raise UsageError(f"--{name} takes one number, or {count}", flags.command)
    _check_used(flags, records[0])
    steps, rates = (x * count if len(x) == 1 else x for x in (steps, rates))
    if records[0]:
        data = [[pattern] for pattern in patterns] if count > 1 else [patterns]
        files = data
        lengths = [_length(flags, *row) for row in zip(lengths, data, strict=True)]
    else:
        texts = read_texts(patterns, flags.text_column, flags.encoding)
        print(f"{', '.join(patterns)}: {len(texts)} documents")
        data, files = [texts] * count, [patterns] * count
    folders = [place / f"stage_{i + 1}" if count > 1 else place for i in range(count)]
    rows = zip(lengths, steps, rates, data, files, folders, strict=True)
    return [Stage(*row) for row in rows]


def _numbers(flags, name, kind):
    """The numbers of a flag that takes several."""
    try:
        found = [kind(word) for word in flags[name].value or []]
    except ValueError as error:
        raise UsageError(f"--{name} takes numbers, a,b. {error}", flags.command) from error
    if any(number < 1 for number in found) and kind is int:
        raise UsageError(f"--{name} takes numbers from 1. Received: {found}", flags.command)
    return found


def _check_used(flags, records):
    """Raises a UsageError for a flag that nothing would come of, or only after training."""
    from bert_tf2.weights.saving import WRITERS

    formats = flags.to or []
    if strange := [name for name in formats if name not in WRITERS]:
        raise UsageError(
            f"--to takes {', '.join(WRITERS)}. Received: {', '.join(strange)}", flags.command
        )
    if flags.save_optimizer and "google" not in formats:
        raise UsageError("--save_optimizer goes with --to=google", flags.command)
    if flags.num_train_steps and flags["num_train_epochs"].present:
        raise UsageError("give --num_train_steps or --num_train_epochs", flags.command)
    texts = not records or (flags.dev_file and not is_records(flags.dev_file))
    for name in () if texts else OF_TEXTS:
        if flags[name].present:
            raise UsageError(
                f"--{name} is for texts: records are what they were made as. See "
                "make-pretraining-data",
                flags.command,
            )


def _length(flags, asked, patterns):
    """How many tokens a row of records has, which must be as many as were asked for."""
    from bert_tf2.data.records import row_length

    found = row_length(patterns)
    if asked not in (None, found):
        raise UsageError(
            f"--max_seq_length={asked} must be the length of the rows of {', '.join(patterns)}: "
            f"{found}",
            flags.command,
        )
    return found


def check_formats(flags, model):
    """Raises a ValueError if a format of --to has no words for the model, or no place in it."""
    from bert_tf2 import weights

    contents = model.contents() if flags.to else None
    for format in flags.to or []:
        weights.check_writable(contents, format)


def check_records(flags, stages, tokenizer):
    """Raises a ValueError if records of a stage, or to evaluate on, are of another vocabulary."""
    from bert_tf2.data.records import check_vocabulary

    dev = [flags.dev_file] if flags.dev_file and is_records(flags.dev_file) else []
    for data in [dev, *(stage.data for stage in stages)]:
        if data and is_records(data[0]):
            check_vocabulary(data, tokenizer)
