"""How much each token looks at each other, in every head of every layer.

Letters: K layers, N heads, L length.
"""

import contextlib
from typing import NamedTuple

import numpy as np

from bert_tf2.analysis.reading import read
from bert_tf2.tasks.task import Task


class Attention(NamedTuple):
    """What an encoder's heads look at in one text or pair.

    Attributes:
        pieces: list of L str, the tokens as people read them.
        special: bool (L,), which of them are "[CLS]", "[SEP]" and their like.
        second: where the second text begins; None of a single one.
        weights: float32 (K, N, L, L): in layer k and head n how much the token of a row looks at
            that of a column; rows sum to 1.
    """

    pieces: list[str]
    special: np.ndarray
    second: int | None
    weights: np.ndarray


def attention(model, text, text_pair=None, preprocessor=None):
    """The attention of any task or encoder to one text, or to a pair.

    What training and answering compute is left as it is: the weights come from a second model on
    the same layers, `Encoder.attention_scores`.

    Args:
        model: a task, with its active adapter, or an `Encoder`.
        text: str; of a `QuestionAnswerer` the question.
        text_pair: str, the second text: a `QuestionAnswerer`'s context, one choice of a
            `MultipleChoice`. Default: none.
        preprocessor: the `Preprocessor` of an encoder, which has none itself.

    Returns:
        an `Attention`: `pieces` (L str), `special` (L,), `second`, `weights` float32 (K, N, L, L).

    Raises:
        TypeError: no such model, an encoder without a preprocessor, or a text that is no str.
        ValueError: a text that the task reads in several rows.

    Source: Vaswani et al. 2017, section 3.2; ALBERT has a layer for each time its weights are used.

    Examples:
        >>> vec = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> found = bert_tf2.attention(vec, "the tea is hot")
        >>> found.pieces[1:3], found.weights.shape[2:]
        (['the', 'tea'], (6, 6))
    """
    found = read(model, text, text_pair, preprocessor)
    ids = {name: found.inputs[name] for name in ("token_ids", "segment_ids", "padding_mask")}
    ids = {name: x.reshape(1, -1) for name, x in ids.items()}
    with model.wearing() if isinstance(model, Task) else contextlib.nullcontext():
        scores = found.encoder.attention_scores(ids)
    weights = np.stack([np.asarray(layer, "float32")[0] for layer in scores])
    return Attention(found.pieces, found.special, found.second, weights)
