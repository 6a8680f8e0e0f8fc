"""Scores pairs by sentence-transformers' cross-encoder, and saves the model again.

python cross_encoder.py '{"folder": …, "pairs": [[query, text], …], "made": …}'
"""

import json
import sys

from sentence_transformers import CrossEncoder

job = json.loads(sys.argv[1])
model = CrossEncoder(job["folder"], device="cpu")
model.save_pretrained(job["made"], create_model_card=False)
scores = model.predict(job["pairs"])
ranks = []
if model.num_labels == 1:
    found = model.rank(job["pairs"][0][0], [text for _, text in job["pairs"]], top_k=3)
    ranks = [row["corpus_id"] for row in found]
print(json.dumps([scores.tolist(), ranks]))
