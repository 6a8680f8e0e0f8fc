"""What all-MiniLM-L6-v2 is worth on real data, from raw strings through the exported SavedModel."""

import re

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

import bert_tf2
from bert_tf2.data import glue
from bert_tf2.tasks import evaluators

pytestmark = pytest.mark.full
BATCH = 64


@pytest.fixture(scope="module")
def embed(minilm, tmp_path_factory):
    """list of str -> float32 (n, 384), by the SavedModel; alike lengths together."""
    task = bert_tf2.SentenceEncoder.from_preset(minilm)
    folder = task.export(tmp_path_factory.mktemp("served"))
    signature = tf.saved_model.load(folder).signatures["serving_default"]

    def of(texts):
        found, order = np.empty((len(texts), 384), "float32"), np.argsort([*map(len, texts)])
        for rows in np.array_split(order, -(-len(texts) // BATCH)):
            found[rows] = signature(text=tf.constant([texts[i] for i in rows]))["embedding"]
        return found

    return of


def test_sts(embed, assets):
    """The published figure of the test file, which is not among the assets, is 0.8203: `verify`."""
    rows = glue.read_glue(assets / "datasets" / "glue", "STS-B", "dev")
    found = evaluators.embedding_similarity(Served(embed), rows.texts, rows.pairs, rows.labels)
    assert found["spearman_cosine"] == pytest.approx(0.8672, abs=2e-4)


def cranfield(folder):
    """-> abstracts and queries by id, and for each query the ids of abstracts that are relevant."""
    parts = (folder / "cran.all.1400").read_text().split(".I ")[1:]
    found = [re.match(r"(\d+)\s+\.T\n(.*?)\.A\n.*?\.W\n(.*)", part, re.S) for part in parts]
    texts = [" ".join(f"{title} {text}".split()) for _, title, text in (m.groups() for m in found)]
    queries = (folder / "cran.qry").read_text().split(".I ")[1:]
    queries = [" ".join(query.split(".W\n")[1].split()) for query in queries]
    relevant = {}
    for line in (folder / "cranqrel").read_text().splitlines():
        query, text, code = map(int, line.split())
        if 1 <= code <= 4:
            relevant.setdefault(query, set()).add(text)
    return dict(enumerate(texts, 1)), dict(enumerate(queries, 1)), relevant


def test_cranfield(embed, assets):
    corpus, queries, relevant = cranfield(assets / "datasets" / "cranfield")
    assert (len(corpus), len(queries)) == (1400, 225)
    found = evaluators.information_retrieval(Served(embed), queries, corpus, relevant)
    found = [found[f"cosine_{name}@10"] for name in ("ndcg", "mrr", "recall")]
    # sentence-transformers 6.2.0 has 0.39981, 0.53804, 0.41639. One text more or less among the
    # ten of one query is up to 2e-3.
    assert found == pytest.approx((0.3998, 0.5380, 0.4164), abs=5e-4)


class Served:
    """What evaluators ask of an encoder, of the SavedModel."""

    similarity_fn_name = "cosine"

    def __init__(self, embed):
        self.encode = self.encode_query = self.encode_document = embed


def test_features_and_a_linear_classifier(minilm, assets):
    """The well-known first exercise: what a frozen layer knows of 2 000 reviews."""
    vec = bert_tf2.SentenceEncoder.from_preset(minilm)
    train, dev = (
        glue.read_glue(assets / "datasets" / "glue", "SST-2", s) for s in ("train", "dev")
    )
    head = LogisticRegression(max_iter=1000)
    head.fit(vec.features(train.texts[:2000], layers=-2), train.labels[:2000])
    accuracy = head.score(vec.features(dev.texts, layers=-2), dev.labels)
    print(f"accuracy {accuracy:.4f}")
    assert accuracy > 0.76  # 0.7764
