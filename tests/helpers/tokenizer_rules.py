"""The rules around SentencePiece in ALBERT and XLM-R, and GPT-2's byte-level BPE, in plain Python.

Written from what google-research/albert `tokenization.py`, fairseq and openai/gpt-2 `encoder.py`
do, as oracles for the graph operations. SentencePiece itself is the `sentencepiece` package, passed
in.
"""

import functools
import itertools
import unicodedata

UNDERLINE = "▁"  # SentencePiece's sign for a space
WHITE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
WHITE += "\u2028\u2029\u202f\u205f\u3000"  # Unicode's White_Space, which is \s in GPT-2's pattern
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


# --- ALBERT and XLM-R. ----------------------------------------------------------------------------


def albert_cleaned(text, lowercase=True, keep_accents=False, straighten_quotes=False):
    text = " ".join(text.split())
    if straighten_quotes:
        text = text.replace("``", '"').replace("''", '"')
    if not keep_accents:
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    return text.lower() if lowercase else text


def albert_pieces(model, text):
    """The pieces of cleaned text; those such as "▁2010," are cut again without their comma."""
    pieces = []
    for piece in model.encode_as_pieces(text):
        if len(piece) < 2 or piece[-1] != "," or not piece[-2].isdigit():
            pieces.append(piece)
            continue
        again = model.encode_as_pieces(piece[:-1].replace(UNDERLINE, ""))
        if not piece.startswith(UNDERLINE) and again[0].startswith(UNDERLINE):
            again[0] = again[0][1:]
        pieces += [part for part in again if part] + [","]
    return pieces


def albert_ids(model, text, **settings):
    return [model.piece_to_id(p) for p in albert_pieces(model, albert_cleaned(text, **settings))]


def fairseq_ids(model, text):
    """<s> 0, <pad> 1, </s> 2, <unk> 3, and each piece of the text at its number plus one."""
    return [3 if i == model.unk_id() else i + 1 for i in model.encode_as_ids(text)]


# --- GPT-2 and RoBERTa. ---------------------------------------------------------------------------


def _kind(char):
    if char in WHITE:
        return "white"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(char)[0], "other")


def gpt2_words(text):
    """The parts that GPT-2's pattern finds: together they are the text."""
    words, start = [], 0
    while start < len(text):
        end = _word_end(text, start)
        words.append(text[start:end])
        start = end
    return words


def _word_end(text, start):
    for contraction in CONTRACTIONS:
        if text.startswith(contraction, start):
            return start + len(contraction)
    body = start + (text[start] == " ")
    if body < len(text) and _kind(text[body]) != "white":
        return _run_end(text, body)
    end = _run_end(text, start)  # white space: its last character is the next word's, if one comes
    return end - 1 if end < len(text) and end - start > 1 else end


def _run_end(text, start):
    end = start
    while end < len(text) and _kind(text[end]) == _kind(text[start]):
        end += 1
    return end


@functools.cache
def byte_letters():
    """GPT-2's letter for each byte: printable ones are themselves, the rest from U+0100 on."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + n) for n, b in enumerate(rest)}


def bpe(word, ranks):
    """Bytes of a word, as letters, merged: the pair of lowest rank first, all of them at once."""
    letters = byte_letters()
    parts = [letters[byte] for byte in word.encode("utf-8")]
    while True:
        pairs = list(itertools.pairwise(parts))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)), default=None)
        if best not in ranks:
            return parts
        merged, rest = [], parts
        while rest:
            size = 2 if tuple(rest[:2]) == best else 1
            merged.append("".join(rest[:size]))
            rest = rest[size:]
        parts = merged


def gpt2_pieces(text, ranks, add_prefix_space=False):
    if add_prefix_space and text and not text.startswith(" "):
        text = f" {text}"
    return [piece for word in gpt2_words(text) for piece in bpe(word, ranks)]
