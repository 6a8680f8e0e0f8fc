"""`bert_tf2 embed`: the vectors of a file of texts, as a NumPy file."""

import functools
import itertools
from pathlib import Path

import numpy as np

from bert_tf2 import files
from bert_tf2.cli import console, opened, row_streams, task_files, task_table
from bert_tf2.cli.column_flags import check_used
from bert_tf2.cli.flags import UsageError
from bert_tf2.data import text_files
from bert_tf2.data.text_files import TextFile
from bert_tf2.scoring import vectors

BYTES, AT_ONCE = ("int8", "uint8"), 8192
TASK = task_table.TASKS["sentence_similarity"]  # of what is embedded with


def embed(flags):
    """Writes a row for each text of --input_file to --output_file, and says how many."""
    task_files.check_input(flags.input_file)
    task_files.check_output(flags.output_file, flags.overwrite, (".npy",))
    if flags.calibration_file and flags.precision not in BYTES:
        raise UsageError("--calibration_file is for --precision=int8 or uint8", flags.command)
    if flags.calibration_file:
        task_files.check_input(flags.calibration_file)
    texts = _texts(flags, Path(flags.input_file))
    task = opened_encoder(flags)
    task.prompt_of(flags.prompt_name, flags.prompt)  # there must be one of that name
    how = {
        "prompt_name": flags.prompt_name,
        "prompt": flags.prompt,
        "batch_size": flags.predict_batch_size,
        "normalize_embeddings": flags.normalize,
        "truncate_dim": flags.truncate_dim,
    }
    if flags.precision in BYTES and not flags.calibration_file:
        _say(_in_bytes(flags, task, texts, how))
        return
    ranges = None
    if flags.calibration_file:
        some = _texts(flags, Path(flags.calibration_file), at_once=True)
        found = task.encode(some[0 : len(some)], **how)
        ranges = np.stack([found.min(0), found.max(0)])
    more = {"overwrite": flags.overwrite, "show_progress_bar": None}  # on a terminal
    more |= {"precision": flags.precision, "ranges": ranges}
    _say(task.encode_to_file(texts, flags.output_file, **how, **more))


def _in_bytes(flags, task, texts, how):
    """Writes 8 bits a number, whose ranges are of all these vectors; they are kept until then."""
    file = Path(flags.output_file)
    whole = file.with_name(f".{file.stem}.float32.npy")
    task.encode_to_file(texts, whole, overwrite=True, show_progress_bar=None, **how)
    try:
        found = np.load(whole, mmap_mode="r")
        if len(found) < 2:
            raise ValueError(
                f"{flags.input_file}: of one text there are no ranges: give --calibration_file"
            )
        ranges = np.stack([found.min(0), found.max(0)])
        with files.new_file(file) as draft:
            kept = np.lib.format.open_memmap(draft, "w+", flags.precision, found.shape)
            for first in range(0, len(found), AT_ONCE):
                rows = slice(first, first + AT_ONCE)
                kept[rows] = vectors.quantize(found[rows], flags.precision, ranges)
            kept.flush()
    finally:
        whole.unlink(missing_ok=True)
    return file


def opened_encoder(flags):
    """The `SentenceEncoder` that --model or --init_checkpoint names."""
    return _opened(flags, flags[opened.which(flags)].value)


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
    found = np.load(file, mmap_mode="r")
    print(f"{file}: {found.shape[0]} rows of {found.shape[1]} {found.dtype} each")


def _texts(flags, path, at_once=False):
    """The texts of a table; of plain text its lines, blank ones too, so that rows are lines.

    What is read `at_once` has slices of str, whatever file it is.
    """
    if flags.text_pair_column:
        raise UsageError("--text_pair_column is not for vectors, of single texts", flags.command)
    if path.suffix.lower() != ".txt":
        return _Column(functools.partial(row_streams.texts, flags, path))
    check_used(flags, path, "lines of text")
    if at_once or flags.encoding or text_files.is_marked(path):
        return _Column(functools.partial(_lines, path, flags.encoding))
    return path


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
