"""Preprocessor packs texts as the reference's run_classifier does."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf2.text.bytepair import BytePairTokenizer
from bert_tf2.text.packing import Preprocessor, pack
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer

CLS, SEP, PAD = 101, 102, 0
NAMES = ("token_ids", "segment_ids", "padding_mask")


def official_features(first, second, max_length, separators=1):
    """The reference's loop: (ids, segments) of one example, unpadded."""
    first, second = list(first), list(second or [])
    if second:
        while first + second and len(first) + len(second) > max_length - 2 - separators:
            (first if len(first) > len(second) else second).pop()
    ids = [CLS, *first[: max_length - 2], SEP]
    segments = [0] * len(ids)
    if second:
        ids += [SEP] * (separators - 1) + [*second, SEP]
        segments += [int(separators == 1)] * (len(ids) - len(segments))
    return ids, segments


def check_features(preprocessor_of_length, cases):
    """Recorded cases, padded to their length and, alone in a batch, not padded."""
    assert len(cases) >= 5
    for case in cases:
        texts = case["text_a"] if case["text_b"] is None else (case["text_a"], case["text_b"])
        length = case["max_seq_length"]
        expected = [case["input_ids"], case["segment_ids"], case["input_mask"]]
        for pad_to_max_length, kept in ((True, length), (False, sum(case["input_mask"]))):
            inputs = preprocessor_of_length(length, pad_to_max_length)(texts)
            received = [inputs[name].numpy().tolist() for name in NAMES]
            assert received == [values[:kept] for values in expected]


def test_recorded_reference(reference, uncased):
    path = reference / "own_fixture" / "classifier_features.json"
    cases = json.loads(path.read_text("utf-8"))["cases"]
    check_features(lambda length, pad: Preprocessor(uncased, length, pad), cases)


@pytest.mark.full
def test_recorded_reference_on_the_official_vocabulary(assets):
    tokenizer = WordPieceTokenizer(assets / "vocab" / "bert-base-uncased" / "vocab.txt")
    path = assets / "reference" / "data" / "classifier_features.json"
    cases = json.loads(path.read_text("utf-8"))["cases"]
    check_features(lambda length, pad: Preprocessor(tokenizer, length, pad), cases)


rows = st.lists(st.integers(200, 999), max_size=12)


@settings(deadline=None, max_examples=150)
@given(
    pairs=st.lists(st.tuples(rows, rows), min_size=1, max_size=6),
    max_length=st.integers(3, 20),
    pad_to_max_length=st.booleans(),
    single=st.booleans(),
    separators=st.integers(1, 2),
)
def test_closed_form_is_the_loop(pairs, max_length, pad_to_max_length, single, separators):
    first, second = zip(*pairs, strict=True)
    received = pack(
        tf.ragged.constant(first, tf.int32, ragged_rank=1),
        None if single else tf.ragged.constant(second, tf.int32, ragged_rank=1),
        special_ids=[CLS, SEP, PAD],
        max_length=max_length,
        pad_to_max_length=pad_to_max_length,
        separators=separators,
        second_segment=2 - separators,  # RoBERTa has two of the one and none of the other
    )
    expected = [
        official_features(a, None if single else b, max_length, separators) for a, b in pairs
    ]
    longest = max_length if pad_to_max_length else max(len(ids) for ids, _ in expected)
    for row, (ids, segments) in enumerate(expected):
        padding = [0] * (longest - len(ids))
        values = (ids + padding, segments + padding, [1] * len(ids) + padding)
        for name, value in zip(NAMES, values, strict=True):
            assert received[name].dtype == tf.int32
            assert received[name][row].numpy().tolist() == value


@pytest.mark.parametrize("kind", ["bytepair", "xlm_roberta", "albert"])
def test_pairs_of_other_families(reference, kind):
    folder = reference / "tokenizers"
    tokenizer = {
        "bytepair": lambda: BytePairTokenizer(folder / "vocab.json", folder / "merges.txt"),
        "xlm_roberta": lambda: SentencePieceTokenizer(
            folder / "sentencepiece.bpe.model", family="xlm_roberta"
        ),
        "albert": lambda: SentencePieceTokenizer(folder / "spiece.model"),
    }[kind]()
    first, second = ["The line is dead again.", "no"], ["Is it?", "yes, since two days now"]
    received = Preprocessor(tokenizer, 12)((first, second))
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    separators = 1 if kind == "albert" else 2
    for row in range(2):
        a, b = tokenizer(first[row]).numpy().tolist(), tokenizer(second[row]).numpy().tolist()
        ids, segments = official_features(a, b, 12, separators)
        special = {CLS: cls, SEP: sep}
        assert len(ids) == 12
        # The loop above puts BERT's ids where the special ones stand; no piece here has these.
        assert not {CLS, SEP} & {*a, *b}
        assert received["token_ids"][row].numpy().tolist() == [special.get(i, i) for i in ids]
        assert received["segment_ids"][row].numpy().tolist() == segments
    short = Preprocessor(tokenizer)(["no", ""])["token_ids"][1].numpy().tolist()
    assert short[:2] == [cls, sep]
    assert {*short[2:]} == {pad}


def test_bucket_of_a_pair_counts_its_separators(reference):
    folder = reference / "tokenizers"
    tokenizer = BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")
    preprocess = Preprocessor(tokenizer, 30, length_buckets=[7, 8, 9, 10, 11])
    pairs = (["no", "not at all", "yes", ""], ["yes", "never, no", "", "no"])
    expected = [preprocess(([a], [b]))["token_ids"].shape[1] for a, b in zip(*pairs, strict=True)]
    assert preprocess.buckets(pairs).tolist() == expected


def equal(first, second):
    return all(np.array_equal(first[name], second[name]) for name in NAMES)


def test_lists_are_batches_and_tuples_are_pairs(cased):
    preprocess = Preprocessor(cased)
    batch = preprocess(["The kettle", "hums."])
    assert batch["token_ids"].shape[0] == 2
    assert not batch["segment_ids"].numpy().any()
    pair = preprocess((["The kettle"], ["hums."]))
    assert pair["token_ids"].shape[0] == 1
    assert pair["segment_ids"].numpy().any()
    assert equal(pair, preprocess([("The kettle", "hums.")]))
    assert equal(pair, preprocess((tf.constant(["The kettle"]), np.array(["hums."]))))
    with pytest.raises(ValueError, match="could mean either"):
        preprocess([["The kettle"], ["hums."]])
    assert equal(pair, preprocess({"text": ["The kettle"], "text_pair": ["hums."]}))
    assert equal(batch, preprocess({"text": ["The kettle", "hums."]}))
    assert equal(batch, preprocess(list(tf.constant(["The kettle", "hums."]))))


def test_without_a_batch(cased):
    preprocess = Preprocessor(cased, 12, pad_to_max_length=True)
    for one, many in (("ab", ["ab"]), (("ab", "c"), (["ab"], ["c"]))):
        inputs = preprocess(one)
        assert inputs["token_ids"].shape == (12,)
        assert equal({name: value[None] for name, value in inputs.items()}, preprocess(many))


def test_empty(cased):
    preprocess = Preprocessor(cased)
    special = [cased.cls_token_id, cased.sep_token_id]
    assert preprocess([""])["token_ids"].numpy().tolist() == [special]
    assert preprocess(([""], [" "]))["token_ids"].numpy().tolist() == [special]
    assert preprocess([])["token_ids"].shape == (0, 2)


def test_padding_is_the_pad_piece():
    tokenizer = WordPieceTokenizer(["a", "[CLS]", "[SEP]", "[UNK]", "[PAD]"])
    inputs = Preprocessor(tokenizer)(["a a", ""])
    assert inputs["token_ids"].numpy().tolist() == [[1, 0, 0, 2], [1, 2, 4, 4]]
    assert inputs["padding_mask"].numpy().tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize("pad_to_max_length", [True, False])
def test_in_graphs(cased, pad_to_max_length):
    preprocess = Preprocessor(cased, 9, pad_to_max_length)
    first, second = ["The kettle", "", "hums é"], ["hums.", "x", ""]
    expected = preprocess((first, second))
    batched = tf.data.Dataset.from_tensor_slices((first, second)).batch(3)
    dataset = batched.map(lambda a, b: preprocess((a, b)))
    assert equal(next(iter(dataset)), expected)
    assert dataset.element_spec["token_ids"].shape[1] == (9 if pad_to_max_length else None)
    function = tf.function(preprocess)
    assert equal(function({"text": tf.constant(first), "text_pair": tf.constant(second)}), expected)


def test_errors(cased):
    preprocess = Preprocessor(cased)
    with pytest.raises(ValueError, match="Received: 2"):
        Preprocessor(cased, max_length=2)
    with pytest.raises(TypeError, match="tuple of 3"):
        preprocess((["a"], ["b"], ["c"]))
    with pytest.raises(ValueError, match=r"Received: the columns \['texts'\]"):
        preprocess({"texts": ["a"]})
    with pytest.raises(TypeError, match="Received: 3"):
        preprocess(3)
    with pytest.raises(TypeError, match="Received"):
        preprocess((["a"], [1]))
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        preprocess((["a", "b"], ["c"]))
    unknown = tf.TensorSpec([None], tf.string)
    function = tf.function(lambda a, b: preprocess((a, b)), input_signature=[unknown, unknown])
    with pytest.raises(tf.errors.InvalidArgumentError, match="equal number"):
        function(tf.constant(["a", "b"]), tf.constant(["c"]))


def test_serialization(cased, tmp_path):
    preprocess = Preprocessor(cased, 20, pad_to_max_length=True)
    text = json.dumps(keras.saving.serialize_keras_object(preprocess))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    preprocess.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy.max_length == 20
    assert copy.pad_to_max_length
    assert not copy.tokenizer.lowercase
    assert equal(copy(["The kettle"]), preprocess(["The kettle"]))


def test_in_a_functional_model(reference, tmp_path):
    """Called on a string input it is a layer, which is saved with its vocabulary."""
    tokenizer = WordPieceTokenizer(reference / "own_fixture" / "vocab_uncased.txt")
    preprocess = Preprocessor(tokenizer, 16)
    first, second = (keras.Input((), dtype="string") for _ in range(2))
    texts = [tf.constant(["the tea", "a"]), tf.constant(["rain", "b"])]
    model = keras.Model([first, second], preprocess((first, second))["token_ids"])
    want = preprocess(tuple(texts))["token_ids"].numpy()
    model.save(tmp_path / "m.keras")
    for each in (model, keras.saving.load_model(tmp_path / "m.keras")):
        np.testing.assert_array_equal(each(texts), want)
    with pytest.raises(TypeError, match="call a `Preprocessor`, which packs"):
        tokenizer(first)
