"""Vectors -> their neighbours: exact and indexed search, hard negatives, paraphrases, clusters."""

from bert_tf2.search.exact import nearest, semantic_search
from bert_tf2.search.mining import mine_hard_negatives
from bert_tf2.search.paraphrases import (
    community_detection,
    find_duplicates,
    paraphrase_mining,
    paraphrase_mining_embeddings,
)

__all__ = [
    "community_detection",
    "find_duplicates",
    "mine_hard_negatives",
    "nearest",
    "paraphrase_mining",
    "paraphrase_mining_embeddings",
    "semantic_search",
]
