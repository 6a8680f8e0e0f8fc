"""Words beside vectors: BM25 (Robertson & Zaragoza 2009), and one ranking of several.

Needs the package `bm25s` for words alone.
"""

import functools
import re
import unicodedata

import numpy as np

from bert_tf2 import files
from bert_tf2.messages import shorten

# Signs of Chinese and Hiragana, each a word, as between these there are no spaces.
SIGNS = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
SIGN = re.compile(f"[{SIGNS}]")
RULE = "2"  # by which texts are parted into words: what is kept is of it
K = 60  # of Cormack, Clarke & Büttcher 2009, who introduced the fusion


def reciprocal_rank_fusion(rankings, top_k=None, k=K):
    """One ranking of several: each gives 1 / (k + rank), of ranks from 1, to what it ranks.

    Args:
        rankings: list of int arrays (r,), numbers in their order, the best first; negative ones
            stand for nothing.
        top_k: how many of the best to give; default all.
        k: what evens out the first ranks, above 0.

    Returns:
        int64 (n,), the numbers in their order, of equal scores the lower first; and float32 (n,),
        their scores.

    Raises:
        ValueError: a number that is twice in a ranking, or another `k`.
    """
    if not k > 0:
        raise ValueError(f"`k` must be above 0. Received: {shorten(k)}")
    found = {}
    for ranking in rankings:
        ranked = [int(i) for i in np.asarray(ranking, "int64").tolist() if i >= 0]
        if len({*ranked}) < len(ranked):
            raise ValueError(f"`rankings` must not name one twice. Received: {shorten(ranked)}")
        for rank, i in enumerate(ranked, 1):
            found[i] = found.get(i, 0.0) + 1 / (k + rank)
    ids, scores = np.array([*found], "int64"), np.array([*found.values()])
    order = np.lexsort((ids, -scores))[:top_k]
    return ids[order], scores[order].astype("float32")


@functools.cache
def _marks():
    """What stands on letters, as vowels of Hindi do. -> set of str"""
    every = map(chr, range(0x300, 0x20000))
    return {mark for mark in every if unicodedata.category(mark)[0] == "M"}


@functools.cache
def word_pattern():
    """What a word is: letters, digits and their marks in a row, or one of `SIGNS`."""
    marks = "".join(sorted(_marks()))
    return re.compile(rf"[{SIGNS}]|[^\W{SIGNS}](?:[^\W{SIGNS}]+|[{marks}]+)*")


def words(text):
    """A text's words for BM25, see `word_pattern`, in one case and one form. -> list of str"""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    text = text.casefold()
    if text.isascii() or (not SIGN.search(text) and _marks().isdisjoint(text)):
        return re.findall(r"\w+", text)  # the same in a fifth of the time
    return word_pattern().findall(text)


class WordIndex:
    """BM25 over texts, with Lucene's formula, k1 = 1.5 and b = 0.75.

    Args:
        texts: list of str.

    Raises:
        ImportError: `bm25s` is not installed.
        ValueError: no text has a word.
    """

    def __init__(self, texts):
        library, tokens = _library(), [words(text) for text in texts]
        if not any(tokens):
            raise ValueError("A text or more must have words. Received: none")
        self.index = library.BM25(method="lucene", k1=1.5, b=0.75)
        self.index.index(tokens, show_progress=False)

    def save(self, folder):
        """Writes what `opened` reads into a folder."""
        self.index.save(folder, show_progress=False)

    @classmethod
    def opened(cls, folder, texts):
        """That in a folder, of so many texts, whose arrays stay on the disk.

        Raises:
            ImportError: `bm25s` is not installed.
            ValueError: it is of another number of texts; and whatever a damaged one has the
                package raise.
        """
        found = cls.__new__(cls)
        files.check_tree(folder)
        found.index = _library().BM25.load(folder, mmap=True, show_progress=False)
        if (held := found.index.scores["num_docs"]) != texts:
            raise ValueError(f"{folder} must be of {texts} texts. Received: {held}")
        return found

    def nearest(self, query, top_k):
        """The texts that share words with a query.

        Args:
            query: str. top_k: int, how many of the best at most.

        Returns:
            float32 (r,), scores in falling order, all above 0, and int64 (r,), the texts; of equal
            scores the lower first.
        """
        asked = [*dict.fromkeys(words(query))]
        scores = np.asarray(self.index.get_scores(asked), "float32") if asked else np.zeros(0, "f")
        there = np.flatnonzero(scores > 0)
        order = there[np.lexsort((there, -scores[there]))][:top_k]
        return scores[order], order


def _library():
    try:
        import bm25s
    except ImportError as error:
        raise ImportError(
            "Ranking by words needs the package bm25s: pip install bm25s, or this project with its "
            "extra `search`."
        ) from error
    return bm25s
