"""`bert_tf2 embed`: the vectors of a file of texts, as a NumPy file."""

import functools
import itertools
from pathlib import Path

from bert_tf2.cli import console, opened, row_streams, task_files, task_table
from bert_tf2.cli.column_flags import check_used
from bert_tf2.cli.flags import UsageError
from bert_tf2.data.text_files import TextFile

TASK = task_table.TASKS["sentence_similarity"]  # of what is embedded with


def embed(flags):
    """Writes a row for each text of --input_file to --output_file, and says how many."""
    task_files.check_input(flags.input_file)
    task_files.check_output(flags.output_file, flags.overwrite, (".npy",))
    flag, texts = opened.which(flags), _texts(flags, Path(flags.input_file))
    task = _opened(flags, flags[flag].value)
    task.prompt_of(flags.prompt_name, flags.prompt)  # there must be one of that name
    file = task.encode_to_file(
        texts,
        flags.output_file,
        prompt_name=flags.prompt_name,
        prompt=flags.prompt,
        batch_size=flags.predict_batch_size,
        precision=flags.precision,
        normalize_embeddings=flags.normalize,
        truncate_dim=flags.truncate_dim,
        overwrite=flags.overwrite,
        show_progress_bar=None,  # on a terminal
    )
    _say(file)


def _opened(flags, given):
    """The task in a .keras file, a preset or any other checkpoint."""
    if Path(given).suffix != ".keras":
        console.import_tensorflow()
        how = {"config_file": flags.bert_config_file, "max_length": flags.max_seq_length}
        return TASK.load().from_preset(given, **how)
    if flags.max_seq_length:
        raise UsageError(f"--max_seq_length is for checkpoints: {given} has its own", flags.command)
    task = opened.load_task(given)
    if not isinstance(task, TASK.load()):
        raise ValueError(f"{given} must be of a {TASK.cls}. Received: a {type(task).__name__}")
    return task


def _say(file):
    import numpy as np

    found = np.load(file, mmap_mode="r")
    print(f"{file}: {found.shape[0]} rows of {found.shape[1]} {found.dtype} each")


def _texts(flags, path):
    """The texts of a table; of plain text its lines, blank ones too, so that rows are lines."""
    if flags.text_pair_column:
        raise UsageError("--text_pair_column is not for vectors, of single texts", flags.command)
    if path.suffix.lower() != ".txt":
        return _Column(functools.partial(row_streams.texts, flags, path))
    check_used(flags, path, "lines of text")
    return _Column(functools.partial(_lines, path, flags.encoding)) if flags.encoding else path


def _lines(path, encoding):
    """Every line, a dict of `text`; what follows the last line feed is one if there is any."""
    last = None
    for line in TextFile(path, encoding):
        if last is not None:
            yield {"text": last.removesuffix("\r")}
        last = line
    if last:
        yield {"text": last.removesuffix("\r")}


class _Column:
    """The texts of a stream of rows, which slices read one after another, whatever its size.

    Args:
        rows: function that begins the stream.
    """

    def __init__(self, rows):
        self.rows = rows
        self.count, _ = row_streams.counted(self.rows())
        self.place, self.left = 0, self.rows()

    def __len__(self):
        return self.count

    def __getitem__(self, rows):
        if rows.start < self.place:
            self.place, self.left = 0, self.rows()
        some = itertools.islice(self.left, rows.start - self.place, rows.stop - self.place)
        found = [row["text"] for row in some]
        self.place = rows.start + len(found)
        return found
