"""Vocabularies learnt of a corpus, and what our tokenizers make of them."""

import builtins
import random

import numpy as np
import pytest

from bert_tf2 import SentencePieceTokenizer, WordPieceTokenizer
from bert_tf2.data.corpus import learning
from bert_tf2.data.corpus.parts import Corpus

WORDS = ["Teapot", "teacup", "kettle", "naïve", "steam", "steaming", "don't", "(tea)", "茶碗", "a"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "a.txt"
    rng = random.Random(1)
    lines = [" ".join(rng.choices(WORDS, range(1, 11), k=8)) for _ in range(300)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return Corpus((str(path),), part_bytes=2000)


def lines_of(corpus):
    return open(corpus.paths[0], encoding="utf-8").read().split("\n")


def test_words_are_counted_as_the_tokenizer_finds_them(corpus):
    counts = learning.count_words(corpus, lowercase=True)
    text = " ".join(lines_of(corpus)).split(" ")
    assert counts["teapot"] == text.count("Teapot")
    assert counts["naive"] == text.count("naïve")
    assert counts["don"] == counts["'"] == counts["t"] == text.count("don't")
    assert counts["tea"] == counts["("] == text.count("(tea)")
    assert counts["茶"] == counts["碗"] == text.count("茶碗")
    cased = learning.count_words(corpus, lowercase=False)
    assert cased["Teapot"] == text.count("Teapot") and "naïve" in cased


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_wordpiece_vocabulary(corpus, tmp_path, lowercase):
    file = tmp_path / "vocab.txt"
    pieces = learning.train_wordpiece(corpus, file, 80, lowercase, unused=2)
    assert pieces[:7] == [*learning.SPECIAL, "[unused0]", "[unused1]"]
    assert len(pieces) == len(set(pieces)) <= 80
    tokenizer = WordPieceTokenizer(file, lowercase=lowercase)
    assert tokenizer.vocabulary == pieces
    ids = tokenizer(lines_of(corpus)).values.numpy()
    assert not (ids == tokenizer.unknown_token_id).any()
    assert "kettle" in pieces and "##c" not in pieces[:7]
    again = tmp_path / "again.txt"
    learning.train_wordpiece(corpus, again, 80, lowercase, unused=2)
    assert again.read_bytes() == file.read_bytes()


def test_rare_letters_are_left_out(put, tmp_path):
    rare = Corpus((str(put("a.txt", "ab ba abba\n" * 9 + "zebra q\n")),))
    pieces = learning.train_wordpiece(rare, tmp_path / "v.txt", 12, alphabet=2)
    assert pieces[5:9] == ["a", "b", "##a", "##b"]
    assert not {*"zerq"} & {*"".join(pieces[5:])}
    assert WordPieceTokenizer(pieces)(["zebra"]).to_list() == [[1]]


def test_a_sentencepiece_model(corpus, tmp_path):
    file = tmp_path / "spiece.model"
    assert learning.train_sentencepiece(corpus, file, 40) == 40
    tokenizer = SentencePieceTokenizer(file)
    assert tokenizer.vocabulary[:5] == ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    ids = tokenizer(lines_of(corpus))
    share = np.mean(ids.values.numpy() == tokenizer.unknown_token_id)
    assert share < 0.01
    assert tokenizer.detokenize(tokenizer(["steam kettle"])).numpy() == [b"steam kettle"]


def test_what_cannot_be_learnt(corpus, put, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="`vocab_size` must be at least"):
        learning.train_wordpiece(corpus, out, 20)
    with pytest.raises(ValueError, match="cannot learn 5000 pieces"):
        learning.train_sentencepiece(corpus, out, 5000)
    bad = Corpus((str(put("a.txt", b"a\nb\xff\n")),))
    for learn in (learning.train_wordpiece, learning.train_sentencepiece):
        with pytest.raises(ValueError, match="line 2: invalid UTF-8"):
            learn(bad, out)
    blank = Corpus((str(put("b.txt", "\n\n")),))
    with pytest.raises(ValueError, match="Expected words"):
        learning.train_wordpiece(blank, out)
    usual = builtins.__import__
    monkeypatch.setattr(learning.importlib, "import_module", lambda name: usual("no_such_" + name))
    with pytest.raises(ImportError, match="pip install"):
        learning.train_wordpiece(corpus, out)
    assert not out.exists()
