"""Runs sentence-transformers' evaluators on a folder, in that library's environment.

    python peer_evaluators.py '{"folder": …, "runs": [[class, its arguments], …], "length": null}'

Prints a list of what each gave. Relevant texts are lists, which become sets. `kind` is the model's
class, where that is another one than SentenceTransformer.
"""

import json
import sys

from sentence_transformers import (
    CrossEncoder,
    MultiVectorEncoder,
    SentenceTransformer,
    SparseEncoder,
)
from sentence_transformers.cross_encoder import evaluation as of_pairs
from sentence_transformers.multi_vector_encoder import evaluation as of_tokens
from sentence_transformers.sentence_transformer import evaluation
from sentence_transformers.sparse_encoder import evaluation as of_words

KINDS = {
    "CrossEncoder": (CrossEncoder, of_pairs),
    "MultiVectorEncoder": (MultiVectorEncoder, of_tokens),
    "SentenceTransformer": (SentenceTransformer, evaluation),
    "SparseEncoder": (SparseEncoder, of_words),
}


def main(job):
    kind, classes = KINDS[
        job.get("kind", "CrossEncoder" if job.get("cross") else "SentenceTransformer")
    ]
    model = kind(job["folder"], device="cpu")
    if job.get("length"):
        model.max_seq_length = job["length"]
    found = []
    for name, arguments in job["runs"]:
        if "relevant_docs" in arguments:
            relevant = {query: {*ids} for query, ids in arguments["relevant_docs"].items()}
            arguments = arguments | {"relevant_docs": relevant}
        values = getattr(classes, name)(**arguments)(model)
        found.append({figure: float(value) for figure, value in values.items()})
    print(json.dumps(found))


main(json.loads(sys.argv[1]))
