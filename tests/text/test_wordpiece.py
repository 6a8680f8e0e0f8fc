"""WordPieceTokenizer gives what the official tokenizer gives, everywhere a graph can run."""

import json
import os
import string
import subprocess
import sys

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bert_tf2.text.wordpiece import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
HARD = (
    "\0\x0b\x0c\x1c\x1d\x1e\x1f\x7f\x85\xa0\xad\u1680\u180e\u200b\u200d\u2028\u2029\u202e\u3000\ufeff"
    "\ufffd\ufe0f\u0301\u0323\u034f\u0345\u302e\U0001d165\u0130\u0131ıΣςσſßẞﬁÅÅ½™…Ａ\u037e\u0387\u1fef"
    "각각가कि\u093f\u0940\u094dก็\u0e33אָ،؟。、「」-–—$^`~·¿々〇㐀丽﨑\ue000👩‍👩‍👧🇫🇷éÉñ Ǆǅ"
)
STRINGS = [
    *(f"a{char}b" for char in HARD),
    *(f"{char} {char}A{char}" for char in HARD),
    "ΟΔΥΣΣΕΥΣ ΣΑΣ Σ Α.Σ ΑΣ.Β ΑΣ\u0301 ΑΣ\u0301Β Α\u00adΣ 1Σ Σ1 中Σ Σ中",
    "İSTANBUL ISPARTA Iı i̇ I\u0307 DİYARBAKIR",
    "[MASK] [CLS]x ##able un##able don't e-mail@x.org C++ a_b",
    "a" * 200 + " " + "a" * 201 + " " + "é" * 200 + "." + "é" * 201,
    "a" * 201 + "。" + "a" * 200 + "\u0301" * 50,
    "\u302e\U0001d165" * 120,
    "\u302e\u0301\U0001d165 \U0001d165\u302e a\u302e\u0300\U0001d165b",
]
CASES = ["uncased", "cased"]


def rich_vocabulary(characters):
    """Every character as a word and as a suffix, so that no difference hides behind [UNK]."""
    clean = [c for c in dict.fromkeys(characters) if c == c.strip() and c != ""]
    pieces = [*SPECIAL, *clean, *(f"##{c}" for c in clean), "the", "##able", "don't", "a.", "##'s"]
    return list(dict.fromkeys(pieces))


@pytest.fixture(scope="module", params=[True, False], ids=CASES)
def rich(request, assigned):
    """A tokenizer that knows the first 12 000 characters and all hard ones."""
    characters = assigned[:12_000] + "".join(c for c in HARD if c in assigned)
    return WordPieceTokenizer(rich_vocabulary(characters), lowercase=request.param)


def check(tokenizer, official, texts):
    known = set(tokenizer.vocabulary)
    expected = [official(text, known, tokenizer.lowercase) for text in texts]
    received = [[p.decode() for p in row] for row in tokenizer.tokens(texts).to_list()]
    wrong = [
        (text, want, got)
        for text, want, got in zip(texts, expected, received, strict=True)
        if want != got
    ]
    assert wrong == []


# ---- equal to the reference ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_recorded_reference(name, reference, request):
    tokenizer = request.getfixturevalue(name)
    path = reference / "own_fixture" / f"tokenization_{name}.json"
    cases = json.loads(path.read_text("utf-8"))["cases"]
    texts = [case["text"] for case in cases]
    assert len(cases) > 100
    assert tokenizer(texts).to_list() == [case["ids"] for case in cases]
    tokens = [[piece.decode() for piece in row] for row in tokenizer.tokens(texts).to_list()]
    assert tokens == [case["tokens"] for case in cases]


@pytest.mark.parametrize("name", CASES)
def test_restated_rule_is_the_recorded_one(name, reference, official, request):
    """The oracle of the tests below is itself checked."""
    known = set(request.getfixturevalue(name).vocabulary)
    path = reference / "own_fixture" / f"tokenization_{name}.json"
    for case in json.loads(path.read_text("utf-8"))["cases"]:
        assert official(case["text"], known, name == "uncased") == case["tokens"]


def test_hard_strings(rich, official):
    check(rich, official, STRINGS)


@pytest.fixture(scope="module")
def random_texts(assigned):
    """Lists of short texts in which hard characters are common and any may come."""
    plain = st.sampled_from(string.ascii_letters + string.punctuation + "  \t\n")
    hard = st.sampled_from(sorted(set(HARD) & set(assigned)))
    return st.lists(st.text(plain | hard | st.sampled_from(assigned), max_size=40), max_size=10)


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_text(rich, official, random_texts, data):
    check(rich, official, data.draw(random_texts))


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.lists(st.binary(max_size=30), min_size=1, max_size=10))
def test_bytes_that_are_not_utf8_are_dropped(rich, data):
    texts = [raw.decode("utf-8", "ignore") for raw in data]
    assert rich(data).to_list() == rich(texts).to_list()


@pytest.mark.parametrize(
    "raw", [b"a\xffb", b"a\xed\xa0\x80b", b"a\xf5\x80b", b"a\xc0\xafb", b"ab\xe2"]
)
def test_bad_bytes(cased, raw):
    assert cased([raw]).to_list() == cased(["ab"]).to_list()


@pytest.mark.parametrize(
    ("part", "times", "expected"),
    [("a", 100_000, ["[UNK]"]), ("a ", 50_000, ["a"] * 50_000), (".", 100_000, ["."] * 100_000),
     ("一", 100_000, ["[UNK]"] * 100_000), ("a\u0301\u0323", 33_000, ["[UNK]"]),
     ("\u0301\u0323", 50_000, []), ("\u302e\U0001d165", 50_000, ["[UNK]"]),
     ("Σ\u0301", 50_000, ["[UNK]"]), ("각", 100_000, ["[UNK]"]), ("\0", 100_000, [])],
)  # fmt: skip
def test_long_strings(uncased, part, times, expected):
    """Where the reference's own decomposition would take quadratic time, ours must not."""
    received = uncased.tokens(part * times).numpy().tolist()
    assert received == [piece.encode() for piece in expected]


@pytest.mark.full
@pytest.mark.parametrize("form", ["a{}b", "{} ", "Σ{}", "a{}Σ", "É{}.", "中{}"])
@pytest.mark.parametrize("lowercase", [True, False], ids=CASES)
def test_every_assigned_character(lowercase, form, official, assigned):
    tokenizer = WordPieceTokenizer(rich_vocabulary(assigned), lowercase=lowercase)
    check(tokenizer, official, [form.format(char) for char in assigned])


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "folder", "lowercase"),
    [("uncased", "bert-base-uncased", True), ("cased", "bert-base-cased", False),
     ("chinese", "bert-base-chinese", True),
     ("uncased_vocab_cased_mode", "bert-base-uncased", False)],
)  # fmt: skip
def test_official_vocabularies(assets, official, name, folder, lowercase):
    (file,) = (assets / "vocab" / folder).glob("*.txt")
    tokenizer = WordPieceTokenizer(file, lowercase=lowercase)
    path = assets / "reference" / "tokenization" / f"official_{name}.json"
    cases = json.loads(path.read_text("utf-8"))["cases"]
    assert tokenizer([case["text"] for case in cases]).to_list() == [case["ids"] for case in cases]
    check(tokenizer, official, STRINGS)


@pytest.mark.full
def test_real_sentences(assets, official):
    tokenizer = WordPieceTokenizer(assets / "vocab" / "bert-base-uncased" / "vocab.txt")
    lines = (assets / "datasets/glue/SST-2/train.tsv").read_text("utf-8").split("\n")
    check(tokenizer, official, lines[:5000])


def test_max_word_chars():
    tokenizer = WordPieceTokenizer([*SPECIAL, "é", "##é", "。"], False, max_word_chars=3)
    assert tokenizer.tokens("ééé éééé。ééé").numpy().tolist() == [
        piece.encode() for piece in ("é", "##é", "##é", "[UNK]", "。", "é", "##é", "##é")
    ]
    for bad in (0, 1000):
        with pytest.raises(ValueError, match=f"Received: {bad}"):
            WordPieceTokenizer(max_word_chars=bad)


def test_odd_vocabulary(official):
    """Repeated, empty and unreachable lines keep their ids and change nothing else."""
    odd = ["", "##", "a", "a", "##b", "\ufffd", "x y", "[", "don't", "##.", "A", "\x11", "中a", "a"]
    tokenizer = WordPieceTokenizer([*SPECIAL, *odd])
    assert tokenizer("a").numpy().tolist() == [len(SPECIAL) + len(odd) - 1]
    check(tokenizer, official, ["a ab aba. don't [MASK] x y A \ufffd ## 中a \x11"])


# ---- in graphs -----------------------------------------------------------------------------------

TEXTS = ["The kettle hums.", "", "Zoë's İ café, 東京!", "a" * 201]


def test_in_a_function_with_any_batch_size(uncased):
    function = tf.function(uncased, input_signature=[tf.TensorSpec([None], tf.string)])
    for size in (0, 1, 4):
        assert (
            function(tf.constant(TEXTS[:size], tf.string)).to_list()
            == (uncased(TEXTS).to_list()[:size])
        )


def test_in_a_dataset(cased):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    rows = [row for batch in dataset.batch(3).map(cased) for row in batch.to_list()]
    assert rows == cased(TEXTS).to_list()
    assert [row.numpy().tolist() for row in dataset.map(cased)] == rows


def test_built_inside_a_graph(cased):
    """The vocabulary outlives the graph in which it was first asked for."""
    held = {}

    @tf.function
    def build(texts):
        held["tokenizer"] = WordPieceTokenizer(cased.vocabulary, lowercase=False)
        return held["tokenizer"](texts)

    assert build(tf.constant(TEXTS)).to_list() == cased(TEXTS).to_list()
    assert held["tokenizer"](TEXTS).to_list() == cased(TEXTS).to_list()


READER = """
import json, sys, tensorflow as tf, tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
print(json.dumps(loaded.ids(tf.constant(json.loads(sys.argv[2]))).to_list()))
"""


@pytest.mark.full
def test_saved_model_in_another_process_and_locale(uncased, tmp_path):
    """A Turkish locale makes Unicode lower-casing turn I into a dotless ı: it must not show."""
    module = tf.Module()
    module.ids = tf.function(uncased, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    texts = [*TEXTS, "IN THE ISLAND", "IN THE ISLAND é"]
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path), json.dumps(texts)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert json.loads(answer) == uncased(texts).to_list()
