"""Queries filled up with the mask, as ColBERT has them (Khattab & Zaharia 2020, section 3.2).

Letters: B batch, L length.
"""

import tensorflow as tf

from bert_tf2.messages import shorten

STRATEGIES = ("fixed", "min")
_USUAL = {"strategy": "fixed", "attend": False, "token": None, "length": None}


def checked(given):
    """How queries are filled up, a dict with all its words; None for not at all.

    Raises:
        ValueError: another word, another strategy, or no length.
    """
    if given is None:
        return None
    said = _USUAL | dict(given)
    if {*said} - {*_USUAL} or said["strategy"] not in STRATEGIES or said["length"] is None:
        raise ValueError(
            f"`query_expansion` must be a dict of {', '.join(_USUAL)}, of which `strategy` is one "
            f"of {STRATEGIES} and `length` is needed. Received: {shorten(given)}"
        )
    return said | {"attend": bool(said["attend"])}


def shortened(ids, limits):
    """Ids cut to a length of each row.

    Args:
        ids: int32 RaggedTensor (B, tokens).
        limits: int32 (B,), the most tokens of a row, two special ones included.

    Returns:
        the same, shorter, and bool (B,), whether a row was cut.
    """
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    kept = tf.minimum(lengths, limits - 2)
    starts = tf.cast(ids.row_starts(), tf.int32)
    places = tf.ragged.range(starts, starts + kept)
    cut = tf.RaggedTensor.from_row_lengths(tf.gather(ids.values, places.values), kept)
    return cut, kept < lengths


def expanded(inputs, is_query, tokenizer, how):
    """Inputs of a model, queries among them filled up.

    Args:
        inputs: dict of int32 (B, L), with `scoring_mask`.
        is_query: bool (B,).
        tokenizer: for the ids of the mask and of padding.
        how: as `checked` gives it.

    Returns:
        such a dict, as long as `how` asks for where there is a query.
    """
    length = tf.shape(inputs["token_ids"])[1]
    wanted = tf.where(tf.reduce_any(is_query), how["length"], 0)
    more = [[0, 0], [0, tf.maximum(wanted - length, 0)]]
    fill = {"token_ids": tokenizer.pad_token_id}
    inputs = {n: tf.pad(x, more, constant_values=fill.get(n, 0)) for n, x in inputs.items()}
    columns = tf.range(tf.shape(inputs["token_ids"])[1])
    filled = (inputs["padding_mask"] == 0) & (columns < how["length"]) & is_query[:, tf.newaxis]
    token = how["token"]
    token = tokenizer.mask_token_id if token is None else tokenizer.token_to_id(token)
    inputs["token_ids"] = tf.where(filled, token, inputs["token_ids"])
    for name in ("scoring_mask", *(["padding_mask"] if how["attend"] else [])):
        inputs[name] = tf.where(filled, 1, inputs[name])
    return inputs
