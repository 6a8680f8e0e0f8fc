"""Words of a domain that a vocabulary lacks."""

import numpy as np

from bert_tf2.data.corpus import learning
from bert_tf2.data.corpus.learning import count_words

LEAST = 5


def propose_words(corpus, tokenizer, count, least=LEAST, processes=1):
    """The words of a corpus that spare most pieces when they become one.

    Args:
        corpus: `data.corpus.parts.Corpus`.
        tokenizer: the tokenizer of the model, WordPiece or SentencePiece.
        count: int, the most words.
        least: int, how often a word must stand in the corpus.
        processes: int, how many count words at once.

    Returns:
        dict of str to int: each word and how many pieces it spares, the most first. Words without a
        letter, and those that hold one the vocabulary does not know, are none.
    """
    lowercase = getattr(tokenizer, "lowercase", False)
    counts = count_words(corpus, lowercase, processes)
    words = [w for w, n in sorted(counts.items()) if n >= least and any(map(str.isalpha, w))]
    found = {}
    for at in range(0, len(words), learning.SENTENCES_AT_ONCE):
        some = words[at : at + learning.SENTENCES_AT_ONCE]
        ids = tokenizer(some)
        known = ~np.array([tokenizer.unknown_token_id in row for row in ids.to_list()])
        for word, size, fits in zip(some, ids.row_lengths().numpy(), known, strict=True):
            if fits and size > 1:
                found[word] = int(counts[word] * (size - 1))
    best = sorted(found, key=lambda word: (-found[word], word))[:count]
    return {word: found[word] for word in best}
