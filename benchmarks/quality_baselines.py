"""Plain baselines of `benchmarks.quality`: (rows to train on, columns) -> answers to these."""

import functools
from collections import Counter, defaultdict

import numpy as np

from benchmarks import materials
from benchmarks.quality_data import label_names
from bert_tf2.data.label_cells import indicators
from bert_tf2.scoring import vectors

SHORT = 128  # numbers of a vector, of the row of short ones


def commonest(train, x):
    commonest = Counter(train.y).most_common(1)[0][0]
    return [commonest] * len(next(iter(x.values())))


def none(train, x):
    return [""] * len(x["question"])


def share_of_each(train, x):
    """Of each label the share of rows that have it."""
    names = label_names(train.y)
    return np.tile(indicators(train.y, names).mean(0), (len(x["text"]), 1))


def words(train, x):
    """Each word's commonest tag; of one that was not seen the commonest of all such: "O"."""
    counts = defaultdict(Counter)
    for words, tags in zip(train.x["words"], train.y, strict=True):
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
    known = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    return [[known.get(word, "O") for word in words] for words in x["words"]]


def _tfidf():
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


def logistic(train, x):
    from sklearn.linear_model import LogisticRegression

    words = _tfidf()
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(words.fit_transform(train.x["text"]), train.y)
    return model.predict(words.transform(x["text"])).tolist()


def on_vectors(train, x):
    """SetFit's head without its training of the encoder."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(_frozen(tuple(train.x["text"])), train.y)
    return model.predict(_frozen(tuple(x["text"]))).tolist()


@functools.cache
def _frozen(texts):
    """The checkpoint's vectors of texts; of what is scored they are asked once a sample."""
    import bert_tf2

    task = bert_tf2.SentenceEncoder.from_preset(materials.minilm_folder())
    return task.encode(list(texts), batch_size=64)


def logistic_each(train, x):
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    words = _tfidf()
    model = OneVsRestClassifier(LogisticRegression(C=10, solver="liblinear"))
    gold = indicators(train.y, label_names(train.y))
    model.fit(words.fit_transform(train.x["text"]), gold)
    return model.predict_proba(words.transform(x["text"]))


def common_words(train, x):
    """The cosine of the two texts' TF-IDF."""
    words = _tfidf().fit([*train.x["text"], *train.x["text_pair"]])
    first, second = (words.transform(x[name]) for name in ("text", "text_pair"))
    return np.asarray(first.multiply(second).sum(1)).ravel().tolist()


def not_trained(train, x):
    from bert_tf2 import SentenceEncoder

    return similarities(SentenceEncoder.from_preset(materials.minilm_folder()), x)


def similarities(task, x):
    """Of each pair the cosine of its vectors, and of their first numbers."""
    texts = [*x["text"], *x["text_pair"]]
    found = task.encode(texts, batch_size=64)
    sides = (np.split(part, 2) for part in (found, found[:, :SHORT]))
    return np.stack([vectors.similarity_pairwise(*side) for side in sides], 1).tolist()
