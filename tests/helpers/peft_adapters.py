"""Makes and opens adapters with peft, transformers and torch, and writes down what they compute.

    python peft_adapters.py '[{"base": …, "ids": ids.npz, "out": out.npz, …}, …]'

A job with `config` makes a LoRA of these settings with random numbers and writes it to `folder`;
one without opens what is in `folder`. `logits` are those of the model with it, `merged` with it
merged, `plain` those of the model alone.
"""

import json
import sys

import numpy as np
import peft
import torch
import transformers


def main(jobs):
    said = []
    for job in jobs:
        torch.manual_seed(3)
        config = transformers.AutoConfig.from_pretrained(job["base"])
        model = getattr(transformers, config.architectures[0]).from_pretrained(
            job["base"], attn_implementation="eager", dtype=torch.float32
        )
        ids = {name: torch.tensor(array).long() for name, array in np.load(job["ids"]).items()}
        if config.model_type in ("distilbert", "roberta", "xlm-roberta", "mpnet"):
            del ids["token_type_ids"]
        found = {"plain": answer(model, ids)}
        if "config" in job:
            model = peft.get_peft_model(model, peft.LoraConfig(**job["config"]))
            with torch.no_grad():
                for tensor in model.parameters():
                    if tensor.requires_grad:
                        tensor.add_(0.1 * torch.randn(tensor.shape))
            model.save_pretrained(job["folder"])
        else:
            model = peft.PeftModel.from_pretrained(model, job["folder"])
        found["logits"] = answer(model, ids)
        found["merged"] = answer(model.merge_and_unload(), ids)
        np.savez(job["out"], **found)
        said.append(type(model).__name__)
    print(json.dumps(said))


def answer(model, ids):
    with torch.no_grad():
        found = model.eval()(**ids)
    name = "logits" if "logits" in found else "last_hidden_state"
    return (found[name] if name in found else found["start_logits"]).numpy()


main(json.loads(sys.argv[1]))
