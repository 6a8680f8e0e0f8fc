"""Where each piece stands: right in characters, bytes and words, in any graph."""

import random
import unicodedata

import pytest
import spans
import tensorflow as tf
import tokenizer_rules as rules
from by_default import by_default

from bert_tf2.text import piece_model
from bert_tf2.text.bytepair import BytePairTokenizer
from bert_tf2.text.offsets import Pieces, to_bytes
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "Kettle", "kettle", "un", "##able", "hums", "##s", "##e", "C", "ab", "Über", "uber"]


def vocabulary(assigned):
    """Most characters, as words and as suffixes, so that pieces are short, and some not at all."""
    known = dict.fromkeys(assigned[:6000] + spans.HARD + spans.MARKS + "σµkgfi各")
    known = [c for c in known if c == c.strip() and c not in "\ufffd☃é" and ord(c) % 11]
    return list(dict.fromkeys([*SPECIAL, *WORDS, *known, *(f"##{c}" for c in known)]))


WORDPIECE = {
    "uncased": {},
    "cased": {"lowercase": False},
    "cased, stripped": {"lowercase": False, "strip_accents": True},
    "uncased, accents": {"strip_accents": False},
    "Chinese as words": {"tokenize_chinese_chars": False},
    "short words": {"max_word_chars": 3},
}


def told(tokenizer, texts):
    """Of each text a list of (piece, start, end, word), once the ids are those of a call."""
    found = tokenizer.pieces(texts)
    assert found.ids.to_list() == tokenizer(texts).to_list()
    assert {column.dtype for column in found} == {tf.int32}
    return listed(tokenizer, found)


def listed(tokenizer, found):
    rows = zip(*(c.to_list() for c in (tokenizer.pieces_of(found.ids), *found[1:])), strict=True)
    return [[(p.decode(), *place) for p, *place in zip(*row, strict=True)] for row in rows]


def read(texts):
    return [text.decode("utf-8", "replace") for text in texts]


def by_rule(rule, texts, received):
    pieces = ([piece for piece, *_ in row] for row in received)
    return [rule(text, row) for text, row in zip(texts, pieces, strict=True)]


def differences(texts, received, expected):
    rows = zip(texts, received, expected, strict=True)
    return [(text, got, want) for text, got, want in rows if got != want][:5]


# ---- equal to the rules in plain Python, which carry places along --------------------------------


def wordpiece(assigned, name, **common):
    """-> a tokenizer, and what the rule says of a text; of SentencePiece, given the pieces."""
    given, pieces = WORDPIECE[name], vocabulary(assigned)
    lowercase = given.get("lowercase", True)
    rule = {
        "lowercase": lowercase,
        "strip": given.get("strip_accents", lowercase),
        "chinese": given.get("tokenize_chinese_chars", True),
        "most": given.get("max_word_chars", 200),
    }
    known = set(pieces)
    tokenizer = WordPieceTokenizer(pieces, **given, **common)
    return tokenizer, lambda text, _: spans.wordpiece(read([text])[0], known, **rule)


def bytepair(reference, prefix, **common):
    files = [reference / "tokenizers" / name for name in ("vocab.json", "merges.txt")]
    lines = files[1].read_text("utf-8").splitlines()
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    tokenizer = BytePairTokenizer(*files, add_prefix_space=prefix, **common)
    return tokenizer, lambda text, _: spans.bytepair(read([text])[0], ranks, prefix)


SENTENCEPIECE = {
    "albert": {},
    "albert, accents": {"keep_accents": True, "straighten_quotes": True},
    "albert, cased": {"lowercase": False, "straighten_quotes": True},
    "xlm_roberta": {"family": "xlm_roberta"},
}


def sentencepiece(reference, name, **common):
    settings = SENTENCEPIECE[name]
    fairseq = "family" in settings
    path = reference / "tokenizers" / ("sentencepiece.bpe.model" if fairseq else "spiece.model")
    tokenizer = SentencePieceTokenizer(path, **settings, **common)
    known = {piece for piece in tokenizer.vocabulary if len(piece) == 1}

    cleaning = None if fairseq else settings
    return tokenizer, lambda text, pieces: spans.sentencepiece(
        text, pieces, known, "<unk>", cleaning
    )


BYTES = {"bytes": False, "bytes, prefixed": True}
GRAPHS = ["uncased", "cased", "bytes", "albert"]
NAMES = [*WORDPIECE, *BYTES, *SENTENCEPIECE]


def made(name, assigned, reference, **common):
    if name in BYTES:
        return bytepair(reference, BYTES[name], **common)
    if name in SENTENCEPIECE:
        return sentencepiece(reference, name, **common)
    return wordpiece(assigned, name, **common)


def check(name, assigned, reference, count, seed):
    tokenizer, rule = made(name, assigned, reference)
    texts = spans.hard_texts(count, seed, assigned)
    received = told(tokenizer, texts)
    assert differences(texts, received, by_rule(rule, texts, received)) == []
    assert not_given_back(tokenizer, texts, received) == []


@pytest.mark.parametrize("name", NAMES)
def test_places(name, assigned, reference):
    check(name, assigned, reference, 300, seed=0)


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_places_in_many(name, assigned, reference):
    check(name, assigned, reference, 10_000, seed=1)


# ---- a piece's own text gives it back ------------------------------------------------------------


def shown(tokenizer, texts):
    """What is left of texts once cleaned, without white space and the signs for it."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        cleaned = tf.strings.reduce_join(tokenizer.tokens(texts), -1)
        cleaned = tf.strings.regex_replace(cleaned, "▁", "")
    else:
        cleaned = tokenizer.clean(tf.convert_to_tensor(texts, tf.string))
    sigma = ("Σ", "Σ") if isinstance(tokenizer, BytePairTokenizer) else ("ς", "σ")
    return [
        "".join(text.decode("utf-8", "replace").split()).replace(*sigma) for text in cleaned.numpy()
    ]


def spelling(tokenizer, piece):
    """What is shown of a piece; in bytes, where a character may be in several."""
    if isinstance(tokenizer, BytePairTokenizer):
        bytes_of = {letter: bytes([byte]) for byte, letter in rules.byte_letters().items()}
        return b"".join(bytes_of[letter] for letter in piece)
    sign = "▁" if isinstance(tokenizer, SentencePieceTokenizer) else "##"
    return piece.replace(sign, "").replace("ς", "σ")


def not_given_back(tokenizer, texts, received, whole=()):
    """Pieces that are not what their part of the text gives, nor a part of one character there."""
    found = [
        (raw, text[start:end], piece, start, end)
        for raw, text, row in zip(texts, read(texts), received, strict=True)
        for piece, start, end, _ in row
        if piece not in whole
    ]
    raw = tf.constant([text for text, *_ in found])
    places = tf.RaggedTensor.from_tensor(tf.constant([place[-2:] for place in found]))
    places = to_bytes(raw, places).to_tensor()
    raw = tf.strings.substr(raw, places[:, 0], places[:, 1] - places[:, 0])
    parts = [part for _, part, *_ in found]
    alone = [[p.decode() for p in row] for row in tokenizer.tokens(raw).to_list()]
    chars = sorted({char for part in parts for char in part})
    of_char = dict(zip(chars, shown(tokenizer, chars), strict=True))
    wrong = []
    for row, shows, own in zip(found, shown(tokenizer, raw), alone, strict=True):
        _, part, piece, *_ = row
        if part != part.strip() or not (
            own == [piece] or is_shown(tokenizer, piece, part, shows, of_char)
        ):
            wrong.append((*row, own))
    return wrong[:5]


def is_shown(tokenizer, piece, part, shows, of_char):
    want = spelling(tokenizer, piece)
    if isinstance(want, bytes):
        shows, of_char = shows.encode(), {char: of_char[char].encode() for char in part}
        want = want.strip(b" \t\n\v\f\r\x1c\x1d\x1e\x1f")
    if want == shows:
        return True
    if not part:  # of white space, which may be in several pieces, or no piece
        return want == "<unk>" or set(want) <= set(rules.WHITE.encode())
    if sum(char in spans.SORTED for char in part) > 1:
        return set(want) <= set(shows)
    visible = [own for char in part if (own := of_char[char])]
    first, last = len(visible[0]), len(visible[-1])
    return any(shows[i : len(shows) - j] == want for i in range(first) for j in range(last))


@pytest.mark.full
@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_published_model_gives_back(name, assigned, assets):
    """It normalizes as well: characters become several, and several one."""
    path = assets / "vocab" / "albert" / "spiece.model"
    tokenizer = SentencePieceTokenizer(path, **SENTENCEPIECE[name])
    texts = spans.hard_texts(2000, 1, assigned)
    assert not_given_back(tokenizer, texts, told(tokenizer, texts)) == []


@pytest.mark.parametrize("name", ["albert", "xlm_roberta"])
def test_runs_that_were_shortened(name, reference, monkeypatch):
    """The middle of a long run of unknown characters is in its piece all the same."""
    tokenizer, rule = made(name, "", reference)
    parts = ["a", " ", "the ", "é\u0301", "😀" * 40, "中国" * 30, "각글" * 9, "ि", "\ue000"]
    texts = ["".join(random.Random(seed).choices(parts, k=40)).encode() for seed in range(20)]
    monkeypatch.setattr(piece_model, "LONG", 100)
    received = told(tokenizer, texts)
    assert differences(texts, received, by_rule(rule, texts, received)) == []


@pytest.mark.full
@pytest.mark.parametrize("lowercase", [True, False])
def test_against_the_package(lowercase, assets, assigned):
    """Where it finds the same pieces, and but for marks and private characters.

    It puts marks that NFD sorts in a wrong place, leaves those that it drops out of the piece of
    what they mark, and drops private characters.
    """
    package = pytest.importorskip("tokenizers")
    folder = assets / "vocab" / ("bert-base-uncased" if lowercase else "bert-base-cased")
    (file,) = folder.glob("*.txt")
    peer = package.BertWordPieceTokenizer(str(file), lowercase=lowercase)
    texts = (assets / "datasets" / "wikitext-2" / "valid.txt").read_text("utf-8").splitlines()
    chinese = next((assets / "datasets" / "chnsenticorp").glob("*"))
    texts += chinese.read_text("utf-8").splitlines()[:300]
    hard = [text.replace("\ufffd", "") for text in read(spans.hard_texts(4000, 5, assigned))]
    texts += [t for t in hard if not any(unicodedata.category(c) in UNLIKE for c in t)]
    found = WordPieceTokenizer(file, lowercase=lowercase).pieces(texts)
    ours = zip(*(column.to_list() for column in found[:3]), strict=True)
    ours = [[list(zip(*places, strict=True)), ids] for ids, *places in ours]
    theirs = [[e.offsets, e.ids] for e in peer.encode_batch(texts, add_special_tokens=False)]
    same = [row for row in zip(texts, ours, theirs, strict=True) if row[1][1] == row[2][1]]
    assert len(same) > 0.98 * len(texts)
    assert differences(*zip(*same, strict=True)) == []


UNLIKE = ("Mn", "Mc", "Me", "Co")


# ---- added tokens, bytes that are no UTF-8, and how bytes are counted ----------------------------

ADDED = [
    {"content": "[NAME]", "lstrip": True, "rstrip": True},
    {"content": "New York"},
    {"content": "Über", "normalized": True},
    {"content": "<x>"},
]


@pytest.mark.parametrize("name", ["uncased", "cased", "bytes"])
def test_added_tokens(name, assigned, reference):
    """Each is where it stands; what stands between is as it is without them."""
    contents = [token["content"] for token in ADDED]
    size = made(name, assigned, reference)[0].vocabulary_size
    added = [token | {"id": size + i} for i, token in enumerate(ADDED)]
    if name != "bytes":  # the vocabulary has it
        added[2].pop("id")
        added[3]["id"] -= 1
    tokenizer, _ = made(name, assigned, reference, added_tokens=added)
    assert_told(
        tokenizer,
        "  a  [NAME] \tNew York,Über é<x>[NAME]",
        [("[NAME]", "[NAME]", 1), ("New York", "New York", 4), ("Über", "Über", 7),
         ("<x>", "<x>", 9), ("[NAME]", "[NAME]", 12)],
    )  # fmt: skip
    texts = spans.hard_texts(300, 2, assigned, contents)
    received = told(tokenizer, texts)
    assert not_given_back(tokenizer, texts, received, contents) == []
    whole = [(text[s:e], p) for text, r in zip(read(texts), received, strict=True)
             for p, s, e, _ in r if p in contents]  # fmt: skip
    assert len(whole) > 100
    of_part, of_token = (shown(tokenizer, list(column)) for column in zip(*whole, strict=True))
    assert of_part == of_token


def assert_told(tokenizer, text, expected):
    (row,) = told(tokenizer, [text])
    received = [(piece, text[start:end], word) for piece, start, end, word in row]
    assert [row for row in received if row in expected] == expected, received


def test_bytes():
    """Positions in Python's decoded text, counted in the bytes it was decoded from."""
    texts = [*spans.hard_texts(100, 3, "aé東😀"), b"", b"\xff", "é".encode()]
    decoded = read(texts)
    places = tf.ragged.constant([range(len(text) + 1) for text in decoded], dtype=tf.int32)
    received = to_bytes(tf.constant(texts), places)
    assert received.dtype == tf.int32
    for text, chars, row in zip(texts, decoded, received.to_list(), strict=True):
        assert row[0] == 0 and row[-1] == len(text)
        for place, char in enumerate(chars):
            assert text[row[place] : row[place + 1]].decode("utf-8", "replace") == char
            assert text[: row[place]].decode("utf-8", "replace") == chars[:place]


# ---- in graphs -----------------------------------------------------------------------------------

TEXTS = ["The kettle, hums.", "", " \t", "Zoë's İ café, 東京!", "a" * 5000, " 각 \u200b✓"]


@pytest.mark.parametrize("name", by_default(GRAPHS, GRAPHS[:1]))
def test_in_graphs(name, assigned, reference, tmp_path):
    tokenizer, _ = made(name, assigned, reference)
    expected = told(tokenizer, TEXTS)

    module = tf.Module()
    module.pieces = tf.function(
        lambda texts: tokenizer.pieces(texts)._asdict(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path))
    for function in (module.pieces, tf.saved_model.load(str(tmp_path)).pieces):
        for size in (0, 1, 6):
            found = function(tf.constant(TEXTS[:size], tf.string))
            assert listed(tokenizer, Pieces(**found)) == expected[:size]
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    batches = dataset.batch(4).map(module.pieces)
    assert [row for found in batches for row in listed(tokenizer, Pieces(**found))] == expected
    single = tokenizer.pieces(TEXTS[0])
    assert [column.shape.rank for column in single] == [1] * 4
    assert single.starts.numpy().tolist() == [start for _, start, *_ in expected[0]]


def test_without_a_vocabulary_or_texts(uncased):
    with pytest.raises(ValueError, match=r"no vocabulary yet\. Pass its file"):
        WordPieceTokenizer().pieces(["a"])
    with pytest.raises(TypeError, match="`texts`"):
        uncased.pieces([1])


PARTS = ("a", "a ", ".", "一", "é\u0301", "\u302e\U0001d165", "각", "\0")


@pytest.mark.parametrize("name", GRAPHS[::2])
@pytest.mark.parametrize("part", by_default(PARTS, ("a ", "é\u0301", "\0")))
def test_long_texts_are_not_slow(name, part, assigned, reference):
    """Nor wrong: what a part gives is given again, one part further."""
    text = part * 20_000
    (row,) = told(made(name, assigned, reference)[0], [text])
    shown = [place for _, *place in row if place[0] < place[1]]
    assert shown == [] or (shown[0][0] == 0 and shown[-1][1] == len(text.rstrip()))
