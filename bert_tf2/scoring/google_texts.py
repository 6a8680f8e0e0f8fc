"""Texts of answers as run_squad.py makes them: words of the context, cut to what was tokenized.

It joins words by single spaces, cuts by comparing letters, and gives whole words where these do not
agree. `context[start:end]` needs none of this; here is how to get the very same strings.
From google-research/bert, `run_squad.py` (`read_squad_examples`, `get_final_text`).
"""

import re

WORDS = re.compile("[^ \t\r\n\u202f]+")


class GoogleTexts:
    """The texts of answers, for `nbest.nbest`.

    Args:
        logits: a `nbest.Logits`.
        tokens: function of a window's number to its tokens, a list of str.
        contexts: list of n str.
        basic: function of a list of words to that of their basic tokens (WordPiece's, before they
            are cut into pieces), joined by spaces.
    """

    def __init__(self, logits, tokens, contexts, basic):
        self.logits, self.tokens = logits, tokens
        self.words = [[(m.start(), m.group()) for m in WORDS.finditer(text)] for text in contexts]
        every = sorted({word for words in self.words for _, word in words})
        self.basic = dict(zip(every, basic(every), strict=True))

    def __call__(self, window, first, last):
        tokens = " ".join(self.tokens(window)[first : last + 1])
        tokens = " ".join(tokens.replace(" ##", "").replace("##", "").split())
        begins = self.logits.begins[window, [first, last]]
        words = self.words[self.logits.rows[window]]
        number = [sum(start <= place for start, _ in words) - 1 for place in begins]
        words = [word for _, word in words[number[0] : number[1] + 1]]
        basic = " ".join(filter(None, map(self.basic.get, words)))
        return final_text(tokens, " ".join(words), basic)


def final_text(predicted, original, basic):
    """The part of `original` whose tokens are `predicted`; or all of it.

    Args:
        predicted: str, tokens joined by spaces.
        original: str, words joined by spaces.
        basic: str, the basic tokens of these, joined by spaces.
    """
    begin = basic.find(predicted)
    if begin < 0:
        return original
    ours, theirs = ([i for i, char in enumerate(x) if char != " "] for x in (original, basic))
    ends = begin, begin + len(predicted) - 1
    if len(ours) != len(theirs) or not set(ends) <= set(theirs):
        return original
    start, end = (ours[theirs.index(place)] for place in ends)
    return original[start : end + 1]
