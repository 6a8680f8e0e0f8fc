"""Files to pretrain on: documents of text, or records that were made of them."""

import itertools
from pathlib import Path

from bert_tf2.data import examples, json_lines, tables, text_files

RECORDS = (".tfrecord", ".tfrecords", ".tf_record", ".record")


def is_records(pattern):
    """Whether a path or pattern names TFRecords, by how it ends; numbers of shards may follow."""
    name = Path(str(pattern)).name.lower()
    return any(end in name for end in RECORDS)


def read_texts(paths, text="text", encoding=None):
    """The documents of text files and tables.

    Args:
        paths: files: of .csv, .tsv and .jsonl a document a row, in the column `text`; of any other,
            documents with a blank line between, as google-research/bert has them, a sentence or
            paragraph a line.
        text: that column. encoding: of the files; default UTF-8.

    Returns:
        list of str, lines within.

    Raises:
        ValueError: no document, or a file that is not as it should be; the message names it.
        OSError: a file cannot be read.
    """
    found = []
    for path in map(Path, paths):
        before = len(found)
        if path.suffix.lower() in examples.SUFFIXES:
            for line, row in examples.rows(path, [text], True, None, encoding):
                found.append(json_lines.text(f"{path}, line {line}", text, row[text]))
        else:
            lines = (line.strip() for line in tables.split(text_files.TextFile(path, encoding)))
            groups = itertools.groupby(lines, bool)
            found += ["\n".join(group) for filled, group in groups if filled]
        if len(found) == before:
            raise ValueError(f"{path} must hold a document. Received: nothing but blank lines")
    return found
