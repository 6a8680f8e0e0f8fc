"""Files of records that have lost something, told by name before training."""

import json
import re

import pytest
import tensorflow as tf

from bert_tf2.data import records
from bert_tf2.data.corpus.example_bytes import FEATURES, examples
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


def test_a_card_tells_of_lost_records(file, monkeypatch):
    whole = file.read_bytes()
    card = file.with_name("first.card.json")
    card.write_text(json.dumps({"outputs": [{"file": file.name, "bytes": len(whole)}]}))
    assert len(list(read_records(file.parent / "*", 5))) == 1  # the card is no file of records
    monkeypatch.setattr(records, "LOOKED_THROUGH", 0)
    file.write_bytes(whole[: len(whole) // 5 * 4])
    with pytest.raises(ValueError, match=rf"card\.json says {len(whole):,} bytes. Received: "):
        read_records(file)
