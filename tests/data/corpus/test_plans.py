"""Where rows begin and end: BERT's distributions, and no row that breaks a promise."""

import itertools
import random
from collections import Counter

import corpora
import numpy as np
import pytest

from bert_tf2.data.corpus import plans
from bert_tf2.data.corpus.googles import Reference
from bert_tf2.data.corpus.recipes import RECIPES, Settings

ROOM = 29


def rows_of(plan, pieces, times=1, seed=0, **settings):
    settings = Settings(max_seq_length=ROOM + 3, max_predictions_per_seq=5, **settings)
    rng = random.Random(seed)
    return [row for _ in range(times) for row in plan(pieces, settings, ROOM, rng)]


def test_pairs_are_distributed_as_the_reference_has_them(tokenizer):
    """Rows, labels, and lengths of both texts, over 120 passes."""
    documents = corpora.sentences(1, 12)
    pieces = corpora.pieces_of(documents, tokenizer)
    settings = Settings(
        max_seq_length=ROOM + 3, max_predictions_per_seq=5, short_seq_prob=0.3, dupe_factor=120
    )
    ids = [tokenizer(document).to_list() for document in documents]
    theirs = [
        (segment.index(1) - 2, sum(segment) - 1, row["next_sentence_labels"])
        for row in Reference(tokenizer, settings).rows(ids)
        for segment in [row["segment_ids"]]
    ]
    ours = [
        (a1 - a0, b1 - b0, label)
        for a0, a1, b0, b1, label in rows_of(plans.pairs, pieces, 120, short_seq_prob=0.3)
    ]
    assert abs(len(ours) - len(theirs)) < 0.05 * len(theirs)
    ours, theirs = np.array(ours), np.array(theirs)
    error = np.sqrt(ours.var(0) / len(ours) + theirs.var(0) / len(theirs))
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error).all()
    for column in (0, 1):
        counts = [np.bincount(x[:, column], minlength=ROOM + 1) for x in (ours, theirs)]
        shares = [np.cumsum(x) / x.sum() for x in counts]
        assert np.abs(shares[0] - shares[1]).max() < 0.05


def test_pairs_that_follow_and_pairs_that_do_not(tokenizer):
    pieces = corpora.pieces_of(corpora.sentences(2, 9), tokenizer)
    owner = np.searchsorted(np.asarray(pieces.starts)[pieces.documents], range(10**4), "right")
    labels = Counter()
    for a0, a1, b0, b1, label in rows_of(plans.pairs, pieces, 30):
        assert a1 - a0 > 0 and b1 - b0 > 0 and a1 - a0 + b1 - b0 <= ROOM
        assert owner[a0] == owner[a1 - 1] and owner[b0] == owner[b1 - 1]
        assert (owner[a0] != owner[b0]) == bool(label)
        labels[label] += 1
        if not label:
            assert a1 <= b0
    assert labels[0] > 100 and labels[1] > 100


def test_swapped_pairs_are_of_one_document(tokenizer):
    documents = [document for document in corpora.sentences(2, 9, longest=3) if len(document) > 6]
    pieces = corpora.pieces_of(documents, tokenizer)
    owner = np.searchsorted(np.asarray(pieces.starts)[pieces.documents], range(10**4), "right")
    seen = Counter()
    for a0, _, b0, _, label in rows_of(plans.pairs, pieces, 30, recipe="albert"):
        if owner[a0] == owner[b0]:
            assert (b0 < a0) == bool(label)
            seen[label] += 1
        else:  # a document's last sentence, alone
            assert label == 1
    assert abs(seen[0] - seen[1]) < 5 * sum(seen.values()) ** 0.5


@pytest.mark.parametrize("lengths", [(3, 4), (40, 3), (3, 40), (30, 30), (90, 91), (29, 1)])
def test_the_longer_text_is_cut_at_both_ends(lengths):
    """`truncate_seq_pair`, piece by piece."""
    la, lb = lengths
    a, b = la, lb
    while a + b > ROOM:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    rng, fronts = random.Random(0), []
    for _ in range(50):
        a0, a1, b0, b1 = plans._fitted(0, la, 100, 100 + lb, ROOM, rng)
        assert (a1 - a0, b1 - b0) == (a, b)
        assert 0 <= a0 <= la - a and 0 <= b0 - 100 <= lb - b
        fronts.append(a0 + b0 - 100)
    assert abs(np.mean(fronts) - (la + lb - a - b) / 2) < 0.2 * (la + lb - a - b) + 0.01


def test_full_sentences_lose_nothing(tokenizer):
    """Whole sentences in order; one that is longer than a row is cut."""
    documents = [*corpora.sentences(3, 20), ["a" + " b" * 70], ["c"]]
    pieces = plans.closed(corpora.pieces_of(documents, tokenizer))
    ids, wide = pieces.ids, ROOM + 1
    assert (ids == 3).sum() == len(documents)
    rows = rows_of(plans.full_sentences, pieces, recipe="roberta")
    assert [id for a, z, *_ in rows for id in ids[a:z] if id != 3] == [i for i in ids if i != 3]
    edges = {*pieces.starts}
    for (a, z, *_), (following, *_) in itertools.pairwise(rows):
        assert 0 < z - a <= wide
        assert ids[a] != 3 and ids[z - 1] != 3
        end = following  # a row ends with a sentence, or is full of one
        assert end in edges or z - a == wide
        longer = next((e for e in pieces.starts if e > end), end)
        assert longer - a > wide or end not in edges  # another sentence would not have fitted


def test_halves_of_rows(tokenizer):
    pieces = corpora.pieces_of(corpora.sentences(4, 60), tokenizer)
    rows = rows_of(plans.halves, pieces, 20, recipe="electra")
    alone, length = 0, ROOM + 3
    for a0, a1, b0, b1, label in rows:
        assert label == 0 and a1 > a0 and b1 >= b0 >= a1
        assert a1 - a0 <= length - 2 and (b1 == b0 or a1 - a0 + b1 - b0 <= ROOM)
        alone += b1 == b0
    assert 0.1 < alone / len(rows) < 0.6
    covered = {place for a0, _, _, b1, _ in rows for place in (a0, b1)}
    assert {*np.asarray(pieces.starts)[pieces.documents[:-1]].tolist()} <= covered


def test_chunks_leave_out_short_and_unknown_rows(tokenizer):
    """As DistilBERT's scripts count, with [CLS] and [SEP]: 12 at least, under half of unknown."""
    texts = ["a b c", "a" + " b" * 40, "z " * 20 + "a b", "d " * 13, "d " * 9, "d " * 10]
    texts += ["z " * 6 + "a " * 6, "z " * 7 + "a " * 5]
    pieces = corpora.pieces_of([[text] for text in texts], tokenizer)
    rows = rows_of(plans.chunks, pieces, recipe="distilbert")
    kept = [(3, 33), (33, 44), (66, 79), (88, 98), (98, 110)]
    assert [(a, z) for a, z, *_ in rows] == kept


def googles_electra(documents, length, rng):
    """Lengths of both texts of each row (google-research/electra, `build_pretraining_dataset.py`).

    Source: `ExampleBuilder.add_line` and `_create_example`, as they read.
    """
    found, target = [], length
    for document in documents:
        held = []
        for size in document:
            held.append(size)
            if sum(held) >= target:
                target, held = _row(held, target, length, found, rng), []
        if held:
            target = _row(held, target, length, found, rng)
    return np.array(found)


def _row(sizes, target, length, found, rng):
    wanted = 100_000 if rng.random() < 0.1 else (target - 3) // 2
    first, second = [], []
    for size in sizes:
        short = sum(first) + size < wanted
        joins = not second and sum(first) < wanted and rng.random() < 0.5
        (first if not first or short or joins else second).append(size)
    a = min(sum(first), length - 2)
    found.append((a, min(sum(second), max(0, length - a - 3))))
    return rng.randint(5, length) if rng.random() < 0.05 else length


def test_halves_are_distributed_as_electra_has_them():
    """Rows, how many have one text, and how long they are, of 500 documents."""
    rng = random.Random(0)
    documents = [[rng.randint(5, 40) for _ in range(rng.randint(5, 60))] for _ in range(500)]
    sizes = [size for document in documents for size in document]
    starts = np.cumsum([0, *sizes]).tolist()
    ends = np.cumsum([0, *map(len, documents)]).tolist()
    pieces = plans.Pieces(np.zeros(starts[-1], np.int32), starts, ends, 1, 2)
    settings = Settings("electra", max_seq_length=128)
    ours = [
        (a1 - a0, b1 - b0)
        for seed in range(4)
        for a0, a1, b0, b1, _ in plans.halves(pieces, settings, 125, random.Random(seed))
    ]
    theirs = [googles_electra(documents, 128, random.Random(seed)) for seed in range(4)]
    ours, theirs = np.array(ours), np.concatenate(theirs)
    assert abs(len(ours) - len(theirs)) < 0.01 * len(theirs)
    alone = [float((x[:, 1] == 0).mean()) for x in (ours, theirs)]
    assert abs(alone[0] - alone[1]) < 0.015, alone
    assert abs(ours.sum(1).mean() - theirs.sum(1).mean()) < 1


def test_one_document_stands_for_a_random_one(tokenizer):
    pieces = corpora.pieces_of(corpora.sentences(5, 1), tokenizer)
    for a0, a1, b0, b1, _ in rows_of(plans.pairs, pieces, 5):
        assert a1 > a0 and b1 > b0


@pytest.mark.parametrize("wrong", [
    {"recipe": "gpt"}, {"max_seq_length": 7}, {"masked_lm_prob": 0.0}, {"dupe_factor": 0},
    {"max_predictions_per_seq": 200}, {"short_seq_prob": 1.5}, {"random_seed": -1},
])  # fmt: skip
def test_settings_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=rf"`{next(iter(wrong))}` must be .* Received: "):
        Settings(**wrong)


def test_every_recipe_has_a_plan():
    assert {recipe.plan for recipe in RECIPES.values()} == {*plans.PLANS}


@pytest.mark.parametrize(("recipe", "name"), [
    ("roberta", "short_seq_prob"), ("distilbert", "short_seq_prob"),
    ("distilbert", "do_whole_word_mask"),
])  # fmt: skip
def test_settings_that_a_recipe_has_no_use_for(recipe, name):
    with pytest.raises(ValueError, match=f"`{name}` must be left out"):
        Settings(recipe, **{name: True if name.startswith("do") else 0.1})
