"""What transformers' poolers of `XLNetForQuestionAnswering` say of given states.

    python answer_poolers_there.py '"folder"'

Reads `asked.npz` there, states (W, L, D), p_mask (W, L) and weights; writes `found.npz`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import XLNetConfig
from transformers.models.xlnet import modeling_xlnet as there

TOP = 5
PARTS = {
    "dense_0.weight": "{}_dense/kernel",
    "dense_0.bias": "{}_dense/bias",
    "LayerNorm.weight": "{}_norm/gamma",
    "LayerNorm.bias": "{}_norm/beta",
    "dense_1.weight": "{}/kernel",
    "dense_1.bias": "{}/bias",
    "dense.weight": "{}/kernel",
    "dense.bias": "{}/bias",
}


def filled(pooler, asked, part):
    names = {name: PARTS[name].format(part) for name in pooler.state_dict()}
    arrays = {name: torch.tensor(asked[f"weights:squad2/{ours}"]) for name, ours in names.items()}
    pooler.load_state_dict({n: x.T if x.ndim == 2 else x for n, x in arrays.items()})
    return pooler.eval()


def main(folder):
    asked = np.load(Path(folder) / "asked.npz")
    states, p_mask = torch.tensor(asked["states"]), torch.tensor(asked["p_mask"]).float()
    rows, length, width = states.shape
    config = XLNetConfig(d_model=width, n_head=1, layer_norm_eps=1e-12)
    start = filled(there.XLNetPoolerStartLogits(config), asked, "start")
    end = filled(there.XLNetPoolerEndLogits(config), asked, "end")
    answer = filled(there.XLNetPoolerAnswerClass(config), asked, "answer")
    with torch.no_grad():
        chances = start(states, p_mask=p_mask).softmax(-1)
        found = chances.log().clamp(min=-1e30).topk(TOP)
        of_start = states.gather(1, found.indices[..., None].expand(-1, -1, width))
        ends = end(
            states[:, :, None].expand(-1, -1, TOP, -1),
            start_states=of_start[:, None].expand(-1, length, -1, -1),
            p_mask=p_mask[:, :, None],
        )  # (W, L, TOP)
        of_ends = ends.softmax(1).log().clamp(min=-1e30).transpose(1, 2).topk(TOP)
        mean = torch.einsum("blh,bl->bh", states, chances)
        first = torch.zeros(rows, dtype=torch.long)
        none = answer(states, start_states=mean, cls_index=first)
    np.savez(
        Path(folder) / "found.npz",
        start_top_log_probs=found.values,
        start_top_index=found.indices,
        end_top_log_probs=of_ends.values,
        end_top_index=of_ends.indices,
        cls_logits=none,
    )
    print(json.dumps(rows))


main(json.loads(sys.argv[1]))
