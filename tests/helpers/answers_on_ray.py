"""Answers of a model by Ray Data's `map_batches`, on this machine.

python answers_on_ray.py '[a model, [a row, …]]'
"""

import json
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # of the workers
import pyarrow
import ray

from bert_tf2.batch import Answerer


class Answers(Answerer):
    """The function on Arrow's tables, in which a cell may be a list of any length."""

    def __call__(self, table):
        return pyarrow.Table.from_pylist(super().__call__(table.to_pylist()))


model, rows = json.loads(sys.argv[1])
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
how = {"fn_constructor_args": [model], "batch_format": "pyarrow", "concurrency": 1}
found = ray.data.from_items(rows).map_batches(Answers, batch_size=1024, **how).take_all()
print(json.dumps(sorted(found, key=lambda row: row["id"])))
