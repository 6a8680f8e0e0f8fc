"""Opens or makes sentence-transformers' folders with that library, and writes down its vectors.

    python sentence_vectors.py '[{"folder": …, "texts": [str, …], "calls": [{…}, …], "out": …}, …]'

With `modules`, a list of [class, its arguments], the folder's encoder is given these, and all is
saved to `made`, with pickles where `pickled`. Each call's arguments are those of `encode`. Many
texts may be a JSON file of them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, models


def opened(job):
    if "modules" not in job:
        return SentenceTransformer(job["folder"], device="cpu")
    generator = torch.Generator().manual_seed(3)
    parts = [models.Transformer(job["folder"], max_seq_length=job.get("length"))]
    for name, arguments in job["modules"]:
        if "activation_function" in arguments:
            activation = getattr(torch.nn, arguments["activation_function"])()
            arguments = arguments | {"activation_function": activation}
        parts.append(getattr(models, name)(**arguments))
        for values in parts[-1].parameters():
            values.data = 0.4 * torch.randn(values.shape, generator=generator)
    model = SentenceTransformer(modules=parts, device="cpu", **job.get("settings", {}))
    model.save(job["made"], safe_serialization=not job.get("pickled"), create_model_card=False)
    return model


def main(jobs):
    for job in jobs:
        model, texts = opened(job), job["texts"]
        texts = json.loads(Path(texts).read_text()) if isinstance(texts, str) else texts
        ids = model.tokenizer(texts, add_special_tokens=False)["input_ids"]
        Path(job["out"]).with_suffix(".ids.json").write_text(json.dumps(ids))
        np.savez(job["out"], *(model.encode(texts, **how) for how in job["calls"]))
    print(json.dumps(len(jobs)))


main(json.loads(sys.argv[1]))
