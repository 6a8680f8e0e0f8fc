"""sentence-transformers on the rows of `benchmarks.quality` that train vectors.

Its losses in a plain loop of torch, since its own trainer needs a package of data sets more: AdamW,
no decay of norms and biases, a tenth of warm-up, a linear decay and clipping at norm 1, as it has
them. Recipe, seed and data are ours.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer, losses
from sentence_transformers.util import pairwise_cos_sim

SHORT = 128


def _loss(said, model):
    if said["kind"] == "cosent":
        return losses.CoSENTLoss(model)
    return losses.MatryoshkaLoss(model, losses.CoSENTLoss(model), said["matryoshka_dims"])


def _optimizer(model, rate, steps):
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    others = {id(p) for p in plain}
    rest = [p for p in model.parameters() if id(p) not in others]
    groups = [{"params": rest, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    warm = transformers.get_linear_schedule_with_warmup(optimizer, int(0.1 * steps), steps)
    return optimizer, warm


def train(question):
    """Trains, and writes the cosines of the pairs that are scored: of all numbers, and of some."""
    data = json.loads(Path(question["data"]).read_text())
    model = SentenceTransformer(question["model"], device="cpu")
    model.max_seq_length = question["max_length"]
    loss, x, y = _loss(question["loss"], model), data["train"]["x"], data["train"]["y"]
    size, epochs = question["batch_size"], question["epochs"]
    steps = epochs * -(-len(y) // size)
    optimizer, warm = _optimizer(model, question["learning_rate"], steps)
    rng = np.random.default_rng(question["seed"])
    model.train()
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(y), size):
            rows = order[start : start + size]
            sides = [model.tokenize([x[n][i] for i in rows]) for n in ("text", "text_pair")]
            value = loss(sides, torch.tensor([y[i] for i in rows]))
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            warm.step()
            optimizer.zero_grad()
    model.eval()
    dev = data["dev"]["x"]
    a, b = (model.encode(dev[n], convert_to_tensor=True) for n in ("text", "text_pair"))
    alike = [pairwise_cos_sim(a[:, :width], b[:, :width]) for width in (a.shape[1], SHORT)]
    Path(question["given"]).write_text(json.dumps(torch.stack(alike, 1).tolist()))
