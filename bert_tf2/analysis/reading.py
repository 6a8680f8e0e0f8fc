"""One text, or a pair, as a model reads it: ids, and the pieces they stand for.

Letters: L length.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_tf2.messages import shorten
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.tasks.task import Task
from bert_tf2.text.bytepair import BytePairTokenizer

SPACE = "▁"  # where a word begins, in vocabularies that keep spaces: SentencePiece's sign


class Reading(NamedTuple):
    """What a model reads of one text or pair, without padding.

    Attributes:
        encoder: the `Encoder`.
        inputs: dict of int32 arrays (1, L), all that the model takes.
        pieces: list of L str, as people read them.
        special: bool (L,): "[CLS]", "[SEP]", "[MASK]" and their like.
        second: where the second text begins; None of a single one.
    """

    encoder: Encoder
    inputs: dict
    pieces: list[str]
    special: np.ndarray
    second: int | None


def read(model, text, text_pair=None, preprocessor=None):
    """A text, or a pair, as a task reads it (its prompt before it), or as an encoder does.

    Args:
        model: a task, or an `Encoder`.
        text, text_pair: str; of a `QuestionAnswerer` question and context, of a `MultipleChoice` a
            text and one choice.
        preprocessor: the `Preprocessor` of an encoder, which has none itself.

    Returns:
        a `Reading`.

    Raises:
        TypeError: no such model, or what is no str.
        ValueError: a text that is read in several rows: windows, or candidate labels.
    """
    texts = (text,) if text_pair is None else (text, text_pair)
    for one in texts:
        if not isinstance(one, str):
            raise TypeError(f"A text must be one str. Received: {shorten(one)}")
    encoder, preprocessor = _parts(model, preprocessor)
    inputs = {name: np.asarray(x) for name, x in _inputs(model, preprocessor, texts).items()}
    if len(inputs["token_ids"]) != 1:
        raise ValueError(
            f"The text must be read in one row. This {type(model).__name__} makes "
            f"{len(inputs['token_ids'])} of it: give a shorter text, or a pair of texts."
        )
    padded, length = inputs["token_ids"].shape[1], int(inputs["padding_mask"].sum())
    inputs = {
        name: (x[:, :length] if x.shape[1] == padded else x).astype("int32")
        for name, x in inputs.items()
    }
    ids, tokenizer = inputs["token_ids"][0], preprocessor.tokenizer
    special = np.isin(ids, _special_ids(tokenizer))
    second = None
    if text_pair is not None:
        ends = np.flatnonzero(ids == tokenizer.sep_token_id)
        second = int(ends[0]) + tokenizer.pair_separators if len(ends) > 1 else None
    return Reading(encoder, inputs, pieces(tokenizer, ids), special, second)


def _special_ids(tokenizer):
    """The ids of pieces that are no words of a text: all but the unknown one."""
    named = {p for role, p in tokenizer.special_pieces.items() if role != "unknown"}
    return [i for i, piece in enumerate(tokenizer.vocabulary) if piece in named]


def _parts(model, preprocessor):
    """The encoder and the preprocessor of a model."""
    if isinstance(model, Task):
        return model.encoder, model.preprocessor
    if not isinstance(model, Encoder):
        raise TypeError(
            f"`model` must be a task or an Encoder of this package. Received: {shorten(model)}"
        )
    if preprocessor is None:
        raise TypeError("`preprocessor` must be given with an Encoder, such as Preprocessor(…)")
    return model, preprocessor


def _inputs(model, preprocessor, texts):
    """dict of int32 tensors (rows, L), of the names that the model takes."""
    if not isinstance(model, Task) or model.ids_rank != 2:
        return preprocessor([texts if texts[1:] else texts[0]])
    names = model.raw_names
    if len(texts) > len(names) or names[len(texts) :] not in ((), ("text_pair",)):
        raise ValueError(
            f"A {type(model).__name__} reads {' and '.join(names)}. Received: {len(texts)} texts"
        )
    found = model.read({name: [text] for name, text in zip(names, texts, strict=False)})
    inputs = model.prepare({name: tf.constant(x) for name, x in found.items()})[0]
    return {name: x for name, x in inputs.items() if name not in model.marks}


def pieces(tokenizer, ids):
    """The pieces of ids as people read them: list of str. Bytes become letters, where they are
    whole ones; a space before a word is "▁"."""
    found = [piece.decode("utf-8", "replace") for piece in tokenizer.pieces_of(ids).numpy()]
    if not isinstance(tokenizer, BytePairTokenizer):
        return found
    texts = [text.decode("utf-8") for text in tokenizer.detokenize(ids[:, None]).numpy()]
    special = {*tokenizer.special_pieces.values()}
    return [
        piece if piece in special else text.replace(" ", SPACE)
        for piece, text in zip(found, texts, strict=True)
    ]
