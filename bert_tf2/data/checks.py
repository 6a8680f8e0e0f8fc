"""What is odd about data, said before hours are spent on them."""

import numpy as np
import tensorflow as tf

from bert_tf2.data.class_names import MANY, NUMERAL, some
from bert_tf2.messages import shorten

MOST_COUNTED = 1024  # texts that are tokenized to see how many are too long
SAMPLE = 100  # texts in which unknown tokens are counted
SAMPLE_BYTES = 1000  # of each, at its begin


def worth_saying(class_numbers, names):
    """What is odd about the labels to train on: a list of sentences, mostly empty.

    Args:
        class_numbers: int (n,), from `class_numbers`.
        names: the class names.
    """
    counts = np.bincount(class_numbers, minlength=len(names))
    present, rows = np.flatnonzero(counts), len(class_numbers)
    single = [names[number] for number in np.flatnonzero(counts == 1)]
    said = []
    if len(present) == 1 and rows > 1:
        said.append(f"All {rows} labels are {shorten(names[present[0]])}: nothing to tell apart.")
    elif len(single) == rows and rows > 2:
        said.append(f"Each of {rows} rows has a label of its own: is that the labels' column?")
    elif single and len(single) < rows:
        said.append(
            f"{len(single)} of {len(names)} classes with one row to learn from: {some(single)}."
        )
    if len(names) > MANY and all(map(NUMERAL.fullmatch, names)):
        said.append(
            f"{len(names)} classes are named by numbers, and learned without their order: "
            f"{some(names)}. Are they a score?"
        )
    return said


def labels_without_rows(counts, names):
    """Which labels no row has: a list of one sentence, or none. `counts`: rows by label, (C,)."""
    never = [name for name, count in zip(names, counts, strict=True) if not count]
    if not never:
        return []
    return [
        f"{len(never)} of {len(names)} labels are in no row, and are not learned: {some(never)}."
    ]


def cut_texts(columns, preprocessor):
    """How many texts lose tokens to `max_length`: a list of one sentence, or of none.

    Args:
        columns: of texts, as from `text_columns`.
        preprocessor: a `Preprocessor`.
    """
    sides = list(columns.values())
    rows = int(sides[0].shape[0])
    size = sum(tf.strings.length(side).numpy() for side in sides)  # bytes, at least one a token
    long = np.flatnonzero(size + 2 > preprocessor.max_length)
    if not len(long):
        return []
    share = -(-len(long) // MOST_COUNTED)
    some = [tf.gather(side, long[::share]) for side in sides]
    lengths = preprocessor.lengths(tuple(some) if some[1:] else some[0])
    cut = int(np.sum(lengths > preprocessor.max_length)) * share
    if not cut:
        return []
    about = "about " if share > 1 else ""
    return [
        f"{about}{min(cut, rows)} of {rows} texts are longer than `max_length`, "
        f"{preprocessor.max_length} tokens, and are cut (the longest seen has {lengths.max()})."
    ]


def unknown_texts(columns, tokenizer):
    """Whether the vocabulary knows less than half of what is read: one sentence, or none.

    Args:
        columns: of texts, as from `text_columns`.
        tokenizer: a `Tokenizer`.
    """
    sides = [side[:SAMPLE] for side in columns.values()]
    ids = tokenizer(tf.strings.substr(tf.concat(sides, 0), 0, SAMPLE_BYTES)).values.numpy()
    unknown = int(np.sum(ids == tokenizer.unknown_token_id))
    if unknown * 2 <= len(ids):
        return []
    return [
        f"{unknown} of {len(ids)} tokens are unknown to the vocabulary, in a sample of "
        f"{sides[0].shape[0]} texts: is it of their language and case (`lowercase=` of "
        "`from_preset`)?"
    ]
