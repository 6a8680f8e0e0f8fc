"""Google's pretraining records -> batches.

Letters: B batch, L length, P predictions a row.
"""

import contextlib
import mmap
import os
import re
import struct
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from bert_tf2.data import pipeline
from bert_tf2.data.corpus import cards
from bert_tf2.data.labels import OF_RECORDS
from bert_tf2.files import check_regular, read_json
from bert_tf2.messages import FileError

FILES_AT_ONCE = 4
RECORDS_IN_SHUFFLE = 10_000
LOOKED_THROUGH = 1 << 30  # bytes: of larger files only the data card tells whether they are whole

# google-research/bert, `create_pretraining_data.py`: our name -> theirs, and its type.
_INPUTS = {
    "token_ids": ("input_ids", tf.int64),
    "segment_ids": ("segment_ids", tf.int64),
    "padding_mask": ("input_mask", tf.int64),
    "masked_positions": ("masked_lm_positions", tf.int64),
}
_TARGETS = {
    "masked_ids": ("masked_lm_ids", tf.int64),
    "masked_weights": ("masked_lm_weights", tf.float32),
    "next_sentence_labels": ("next_sentence_labels", tf.int64),
}


def read_records(files, batch_size=32, shuffle=True, tokenizer=None):
    """The TFRecords that google-research/bert's `create_pretraining_data.py` writes, in batches.

    Args:
        files: a path or pattern, such as "data/*.tfrecord", or a list of them. All rows have the
            lengths of the first record.
        batch_size: rows a batch; the last one may be smaller.
        shuffle: a new order of files and rows on each pass, from TensorFlow's global seed, with
            some files read at a time. False reads one file after another.
        tokenizer: that of the model that is to learn from them, whose vocabulary must be the one
            that they were made with. None: any.

    Returns:
        `tf.data.Dataset` of (inputs, targets):
            inputs: dict of int32 (B, L) `token_ids`, `segment_ids`, `padding_mask`, and
                `masked_positions` (B, P);
            targets: dict of int32 (B, P) `masked_ids`, float32 (B, P) `masked_weights`, and int32
                (B,) `next_sentence_labels`: 1 where the second text does not follow.

    Raises:
        FileNotFoundError: a pattern fits no file.
        ValueError: the first record is none, or lacks a feature; the message names it. A file that
            ends within a record, is damaged, or has another size than the data card beside it says;
            or whose card names another vocabulary.
        tf.errors.InvalidArgumentError: later, a record that lacks a feature, or has other lengths,
            or an id that the vocabulary lacks.
    """
    files = _matching(files)
    features = _features_of(files[0])
    for file in filter(os.path.exists, files):
        _check_whole(file)
    if tokenizer is not None:
        check_vocabulary(files, tokenizer)
    dataset = tf.data.Dataset.from_tensor_slices(files)
    if shuffle:
        together = min(FILES_AT_ONCE, len(files))
        dataset = dataset.shuffle(len(files)).interleave(
            _with_name, cycle_length=together, num_parallel_calls=together
        )
        dataset = dataset.shuffle(RECORDS_IN_SHUFFLE)
    else:
        dataset = dataset.flat_map(_with_name)

    def parse(records, names):
        found = tf.io.parse_example(records, features)
        with tf.control_dependencies(_known_ids(found, names, tokenizer)):
            targets = _take(found, _TARGETS)
            targets["next_sentence_labels"] = targets["next_sentence_labels"][:, 0]
            return _take(found, _INPUTS), targets

    return pipeline.ahead(dataset.batch(batch_size), parse)


def _with_name(file):
    """The records of a file, each with its name, to be told in errors."""
    return tf.data.Dataset.zip(
        (tf.data.TFRecordDataset(file), tf.data.Dataset.from_tensors(file).repeat())
    )


def _known_ids(found, names, tokenizer):
    """[op] that stops, and names the file, at ids (B, …) that a tokenizer lacks; [] without one."""
    if tokenizer is None:
        return []
    count = tokenizer.vocabulary_size
    ids = tf.concat([found[_INPUTS["token_ids"][0]], found[_TARGETS["masked_ids"][0]]], 1)
    strange = (ids < 0) | (ids >= count)
    row = tf.argmax(tf.reduce_any(strange, 1))
    worst = tf.gather(ids[row], tf.argmax(strange[row]))
    said = tf.strings.join(
        [
            f"{OF_RECORDS}of ",
            names[row],
            f": ids must be below {count}, the pieces of the model's vocabulary. Received: ",
            tf.strings.as_string(worst),
            ". Make the records with that vocabulary, or train a model of theirs.",
        ]
    )
    return [tf.debugging.Assert(~tf.reduce_any(strange), [said])]


def row_length(files):
    """int, the tokens of a row of records: L of the first row of each file.

    Args and errors as of `read_records`.

    Raises:
        ValueError: also, files whose rows have other lengths than those of the first.
    """
    name = _INPUTS["token_ids"][0]
    found = {file: _features_of(file)[name].shape[0] for file in _matching(files)}
    first, *others = found
    for file in others:
        if found[file] != found[first]:
            raise ValueError(
                f"{file} must have rows of {found[first]} tokens, as {first} has. Received: "
                f"{found[file]}"
            )
    return found[first]


def _matching(patterns):
    patterns = [patterns] if isinstance(patterns, str | os.PathLike) else list(patterns)
    files = []
    for pattern in map(os.fspath, patterns):
        found = [f for f in sorted(tf.io.gfile.glob(pattern)) if not f.endswith(cards.SUFFIX)]
        if not found:
            raise FileNotFoundError(f"No file fits {pattern}: expected TFRecords there.")
        for file in filter(os.path.exists, found):  # not in a bucket
            check_regular(file)  # a FIFO would wait for ever
        files += found
    return files


def _check_whole(file):
    """Raises a ValueError for a file that has lost its end; TensorFlow would not name it."""
    size = os.path.getsize(file)
    said = _said_of(Path(file))
    if said and size not in [want for _, _, want in said]:
        card, _, want = said[0]
        raise ValueError(f"{file}: {card} says {want:,} bytes. Received: {size:,}")
    if not 0 < size <= LOOKED_THROUGH:
        return
    at = number = 0
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as all_:
        while at + 12 <= size:  # a record: its length, a sum of that, itself, a sum of that
            end = at + struct.unpack_from("<Q", all_, at)[0] + 16
            if end > size:
                break
            at, number = end, number + 1
    if at != size:
        raise ValueError(
            f"{file}: expected whole records. Received: {number} of them, and a part of one that "
            f"begins at byte {at:,}. Was it copied or written to its end?"
        )
    try:
        for _ in tf.data.TFRecordDataset(file).batch(RECORDS_IN_SHUFFLE):
            pass  # its sums are looked at
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"{file}: expected records as they were written. Received: {_without_node(error)}. "
            "Copy or make it anew"
        ) from error


def _without_node(error):
    """What TensorFlow says of a file, without where in a graph that was."""
    return re.sub(r"\{\{.*?\}\}+ ?| ?\[Op:.*", "", error.message)


def check_vocabulary(files, tokenizer):
    """Raises a ValueError where the data card of a file names another vocabulary.

    Args:
        files, tokenizer: as of `read_records`.
    """
    here = cards.vocabulary(tokenizer)
    for file in filter(os.path.exists, _matching(files)):
        _check_vocabulary(file, here)


def _check_vocabulary(file, here):
    size = os.path.getsize(file)
    for card, said, want in _said_of(Path(file)):
        there = said.get("tokenizer")
        if want != size or not isinstance(there, dict) or "sha256" not in there:
            continue
        if not any(there.get(name) == here[name] for name in ("sha256", "pieces_sha256")):
            count = f", of {there['pieces']} pieces" if "pieces" in there else ""
            raise ValueError(
                f"{file}: its records must be of the model's vocabulary, of {here['pieces']} "
                f"pieces. Received: {card} names another{count}. Make the records "
                "with the model's vocabulary, or give the one that they were made with"
            )
        return


def _said_of(file):
    """[(data card, what it says, the bytes that a file has there)], the file's own card first.

    There are several where files were made anew with others than before. JSON of that name that
    somebody else wrote says nothing.
    """
    found, own = [], cards.place(file)
    for card in sorted(file.parent.glob(f"*{cards.SUFFIX}"), key=lambda card: card != own):
        with contextlib.suppress(() if card == own else FileError):
            said = read_json(card)
            rows = said.get("outputs")
            rows = rows if isinstance(rows, list) else []
            for row in (row for row in rows if isinstance(row, dict)):
                if row.get("file") == file.name and isinstance(row.get("bytes"), int):
                    found.append((card, said, row["bytes"]))
    return found


def _features_of(file):
    """Google's name -> `FixedLenFeature`, with the lengths of a file's first record."""
    wanted = dict([*_INPUTS.values(), *_TARGETS.values()])
    try:
        first = next(iter(tf.data.TFRecordDataset(file).take(1)), None)
        found = None if first is None else tf.train.Example.FromString(first.numpy())
    except (tf.errors.OpError, DecodeError) as error:
        raise ValueError(f"{file} is no TFRecord file of tf.train.Example: {error}") from error
    if found is None:
        raise ValueError(f"{file} must hold at least one record. Received: an empty file.")
    values = {
        name: feature.float_list.value or feature.int64_list.value
        for name, feature in found.features.feature.items()
    }
    missing = [name for name in wanted if not values.get(name)]
    if missing:
        raise ValueError(
            f"{file}: a record must have the features {', '.join(wanted)}, as "
            f"create_pretraining_data.py writes them. Received: one without {', '.join(missing)}."
        )
    return {
        name: tf.io.FixedLenFeature([len(values[name])], dtype) for name, dtype in wanted.items()
    }


def _take(found, table):
    return {
        ours: found[name] if dtype == tf.float32 else tf.cast(found[name], tf.int32)
        for ours, (name, dtype) in table.items()
    }
