"""Where long texts are cut, and that nothing is lost there."""

from pathlib import Path

import pytest

from bert_tf2 import WordPieceTokenizer
from bert_tf2.text.passages import passages

VOCABULARY = Path(__file__).parents[1] / "reference" / "own_fixture" / "vocab_uncased.txt"
TOKENIZER = WordPieceTokenizer(VOCABULARY, lowercase=True)
WORDS = "rain stone tea the kettle hums letter late"
TEXTS = {
    "sentences": "The kettle hums. Tea, stone and rain. " * 9,
    "lines": "rain stone tea\nkettle hums. late letter\n" * 6,
    "paragraphs": "rain stone tea. kettle\nhums late\n\n" * 6,
    "words": f"{WORDS} " * 6,
    "one word": "unbreakable" * 8,
    "other letters": "Ünïcödé 茶水 и чай 🫖 " * 8,
}
ENDS = {
    "sentences": ".",
    "lines": ("tea", "letter"),
    "paragraphs": "late",
    "words": tuple(WORDS.split()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_passages_hold_all_of_a_text(name):
    text, room = TEXTS[name], 16
    found = passages(TOKENIZER, ["rain", text], room)[1]
    assert len(found) > 2
    last = 0
    for start, end in found:
        assert not text[last:start].strip()
        assert text[start:end].strip() == text[start:end]
        assert name == "one word" or len(TOKENIZER([text[start:end]])[0]) <= room
        last = end
    assert not text[last:].strip()
    for start, end in found[:-1]:
        assert text[start:end].endswith(ENDS.get(name, ""))


@pytest.mark.parametrize("room", [1, 2, 3])
def test_passages_of_few_tokens(room):
    text = "tea the hums letter late"  # a token each
    (found,) = passages(TOKENIZER, [text], room)
    assert [text[start:end].count(" ") + 1 for start, end in found[:-1]] == [room] * (4 // room)
    assert " ".join(text[start:end] for start, end in found) == text


def test_a_heading_stands_before_its_text():
    text = "stone rain tea late letter\n\n# tea\n\nrain stone kettle hums late rain stone\n"
    (first, second), *_ = passages(TOKENIZER, [text], 9)[0]
    assert text[first:second] == "stone rain tea late letter"


def test_short_texts_are_one_passage():
    assert passages(TOKENIZER, [" rain\n", "", " \n"], 4) == [[(1, 5)], [], []]
    with pytest.raises(ValueError, match="`room` must be at least 1"):
        passages(TOKENIZER, ["rain"], 0)
