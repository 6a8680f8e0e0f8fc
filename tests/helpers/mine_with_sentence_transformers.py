"""Mining, paraphrases and clusters of sentence-transformers, on vectors that it is given.

    python mine_with_sentence_transformers.py '{"table": {text: [number, …]}, "calls": […], …}'

Where the `datasets` package is absent, a stand-in of the few lines that are asked of it takes its
place: columns by name, and how often each anchor is there.
"""

import importlib.machinery
import json
import sys
import types
from collections import Counter

import numpy as np
import torch


class Dataset(dict):
    """Columns, and the little of pandas that counts the rows of each anchor."""

    column_names = property(lambda self: list(self))
    from_dict = classmethod(lambda cls, columns: cls(columns))

    def __len__(self):
        return len(next(iter(self.values())))

    def to_pandas(self):
        return self

    def groupby(self, name):
        self.name = name
        return self

    def count(self):
        return self

    def to_dict(self):
        counts = dict(sorted(Counter(self[self.name]).items()))
        return {name: counts for name in self if name != self.name}


try:
    from datasets import Dataset as Table
except ImportError:
    stand_in = types.ModuleType("datasets")
    stand_in.Dataset = Table = Dataset
    stand_in.__spec__ = importlib.machinery.ModuleSpec("datasets", None)
    sys.modules["datasets"] = stand_in

from sentence_transformers import util  # noqa: E402
from sentence_transformers.util import hard_negatives  # noqa: E402

hard_negatives.is_datasets_available = lambda: True


class Model:
    """A table of vectors."""

    device = torch.device("cpu")
    similarity = staticmethod(util.cos_sim)
    similarity_pairwise = staticmethod(util.pairwise_cos_sim)

    def __init__(self, table):
        self.table = table

    def encode(self, texts, normalize_embeddings=False, **_):
        found = np.array([self.table[text] for text in texts], "float32")
        if normalize_embeddings:
            found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    encode_query = encode_document = encode


class Reranker:
    """A score of each pair, the dot product of two other vectors."""

    def __init__(self, table):
        self.table = {text: np.array(row, "float32") for text, row in table.items()}

    def predict(self, pairs, **_):
        return torch.tensor(np.array([self.table[a] @ self.table[b] for a, b in pairs]))


def main(job):
    model, reranker = Model(job["table"]), Reranker(job["scores"])
    data = Table.from_dict({"anchor": job["anchors"], "positive": job["positives"]})
    mined = []
    for how in job["mining"]:
        if how.pop("rerank", False):
            how["cross_encoder"] = reranker
        found = util.mine_hard_negatives(data, model, corpus=job["corpus"], verbose=False, **how)
        mined.append({name: list(found[name]) for name in found.column_names})
    vectors = torch.tensor(np.array(job["vectors"], "float32"))
    pairs = [util.paraphrase_mining_embeddings(vectors, **how) for how in job["pairs"]]
    clusters = [util.community_detection(vectors, **how) for how in job["clusters"]]
    hits = [util.semantic_search(vectors[:5], vectors, top_k=k) for k in (1, 7)]
    print(json.dumps([mined, pairs, clusters, hits]))


main(json.loads(sys.argv[1]))
