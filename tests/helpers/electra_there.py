"""Runs in the environment of transformers: ELECTRA's two losses and all gradients.

Arguments: the folder of a discriminator with its generator inside, a file of inputs, and one to
write losses and gradients to.
"""

import json
import sys

import numpy as np
import torch
from transformers import ElectraForMaskedLM, ElectraForPreTraining

folder, given, out = map(json.loads, sys.argv[1:])
arrays = {name: torch.tensor(x) for name, x in np.load(given).items()}
judge = ElectraForPreTraining.from_pretrained(folder).eval()
generator = ElectraForMaskedLM.from_pretrained(f"{folder}/generator").eval()
generator.electra.embeddings = judge.electra.embeddings
generator.generator_lm_head.weight = judge.electra.embeddings.word_embeddings.weight
how = {"attention_mask": arrays["padding_mask"], "token_type_ids": arrays["segment_ids"]}
logits = generator(arrays["token_ids"], **how).logits
rows = torch.arange(len(logits))[:, None]
at_masks = logits[rows, arrays["masked_positions"].long()]
costs = torch.nn.functional.cross_entropy(
    at_masks.flatten(0, 1), arrays["masked_ids"].flatten().long(), reduction="none"
)
weights = arrays["masked_weights"].flatten()
mlm = (costs * weights).sum() / weights.sum()
# Its own loss is of the tokens that are no padding, too: the mean over all of them.
found = judge(arrays["shown"], labels=arrays["replaced"], **how).loss
(mlm + 50.0 * found).backward()
gradients = {}
for prefix, model in (("", judge), ("generator/", generator)):
    for name, value in model.named_parameters():
        if value.grad is not None:
            gradients[prefix + name] = value.grad.numpy()
np.savez(out, mlm=mlm.item(), rtd=found.item(), **gradients)
print(json.dumps({"parameters": len(gradients)}))
