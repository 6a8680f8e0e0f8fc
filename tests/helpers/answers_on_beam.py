"""Answers of a model by our transform for Apache Beam, on its local runner.

python answers_on_beam.py '[a model, [a row, …]]'
"""

import json
import sys
import tempfile

import apache_beam as beam

from bert_tf2.batch.beam import Answers

model, rows = json.loads(sys.argv[1])
with tempfile.TemporaryDirectory() as work:
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        (
            pipeline
            | beam.Create(rows)
            | Answers(model, batch_size=4)
            | beam.Map(json.dumps)
            | beam.io.WriteToText(f"{work}/out", shard_name_template="")
        )
    with open(f"{work}/out") as lines:
        found = [json.loads(line) for line in lines]
print(json.dumps(sorted(found, key=lambda row: row["id"])))
