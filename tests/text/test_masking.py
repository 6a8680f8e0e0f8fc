"""Masking against Google's rule in plain Python, its shares, and filling masks in texts."""

import json
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf2.text import masking
from bert_tf2.text.bytepair import BytePairTokenizer
from bert_tf2.text.packing import Preprocessor
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##d", "##e"]
PAD, CLS, SEP, MASK = 0, 2, 3, 4


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer([*PIECES, *(f"w{i}" for i in range(90))])


def words_of(row):
    """Google's `create_masked_lm_predictions`: lists of positions that are chosen together."""
    words = []
    for position, token in enumerate(row):
        if token in (CLS, SEP, PAD):
            continue
        if words and token in (8, 9):  # "##d", "##e"
            words[-1].append(position)
        else:
            words.append([position])
    return words


def packed_rows(rows):
    ids = tf.ragged.constant(rows, dtype=tf.int32, inner_shape=()).to_tensor(PAD)
    mask = tf.cast(ids != PAD, tf.int32)
    return {"token_ids": ids, "segment_ids": tf.zeros_like(ids), "padding_mask": mask}


bodies = st.lists(st.sampled_from([SEP, 5, 6, 7, 8, 9, 8, 9]), max_size=60)
batches = st.lists(bodies.map(lambda body: [CLS, *body, SEP]), min_size=1, max_size=4)


# --- The rule. ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    rows=batches,
    seed=st.tuples(*[st.integers(0, 2**31)] * 2),
    limit=st.none() | st.integers(1, 12),
    whole_words=st.booleans(),
)
def test_what_is_chosen(tokenizer, rows, seed, limit, whole_words):
    packed = packed_rows(rows)
    inputs, targets = masking.mask_words(
        packed, seed, tokenizer, max_predictions=limit, whole_words=whole_words
    )
    positions, weights = inputs["masked_positions"].numpy(), targets["masked_weights"].numpy()
    assert positions.shape[1] == (limit or max(1, int(weights.sum(1).max())))
    for i, row in enumerate(rows):
        room = min(limit or 1000, max(1, round(0.15 * len(row))))
        found = int(weights[i].sum())
        chosen = positions[i][:found].tolist()
        assert weights[i].tolist() == [1.0] * found + [0.0] * (len(weights[i]) - found)
        assert chosen == sorted(set(chosen))
        assert not positions[i][found:].any()
        assert targets["masked_ids"][i].numpy()[:found].tolist() == [row[p] for p in chosen]
        assert not targets["masked_ids"][i].numpy()[found:].any()
        words = words_of(row) if whole_words else [[p] for word in words_of(row) for p in word]
        taken = [word for word in words if set(word) <= set(chosen)]
        assert sorted(p for word in taken for p in word) == chosen  # whole ones, and no others
        assert found <= room
        passed_over = [word for word in words if word not in taken]
        assert all(len(word) > room - found for word in passed_over)  # as many as fit
        kept = [p for p in range(len(row)) if p not in chosen]
        assert [inputs["token_ids"][i].numpy()[p] for p in kept] == [row[p] for p in kept]
    for name in ("segment_ids", "padding_mask"):
        np.testing.assert_array_equal(inputs[name], packed[name])


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 4), min_size=9, max_size=9), min_size=1, max_size=4),
    room=st.integers(0, 20),
)
def test_words_are_tried_in_order_and_passed_over_where_too_long(rows, room):
    rooms = [room + i for i in range(len(rows))]
    got = masking.take_what_fits(tf.constant(rows), tf.constant(rooms)).numpy()
    for sizes, left, taken in zip(rows, rooms, got, strict=True):
        want = []
        for size in sizes:
            want.append(0 < size <= left)
            left -= size * want[-1]
        assert taken.tolist() == want


@settings(max_examples=50, deadline=None)
@given(rows=batches)
def test_pieces_that_continue_a_word_go_with_it(rows):
    ids = packed_rows(rows)["token_ids"]
    candidates = (ids != PAD) & (ids != CLS) & (ids != SEP)
    continuing = tf.constant([piece.startswith("##") for piece in PIECES])
    got = masking.words_of(ids, candidates, continuing).numpy()
    for row, numbers in zip(rows, got, strict=True):
        for number, word in enumerate(words_of(row)):
            assert numbers[word].tolist() == [number] * len(word)


@pytest.mark.full
@pytest.mark.parametrize("name", ["default", "short64", "wwm"])
def test_googles_own_choices_obey_the_rule(assets, name):
    """Checks the rule as it is told above, on what Google's code chose."""
    recorded = json.loads((assets / "reference" / "data" / f"pretrain_{name}.json").read_text())
    pieces = (assets / "vocab" / "bert-base-uncased" / "vocab.txt").read_text("utf-8").split("\n")
    special = [pieces.index(piece) for piece in ("[CLS]", "[SEP]", "[PAD]")]
    continuing = tf.constant([piece.startswith("##") for piece in pieces])
    chosen_by = recorded["params"]
    limit, rate = chosen_by["max_predictions_per_seq"], chosen_by["masked_lm_prob"]
    for example in recorded["examples"]:
        ids, chosen = np.array(example["input_ids"]), int(sum(example["masked_lm_weights"]))
        positions = example["masked_lm_positions"][:chosen]
        ids[positions] = example["masked_lm_ids"][:chosen]
        candidates = ~np.isin(ids, special)
        room = min(limit, max(1, round(rate * sum(example["input_mask"]))))
        words = masking.words_of(
            tf.constant(ids[None]),
            tf.constant(candidates[None]),
            continuing if chosen_by["do_whole_word_mask"] else None,
        ).numpy()[0]
        sizes = Counter(words[candidates].tolist())
        taken = Counter(words[positions].tolist())
        assert all(sizes[word] == count for word, count in taken.items())
        assert chosen <= room
        assert all(sizes[word] > room - chosen for word in sizes if word not in taken)


# --- Shares and chance. ---------------------------------------------------------------------------


def test_shares(tokenizer):
    """40 000 predictions of a fixed seed, within four standard deviations."""
    rows = np.tile(np.arange(10, 90, dtype="int32"), (2000, 1))
    rows[:, 0], rows[:, -1] = CLS, SEP
    inputs, targets = masking.mask_words(packed_rows(rows.tolist()), (7, 0), tokenizer, rate=0.25)
    positions, ids = inputs["masked_positions"].numpy(), targets["masked_ids"].numpy()
    assert positions.shape == (2000, 20)
    shown = np.take_along_axis(inputs["token_ids"].numpy(), positions, axis=1)
    masks, kept = shown == MASK, shown == ids
    other = shown[~masks & ~kept]
    # A random piece is the one that was there, or the mask, one time in a hundred each.
    for count, share in ((masks.sum(), 0.801), (kept.sum(), 0.101), (len(other), 0.098)):
        assert abs(count - 40_000 * share) < 4 * np.sqrt(40_000 * share * (1 - share))
    by_piece = np.delete(np.bincount(other, minlength=100), MASK)
    # Any piece, special ones too, as in Google's.
    assert abs(by_piece - len(other) / 99).max() < 4.5 * np.sqrt(len(other) / 99)
    by_position = np.bincount(positions.ravel(), minlength=80)[1:-1]
    share = 20 / 78
    assert abs(by_position - 2000 * share).max() < 4.5 * np.sqrt(2000 * share * (1 - share))


def test_long_words_and_short_ones_are_tried_alike(tokenizer):
    rows = [[CLS, 5, 8, 9, 6, 7, 8, 5, 6, 7, SEP] + [PAD] * 9] * 4000
    inputs, targets = masking.mask_words(
        packed_rows(rows), (1, 2), tokenizer, rate=0.3, whole_words=True
    )
    first = inputs["masked_positions"].numpy()
    assert targets["masked_weights"].shape == (4000, 3)
    # Six words, room for 3 pieces. "a ##d ##e" is chosen if it is tried first: 1 in 6.
    whole = (first == [1, 2, 3]).all(1).sum()
    assert abs(whole - 4000 / 6) < 4 * np.sqrt(4000 * 5 / 36)


def test_a_seed_says_it_all(tokenizer):
    packed = packed_rows([[CLS, *range(10, 60), SEP]] * 3)

    def run(seed, how=lambda f: f):
        inputs, _ = how(lambda seed: masking.mask_words(packed, seed, tokenizer))(seed)
        return inputs["token_ids"].numpy()

    seed = tf.constant([3, 4], tf.int64)
    np.testing.assert_array_equal(run(seed), run(seed, tf.function))
    assert (run(seed) != run(tf.constant([3, 5], tf.int64))).any()
    assert (run(seed)[0] != run(seed)[1]).any()


def test_settings_that_cannot_be(tokenizer):
    packed = packed_rows([[CLS, 5, SEP]])
    for rate in (0, 1):
        with pytest.raises(ValueError, match=r"between 0 and 1. Received"):
            masking.mask_words(packed, (0, 0), tokenizer, rate=rate)
    plain = WordPieceTokenizer(PIECES[:8])
    with pytest.raises(ValueError, match='begin with "##"'):
        masking.mask_words(packed, (0, 0), plain, whole_words=True)


# --- Masks in texts. ------------------------------------------------------------------------------


def test_a_mask_in_a_text_is_one_token(tokenizer):
    texts = ["", "[MASK]", "a [MASK] b[MASK].", "[MASK][MASK]c", "ad w3"]
    ids = masking.tokenize_around_masks(tf.constant(texts), tokenizer).to_list()
    unknown = tokenizer.unknown_token_id
    w3 = tokenizer.token_to_id("w3")
    assert ids == [[], [MASK], [5, MASK, 6, MASK, unknown], [MASK, MASK, 7], [5, 8, w3]]
    plain = [text for text in texts if "[MASK]" not in text]
    without = masking.tokenize_around_masks(tf.constant(plain), tokenizer).to_list()
    assert without == tokenizer(plain).to_list()


def test_model_inputs_of_masked_texts(tokenizer):
    texts = tf.constant(["a [MASK] b [MASK]", "[MASK] c"])
    inputs = masking.masked_inputs(texts, Preprocessor(tokenizer, 12))
    assert masking.check_masks(texts, Preprocessor(tokenizer, 12)) == [2, 1]
    assert inputs["token_ids"].numpy().tolist() == [
        [CLS, 5, MASK, 6, MASK, SEP],
        [CLS, MASK, 7, SEP, PAD, PAD],
    ]
    assert inputs["masked_positions"].numpy().tolist() == [[2, 4], [1, 0]]
    padded = masking.masked_inputs(texts, Preprocessor(tokenizer, 12, pad_to_max_length=True))
    assert padded["token_ids"].shape == (2, 12)


@pytest.mark.parametrize("text", ["a b", "a a a [MASK]", "[MASK] a a [MASK]"])
def test_masks_that_are_not_there(tokenizer, text):
    with pytest.raises(ValueError, match=r"\[MASK\].*5 tokens.*index 1: '") as caught:
        masking.check_masks(tf.constant(["[MASK]", text]), Preprocessor(tokenizer, 5))
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("kind", ["albert", "xlm_roberta", "bytepair"])
def test_masks_of_other_tokenizers(reference, kind):
    """Each text beside a mask is read on its own; RoBERTa's mask takes the space before it."""
    folder = reference / "tokenizers"
    if kind == "bytepair":
        tokenizer = BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")
    else:
        name = "spiece.model" if kind == "albert" else "sentencepiece.bpe.model"
        tokenizer = SentencePieceTokenizer(folder / name, family=kind)
    mask = tokenizer.id_to_token(tokenizer.mask_token_id)
    ids = masking.tokenize_around_masks(tf.constant([f"the {mask} is {mask}."]), tokenizer)
    before, between, after = tokenizer(["the", " is", "."]).to_list()
    hole = [tokenizer.mask_token_id]
    assert ids.to_list() == [before + hole + between + hole + after]
    packed = Preprocessor(tokenizer, 16)(["the line is dead again", "no"])
    inputs, targets = masking.mask_words(packed, (1, 2), tokenizer, rate=0.3)
    assert targets["masked_weights"].numpy().sum() > 1
    assert inputs["token_ids"].shape == packed["token_ids"].shape
    with pytest.raises(ValueError, match='begin with "##"'):
        masking.mask_words(packed, (1, 2), tokenizer, whole_words=True)
