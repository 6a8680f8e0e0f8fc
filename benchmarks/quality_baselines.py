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


def _features(words, x):
    """TF-IDF of texts; of pairs that of both, and what they share."""
    first = words.transform(x["text"])
    if "text_pair" not in x:
        return first
    from scipy.sparse import hstack

    second = words.transform(x["text_pair"])
    return hstack([first, second, first.multiply(second)]).tocsr()


def _logistic(x, y):
    """-> a function, columns -> (the classes, the probability of each a row)."""
    from sklearn.linear_model import LogisticRegression

    words = _tfidf().fit([*x["text"], *x.get("text_pair", ())])
    model = LogisticRegression(C=10, max_iter=1000).fit(_features(words, x), y)
    return lambda x: (model.classes_, model.predict_proba(_features(words, x)))


def logistic(train, x):
    names, shares = _logistic(train.x, train.y)(x)
    return names[shares.argmax(1)].tolist()


def logistic_choices(train, x):
    """Each choice with its text is a pair, right or not; the one that is the likeliest right."""
    right = [
        i == y for c, y in zip(train.x["choices"], train.y, strict=True) for i in range(len(c))
    ]
    _, shares = _logistic(_choices(train.x), right)(_choices(x))
    ends = np.cumsum([len(choices) for choices in x["choices"]])[:-1]
    return [int(part.argmax()) for part in np.split(shares[:, 1], ends)]


def _choices(x):
    rows = [(t, one) for t, c in zip(x["text"], x["choices"], strict=True) for one in c]
    return dict(zip(("text", "text_pair"), map(list, zip(*rows, strict=True)), strict=True))


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
