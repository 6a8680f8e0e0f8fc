"""What an exported model cuts of long texts, said as its task says it."""

import logging

import numpy as np

from bert_tf2.cli.exported import card_of

LOGGER = logging.getLogger("bert_tf2")
SIDES = ({"text"}, {"text", "text_pair"})  # columns whose texts are packed as they are


def teller(loaded, folder):
    """A function of a dict of columns of str, which says once that some are cut.

    It counts the pieces that the graph makes and the least of special tokens, one and one a text:
    where a family has more, a text that is too long by that alone is not said.

    Args:
        loaded: a SavedModel. folder: where it is, with its card. Of one without a card, or that
            reads long texts in windows, nothing is said.
    """
    card = card_of(folder)
    longest, tokenize = card.get("max_length"), loaded.signatures.get("tokenize")
    windows = (card.get("settings") or {}).get("doc_stride") is not None
    said = not isinstance(longest, int) or tokenize is None or windows

    def tell(columns):
        nonlocal said
        if said or set(columns) not in SIDES:
            return
        sides = [np.array([_bytes(x) for x in column], object) for column in columns.values()]
        room = longest - 1 - len(sides)
        size = sum(np.array([len(x) for x in side]) for side in sides)  # at least one a piece
        if not (long := size > room).any():
            return
        lengths = sum(_lengths(tokenize, side[long]) for side in sides)
        if cut := int((lengths > room).sum()):
            said = True
            LOGGER.warning(
                "%d of %d texts are longer than `max_length`, %d tokens, and are cut.",
                *(cut, len(size), longest),
            )

    return tell


def _lengths(tokenize, texts):
    """How many pieces texts (n,) have: int (n,)."""
    import tensorflow as tf

    return tokenize(text=tf.constant(texts, tf.string))["lengths"].numpy()


def _bytes(text):
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "replace")
