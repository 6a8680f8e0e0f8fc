"""Logits of pieces -> tags of words -> entities, in the graph.

Letters: B texts, P chosen pieces of all texts, U words of all texts, V those that have a piece,
E entities of all texts, C classes.
"""

from typing import NamedTuple

import tensorflow as tf

from bert_tf2.data.class_names import tag_parts, tags_of, untagged
from bert_tf2.text.offsets import before, owners, sums, to_bytes

STRATEGIES = ("none", "simple", "first", "average", "max")


class TaggedWords(NamedTuple):
    """One answer: the words of a text, the tag of each and its probability."""

    words: list[str]
    tags: list[str]
    scores: list[float]


class Tagged(NamedTuple):
    """The words that have a piece, with what they are tagged with.

    Attributes:
        words: int32 (V,), their numbers among all words, rising.
        tags: int32 (V,). scores: float32 (V,), the probability of that tag.
    """

    words: tf.Tensor
    tags: tf.Tensor
    scores: tf.Tensor


def tagged(logits, of_piece, splits, strategy, crf=None):
    """Tags of words, from those of their pieces.

    Args:
        logits: float32 (P, C).
        of_piece: int32 (P,), the word of each.
        splits: int32 (B + 1,), where each text begins among all words.
        strategy: of a word with several pieces: "first" takes the first one's probabilities,
            "average" their mean, "max" those of the piece with the highest.
        crf: a `CRF`, which chooses the tags of a text together, by first pieces; or None.

    Returns:
        `Tagged`; the scores of a CRF's tags are their marginal probabilities.
    """
    first = of_piece != before(of_piece, -1)
    words = tf.boolean_mask(of_piece, first)
    if crf is not None:
        return Tagged(words, *_together(tf.boolean_mask(logits, first), words, splits, crf))
    shares = tf.nn.softmax(logits)
    nth = tf.cumsum(tf.cast(first, tf.int32)) - 1  # (P,), of the words with pieces
    if strategy == "average":
        shares = tf.math.segment_mean(shares, nth)
    elif strategy == "max":
        highest = tf.reduce_max(shares, -1)
        best = highest == tf.gather(tf.math.segment_max(highest, nth), nth)
        order = tf.where(best, tf.range(tf.size(nth)), tf.size(nth))
        shares = tf.gather(shares, tf.math.segment_min(order, nth))
    else:
        shares = tf.boolean_mask(shares, first)
    return Tagged(words, tf.argmax(shares, -1, tf.int32), tf.reduce_max(shares, -1))


def _together(logits, words, splits, crf):
    """logits (V, C) of first pieces -> tags and their scores, (V,) each."""
    there = tf.searchsorted(words, splits)  # (B + 1,), where each text begins among these
    rows = tf.RaggedTensor.from_row_splits(logits, there, validate=False)
    # A scan wants one row and one step, even where there is no text, or none with a word.
    dense = tf.pad(rows.to_tensor(), [[0, 1], [0, 1], [0, 0]])
    mask = tf.sequence_mask(tf.pad(rows.row_lengths(), [[0, 1]]), tf.shape(dense)[1])
    dense = tf.ensure_shape(dense, [None, None, logits.shape[-1]])
    tags = crf.decode(dense, mask)
    scores = tf.gather(crf.marginals(dense, mask), tags, batch_dims=2)
    return tf.boolean_mask(tags, mask), tf.boolean_mask(scores, mask)


def tags_of_words(found, words, labels):
    """The tags of all words, those without a piece as well, which are `untagged`.

    Args:
        found: `Tagged`. words: `Words`. labels: list of C str.

    Returns:
        dict of `tags`, `words` (string) and `tag_scores` (float32), each (B, most words), filled up
        with "" and 0.
    """
    size, places = tf.shape(words.starts), found.words[:, tf.newaxis]
    tag = tf.scatter_nd(places, tf.gather(tf.constant(labels), found.tags), size)
    tag = tf.where(tag == "", untagged(labels), tag)
    score = tf.scatter_nd(places, found.scores, size)
    starts, ends = words.rows(words.starts), words.rows(words.ends)
    return {
        "tags": words.rows(tag).to_tensor(""),
        "tag_scores": words.rows(score).to_tensor(0.0),
        "words": parts(words.texts, starts, ends).to_tensor(""),
    }


class Kinds(NamedTuple):
    """What tags say, by class (C,): what kind of entity, and whether its letter begins or ends."""

    names: list
    of_class: list
    begins: list
    ends: list

    @classmethod
    def of(cls, labels, whole=False):
        """Those of tags such as "B-PER"; `whole`: each tag is a kind of its own."""
        plain = [("", label) for label in labels] if whole else tag_parts(labels)
        names = list(dict.fromkeys(name for _, name in plain))
        letters = [letter for letter, _ in plain]
        return cls(
            names,
            [names.index(name) for _, name in plain],
            [whole or letter in ("B", "S", "U") for letter in letters],
            [whole or letter in ("E", "S", "L", "U") for letter in letters],
        )


def entities(found, words, labels, whole=False):
    """Tags -> entities, as conlleval reads them: a letter out of place begins one.

    Args:
        found: `Tagged`.
        words: `Words`-like, with `texts`, `splits`, `starts` and `ends`.
        labels: list of C str; "O" is no entity.
        whole: make one of each tagged word, called by its whole tag.

    Returns:
        dict of `entity_group`, `word` (string), `score` (float32), `start`, `end` (int32,
        characters of the text), each (B, most entities), filled up with "" and 0.
    """
    kinds = Kinds.of(labels, whole)
    row = tf.gather(owners(words.splits), found.words)  # (V,)
    kind, begins, ends = (tf.gather(tf.constant(c), found.tags) for c in kinds[1:])
    inside = tf.gather(tf.constant([label != "O" for label in labels]), found.tags)
    goes_on = before(inside, False) & (kind == before(kind, -1)) & (row == before(row, -1))
    new = inside & ~(goes_on & ~begins & ~before(ends, False))
    nth = tf.boolean_mask(tf.cumsum(tf.cast(new, tf.int32)) - 1, inside)
    first, word = tf.boolean_mask(found.words, new), tf.boolean_mask(found.words, inside)
    splits = sums(tf.math.unsorted_segment_sum(tf.cast(new, tf.int32), row, tf.size(words.texts)))

    def rows(values):
        return tf.RaggedTensor.from_row_splits(values, splits, validate=False)

    start = rows(tf.gather(words.starts, first))
    end = rows(tf.math.segment_max(tf.gather(words.ends, word), nth))
    score = tf.math.segment_mean(tf.boolean_mask(found.scores, inside), nth)
    group = tf.gather(tf.constant(kinds.names), tf.boolean_mask(kind, new))
    dense = {"start": start, "end": end, "score": rows(score)}
    return {
        "entity_group": rows(group).to_tensor(""),
        "word": parts(words.texts, start, end).to_tensor(""),
        **{name: values.to_tensor(0) for name, values in dense.items()},
    }


def parts(texts, starts, ends):
    """Parts of texts: string (B,), characters int32 RaggedTensors (B, n) -> string (B, n)."""
    begin, stop = to_bytes(texts, starts).values, to_bytes(texts, ends).values
    whole = tf.gather(texts, owners(starts.row_splits))
    return starts.with_values(tf.strings.substr(whole, begin, stop - begin))


def rows_of_entities(answers):
    """A batch of answers, NumPy -> for each text a list of dicts, one an entity."""
    names = ("entity_group", "score", "word", "start", "end")
    for row in zip(*(answers[name].tolist() for name in names), strict=True):
        made = [dict(zip(names, entity, strict=True)) for entity in zip(*row, strict=True)]
        yield [
            {k: v.decode(errors="replace") if isinstance(v, bytes) else v for k, v in one.items()}
            for one in made
            if one["end"]  # and no filling
        ]


def rows_of_words(answers, labels):
    """A batch of answers, NumPy, of a model of these tags -> `TaggedWords` of each text."""
    columns = (answers[name].tolist() for name in ("words", "tags", "tag_scores"))
    for words, names, scores in zip(*columns, strict=True):
        found = tags_of(words, names, labels)
        texts = [word.decode(errors="replace") for word in words[: len(found)]]
        yield TaggedWords(texts, found, scores[: len(found)])
