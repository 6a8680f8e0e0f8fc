"""Vocabulary files are read as the reference's `load_vocab` reads them."""

import pytest

from bert_tf2.text.vocabulary import REQUIRED, Vocabulary
from bert_tf2.weights import of_vocabulary

HEAD = "".join(f"{piece}\n" for piece in REQUIRED).encode()


def read(tail, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(HEAD + tail)
    return Vocabulary.read(path)


def test_lines_end_at_line_feeds_only(tmp_path):
    tail = "a\r\n  b \n\nc\u0085d\n\u2028\ne\u2029f\x0cg\nh".encode()
    vocabulary = read(tail, tmp_path)
    assert vocabulary.pieces[4:] == ["a", "b", "", "c\u0085d", "", "e\u2029f\x0cg", "h"]
    assert vocabulary.content == HEAD + tail
    assert vocabulary.ids["h"] == 10


def test_the_last_of_equal_pieces_has_the_id(tmp_path):
    vocabulary = read(b"a\nb\na\n", tmp_path)
    assert len(vocabulary.pieces) == 7
    assert vocabulary.ids["a"] == 6


def test_a_list_is_the_file_of_its_pieces(tmp_path):
    vocabulary = Vocabulary.read([*REQUIRED, "a", "", "##b"])
    assert vocabulary.content == HEAD + b"a\n\n##b\n"
    assert vocabulary.pieces == read(b"a\n\n##b\n", tmp_path).pieces


@pytest.mark.parametrize("piece", ["a\nb", " a", "a\u2028", 7])
def test_pieces_that_no_line_can_hold(piece):
    with pytest.raises(ValueError, match="Received: "):
        Vocabulary.read([*REQUIRED, piece])


@pytest.mark.parametrize("piece", REQUIRED)
def test_a_missing_special_piece_is_named(piece):
    rest = [other for other in REQUIRED if other != piece]
    with pytest.raises(ValueError, match=rf"without \{piece}\."):
        Vocabulary.read(rest)


def test_empty_and_not_text(tmp_path):
    with pytest.raises(ValueError, match="0 pieces"):
        Vocabulary(b"")
    with pytest.raises(ValueError, match="UTF-8"):
        read(b"\xff\n", tmp_path)
    with pytest.raises(FileNotFoundError):
        Vocabulary.read(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [(["a", "##b", "é"], True), (["a", "B"], False), (["a", "ℝ", "[X]", "<S>"], True),
     (["中"], False)],
)  # fmt: skip
def test_case_of_a_vocabulary(pieces, expected):
    assert of_vocabulary([*REQUIRED, *pieces]).with_case().lowercase is expected


@pytest.mark.full
@pytest.mark.parametrize(
    ("folder", "size", "expected"),
    [("bert-base-uncased", 30522, True), ("bert-base-cased", 28996, False),
     ("bert-base-chinese", 21128, True), ("bert-base-multilingual-cased", 119547, False)],
)  # fmt: skip
def test_published_vocabularies(assets, folder, size, expected):
    (file,) = (assets / "vocab" / folder).glob("*.txt")
    vocabulary = Vocabulary.read(file)
    assert len(vocabulary.pieces) == size
    assert of_vocabulary(vocabulary.pieces).with_case().lowercase is expected


@pytest.mark.full
def test_mini_vocabulary(assets):
    file = assets / "checkpoints" / "tf1-mini-keras-bert" / "vocab.txt"
    assert Vocabulary.read(file).pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
