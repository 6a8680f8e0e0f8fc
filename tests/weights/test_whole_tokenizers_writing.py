"""The tokenizer.json of a tokenizer of ours cuts text in the `tokenizers` package as ours does."""

import json
import random
import unicodedata
from pathlib import Path

import pytest
import tensorflow as tf
import tokenizers
from by_default import by_default

from bert_tf2 import BytePairTokenizer, Preprocessor, SentencePieceTokenizer, WordPieceTokenizer
from bert_tf2.weights.whole_tokenizers_writing import whole_of

REFERENCE = Path(__file__).parents[1] / "reference"
OWN, KINDS = REFERENCE / "own_fixture", REFERENCE / "tokenizers"
UNCASED = OWN / "vocab_uncased.txt"
HARD = [
    *(
        "",
        "  ",
        " a  b ",
        "\t",
        "ΟΔΟΣ ΣΑΣ Σ. Σ'Α we.Σ\u0301 Σ水",
        "a\x00b\ufffdc\x1b",
        "\ue000 private",
    ),
    *("你好 world", "👩‍👩‍👧 family", "naïve CAFÉ e\u0301", "x" * 300, "[CLS] [MASK] <mask> </s>"),
    *("\u2028 line\u2029sep", "İstanbul ǅ", "2010, 1999,", "``quoted''", "\U0002b830\U0002b900x"),
    *(
        "ﬁ ligature ½",
        "it's  they'll\n\nnow",
        "\u3000wide\u3000",
        "1,000.50!?",
        "a\u200bb",
        "a <name> b[unused0]",
    ),
]
TOKENIZERS = {
    "uncased": lambda: WordPieceTokenizer(UNCASED),
    "cased": lambda: WordPieceTokenizer(OWN / "vocab_cased.txt", lowercase=False),
    "accents kept": lambda: WordPieceTokenizer(UNCASED, strip_accents=False),
    "no Chinese words": lambda: WordPieceTokenizer(
        UNCASED, tokenize_chinese_chars=False, max_word_chars=100
    ),
    "added tokens": lambda: WordPieceTokenizer(
        UNCASED, added_tokens=[{"content": "<name>", "id": 874, "rstrip": True}, "[unused0]"]
    ),
    "pairs of bytes": lambda: BytePairTokenizer(KINDS / "vocab.json", KINDS / "merges.txt"),
    "with a space before": lambda: BytePairTokenizer(
        KINDS / "vocab.json", KINDS / "merges.txt", add_prefix_space=True
    ),
    "albert": lambda: SentencePieceTokenizer(KINDS / "spiece.model"),
    "albert, cased": lambda: SentencePieceTokenizer(
        KINDS / "spiece.model", lowercase=False, keep_accents=True, straighten_quotes=True
    ),
    "xlm_roberta": lambda: SentencePieceTokenizer(
        KINDS / "sentencepiece.bpe.model", family="xlm_roberta"
    ),
}


def written(tokenizer, max_length=20, masked=False):
    roles = ("pad", "unknown", "cls", "sep", *(["mask"] if masked else []))
    pieces = {role: tokenizer.special_pieces[role] for role in roles}
    special = {role: (piece, tokenizer.token_to_id(piece)) for role, piece in pieces.items()}
    whole = whole_of(tokenizer.source(), special, max_length)
    return tokenizers.Tokenizer.from_str(json.dumps(whole))


def random_texts(count):
    rng = random.Random(0)
    known = (c for c in map(chr, range(0x30000)) if unicodedata.ucd_3_2_0.category(c)[0] in "LNPSZ")
    known, words = [*known], (OWN / "text.txt").read_text("utf-8").split()
    some = "ΣσςΑα'.,!? \t\n12345abcABCéÉ`\u00a0\u3000\u200b你好日本\U0001f600\u0301"
    makes = (lambda: rng.choice(words) + " " * rng.randrange(2), lambda: rng.choice(known))
    makes += (lambda: rng.choice(some), makes[0])
    return ["".join(rng.choice(makes)() for _ in range(rng.randrange(30))) for _ in range(count)]


@pytest.mark.parametrize("name", by_default(TOKENIZERS, ["uncased", "pairs of bytes", "albert"]))
def test_ids_are_equal(name):
    tokenizer = TOKENIZERS[name]()
    texts = HARD + random_texts(300)
    theirs = written(tokenizer)
    theirs.no_truncation()
    theirs.no_padding()
    ours = tokenizer(tf.constant(texts)).to_list()
    for text, ids in zip(texts, ours, strict=True):
        assert theirs.encode(text, add_special_tokens=False).ids == ids, (name, text)


@pytest.mark.parametrize("name", ["cased", "pairs of bytes", "xlm_roberta"])
def test_rows_are_packed_as_ours(name):
    """Special pieces, segments, the cut of long texts, and padding."""
    tokenizer = TOKENIZERS[name]()
    preprocessor, theirs = Preprocessor(tokenizer, 20), written(tokenizer)
    pairs = [("The kettle hums.", "rain"), ("tea " * 40, "a stone"), ("a", "b")]
    singles = [text for text, _ in pairs]
    for asked, given in ((singles, singles), (pairs, tuple(map(list, zip(*pairs, strict=True))))):
        rows, want = theirs.encode_batch(asked), preprocessor(given)
        assert [row.ids for row in rows] == want["token_ids"].numpy().tolist()
        assert [row.attention_mask for row in rows] == want["padding_mask"].numpy().tolist()
        assert [row.type_ids for row in rows] == want["segment_ids"].numpy().tolist()


@pytest.mark.parametrize("name", ["cased", "pairs of bytes", "xlm_roberta"])
def test_the_mask_is_found_where_it_is_asked_for(name):
    tokenizer = TOKENIZERS[name]()
    mask, index = (
        tokenizer.special_pieces["mask"],
        tokenizer.token_to_id(tokenizer.special_pieces["mask"]),
    )
    assert index in written(tokenizer, masked=True).encode(f"The {mask} hums.").ids
    assert index not in written(tokenizer).encode(f"The {mask} hums.").ids
