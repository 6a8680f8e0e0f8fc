"""Writes tiny random models with transformers and torch, and what they compute.

    python write_heads.py '[[class, config's words, folder], …]'

Each folder is what `save_pretrained` writes, with inputs and outputs in `golden.npz`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 18,
}
DISTILBERTS = {"vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
OWN_SIZES = {"DistilBert": DISTILBERTS | {"max_position_embeddings": 18}}


def main(jobs):
    generator = torch.Generator().manual_seed(7)
    for name, words, folder in jobs:
        kind = getattr(transformers, name)
        sizes = OWN_SIZES.get(name.split("For")[0], SIZES)
        config = kind.config_class(**sizes | words, attn_implementation="eager")
        if "id2label" in words:
            config.id2label = {int(n): label for n, label in words["id2label"].items()}
        model = kind(config).eval()
        for part, values in model.named_parameters():
            noise = 0.3 * torch.randn(values.shape, generator=generator)
            values.data = noise + ("norm" in part.lower() and part.endswith("weight"))
        mask = torch.tensor([[1] * 12, [1] * 7 + [0] * 5, [1] * 3 + [0] * 9])
        ids = torch.randint(2, 40, mask.shape, generator=generator)
        ids = torch.where(mask == 1, ids, config.pad_token_id or 0)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if "MultipleChoice" in name:
            inputs = {n: x[:, None] for n, x in inputs.items()}
        with torch.no_grad():
            found = model(**inputs)
        if "start_logits" in found:
            logits = torch.stack([found["start_logits"], found["end_logits"]], -1)
        else:
            logits = found["sop_logits" if "sop_logits" in found else "logits"]
        model.save_pretrained(folder)
        arrays = {n: x.int().numpy() for n, x in (("input_ids", ids), ("attention_mask", mask))}
        np.savez(Path(folder) / "golden.npz", **arrays, logits=logits.numpy())
    print(json.dumps(len(jobs)))


main(json.loads(sys.argv[1]))
