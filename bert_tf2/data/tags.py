"""What people hold as tagged words, or as texts with entities -> columns.

A tag is a class of a word: "O", a letter and a type as in "B-PER", or any name, as of parts of
speech.
"""

import numpy as np
import tensorflow as tf

from bert_tf2.data.class_names import some
from bert_tf2.data.columns import text_columns
from bert_tf2.data.labels import MARK, class_numbers, class_numbers_in_graph
from bert_tf2.data.tag_schemes import in_scheme, spelled
from bert_tf2.messages import RowError, shorten
from bert_tf2.text.forms import cells, column_names, shown, to_strings

WORDS = "words"
IGNORED = -100  # Hugging Face's number of what is not to be learnt
SPAN_KEYS = ("label", "entity_group", "entity", "type")


def holds_words(x):
    """Whether x is rows of words, in memory or in a batch of a dataset, and not of texts."""
    names = column_names(x)
    if names is not None:
        return WORDS in names or "tokens" in names
    if isinstance(x, tf.RaggedTensor) or (tf.is_tensor(x) and x.shape.rank == 2):
        return True
    first = x[0] if isinstance(x, list | tuple | np.ndarray) and len(x) else None
    return isinstance(first, list | np.ndarray)


def words_of(x):
    """Rows of words in any form -> string RaggedTensor (n, words). Works on tensors in a graph.

    Args:
        x: a list of lists of str, a ragged or a filled-up ("") string tensor, or a mapping or table
            with a column `words` or `tokens` of them.

    Raises:
        TypeError, ValueError: a row that is no list, or a word that is no str; with its index.
    """
    names = column_names(x)
    if names is not None:
        x = x[WORDS if WORDS in names else "tokens"]
    if isinstance(x, tf.RaggedTensor):
        return x.with_row_splits_dtype(tf.int32)
    if tf.is_tensor(x):
        return tf.RaggedTensor.from_tensor(x, padding="", row_splits_dtype=tf.int32)
    rows = list(x) if isinstance(x, list | tuple | np.ndarray) else cells(x, WORDS)
    for index, row in enumerate(rows):
        if isinstance(row, str | bytes) or not hasattr(row, "__len__"):
            raise TypeError(
                f"`words` must be a list of str for each text. Received at index {index}: "
                f"{shown(row)}"
            )
    flat = [word for row in rows for word in row]
    try:
        values = to_strings(flat, WORDS) if flat else tf.zeros([0], tf.string)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`words` must be lists of str. {shorten(error, 300)}") from None
    lengths = tf.constant([len(row) for row in rows], tf.int32)
    return tf.RaggedTensor.from_row_lengths(values, lengths)


def read_texts(x):
    """Texts or rows of words in memory -> the column `text` or `words`."""
    if not holds_words(x):
        return text_columns(x, ("text",))
    words = words_of(x)
    if words.nrows() == 0:
        raise ValueError("There must be at least one text. Received an empty list.")
    return {WORDS: words}


def tags_of_ids(y, shape):
    """A tag for each token, in memory -> an array of that shape; ValueError: of another."""
    try:
        found = np.asarray(y)
    except ValueError:  # rows of different length
        found = np.empty(0)
    if found.shape != shape:
        raise ValueError(
            f"`y` must have a tag for each token, {shape}, -100 for what is not learnt. "
            f"Received: {shown(y)}"
        )
    return found


def numbers_of_tags(y, names, counts):
    """Tags of words -> int32 (all words,).

    Args:
        y: for each text a list of tags, names or numbers of `names`; -100 for a word that is not to
            be learnt from. Tags of another scheme than the names': see `in_scheme`.
        names: the tags, in the order of the logits.
        counts: how many words each text has.

    Raises:
        TypeError, ValueError: another form, a tag that is none, or words and tags of different
            number; the message has the index.
    """
    if isinstance(y, tf.RaggedTensor):
        y = y.to_list()
    rows = list(y) if isinstance(y, list | tuple | np.ndarray) else cells(y, "y")
    if len(rows) != len(counts):
        raise ValueError(
            f"There must be a list of tags a text: {len(counts)}. Received: {len(rows)}"
        )
    for index, (row, count) in enumerate(zip(rows, counts, strict=True)):
        if isinstance(row, str | bytes) or not hasattr(row, "__len__"):
            raise TypeError(f"`y` must be lists of tags. Received at index {index}: {shown(row)}")
        if len(row) != count:
            raise ValueError(
                f"Words and tags must be of one number. Received at index {index}: {count} words "
                f"and {len(row)} tags, {shown(list(row))}"
            )
    rows = in_scheme(rows, names)
    flat = [tag for row in rows for tag in (row.tolist() if hasattr(row, "tolist") else row)]
    learnt = np.array([not _ignored(tag) for tag in flat], bool)
    numbers = np.full(len(flat), IGNORED, np.int32)
    try:
        numbers[learnt] = class_numbers(
            [t for t, keep in zip(flat, learnt, strict=True) if keep], names
        )
    except ValueError as error:
        text = str(error).split(" at index ")[0]
        index = next(i for i, row in enumerate(rows) if not _known(row, names))
        raise ValueError(
            f"{text}, a tag of the text at index {index}, is not one of {some(names)}"
        ) from None
    return numbers


def numbers_in_graph(given, splits, names):
    """`numbers_of_tags` for a batch of a dataset -> int32 (all words,).

    Args:
        given: tags or their numbers, a RaggedTensor (B, words), or filled up, (B, most words).
        splits: int32 (B + 1,), where each text begins among all words.
        names: the tags.
    """
    lengths = splits[1:] - splits[:-1]
    if isinstance(given, tf.RaggedTensor):
        theirs = given.row_lengths()
    elif given.shape.rank != 2:
        raise ValueError(
            "Tags of a dataset must be (B, words), ragged or filled up. Received: "
            f"{given.dtype.name} of shape {given.shape}"
        )
    elif given.dtype == tf.string:
        theirs = tf.reduce_sum(tf.cast(given != "", tf.int32), 1)
    else:  # what they are filled up with is not known
        theirs = tf.minimum(lengths, tf.shape(given)[1])
    fine = tf.reduce_all(tf.cast(theirs, tf.int32) == lengths)
    fine &= tf.size(theirs) == tf.size(lengths)
    if not isinstance(given, tf.RaggedTensor):
        given = tf.RaggedTensor.from_tensor(given, lengths=lengths)
    said = f"{MARK}rows: words and tags of a text must be of one number."
    with tf.control_dependencies([tf.debugging.Assert(fine, [said])]):
        values = tf.identity(given.values)
    return numbers_of_values(values, names)


def numbers_of_values(values, names):
    """Tags or their numbers, (N,), -100 among these -> int32 (N,). Works in a graph."""
    if values.dtype in (tf.string, tf.bool):
        return class_numbers_in_graph(values, names)
    values = tf.cast(values, tf.int64) if values.dtype.is_integer else values
    learnt = values != IGNORED
    numbers = class_numbers_in_graph(tf.boolean_mask(values, learnt), names)
    kept = tf.fill(tf.shape(values), IGNORED)
    return tf.tensor_scatter_nd_update(kept, tf.where(learnt), numbers)


def _ignored(tag):
    return not isinstance(tag, str | bytes) and tag == IGNORED


def _known(row, names):
    try:
        class_numbers([tag for tag in row if not _ignored(tag)], names)
    except ValueError:
        return False
    return True


def span_of(item, index):
    """An entity in any form -> (start, end, label)."""
    if isinstance(item, dict):
        label = next((item[key] for key in SPAN_KEYS if key in item), None)
        item = (item.get("start"), item.get("end"), label)
    fine = isinstance(item, list | tuple) and len(item) == 3 and isinstance(item[2], str)
    if not fine or not all(isinstance(place, int | np.integer) for place in item[:2]):
        raise TypeError(
            "An entity must be (start, end, label), or a dict of these: characters of its text. "
            f"Received at index {index}: {shown(item)}"
        )
    return tuple(item)


def tags_of_spans(y, texts, starts, ends, scheme):
    """Entities by characters -> a tag for each word.

    Args:
        y: for each text a list of entities: (start, end, label) or dicts of these.
        texts: list of str. starts, ends: for each text lists of its words' characters.
        scheme: of the tags that are wanted, as from `scheme_of`.

    Returns:
        list of lists of str, and how many entities begin or end within a word, which becomes
        theirs.

    Raises:
        TypeError, ValueError: a span that is none, beyond its text, without a word, or that shares
            a word with another; the message has the index.
    """
    y = cells(y, "y")
    if len(y) != len(texts):
        raise ValueError(
            f"There must be a list of entities a text: {len(texts)}. Received: {len(y)}"
        )
    tags, uneven = [], 0
    for index, (row, text, begins, stops) in enumerate(zip(y, texts, starts, ends, strict=True)):
        if isinstance(row, str | bytes | dict) or not hasattr(row, "__iter__"):
            raise TypeError(
                "`y` must hold a list of entities for each text, [] for none. Received at index "
                f"{index}: {shown(row)}"
            )
        row_tags = ["O"] * len(begins)
        for start, end, label in sorted(span_of(item, index) for item in row):
            where = f"Received at index {index}: {label!r} from {start} to {end}"
            if not 0 <= start < end <= len(text):
                raise RowError(
                    f"An entity must lie in its text, of {len(text)} characters. {where}", index
                )
            inside = [i for i, b in enumerate(begins) if b < end and stops[i] > start]
            if not inside:
                raise RowError(f"An entity must have a word with pieces of its own. {where}", index)
            if any(row_tags[i] != "O" for i in inside):
                raise RowError(f"Two entities must not share a word. {where}", index)
            uneven += begins[inside[0]] < start or stops[inside[-1]] > end
            place = slice(inside[0], inside[-1] + 1)
            row_tags[place] = spelled([(label, 0, len(inside))], len(inside), scheme)
        tags.append(row_tags)
    return tags, uneven
