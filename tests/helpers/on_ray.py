"""Vectors of texts by Ray Data's `map_batches`, on this machine.

python on_ray.py '[folder of a SavedModel, [str, …]]'
"""

import json
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray


class Embedder:
    """Loads the SavedModel once in each worker."""

    def __init__(self, folder):
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  its operations are in the graph

        self.model = tf.saved_model.load(folder)

    def __call__(self, batch):
        embed = self.model.signatures["serving_default"]
        return batch | {"embedding": embed(text=batch["text"].astype(str))["embedding"].numpy()}


folder, texts = json.loads(sys.argv[1])
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
rows = ray.data.from_items([{"text": text, "row": i} for i, text in enumerate(texts)])
how = {"fn_constructor_args": [folder], "batch_size": 2, "concurrency": 1}
found = rows.map_batches(Embedder, **how).take_all()
print(json.dumps([row["embedding"].tolist() for row in sorted(found, key=lambda r: r["row"])]))
