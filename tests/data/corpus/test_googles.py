"""`reproduce="google"`: the records of google-research/bert's own script, byte for byte."""

import functools
import json

import pytest
import tensorflow as tf

from bert_tf2 import WordPieceTokenizer
from bert_tf2.data.corpus import making
from bert_tf2.data.corpus.example_bytes import FEATURES, examples
from bert_tf2.data.corpus.googles import Reference, documents_of
from bert_tf2.data.corpus.making import as_arrays
from bert_tf2.data.corpus.parts import Corpus
from bert_tf2.data.corpus.recipes import Settings

OWN = {
    "default": Settings("bert", 64, 10, 0.15, 4, 0.1, False, 12345),
    "wwm": Settings("bert", 64, 10, 0.15, 4, 0.1, True, 12345),
    "short": Settings("bert", 32, 6, 0.2, 3, 0.5, False, 99),
}


def theirs(file):
    """The records of a file, and the order in which protobuf wrote their features."""
    found = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
    keys = {name: b"\n" + bytes([len(word)]) + word.encode() for name, word in FEATURES.items()}
    return found, sorted(FEATURES, key=lambda name: found[0].index(keys[name]))


def ours(text, vocabulary, settings, order):
    tokenizer = WordPieceTokenizer(vocabulary)
    documents = documents_of(Corpus((str(text),)), tokenizer)
    rows = Reference(tokenizer, settings).rows(documents)
    return [examples(as_arrays(row), order)[0] for row in rows]


@pytest.mark.parametrize("name", OWN)
def test_googles_records_of_our_text(reference, name):
    folder = reference / "own_fixture"
    want, order = theirs(folder / f"pretrain_{name}.tfrecord")
    assert ours(folder / "text.txt", folder / "vocab_uncased.txt", OWN[name], order) == want


@pytest.mark.full
@pytest.mark.parametrize("name", ["default", "short64", "wwm"])
def test_googles_records_of_its_sample(assets, name):
    folder = assets / "reference" / "data"
    said = json.loads((folder / f"pretrain_{name}.json").read_text())["params"]
    fields = {key: said[key] for key in Settings().to_dict() if key in said}
    want, order = theirs(folder / f"pretrain_{name}.tfrecord")
    text = assets / "datasets" / "sample_text" / "sample_text.txt"
    vocabulary = assets / "vocab" / "bert-base-uncased" / "vocab.txt"
    assert ours(text, vocabulary, Settings(**fields), order) == want


def test_several_files_are_dealt_to_in_turns(reference, tmp_path):
    folder = reference / "own_fixture"
    tokenizer = WordPieceTokenizer(folder / "vocab_uncased.txt")
    names = [tmp_path / "a.tfrecord", tmp_path / "b.tfrecord"]
    made = making.make_pretraining_data(
        folder / "text.txt", names, tokenizer, OWN["wwm"], reproduce="google"
    )
    found = ours(folder / "text.txt", folder / "vocab_uncased.txt", OWN["wwm"], list(FEATURES))
    for i, name in enumerate(names):
        assert theirs(name)[0] == found[i::2]
    assert [output["records"] for output in made["outputs"]] == [19, 18]
    assert made["counts"]["records"] == len(theirs(folder / "pretrain_wwm.tfrecord")[0])
    assert made["reproduces"] == "google"


def test_only_bert_is_reproduced(reference, tmp_path, tokenizer):
    with pytest.raises(ValueError, match=r"for the recipe .bert."):
        making.make_pretraining_data(
            reference / "own_fixture" / "text.txt",
            tmp_path / "a",
            tokenizer,
            Settings("albert"),
            reproduce="google",
        )


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("t.txt", {"whole_files": True}, "`whole_files` must be left out"),
        ("t.txt", {"text": "body"}, "`text` must be left out"),
        ("t.txt", {"on_beam": print}, "`on_beam` must be left out"),
        ("t.jsonl", {}, "reads text, a sentence a line.* Received: .*t.jsonl"),
        ("t.txt", {"max_unknown": 0.2}, "t.txt: expected at most 20% unknown .* 25%"),
    ],
)
def test_what_googles_script_does_not_know_is_refused(put, tokenizer, tmp_path, name, how, said):
    text = put(name, b"a b\nc z\n\na b\nz c\n")
    make = functools.partial(
        making.make_pretraining_data, text, tmp_path / "a", tokenizer, OWN["short"]
    )
    with pytest.raises(ValueError, match=said):
        make(reproduce="google", **how)
    assert not (tmp_path / "a").exists()
