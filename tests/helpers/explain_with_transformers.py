"""Attention and integrated gradients by transformers and torch, in float64.

    python explain_with_transformers.py '{"attention": [[folder, inputs.npz, out.npz], …],
                                          "gradients": [[folder, inputs.npz, out.npz], …]}'

`inputs.npz` has ids under Hugging Face's names; for gradients also `special`, where the words stay,
`pad`, the id of what they begin as, `target`, the class, and `steps`, of Gauss and Legendre's rule.
"""

import json
import sys

import numpy as np
import torch
import transformers


def main(jobs):
    torch.set_num_threads(1)
    for folder, inputs, out in jobs["attention"]:
        model, ids = opened("AutoModel", folder, inputs)
        with torch.no_grad():
            found = model(**ids, output_attentions=True)["attentions"]
        np.savez(out, *[layer.numpy() for layer in found])
    for folder, inputs, out in jobs["gradients"]:
        given = np.load(inputs)
        model, ids = opened("AutoModelForSequenceClassification", folder, inputs)
        scores, ends = integrated(model, ids, given)
        np.savez(out, scores=scores, ends=ends)
    print("[]")


def opened(kind, folder, inputs):
    model = getattr(transformers, kind).from_pretrained(folder, attn_implementation="eager")
    given = np.load(inputs)
    names = ("input_ids", "attention_mask", "token_type_ids")
    ids = {name: torch.tensor(given[name]).long() for name in names}
    if model.config.model_type in ("distilbert", "roberta", "xlm-roberta", "mpnet"):
        del ids["token_type_ids"]
    return model.double().eval(), ids


def integrated(model, ids, given):
    """-> float64 (L,), and the logit of a blank text and of this one."""
    words = model.get_input_embeddings().weight.detach()
    token_ids, stays = ids.pop("input_ids")[0], torch.tensor(given["special"])
    end = words[token_ids]
    start = words[torch.where(stays, token_ids, int(given["pad"]))]

    def logit(at):
        return model(inputs_embeds=at[None], **ids).logits[0, int(given["target"])]

    total = torch.zeros_like(end)
    for place, share in zip(*np.polynomial.legendre.leggauss(int(given["steps"])), strict=True):
        at = (start + (place + 1) / 2 * (end - start)).requires_grad_(True)
        total += share / 2 * torch.autograd.grad(logit(at), at)[0]
    ends = [logit(start).item(), logit(end).item()]
    return (total * (end - start)).sum(-1).numpy(), ends


main(json.loads(sys.argv[1]))
