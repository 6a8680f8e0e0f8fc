"""Runs sentence-transformers' evaluators on a folder, in that library's environment.

    python peer_evaluators.py '{"folder": …, "runs": [[class, its arguments], …], "length": null}'

Prints a list of what each gave. Relevant texts are lists, which become sets.
"""

import json
import sys

from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder import evaluation as of_pairs
from sentence_transformers.sentence_transformer import evaluation


def main(job):
    if job.get("cross"):
        model, classes = CrossEncoder(job["folder"], device="cpu"), of_pairs
    else:
        model, classes = SentenceTransformer(job["folder"], device="cpu"), evaluation
        model.max_seq_length = job.get("length") or model.max_seq_length
    found = []
    for name, arguments in job["runs"]:
        if "relevant_docs" in arguments:
            relevant = {query: {*ids} for query, ids in arguments["relevant_docs"].items()}
            arguments = arguments | {"relevant_docs": relevant}
        values = getattr(classes, name)(**arguments)(model)
        found.append({figure: float(value) for figure, value in values.items()})
    print(json.dumps(found))


main(json.loads(sys.argv[1]))
