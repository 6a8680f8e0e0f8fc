"""Vectors of texts by Apache Beam's own transform for TF-Hub's models, on its local runner.

python on_beam.py '[folder of a SavedModel, [str, …]]'
"""

import json
import sys
import tempfile

import apache_beam as beam
from apache_beam.ml.transforms.base import MLTransform
from apache_beam.ml.transforms.embeddings.tensorflow_hub import TensorflowHubTextEmbeddings

folder, texts = json.loads(sys.argv[1])
embed = TensorflowHubTextEmbeddings(columns=["text"], hub_url=folder)
with tempfile.TemporaryDirectory() as work:
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        (
            pipeline
            | beam.Create([{"text": text, "row": str(i)} for i, text in enumerate(texts)])
            | MLTransform(write_artifact_location=f"{work}/artifacts").with_transform(embed)
            | beam.Map(lambda row: json.dumps([int(row["row"]), row["text"]]))
            | beam.io.WriteToText(f"{work}/out", shard_name_template="")
        )
    with open(f"{work}/out") as lines:
        found = dict(map(json.loads, lines))
print(json.dumps([found[i] for i in range(len(texts))]))
