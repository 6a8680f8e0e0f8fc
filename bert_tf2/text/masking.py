"""Hiding words for masked language models, as graph operations.

Letters: B batch, L length, P predictions a row, W words a row (padded to L).

Sources: Devlin et al. 2018, section 3.1, task 1; google-research/bert
`create_pretraining_data.py`, `create_masked_lm_predictions`.
"""

import re

import tensorflow as tf

from bert_tf2.messages import checked_bool
from bert_tf2.text.packing import pack

CONTINUES = "##"  # how a WordPiece begins that goes on with a word


def mask_words(
    packed,
    seed,
    tokenizer,
    rate=0.15,
    max_predictions=None,
    whole_words=False,
    shares=(0.8, 0.1),
):
    """Hides some words of each row, to be predicted.

    Of a row of n tokens, "[CLS]" and "[SEP]" counted, `max(1, round(rate * n))` are chosen, never
    these two or padding. 80 % of them become "[MASK]", 10 % any piece of the vocabulary, and 10 %
    stay; or as `shares` says. All randomness comes from `seed`.

    Args:
        packed: dict of int32 (B, L) `token_ids`, `segment_ids`, `padding_mask`.
        seed: int (2,), as of `tf.random.stateless_uniform`.
        tokenizer: a tokenizer of this package with a mask token.
        rate: float, share of the tokens that is chosen.
        max_predictions: int, the most of a row; P is then that number, whatever is in the batch.
            Default: no limit, and P is that of the row with most.
        whole_words: choose words, not pieces: what begins with "##" goes with the piece before
            it. Words are tried in random order, and one that would exceed the row's number is
            passed over; so a row may have fewer.
        shares: of the chosen ones that become "[MASK]", and any piece; the rest stays.

    Returns:
        inputs, `packed` with the new `token_ids` and with
            `masked_positions`: int32 (B, P), ascending, then zeros where a row has fewer;
        targets, a dict of
            `masked_ids`: int32 (B, P), the pieces that were there, zeros where there are fewer;
            `masked_weights`: float32 (B, P), 1 for a prediction and 0 beyond the last.

    Raises:
        ValueError: `rate` outside (0, 1), or whole words of a vocabulary without "##" pieces.
    """
    if not 0 < rate < 1:
        raise ValueError(f"`rate` must be between 0 and 1. Received: {rate}")
    whole_words = checked_bool("whole_words", whole_words)
    ids, mask = packed["token_ids"], packed["padding_mask"]
    candidates = (mask != 0) & (ids != tokenizer.cls_token_id) & (ids != tokenizer.sep_token_id)
    word = words_of(ids, candidates, _continuing(tokenizer) if whole_words else None)  # (B, L)
    # In float64, and to even at a half, as Python rounds.
    count = tf.round(rate * tf.cast(tf.reduce_sum(mask, 1), tf.float64))
    count = tf.maximum(tf.cast(count, tf.int32), 1)  # (B,)
    if max_predictions is not None:
        count = tf.minimum(count, max_predictions)
    seeds = tf.unstack(tf.random.split(seed, 3))
    chosen = candidates & _choose(word, candidates, count, seeds[0])  # (B, L)
    positions, weights = positions_of(chosen, max_predictions)
    targets = {
        "masked_ids": tf.gather(ids, positions, batch_dims=1) * tf.cast(weights, ids.dtype),
        "masked_weights": weights,
    }
    kind = tf.random.stateless_uniform(tf.shape(ids), seeds[1])
    other = tf.random.stateless_uniform(
        tf.shape(ids), seeds[2], 0, tokenizer.vocabulary_size, ids.dtype
    )
    other = tf.where(kind < sum(shares), other, ids)
    shown = tf.where(kind < shares[0], tokenizer.mask_token_id, other)
    new = {"token_ids": tf.where(chosen, shown, ids), "masked_positions": positions}
    return packed | new, targets


def positions_of(chosen, count=None):
    """Where a row's marks are, in ascending order.

    Args:
        chosen: bool (B, L).
        count: int, the P of the result; default that of the row with most, at least 1.

    Returns:
        positions int32 (B, P), zeros where a row has fewer, and float32 (B, P): 1 for a position,
        0 beyond the last.
    """
    columns = tf.broadcast_to(tf.range(tf.shape(chosen)[1]), tf.shape(chosen))
    positions = tf.ragged.boolean_mask(columns, chosen).to_tensor(shape=[None, count])
    if count is None:
        positions = tf.pad(positions, [[0, 0], [0, tf.maximum(1 - tf.shape(positions)[1], 0)]])
    found = tf.reduce_sum(tf.cast(chosen, tf.int32), axis=1)  # (B,)
    return positions, tf.sequence_mask(found, tf.shape(positions)[1], tf.float32)


def tokenize_around_masks(texts, tokenizer):
    """Piece ids of texts in which the mask token, as "[MASK]", stands for a word to be found.

    The official tokenizer would read "[", "mask", "]"; here the text is cut there before.

    Args:
        texts: string tensor (B,).
        tokenizer: a tokenizer of this package with a mask token.

    Returns:
        int32 RaggedTensor (B, pieces), without "[CLS]" and "[SEP]".
    """
    mask_id = tokenizer.mask_token_id
    # White space before it belongs to the mask, as in RoBERTa; to the others it is nothing.
    mask = tokenizer.id_to_token(mask_id)
    texts = tf.strings.regex_replace(texts, rf"[\t-\r ]+{re.escape(mask)}", mask)
    parts = tf.strings.split(texts, mask)  # (B, parts)
    pieces = tokenizer(parts.flat_values)  # (all parts, pieces)
    # A mask follows every part of a text but its last.
    last = tf.scatter_nd(
        parts.row_splits[1:, tf.newaxis] - 1,
        tf.ones(parts.nrows(), tf.int64),
        tf.shape(parts.flat_values, tf.int64),
    )
    masks = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(1 - last)], mask_id), 1 - last, validate=False
    )
    return parts.with_flat_values(tf.concat([pieces, masks], 1)).merge_dims(1, 2)


def masked_inputs(texts, preprocessor):
    """What a masked language model takes to fill the masks in texts. Works in a graph.

    Args:
        texts: string tensor (B,), each with one "[MASK]" or more (see `check_masks`).
        preprocessor: a `Preprocessor`, which says how long rows are and how they are padded.

    Returns:
        dict of int32 (B, L) `token_ids`, `segment_ids`, `padding_mask`, and (B, P)
        `masked_positions`, ascending, then zeros.
    """
    tokenizer = preprocessor.tokenizer
    inputs = pack(
        tokenize_around_masks(texts, tokenizer),
        special_ids=[tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id],
        max_length=preprocessor.max_length,
        pad_to_max_length=preprocessor.pad_to_max_length,
        length_buckets=preprocessor.length_buckets,
    )
    masked = inputs["token_ids"] == tokenizer.mask_token_id
    return inputs | {"masked_positions": positions_of(masked)[0]}


def check_masks(texts, preprocessor):
    """The number of masks of each text, a list of int.

    Args:
        texts, preprocessor: as in `masked_inputs`.

    Raises:
        ValueError: a text without a mask, or with one beyond `max_length`.
    """
    tokenizer = preprocessor.tokenizer
    masked = tokenize_around_masks(texts, tokenizer) == tokenizer.mask_token_id
    wanted = tf.reduce_sum(tf.cast(masked, tf.int32), axis=1).numpy()
    room = masked[:, : preprocessor.max_length - 2]
    counts = tf.reduce_sum(tf.cast(room, tf.int32), axis=1).numpy()
    bad = [i for i, count in enumerate(counts) if not 0 < count == wanted[i]]
    if bad:
        raise ValueError(
            f"Each text must have {tokenizer.id_to_token(tokenizer.mask_token_id)} for a word to "
            f"be found, within `max_length` ({preprocessor.max_length} tokens). "
            f"Received at index {bad[0]}: {texts[bad[0]].numpy().decode(errors='replace')[:200]!r}"
        )
    return counts.tolist()


def _continuing(tokenizer):
    """bool (V,): the pieces that go on with the word before them."""
    continuing = [piece.startswith(CONTINUES) for piece in tokenizer.vocabulary]
    if not any(continuing):
        raise ValueError(
            f'`whole_words` needs a vocabulary where pieces inside words begin with "{CONTINUES}", '
            f"as WordPiece's do. Received: a {type(tokenizer).__name__} without such a piece."
        )
    return tf.constant(continuing)


def words_of(ids, candidates, continuing):
    """Which pieces belong together.

    Args:
        ids: int32 (B, L).
        candidates: bool (B, L): the pieces that may be chosen.
        continuing: bool (V,): the pieces that go on with the candidate before them, if there is
            one; None for none.

    Returns:
        int32 (B, L): the number, from 0, of each candidate's word in its row.
    """
    begins = candidates
    if continuing is not None:
        first = tf.cumsum(tf.cast(candidates, tf.int32), axis=1) == 1  # has no word to go on with
        begins = candidates & (first | ~tf.gather(continuing, ids))
    return tf.maximum(tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1, 0)


def _choose(word, candidates, count, seed):
    """bool (B, L): whether each piece's word is among the chosen ones."""
    batch, length = tf.unstack(tf.shape(word))
    starts = length * tf.range(batch)[:, tf.newaxis]
    place = word + starts  # one number for each word of the batch
    sizes = tf.math.unsorted_segment_sum(tf.cast(candidates, tf.int32), place, batch * length)
    drawn = tf.random.stateless_uniform([batch, length], seed, None, None, tf.int32)
    order = starts + tf.argsort(drawn, direction="DESCENDING")  # (B, W)
    taken = take_what_fits(tf.gather(sizes, order), count)
    rank = tf.math.invert_permutation(tf.reshape(order, [-1]))
    return tf.gather(tf.reshape(taken, [-1]), tf.gather(rank, place))


def take_what_fits(sizes, room):
    """One after another, each that is no longer than what is left of the room.

    Args:
        sizes: int32 (B, W), in the order in which they are tried; 0 is no word.
        room: int32 (B,).

    Returns:
        bool (B, W).
    """
    room = room[:, tf.newaxis]

    def used(taken):
        return tf.cumsum(tf.where(taken, sizes, 0), axis=1)

    def pass_over(taken):
        # What comes before the first that does not fit is settled. Of the rest, all that is longer
        # than the room left there goes: at least that first one, so this ends.
        total = used(taken)
        left = room - tf.reduce_max(tf.where(total <= room, total, 0), axis=1, keepdims=True)
        return [taken & ((total <= room) | (sizes <= left))]

    return tf.while_loop(lambda taken: tf.reduce_any(used(taken) > room), pass_over, [sizes > 0])[0]
