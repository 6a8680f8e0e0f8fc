"""Long texts cut into passages that a model reads whole, at places where a reader would cut.

Passages follow each other without overlap. One ends before the last heading behind its first
eighth; or else, in its second half, before a blank line, a line, a sentence or a word, the first of
these that is there, and as late as it can.
"""

import re

import numpy as np

from bert_tf2.text.forms import to_strings

AT_ONCE = 256  # texts that are cut into pieces at a time
SENTENCE = re.compile(r"[.!?…。！？][\"'”’)\]]*\s*$")
HEADING, BLANK_LINE, LINE, SENTENCE_END, WORD = 5, 4, 3, 2, 1  # the better places to cut


def passages(tokenizer, texts, room):
    """Where the passages of texts are.

    Args:
        tokenizer: a tokenizer of this package.
        texts: list of str.
        room: int, the tokens that a passage has at most, without special ones.

    Returns:
        of each text a list of (start, end), characters of it; none of a text of white space alone.

    Raises:
        ValueError: `room` below 1.
    """
    if room < 1:
        raise ValueError(f"`room` must be at least 1 token. Received: {room}")
    found = []
    for start in range(0, len(texts), AT_ONCE):
        some = list(texts[start : start + AT_ONCE])
        lengths = tokenizer(to_strings(some)).row_lengths().numpy()
        found += [
            _cut(tokenizer, text, room) if length > room else _whole(text)
            for text, length in zip(some, lengths, strict=True)
        ]
    return found


def _whole(text):
    inner = text.strip()
    start = text.find(inner)
    return [(start, start + len(inner))] if inner else []


def _cut(tokenizer, text, room):
    starts, ends, words = (x.numpy() for x in tokenizer.pieces(text)[1:])
    found, begin = [], 0
    while begin < len(starts):
        end = min(begin + room, len(starts))
        if end < len(starts):
            least = min(max(room // 8, 1), room - 1)
            places = np.arange(end, begin + least, -1)  # the latest first
            worth = np.array([_worth(text, starts, ends, words, place) for place in places])
            worth[(places <= begin + room // 2) & (worth < HEADING)] = -1
            end = int(places[int(np.argmax(worth))])
        if ends[end - 1] > starts[begin]:
            found.append((int(starts[begin]), int(ends[end - 1])))
        begin = end
    return found


def _worth(text, starts, ends, words, place):
    """How good it is to cut before a piece."""
    before, after = ends[place - 1], starts[place]
    gap = text[before:after]
    if "\n" in gap:
        is_blank = gap.count("\n") > 1
        return HEADING if text[after : after + 1] == "#" else BLANK_LINE if is_blank else LINE
    if gap and SENTENCE.search(text[max(before - 4, 0) : before]):
        return SENTENCE_END
    return WORD if words[place] != words[place - 1] else 0
