"""BytePairTokenizer gives what GPT-2's and RoBERTa's tokenizers give, in any graph."""

import itertools
import json
import math
import random
import string
import subprocess
import sys

import keras
import pytest
import tensorflow as tf
import tokenizer_rules as rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bert_tf2.text import merging
from bert_tf2.text.bytepair import BytePairTokenizer, split_words

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
HARD = "\t\n\v\f\r\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000\u200b\ufeff\0\x7f"
HARD += "''stmdrevl中é½²٣Ⅷ①👩\u200d🇫\ufe0fक\u093fＡ\ufffd\ufffe"
TEXTS = ["It's  a kettle.\n\n", "", "Zoë's İ café, 東京! ", "a" * 300]


@pytest.fixture(scope="module")
def folder(reference):
    return reference / "tokenizers"


@pytest.fixture(scope="module")
def tokenizer(folder):
    return BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")


@pytest.fixture(scope="module")
def ranks(folder):
    lines = (folder / "merges.txt").read_text("utf-8").split("\n")[1:-1]
    return {tuple(line.split(" ")): rank for rank, line in enumerate(lines)}


@pytest.fixture(scope="module")
def random_texts(assigned):
    plain = st.sampled_from(string.ascii_letters + string.digits + "    \n\t'''.,!")
    hard = st.sampled_from([c for c in HARD if c in assigned])
    texts = st.text(plain | hard | st.sampled_from(assigned), max_size=40)
    return st.lists(texts | st.text(" \n\t'sreavx\u3000", max_size=12), max_size=10)


def byte_vocabulary(*more):
    return {piece: i for i, piece in enumerate([*SPECIAL, *rules.byte_letters().values(), *more])}


# ---- equal to the references ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytepair", "bytepair_prefixed"])
def test_recorded_reference(folder, kind):
    cases = json.loads((folder / "cases.json").read_text("utf-8"))
    tokenizer = BytePairTokenizer(
        folder / "vocab.json", folder / "merges.txt", add_prefix_space=kind.endswith("prefixed")
    )
    assert len(cases) > 70
    received = tokenizer([case["text"] for case in cases])
    assert received.dtype == tf.int32
    wrong = [
        (case["text"], case[kind], got)
        for case, got in zip(cases, received.to_list(), strict=True)
        if got != case[kind]
    ]
    assert wrong == []


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data(), prefix=st.booleans())
def test_rules_in_plain_python(tokenizer, ranks, random_texts, data, prefix):
    texts = data.draw(random_texts)
    words = split_words(tf.constant(texts, tf.string), prefix).to_list()
    received = [[word.decode() for word in row if word] for row in words]
    assert received == [
        rules.gpt2_words(f" {text}" if prefix and text[:1] not in ("", " ") else text)
        for text in texts
    ]
    if not prefix:
        pieces = [[piece.decode() for piece in row] for row in tokenizer.tokens(texts).to_list()]
        assert pieces == [rules.gpt2_pieces(text, ranks) for text in texts]


def test_every_way_white_space_can_stand():
    texts = ["".join(p) for n in range(6) for p in itertools.product(" \n\u3000a'", repeat=n)]
    texts += [f"{text}s1." for text in texts]
    words = split_words(tf.constant(texts)).to_list()
    assert [[word.decode() for word in row if word] for row in words] == [
        rules.gpt2_words(text) for text in texts
    ]


def test_every_character_is_of_its_kind(assigned):
    texts = [f"a{char}1{char}.{char}" for char in assigned]
    words = split_words(tf.constant(texts)).to_list()
    wrong = [
        (hex(ord(text[1])), row, want)
        for text, row in zip(texts, words, strict=True)
        if [word.decode() for word in row if word] != (want := rules.gpt2_words(text))
    ]
    assert wrong == []


symbols = st.text("ab", min_size=1, max_size=4)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    merges=st.lists(st.tuples(symbols, symbols), max_size=12, unique=True),
    texts=st.lists(st.text("ab ", max_size=25), min_size=1, max_size=6),
)
def test_merging_by_any_list(merges, texts):
    """Also lists that no training gives, and runs such as "aaaa", where pairs overlap."""
    pieces = dict.fromkeys([*itertools.chain(*merges), *("".join(pair) for pair in merges)])
    vocabulary = byte_vocabulary(*(piece for piece in pieces if len(piece) > 1))
    tokenizer = BytePairTokenizer(vocabulary, [" ".join(pair) for pair in merges])
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    received = [[piece.decode() for piece in row] for row in tokenizer.tokens(texts).to_list()]
    assert received == [rules.gpt2_pieces(text, ranks) for text in texts]


@pytest.mark.parametrize("part", ["a", "é", "ab", " ", ".", "a ", "\n"])
def test_long_texts_are_not_slow(tokenizer, ranks, part):
    assert tokenizer.detokenize(tokenizer(part * 30_000)).numpy().decode() == part * 30_000
    short = part * 200
    assert [p.decode() for p in tokenizer.tokens(short).numpy()] == rules.gpt2_pieces(short, ranks)


@settings(deadline=None, max_examples=80)
@given(data=st.lists(st.binary(max_size=20), min_size=1, max_size=10))
def test_bad_bytes_are_replaced(tokenizer, data):
    texts = [raw.decode("utf-8", "replace") for raw in data]
    assert tokenizer(data).to_list() == tokenizer(texts).to_list()


@pytest.mark.full
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data(), prefix=st.booleans())
def test_random_text_against_the_package(folder, random_texts, data, prefix):
    package = pytest.importorskip("tokenizers")
    files = [str(folder / "vocab.json"), str(folder / "merges.txt")]
    peer = package.ByteLevelBPETokenizer(*files, add_prefix_space=prefix)
    texts = data.draw(random_texts)
    received = BytePairTokenizer(*files, add_prefix_space=prefix)(texts).to_list()
    assert received == [peer.encode(text).ids for text in texts]


@pytest.mark.full
def test_large_vocabulary_on_real_text(assets, tmp_path):
    package = pytest.importorskip("tokenizers")
    wiki = assets / "datasets" / "wikitext-2"
    lines = (wiki / "valid.txt").read_text("utf-8").splitlines()
    peer = package.ByteLevelBPETokenizer()
    peer.train_from_iterator(lines, 15_000, special_tokens=SPECIAL, show_progress=False)
    peer.save_model(str(tmp_path))
    tokenizer = BytePairTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    text = (wiki / "test.txt").read_text("utf-8")
    lines = text.replace("<unk>", "<u>").splitlines()  # the package finds special pieces in text
    chinese = next((assets / "datasets" / "chnsenticorp").glob("*"))
    lines += chinese.read_text("utf-8").splitlines()[:300]
    assert tokenizer(lines).to_list() == [encoding.ids for encoding in peer.encode_batch(lines)]


# ---- in graphs -----------------------------------------------------------------------------------


@pytest.mark.full
def test_in_a_function_and_a_dataset(tokenizer):
    expected = tokenizer(TEXTS).to_list()
    function = tf.function(tokenizer, input_signature=[tf.TensorSpec([None], tf.string)])
    for size in (0, 1, 2, 4):
        assert function(tf.constant(TEXTS[:size], tf.string)).to_list() == expected[:size]
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    batched = dataset.batch(3).map(tokenizer, num_parallel_calls=2)
    assert [row for batch in batched for row in batch.to_list()] == expected
    assert [row.numpy().tolist() for row in dataset.map(tokenizer)] == expected


READER = """
import json, sys, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
print(json.dumps(loaded.ids(tf.constant(json.loads(sys.argv[2]))).to_list()))
"""


@pytest.mark.full
def test_saved_model_in_another_process(tokenizer, tmp_path):
    module = tf.Module()
    module.ids = tf.function(tokenizer, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    answer = subprocess.run(
        [sys.executable, "-I", "-c", READER, str(tmp_path), json.dumps(TEXTS)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert json.loads(answer) == tokenizer(TEXTS).to_list()


# ---- the object ----------------------------------------------------------------------------------


def test_special_ids(tokenizer):
    names = ("cls", "pad", "sep", "unknown", "mask")
    assert [getattr(tokenizer, f"{name}_token_id") for name in names] == [0, 1, 2, 3, 800]
    assert tokenizer.vocabulary_size == 801
    assert tokenizer.id_to_token(tokenizer.token_to_id("Ġthe")) == "Ġthe"
    assert tokenizer("<s>").shape[0] > 1  # never found in text


def test_detokenize(tokenizer):
    texts = ["It's  a kettle.\n\n", "", " Zoë's İ café, 東京!\t"]
    assert [t.decode() for t in tokenizer.detokenize(tokenizer(texts)).numpy()] == texts
    assert tokenizer.detokenize([0, *tokenizer("tea").numpy(), 2]).numpy() == b"<s>tea</s>"
    assert tokenizer.detokenize(tokenizer("é")[:1]).numpy().decode() == "\ufffd"


@pytest.mark.parametrize("kind", ["random", "a", "ab", "abcde", "mixed"])
def test_long_words_are_merged_by_windows(kind, folder, monkeypatch):
    """In steps that no longer grow with the word, to the pieces that merging at once gives."""
    tokenizer = BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")
    rng = random.Random(7)
    letters = "".join(rng.choice("etaoinshrdlu") for _ in range(1500))
    text = {"random": letters, "mixed": "ab" * 300 + letters + "a" * 300}.get(kind, kind * 700)
    texts = [text, "short", text[3:]]
    received = tokenizer(texts).to_list()
    monkeypatch.setattr(merging, "LONG", 10**9)
    assert received == tokenizer(texts).to_list()


@pytest.mark.parametrize("kind", ["random", "a", "ab", "abcde"])
def test_the_work_for_a_word_is_nearly_linear(kind, folder, monkeypatch):
    """Symbols that are gone through, in all rounds of merging together: n log n at most."""
    tokenizer = BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")
    gone_through, segment_min = [], tf.math.segment_min  # which each round calls on all symbols

    def counted(data, segments):
        gone_through.append(len(data))
        return segment_min(data, segments)

    def work(letters):
        gone_through.clear()
        rng = random.Random(letters)
        text = "".join(rng.choices("etaoinshrdlu", k=letters))
        text = text if kind == "random" else (kind * letters)[:letters]
        assert tokenizer.detokenize(tokenizer(text)).numpy().decode() == text
        return sum(gone_through)

    monkeypatch.setattr(tf.math, "segment_min", counted)
    tf.config.run_functions_eagerly(True)
    try:
        few, many = work(1000), work(4000)
    finally:
        tf.config.run_functions_eagerly(False)
    assert few >= 1000  # it is counted
    assert many < 4 * few * math.log(4000) / math.log(1000)


def test_pieces_of_bounded_length(tmp_path):
    """A chain of merges, each of which makes a longer piece, takes a time that is its square."""
    chain = ["a" * n for n in range(2, 600)]
    ids = byte_vocabulary(*chain)
    with pytest.raises(ValueError, match=r"at most 512 letters.*Received: 599 letters"):
        BytePairTokenizer(ids, [f"{piece[:-1]} a" for piece in chain])


def test_serialization(tokenizer, tmp_path):
    text = json.dumps(keras.saving.serialize_keras_object(tokenizer))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    with pytest.raises(ValueError, match=r"load_assets.*vocab\.json and merges\.txt"):
        copy(["a"])
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy(TEXTS).to_list() == tokenizer(TEXTS).to_list()
    assert copy.get_config() == tokenizer.get_config() == {"add_prefix_space": False}


def test_one_file_of_both(tokenizer, folder, tmp_path):
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    lines = (folder / "merges.txt").read_text("utf-8").split("\n")[1:-1]
    mask = {"id": vocabulary.pop("<mask>"), "content": "<mask>"}
    saved = {
        "added_tokens": [mask],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": lines},
    }
    path = tmp_path / "tokenizer.json"
    for merges in (lines, [line.split(" ") for line in lines]):
        saved["model"]["merges"] = merges
        path.write_text(json.dumps(saved), "utf-8")
        assert BytePairTokenizer(path)(TEXTS).to_list() == tokenizer(TEXTS).to_list()
    for key, value in (("normalizer", {"type": "NFC"}), ("pre_tokenizer", None), ("model", [])):
        path.write_text(json.dumps({**saved, key: value}), "utf-8")
        with pytest.raises(ValueError, match=r"tokenizer\.json whose model is a BPE"):
            BytePairTokenizer(path)


@pytest.mark.parametrize(
    ("vocabulary", "merges", "message"),
    [
        (b"{", b"", "JSON object"),
        (b"\xff", b"", "JSON object"),
        (b"[1]", b"", "JSON object of piece to id"),
        (b'{"a": "b"}', b"", "JSON object of piece to id"),
        (b'{"a": 0, "b": 2}', b"", "2 pieces with gaps"),
        (b'{"a": 0, "b": 0}', b"", "2 pieces with gaps"),
        (b'{"a": 0}', b"", "without <pad>, <unk>, <s>, </s>, <mask>"),
        (None, b"a b\n", "line 1: 'a b'"),
        (None, b"#version: 0.2\nl l l\n", "line 2: 'l l l'"),
        (None, b"\xff", "merges must be UTF-8"),
    ],
)
def test_bad_files(tmp_path, vocabulary, merges, message):
    if vocabulary is None:
        vocabulary = json.dumps(byte_vocabulary("ll")).encode()
    (tmp_path / "vocab.json").write_bytes(vocabulary)
    (tmp_path / "merges.txt").write_bytes(merges)
    with pytest.raises(ValueError, match=message):
        BytePairTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    copy = BytePairTokenizer()
    with pytest.raises(ValueError, match=message):
        copy.load_assets(tmp_path)
    assert not copy.has_vocabulary
