"""Opens folders with transformers and torch, and writes down what they compute.

    python open_with_transformers.py '[[folder, inputs.npz, out.npz], …]'

Prints, as JSON, what each folder's class is, which weights it missed and which it had no use for.
"""

import json
import sys

import numpy as np
import torch
import transformers


def main(jobs):
    said = []
    for folder, inputs, out in jobs:
        config = transformers.AutoConfig.from_pretrained(folder)
        model, info = getattr(transformers, config.architectures[0]).from_pretrained(
            folder, attn_implementation="eager", output_loading_info=True, dtype=torch.float32
        )
        ids = {name: torch.tensor(array).long() for name, array in np.load(inputs).items()}
        if config.model_type in ("distilbert", "roberta", "xlm-roberta", "mpnet"):
            del ids["token_type_ids"]
        if "MultipleChoice" in config.architectures[0]:  # of one choice
            ids = {name: x[:, None] for name, x in ids.items()}
        with torch.no_grad():
            found = model.eval()(**ids, output_hidden_states=True)
        arrays = {name: x.numpy() for name, x in found.items() if torch.is_tensor(x)}
        states = {f"layer_{i}": x.numpy() for i, x in enumerate(found["hidden_states"][1:])}
        np.savez(out, **arrays, **states)
        said.append(
            {
                "class": type(model).__name__,
                "missing": sorted(info["missing_keys"]),
                "unexpected": sorted(info["unexpected_keys"]),
                "id2label": {str(k): v for k, v in config.id2label.items()},
            }
        )
    print(json.dumps(said))


main(json.loads(sys.argv[1]))
