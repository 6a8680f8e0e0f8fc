"""Files of records that have lost something, told by name before training."""

import json
import re

import pytest
import tensorflow as tf

from bert_tf2 import WordPieceTokenizer
from bert_tf2.data import records
from bert_tf2.data.corpus import cards
from bert_tf2.data.corpus.example_bytes import FEATURES, examples
from bert_tf2.data.labels import errors_named
from bert_tf2.data.records import read_records

ROWS = {name: [[1, 2, 3]] * 5 for name in FEATURES} | {"masked_weights": [[1.0] * 3] * 5}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples(ROWS):
            writer.write(example)
    return path


@pytest.mark.parametrize("lost", [1, 4, 17, 100])
def test_a_file_that_has_lost_its_end(file, lost):
    whole = file.read_bytes()
    assert len(list(read_records(file, 5))) == 1
    file.write_bytes(whole[:-lost])
    with pytest.raises(
        ValueError, match=rf"{re.escape(str(file))}: expected whole records. .*: 4 of"
    ):
        read_records(file)


def test_a_damaged_record_is_named(file):
    """Before training, wherever in a record a byte is another one."""
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(
        ValueError,
        match=rf"{re.escape(str(file))}: expected records as they .*: corrupted record at \d+\. C",
    ):
        read_records(file)


def vocabulary(*words):
    return WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])


def test_records_of_another_vocabulary(file):
    """Its size is the same, its words are others: the card of that file tells."""
    own, other = vocabulary("a", "b"), vocabulary("b", "a")
    card = {"outputs": [{"file": file.name, "bytes": file.stat().st_size}]}
    place = file.with_name(file.name + ".card.json")
    place.write_text(json.dumps(card | {"tokenizer": cards.vocabulary(own)}))
    with pytest.raises(ValueError, match=r"a\.tfrecord: .* of 7 pieces\. Received: .*card\.json"):
        read_records(file, 5, tokenizer=other)
    assert len(list(read_records(file, 5, tokenizer=own))) == 1
    same = cards.vocabulary(own) | {"sha256": {"vocab.txt": "of a file with other line ends"}}
    for said in (same, 3, {}):
        place.write_text(json.dumps(card | {"tokenizer": said}))
        assert len(list(read_records(file, 5, tokenizer=own))) == 1
    del same["pieces_sha256"]
    place.write_text(json.dumps(card | {"tokenizer": same}))
    with pytest.raises(ValueError, match="of 7 pieces"):
        read_records(file, 5, tokenizer=own)


@pytest.mark.parametrize("name", ["token_ids", "masked_ids"])
def test_ids_beyond_the_vocabulary_are_told_with_their_file(file, name):
    """Where no card lies beside the records; `fit` says it without the graph."""
    rows = ROWS | {name: [[1, 2, 3]] * 4 + [[1, 7, 0]]}
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in examples(rows):
            writer.write(example)
    few, said = vocabulary("a", "b"), r"^Record of .*a\.tfrecord: ids must be below 7.*: 7\. M"
    with pytest.raises(ValueError, match=said), errors_named():
        list(read_records(file, 2, tokenizer=few))
    assert len(list(read_records(file, 2, tokenizer=vocabulary("a", "b", "c")))) == 3


def test_a_card_tells_of_lost_records(file, monkeypatch):
    whole = file.read_bytes()
    card = file.with_name("first.card.json")
    card.write_text(json.dumps({"outputs": [{"file": file.name, "bytes": len(whole)}]}))
    assert len(list(read_records(file.parent / "*", 5))) == 1  # the card is no file of records
    monkeypatch.setattr(records, "LOOKED_THROUGH", 0)
    file.write_bytes(whole[: len(whole) // 5 * 4])
    with pytest.raises(ValueError, match=rf"card\.json says {len(whole):,} bytes. Received: "):
        read_records(file)


def test_a_file_made_anew_and_a_strangers_card(file):
    """The card of files that were made together before says other bytes; its own is right."""
    size, card = file.stat().st_size, {"file": file.name, "bytes": 1}
    (file.parent / "0.tfrecord.card.json").write_text(json.dumps({"outputs": [card]}))
    with pytest.raises(ValueError, match="says 1 bytes"):
        read_records(file)
    own = file.with_name(file.name + ".card.json")
    own.write_text(json.dumps({"outputs": [card | {"bytes": size}]}))
    for other in ({"outputs": [{"file": file.name}, 3]}, {"outputs": 5}, [1]):
        (file.parent / "a.card.json").write_text(json.dumps(other))
        assert len(list(read_records(file, 5))) == 1
    own.write_text("{")
    with pytest.raises(ValueError, match=r"a\.tfrecord\.card\.json"):
        read_records(file)


def test_how_long_rows_are(file):
    assert records.row_length([file]) == 3
    longer = {name: [[*row, 1] for row in rows] for name, rows in ROWS.items()}
    with tf.io.TFRecordWriter(str(file.with_name("b.tfrecord"))) as writer:
        writer.write(examples(longer)[0])
    with pytest.raises(ValueError, match=r"b\.tfrecord must have rows of 3 .* Received: 4"):
        records.row_length(str(file.parent / "*.tfrecord"))
