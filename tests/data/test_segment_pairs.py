"""Documents -> pairs of segments: what each row is, how often, and the same again."""

import numpy as np
import pytest
import tensorflow as tf
from by_default import by_default

from bert_tf2 import Preprocessor, WordPieceTokenizer
from bert_tf2.data import labels, pipeline, pretraining, segment_pairs

TOKENIZER = WordPieceTokenizer(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(400))]
)
CLS, SEP, PAD = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id
LENGTH = 14


def corpus():
    """Documents of sentences of 1 to 5 words, each word once; -> texts, and each word's place."""
    generator, places, texts = np.random.default_rng(0), {}, []
    for document in range(12):
        sentences = []
        for sentence in range(7):
            names = [f"w{len(places) + i}" for i in range(generator.integers(1, 6))]
            for name in names:
                places[TOKENIZER.token_to_id(name)] = (document, sentence, len(places))
            sentences.append(" ".join(names))
        texts.append("\n".join(sentences) + "\n\n")
    return texts, places


TEXTS, PLACES = corpus()


def rows(objective, texts=TEXTS, epoch=0, seed=3, length=LENGTH, **sampling):
    """(words of the first half, of the second, label) of each row of a pass, and the raw rows."""
    order = pipeline.Order(seed)
    order.start(epoch)
    how = pipeline.Sampling(order, **sampling)
    found, raw = [], []
    preprocessor = Preprocessor(TOKENIZER, length)
    for batch in segment_pairs.rows_of_pairs(texts, preprocessor, how, objective):
        batch = {name: x.numpy() for name, x in batch.items()}
        columns = (batch[n] for n in ("token_ids", "segment_ids", "padding_mask"))
        labels = batch["next_sentence_labels"]
        for ids, segments, mask, label in zip(*columns, labels, strict=True):
            assert ids[0] == CLS and len(ids) == length
            assert ((ids == PAD) == (mask == 0)).all() and (np.diff(mask) <= 0).all()
            halves = [ids[(segments == s) & (mask == 1)].tolist() for s in (0, 1)]
            assert halves[0][-1] == halves[1][-1] == SEP
            found.append((halves[0][1:-1], halves[1][:-1], int(label)))
            raw.append(ids)
    return found, np.array(raw)


def follows(a, b):
    """Whether b is what comes next in a's document, but for what was cut off at ends."""
    return PLACES[a[-1]][0] == PLACES[b[0]][0] and PLACES[a[-1]][2] < PLACES[b[0]][2]


def in_order(words):
    """Whether words stand side by side in one document."""
    return {PLACES[w][0] for w in words} == {PLACES[words[0]][0]} and (
        np.diff([PLACES[w][2] for w in words]) == 1
    ).all()


@pytest.mark.parametrize("shuffle", by_default([False, True], [True]))
def test_next_sentences(shuffle):
    shares = []
    for epoch in range(4):
        for a, b, label in rows("nsp", epoch=epoch, shuffle=shuffle)[0]:
            assert in_order(a) and in_order(b)
            assert label == (PLACES[a[0]][0] != PLACES[b[0]][0])
            assert label or follows(a, b)
            shares.append(label)
    # A chunk of one sentence has no second half of its own: a little above one half.
    assert 0.45 < np.mean(shares) < 0.65


def test_sentence_order():
    shares = []
    for epoch in range(4):
        for a, b, label in rows("sop", epoch=epoch)[0]:
            assert in_order(a) and in_order(b)
            assert follows(b, a) if label else follows(a, b)
            shares.append(label)
    assert 0.4 < np.mean(shares) < 0.6


@pytest.mark.full
def test_whole_documents_are_read():
    """Where nothing is cut, every sentence is in one row of a pass of sentence order."""
    found, _ = rows("sop", length=60)
    words = [w for a, b, _ in found for w in (*a, *b)]
    assert len(words) == len(set(words))
    assert len(words) > 0.9 * len(PLACES)  # short rows may leave a sentence that stands alone


@pytest.mark.parametrize("objective", by_default(["nsp", "sop"], ["nsp"]))
def test_each_pass_draws_anew_and_again_the_same(objective):
    first, other = rows(objective)[1], rows(objective, epoch=1)[1]
    np.testing.assert_array_equal(rows(objective)[1], first)
    assert first.shape == other.shape and (first != other).any()
    assert (rows(objective, seed=4)[1] != first).any()


@pytest.mark.parametrize("batched", by_default([False, True], [True]))
def test_a_stream_of_documents(batched):
    stream = tf.data.Dataset.from_tensor_slices(TEXTS)
    found, _ = rows("nsp", stream.batch(5) if batched else stream)
    assert {PLACES[w][0] for a, _, _ in found for w in a} == {*range(12)}
    for a, b, label in found:
        assert label == (PLACES[a[0]][0] != PLACES[b[0]][0])


SINGLES = [("sop", "w1 w2|w3"), ("nsp", "w1 w2|w3")]


@pytest.mark.parametrize(
    ("objective", "texts"),
    by_default(
        [("nsp", TEXTS[0]), *SINGLES, ("nsp", "|\n"), ("sop", "|\n")],
        SINGLES,
    ),
)
def test_corpora_that_have_no_pairs(objective, texts):
    with pytest.raises(ValueError, match=rf"for '{objective}': there must be .*Received: \d texts"):
        rows(objective, texts.split("|"))


@pytest.mark.parametrize(
    ("objective", "endless"),
    by_default([("nsp", False), ("sop", False), ("sop", True)], [("sop", False)]),
)
def test_streams_that_have_no_pairs(objective, endless):
    """At their end; one without an end after so many windows, and not never."""
    stream = tf.data.Dataset.from_tensor_slices([f"w{i} w{i}" for i in range(1100)])
    said = rf"for '{objective}': there must be .*Received: {65536 if endless else 1100} texts"
    with pytest.raises(ValueError, match=said), labels.errors_named():
        rows(objective, stream.repeat() if endless else stream)


@pytest.mark.full
def test_masked_pairs_keep_their_labels():
    sampling = pipeline.Sampling(pipeline.Order(0))
    batches = pretraining.masked_texts(
        TEXTS, Preprocessor(TOKENIZER, LENGTH), sampling, 5, second_task="nsp"
    )
    labels = []
    for batch in batches:
        assert batch["masked_positions"].shape[1] == 2
        hidden = tf.gather(batch["token_ids"], batch["masked_positions"], batch_dims=1)
        assert (hidden.numpy() == TOKENIZER.mask_token_id).any()
        labels += batch["next_sentence_labels"].numpy().tolist()
    assert labels == [label for *_, label in rows("nsp", seed=0)[0]]
