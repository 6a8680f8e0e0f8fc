"""Makes or opens sparse and late models with sentence-transformers, and writes down their vectors.

    python sparse_and_late.py '[{"kind": "SparseEncoder", "folder": …, "texts": [str, …], …}, …]'

With `modules`, a list of [class, its arguments], the folder's encoder is given these, with
`transformer`, arguments of its own, and all is saved to `made`. Each of `calls` is a method's name
and its arguments; the vectors of call i and text j are written to `out` as "i_j".
"""

import json
import sys

import numpy as np
import sentence_transformers
import torch
from sentence_transformers import base
from sentence_transformers.multi_vector_encoder import modules as late
from sentence_transformers.sparse_encoder import modules as sparse


def opened(job):
    cls = getattr(sentence_transformers, job["kind"])
    if "modules" not in job:
        return cls(job["folder"], device="cpu")
    generator = torch.Generator().manual_seed(3)
    parts = [base.modules.Transformer(job["folder"], **job.get("transformer", {}))]
    for name, arguments in job["modules"]:
        home = next(h for h in (base.modules, late, sparse) if hasattr(h, name))
        if name == "Dense":
            activation = getattr(torch.nn, arguments.get("activation_function", "Identity"))()
            arguments = arguments | {"activation_function": activation}
        parts.append(getattr(home, name)(**arguments))
        for values in parts[-1].parameters():
            values.data = 0.4 * torch.randn(values.shape, generator=generator)
    model = cls(modules=parts, device="cpu", **job.get("settings", {}))
    model.save(job["made"], create_model_card=False)
    return model


def main(jobs):
    scores = []
    for job in jobs:
        model, arrays = opened(job), {}
        found = [getattr(model, method)(job["texts"], **how) for method, how in job["calls"]]
        for i, rows in enumerate(found):
            for j, row in enumerate(rows):
                row = row.to_dense() if row.is_sparse else row
                arrays[f"{i}_{j}"] = row.numpy()
        np.savez(job["out"], **arrays)
        a, b = found[0], found[-1]
        near = [model.similarity(a, b), model.similarity_pairwise(a, b)]
        scores.append([x.to_dense().tolist() for x in near])
    print(json.dumps(scores))


main(json.loads(sys.argv[1]))
