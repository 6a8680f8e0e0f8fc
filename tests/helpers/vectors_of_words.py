"""An encoder and a reranker that are tables: of each text a vector or, of each pair, a score."""

import numpy as np


class Encoder:
    """What search asks of a `SentenceEncoder`; prompts are added to the text that is looked up."""

    similarity_fn_name = "cosine"

    def __init__(self, table):
        self.table = table

    def encode(self, texts, prompt_name=None, prompt=None, normalize_embeddings=False, **_):
        found = np.array([self.table[(prompt or "") + text] for text in texts], "float32")
        if normalize_embeddings:
            found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    encode_query = encode_document = encode


class Reranker:
    """A score of each pair, the dot product of two other vectors."""

    def __init__(self, table):
        self.table = table

    def predict(self, pairs, batch_size=32, verbose=0):
        return np.array([self.table[a] @ self.table[b] for a, b in pairs], "float32")


def table(texts, width=8, seed=0):
    """A random vector for each text."""
    generator = np.random.default_rng(seed)
    return {text: generator.normal(size=width).astype("float32") for text in texts}
