"""The part of a passage to show for a query."""

import re

from bert_tf2.search.fusion import SIGN, word_pattern, words

BEGINS = re.compile(r"(?:^|(?<=[.!?])\s+|\n+)(?=\S)")  # of sentences and lines
COMMON = 3  # letters of words that tell little: "the", "is"
STEM = 4  # letters that two words share which stand for each other: "killed", "kill"


def excerpt(text, query, width=240):
    """Where the part is that holds most of a query's words.

    Args:
        text: str, a passage. query: str.
        width: its characters at most.

    Returns:
        (start, end), characters of the text: from the beginning of a sentence or a line, up to the
        end of a word. Of equal parts the first.
    """
    if len(text) <= width:
        return 0, len(text)
    asked, last = _stems(query), len(text) - width
    starts = sorted({0, *(match.end() for match in BEGINS.finditer(text))})
    starts = [start for start in starts if start <= last]
    found = max(starts, key=lambda start: len(asked & _stems(text[start : start + width])))
    end = found + width
    if end < len(text):
        end = max(text.rfind(" ", found, end), text.rfind("\n", found, end), found + width // 2)
    return found, end


def marked(text, query, mark):
    """A text with a query's words put through `mark`, a function of str."""
    asked = _stems(query)
    return word_pattern().sub(lambda m: mark(m[0]) if _stems(m[0]) & asked else m[0], text)


def _stems(text):
    """How words that tell something begin; a sign tells by itself. -> set of str"""
    return {w[:STEM] for w in words(text) if len(w) > COMMON or SIGN.match(w)}
