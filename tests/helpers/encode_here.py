"""Vectors of texts by our own code, in an environment that has torch as well.

python encode_here.py '[{"folder": …, "texts": [str, …], "calls": [{…}, …]}, …]'
"""

import json
import sys

import bert_tf2

found = []
for job in json.loads(sys.argv[1]):
    task = bert_tf2.SentenceEncoder.from_preset(job["folder"])
    found.append([task.encode(job["texts"], **how).tolist() for how in job["calls"]])
print(json.dumps(found))
