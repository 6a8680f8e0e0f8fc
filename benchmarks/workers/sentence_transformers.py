"""Vectors and scores by sentence-transformers on torch, as documented: 32 texts at a time."""

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer, models

from benchmarks.workers import vectors


def embed(question):
    """-> (a function that encodes the texts, their vectors, notes)."""
    torch.set_num_threads(question["threads"])
    model = SentenceTransformer(question["huggingface"], device="cpu")
    pooling = models.Pooling(model.get_sentence_embedding_dimension(), "mean")
    normal = models.Normalize()
    if not any(type(part) is type(normal) for part in model):
        model = SentenceTransformer(modules=[model[0], pooling, normal], device="cpu")
    texts = question["asked"]["text"]
    notes = {"Spearman × 100 on STS-B dev": vectors.spearman(model.encode, question["pairs"])}
    return lambda: model.encode(texts), np.asarray(model.encode(texts)), notes


def rerank(question):
    """-> (the model, a function that ranks the documents)."""
    torch.set_num_threads(question["threads"])
    model = CrossEncoder(question["with_head"], device="cpu")
    x = question["asked"]
    return model.model, lambda: model.rank(x["query"], x["documents"])
