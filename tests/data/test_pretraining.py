"""Full rows of text, masked anew or always alike, and Google's records."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf2 import Preprocessor, WordPieceTokenizer
from bert_tf2.data import pipeline, pretraining
from bert_tf2.data.records import read_records

PAD, UNK, CLS, SEP, MASK = range(5)
WORDS = ["a", "b", "c", "##d", "##e"]
TOKENIZER = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
TEXTS = ["a b c", "", "add", "be c a", " ", "abc?", "cd " * 9]


def rows_of(texts, max_length=7):
    return list(pretraining.full_rows(texts, TOKENIZER, max_length).as_numpy_iterator())


def rows_by_hand(texts, max_length):
    """All texts in one list, "[SEP]" between them, cut into rows; only the last is padded."""
    stream = []
    for ids in TOKENIZER(texts).to_list():
        stream += [SEP, *ids] if stream and ids else ids
    room = max_length - 2
    for start in range(0, len(stream), room):
        row = [CLS, *stream[start : start + room], SEP]
        yield len(row), row + [PAD] * (max_length - len(row))


# --- Packing. -------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    texts=st.lists(st.text("abcde ?", max_size=30), min_size=1, max_size=12),
    max_length=st.integers(3, 16),
    at_once=st.integers(1, 5),
)
def test_nothing_is_lost_and_nothing_comes_twice(texts, max_length, at_once):
    rows = rows_of(tf.data.Dataset.from_tensor_slices(texts).batch(at_once), max_length)
    ids = [id for text in TOKENIZER(texts).to_list() for id in text]
    special = (PAD, CLS, SEP)
    assert [id for row in rows for id in row["token_ids"].tolist() if id not in special] == ids
    padding = [max_length - int(row["padding_mask"].sum()) for row in rows]
    assert not any(padding[:-1])
    assert sum(padding) < max_length - 2
    want = list(rows_by_hand(texts, max_length))
    assert len(rows) == len(want)
    for row, (length, padded) in zip(rows, want, strict=True):
        assert row["token_ids"].tolist() == padded
        assert row["padding_mask"].tolist() == [1] * length + [0] * (max_length - length)
        assert row["segment_ids"].tolist() == [0] * max_length


@pytest.mark.parametrize("texts", [["a"], ["a b"], ["", "a", "b c"]])
@pytest.mark.parametrize("max_length", [3, 4])
def test_texts_that_end_where_a_row_does(texts, max_length):
    rows = [row["token_ids"].tolist() for row in rows_of(texts, max_length)]
    assert rows == [padded for _, padded in rows_by_hand(texts, max_length)]


def test_every_form_of_texts_gives_the_same_rows():
    want = [row["token_ids"].tolist() for row in rows_of(TEXTS)]
    assert len(want) > 5
    one_by_one = tf.data.Dataset.from_tensor_slices(TEXTS)
    for texts in (np.array(TEXTS), tf.constant(TEXTS), one_by_one, one_by_one.batch(3)):
        assert [row["token_ids"].tolist() for row in rows_of(texts)] == want
    dataset = pretraining.full_rows(TEXTS, TOKENIZER, 7)
    for _ in range(2):  # every pass
        assert [row["token_ids"].tolist() for row in dataset.as_numpy_iterator()] == want


def test_no_more_is_read_than_is_needed():
    read = itertools.count()

    def without_end():
        while True:
            yield f"a b c {'d' if next(read) % 2 else ''}"

    texts = tf.data.Dataset.from_generator(
        without_end, output_signature=tf.TensorSpec([], tf.string)
    )
    rows = pretraining.full_rows(texts, TOKENIZER, 20)
    assert len(list(rows.take(5))) == 5
    assert next(read) < 50 * pretraining.TEXTS_AT_ONCE


# --- Masking. -------------------------------------------------------------------------------------


def batches(order=None, batch_size=2, texts=TEXTS, **settings):
    rows = pretraining.full_rows(texts, TOKENIZER, 7).batch(pretraining.ROWS_AT_ONCE)
    settings = {"max_predictions": 2, "rate": 0.3} | settings
    order = order or pipeline.Order(0)
    return pretraining.masked_batches(rows, TOKENIZER, order, batch_size, **settings)


def a_pass(dataset):
    parts = [
        np.concatenate([inputs["token_ids"], inputs["masked_positions"]], 1)
        for inputs in dataset.as_numpy_iterator()
    ]
    return np.concatenate(parts).tolist()


def test_other_words_are_hidden_in_each_epoch():
    order = pipeline.Order(1)
    dataset = batches(order)
    first = a_pass(dataset)
    assert a_pass(dataset) == first
    order.start(1)
    second = a_pass(dataset)
    assert first != second
    order.start(0)
    assert a_pass(dataset) == first
    order.start(1)
    assert a_pass(dataset) == second


def test_what_is_hidden_is_told():
    rows = [padded for _, padded in rows_by_hand(TEXTS, 7)]
    for batch in batches().as_numpy_iterator():
        inputs = targets = batch
        for i, row in enumerate(inputs["token_ids"].copy()):
            hidden = targets["masked_weights"][i] > 0
            row[inputs["masked_positions"][i][hidden]] = targets["masked_ids"][i][hidden]
            assert hidden.any()
            assert row.tolist() == rows.pop(0)
    assert not rows


def test_the_same_words_are_hidden_with_a_seed_whatever_the_batch_size():
    want = a_pass(batches(pipeline.Order(3)))
    assert a_pass(batches(pipeline.Order(3))) == want
    assert a_pass(batches(pipeline.Order(3), batch_size=5)) == want
    assert a_pass(batches(pipeline.Order(4))) != want


def test_texts_without_end_are_known_to_be():
    texts = tf.data.Dataset.from_tensors("a b c").repeat()
    dataset = batches(texts=texts)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(list(dataset.take(3))) == 3


def test_rows_are_counted():
    dataset = pipeline.with_cardinality(batches())
    assert int(dataset.cardinality()) == len(list(dataset)) == -(-len(rows_of(TEXTS)) // 2)
    with pytest.raises(ValueError, match="at least one row"):
        pipeline.with_cardinality(batches(texts=["", " "]))


def test_batches_of_one_known_size():
    count = len(rows_of(TEXTS))
    sampling = pipeline.Sampling(pipeline.Order(1), drop_remainder=True)
    dataset = pretraining.masked_texts(TEXTS, Preprocessor(TOKENIZER, 7), sampling, 4)
    assert all(spec.shape[0] == 4 for spec in dataset.element_spec.values())
    assert count % 4 and len(list(dataset)) == count // 4


@pytest.mark.parametrize("shuffle", [False, True])
def test_endless_rows_of_texts_in_memory(shuffle):
    """Each pass hides other words; shuffled, it comes in another order."""
    preprocessor, count = Preprocessor(TOKENIZER, 7), len(rows_of(TEXTS))
    how = {"batch_size": 2, "rate": 0.3}
    sampling = pipeline.Sampling(pipeline.Order(1), shuffle, endless=True)
    dataset = pretraining.masked_texts(TEXTS, preprocessor, sampling, **how)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    rows = []
    for batch in dataset.unbatch().take(2 * count).as_numpy_iterator():
        inputs = targets = batch
        row, hidden = inputs["token_ids"].copy(), targets["masked_weights"] > 0
        row[inputs["masked_positions"][hidden]] = targets["masked_ids"][hidden]
        rows.append((inputs["token_ids"].tolist(), row.tolist()))
    shown, told = zip(*rows, strict=True)
    want = [padded for _, padded in rows_by_hand(TEXTS, 7)]
    for part in (told[:count], told[count:]):
        assert sorted(part) == sorted(want)
        assert (list(part) == want) is not shuffle
    assert sorted(shown[:count]) != sorted(shown[count:])


# --- Records. -------------------------------------------------------------------------------------

LENGTHS = {
    "input_ids": 6,
    "input_mask": 6,
    "segment_ids": 6,
    "masked_lm_positions": 2,
    "masked_lm_ids": 2,
    "masked_lm_weights": 2,
    "next_sentence_labels": 1,
}
OURS = {
    "token_ids": "input_ids",
    "padding_mask": "input_mask",
    "segment_ids": "segment_ids",
    "masked_positions": "masked_lm_positions",
    "masked_ids": "masked_lm_ids",
    "masked_weights": "masked_lm_weights",
    "next_sentence_labels": "next_sentence_labels",
}


def example(number, **lengths):
    """Features of one record, each value telling which record it is of."""
    features = {}
    for name, length in (LENGTHS | lengths).items():
        values = [number] * length
        feature = (
            tf.train.Feature(float_list=tf.train.FloatList(value=values))
            if name == "masked_lm_weights"
            else tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        )
        features |= {name: feature} if length else {}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture
def write(tmp_path):
    def write(name, records):
        with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
            for record in records:
                writer.write(record)
        return tmp_path / name

    return write


def numbers(dataset):
    return [int(n) for _, targets in dataset for n in targets["next_sentence_labels"]]


def test_records_of_many_files(write, tmp_path):
    for i in range(3):
        write(f"part-{i}.tfrecord", [example(10 * i + k) for k in range(10)])
    inputs, targets = next(iter(read_records(tmp_path / "part-1.tfrecord", 4, shuffle=False)))
    for found, dtype in ((inputs, "int32"), (targets, "int32")):
        for name, values in found.items():
            length = () if name == "next_sentence_labels" else (LENGTHS[OURS[name]],)
            assert values.shape == (4, *length)
            assert values.dtype == ("float32" if name == "masked_weights" else dtype)
            want = np.array([10, 11, 12, 13]).reshape(4, *[1] * len(length))
            np.testing.assert_array_equal(values, np.broadcast_to(want, values.shape))
    assert {*inputs, *targets} == set(OURS)

    pattern = tmp_path / "part-*.tfrecord"
    assert numbers(read_records(pattern, shuffle=False)) == list(range(30))
    listed = [tmp_path / "part-2.tfrecord", str(tmp_path / "part-[01].tfrecord")]
    assert numbers(read_records(listed, shuffle=False)) == [*range(20, 30), *range(20)]
    keras.utils.set_random_seed(2)
    dataset = read_records(pattern, 7)
    first, second = numbers(dataset), numbers(dataset)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    assert len({n // 10 for n in first[:10]}) == 3  # across files
    keras.utils.set_random_seed(2)
    assert numbers(read_records(pattern, 7)) == first


@pytest.mark.parametrize("lacking", LENGTHS)
def test_a_record_that_lacks_a_feature(write, lacking):
    file = write("first.tfrecord", [example(1, **{lacking: 0})])
    with pytest.raises(ValueError, match=rf"{file}.*without {lacking}\."):
        read_records(file)
    file = write("later.tfrecord", [example(1), example(2, **{lacking: 0})])
    with pytest.raises(tf.errors.InvalidArgumentError, match=lacking):
        list(read_records(file))


def test_files_that_are_no_records(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\*"):
        read_records(tmp_path / "none*")
    with pytest.raises(ValueError, match="an empty file"):
        read_records(write("empty.tfrecord", []))
    with pytest.raises(ValueError, match="is no TFRecord file"):
        read_records(write("other.tfrecord", [b"\xff\xff not an example"]))
    (tmp_path / "text.txt").write_text("no record at all, but some text")
    with pytest.raises(ValueError, match="is no TFRecord file"):
        read_records(tmp_path / "text.txt")
    file = write("longer.tfrecord", [example(1), example(2, input_ids=7)])
    with pytest.raises(tf.errors.InvalidArgumentError, match="input_ids"):
        list(read_records(file))


@pytest.mark.full
@pytest.mark.parametrize("name", ["default", "short64", "wwm"])
def test_googles_own_records(assets, name):
    folder = assets / "reference" / "data"
    wanted = json.loads((folder / f"pretrain_{name}.json").read_text())["examples"]
    found = []
    for inputs, targets in read_records(folder / f"pretrain_{name}.tfrecord", 8, shuffle=False):
        batch = {key: x.numpy().tolist() for key, x in (inputs | targets).items()}
        found += [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
    assert len(found) == len(wanted)
    for got, want in zip(found, wanted, strict=True):
        got["next_sentence_labels"] = [got["next_sentence_labels"]]
        assert got == {ours: want[theirs] for ours, theirs in OURS.items()}
