"""Where pieces stand, in plain Python: each character carries its place along, as no graph does.

All take str, which has U+FFFD where bytes were no UTF-8, and give (piece, start, end, word) each.
"""

import codecs
import itertools
import random
import unicodedata

import tokenizer_rules as rules
from tokenizer_rules import UNDERLINE

CJK = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
]  # fmt: skip


def is_chinese(char):
    return any(low <= ord(char) <= high for low, high in CJK)


def is_punctuation(char):
    ascii_symbol = 33 <= ord(char) <= 126 and not char.isalnum()
    return ascii_symbol or unicodedata.category(char).startswith("P")


def numbers(text):
    """The number of each character's word, and of white space that of the word before it."""
    number, word, open_ = [], -1, False
    for char in text:
        alone = is_punctuation(char) or is_chinese(char)
        if not char.isspace() and (alone or not open_):
            word += 1
        open_ = not char.isspace() and not alone
        number.append(max(word, 0))
    return number


def rows(text, found):
    """Adds the words to (piece, start, end)."""
    number = numbers(text)
    return [(p, s, e, number[min(s, len(text) - 1)]) for p, s, e in found]


# --- WordPiece. -----------------------------------------------------------------------------------


def wordpiece(text, vocabulary, lowercase=True, strip=True, chinese=True, most=200):
    found = []
    for word in _words(text, lowercase, strip, chinese):
        letters = "".join(char for char, *_ in word)
        place = 0
        for piece in longest_first(letters, vocabulary, most):
            size = len(letters) if piece == "[UNK]" else len(piece.removeprefix("##"))
            part = word[place : place + size]
            end = max(end for _, _, end in part)
            if strip:
                while text[end : end + 1] and unicodedata.category(text[end]) == "Mn":
                    end += 1
            found.append((piece, min(start for _, start, _ in part), end))
            place += size
    return rows(text, found)


def longest_first(word, vocabulary, most=200):
    """The longest piece first, left to right; all of the word or [UNK]."""
    pieces, start = [], 0
    while start < len(word) <= most:
        for end in range(len(word), start, -1):
            piece = "##" * (start > 0) + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces or ["[UNK]"]


def _words(text, lowercase, strip, chinese):
    """Words as lists of (character, start, end): `BasicTokenizer`, one character at a time."""
    chars = []
    for place, char in enumerate(text):
        category = unicodedata.category(char)
        if char in "\t\n\r\u2028\u2029" or category == "Zs":
            chars.append((" ", place, place + 1))
        elif char not in "\0\ufffd" and category not in ("Cc", "Cf"):
            spaced = f" {char} " if chinese and is_chinese(char) else char
            chars += [(c, place, place + 1) for c in spaced]
    if lowercase:
        lowered = "".join(c for c, *_ in chars).lower()  # as a whole: of sigmas the last differs
        sizes = [len(c.lower()) for c, *_ in chars]
        ends = list(itertools.accumulate(sizes))
        chars = [
            (low, *place)
            for (_, *place), size, end in zip(chars, sizes, ends, strict=True)
            for low in lowered[end - size : end]
        ]
    if strip:
        chars = _decomposed(chars)
    spaced = []
    for char in chars:
        space = [(" ", 0, 0)] if is_punctuation(char[0]) else []
        spaced += [*space, char, *space]
    groups = itertools.groupby(spaced, lambda char: char[0] == " ")
    return [list(group) for is_space, group in groups if not is_space]


def _decomposed(chars):
    """NFD, whose sorted marks are wherever any of their run was, and no nonspacing marks."""
    chars = [(d, *place) for c, *place in chars for d in unicodedata.normalize("NFD", c)]
    runs = itertools.groupby(chars, lambda char: unicodedata.combining(char[0]) > 0)
    found = []
    for is_run, run in runs:
        run = list(run)
        if is_run:
            run.sort(key=lambda char: unicodedata.combining(char[0]))
        run = [char for char in run if unicodedata.category(char[0]) != "Mn"]
        if is_run and len(run) > 1:
            place = min(s for _, s, _ in run), max(e for *_, e in run)
            run = [(char, *place) for char, *_ in run]
        found += run
    return found


# --- Bytes. ---------------------------------------------------------------------------------------


def bytepair(text, ranks, add_prefix_space=False):
    byte_of = {letter: byte for byte, letter in rules.byte_letters().items()}
    owners = [i for i, char in enumerate(text) for _ in char.encode()]
    if add_prefix_space and text and not text.startswith(" "):
        owners = [None, *owners]
    found, place = [], 0
    for piece in rules.gpt2_pieces(text, ranks, add_prefix_space):
        size = len(bytes(byte_of[letter] for letter in piece))
        mine = [i for i in owners[place : place + size] if i is not None and not text[i].isspace()]
        place += size
        if mine:
            found.append((piece, mine[0], mine[-1] + 1))
            continue
        later = [i for i in owners[place:] if i is not None and not text[i].isspace()]
        found.append((piece, *[later[0] if later else len(text)] * 2))
    return rows(text, found)


# --- SentencePiece. -------------------------------------------------------------------------------

_BAD = "\udc00"  # stands for bytes that are no UTF-8, which are dropped
codecs.register_error("bad", lambda error: (_BAD, error.end))


def sentencepiece(text, pieces, known, unknown, settings=None):
    """Of a model that normalizes nothing, given its pieces.

    Args:
        text: bytes.
        known: the characters that are in pieces; unknown: the piece of a run of all others.
        settings: ALBERT's, `keep_accents` and so on; None for text that goes in as it is.
    """
    raw = text.decode("utf-8", "bad")
    text = raw.replace(_BAD, "\ufffd")
    chars = [(char, place) for place, char in enumerate(raw) if char != _BAD]
    dropped = set()
    if settings is not None:
        chars, dropped = _albert_cleaned(chars, **settings)
    word = itertools.accumulate(char in (" ", UNDERLINE) for char, _ in chars)
    chars = [(*char, number) for char, number in zip(chars, word, strict=True)]
    chars = [char for char in chars if char[0] not in (" ", UNDERLINE)]
    found, at = [], 0
    for piece in pieces:
        size = len(piece.replace(UNDERLINE, ""))
        if piece == unknown:
            rest = [c for c, _, w in chars[at:] if w == chars[at][2]]
            size = next((n for n, c in enumerate(rest) if c in known), len(rest))
        part = [char for char in chars[at : at + size] if not char[0].isspace()]
        at += size
        if not part:
            place = next((place for c, place, _ in chars[at:] if not c.isspace()), len(text))
            found.append((piece, place, place))
            continue
        end = part[-1][1] + 1
        while end in dropped:
            end += 1
        found.append((piece, part[0][1], end))
    assert at == len(chars)
    return rows(text, found)


def _albert_cleaned(chars, lowercase=True, keep_accents=False, straighten_quotes=False):
    """`preprocess_text` with places, and those of the marks and quotes that it drops."""
    quotes, kept = set(), []
    for char, place in chars:
        char = " " if char.isspace() else char
        pair = straighten_quotes and char in "`'" and kept and kept[-1][0] == char
        if pair:
            quotes |= {*range(kept[-1][1] + 1, place + 1)}
            kept[-1] = ('"', kept[-1][1])
        else:
            kept.append((char, place))
    if not keep_accents:
        kept = [(d, at) for c, at in kept for d in unicodedata.normalize("NFKD", c)]
        kept = [(d, at) for d, at in kept if not unicodedata.combining(d)]
    if lowercase:
        kept = [(low, place) for char, place in kept for low in char.lower()]
    left = {place for _, place in kept}
    marks = {at for c, at in chars if at not in left and unicodedata.category(c)[0] == "M"}
    return kept, marks | quotes


# --- Texts. ---------------------------------------------------------------------------------------

MARKS = "\u0301\u0323\u034f\u0345\u302e\u302f\U0001d165\U0001d16d\ua9c0\u094d\u093f\ufe0f\u3099"
SORTED = {c for c in MARKS if unicodedata.combining(c) and unicodedata.category(c) != "Mn"}
HARD = (
    "\0\t\n\v\f\r\x1c\x1f\x7f\x85\xa0\xad\u1680\u200b\u200d\u2003\u2028\u2029\u202e\u3000\ufeff"
    "\ufffdİıΣςßẞﬁÅ½™…Ａ\u037e\u0387\u1fef≠각ᄀ가ǅǆ①²㎏ﷺÉñéＡ，。「」–$^`'~·々〇㐀丽﨑\ue000\U0001d15e\U0001d160"
    "👩‍👩‍👧🇫🇷👍🏽▁"
)
BAD = [b"\xff", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80"]


def hard_texts(count, seed, assigned, whole=()):
    """list of bytes: words, marks, emoji, controls, other scripts and bytes that are no UTF-8.

    Args:
        assigned: str, of which any character may come.
        whole: strings that come as they are, such as added tokens.
    """
    draw = random.Random(seed)
    words = [
        "the",
        "Kettle",
        "hums.",
        "it's",
        "unable",
        "2010,",
        "``quoted''",
        "9,",
        "a",
        "C",
        "Über",
    ]
    kinds = [
        lambda: draw.choice(words).encode(),
        lambda: " ",
        lambda: " ",
        lambda: draw.choice(HARD),
        lambda: "".join(draw.choices(MARKS, k=draw.randint(1, 4))),
        lambda: draw.choice(assigned),
        lambda: draw.choice(BAD),
        lambda: draw.choice(whole or "'`"),
        lambda: chr(draw.randint(0x4E00, 0x9FFF)),
        lambda: draw.choice("abe,.'`2é"),
    ]
    texts = []
    for _ in range(count):
        parts = [draw.choice(kinds)() for _ in range(draw.randint(0, 12))]
        parts = [part if isinstance(part, bytes) else part.encode() for part in parts]
        texts.append(b"".join(parts))
    return texts
