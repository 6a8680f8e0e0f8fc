"""transformers on torch: training steps on an accelerator.

As documented: weights in float32, bfloat16 by autocast (`Trainer(bf16=True)`), attention "sdpa",
fused AdamW. "compiled": the model through `torch.compile`, too.
"""

import time

import numpy as np

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared

# Theirs -> ours.
NAMES = {
    "input_ids": "token_ids",
    "token_type_ids": "segment_ids",
    "attention_mask": "padding_mask",
}


def _device(question):
    return {"gpu": "cuda", "cpu": "cpu"}[question["device"]]


def _model(question):
    import torch
    import transformers

    if question["device"] == "cpu":
        torch.set_num_threads(question["threads"])
    auto = transformers.AutoModelForSequenceClassification
    model = auto.from_pretrained(question["huggingface"], dtype=torch.float32)
    return model.to(_device(question))


def _batch(question, path):
    import torch

    place = _device(question)
    with np.load(path) as arrays:
        inputs = {t: torch.tensor(arrays[o], device=place).long() for t, o in NAMES.items()}
        return inputs, torch.tensor(arrays["labels"], device=place).long()


def _autocast(question):
    import torch

    return torch.autocast(_device(question), dtype=torch.bfloat16)


def _check(question):
    """Logits (3, B, 2): in float32, after a step of plain descent in float32, and in bfloat16."""
    import torch

    model = _model(question).eval()  # no dropout
    inputs, labels = _batch(question, question["check_batch"])
    with torch.no_grad(), _autocast(question):
        reduced = model(**inputs).logits
    output = model(**inputs, labels=labels)
    output.loss.backward()
    torch.optim.SGD(model.parameters(), question["check_rate"]).step()
    with torch.no_grad():
        after = model(**inputs).logits
    logits = (output.logits.detach(), after, reduced)
    return np.stack([x.float().cpu().numpy() for x in logits])


def _wait(question):
    import torch

    if question["device"] == "gpu":
        torch.cuda.synchronize()


def _product(question):
    """-> a function that measures bfloat16 products of square matrices: operations a second."""
    import torch

    size = question["product_size"]
    a, b = (
        torch.randn(size, size, dtype=torch.bfloat16, device=_device(question)) for _ in range(2)
    )
    torch.matmul(a, b)

    def measure():
        _wait(question)
        began = time.perf_counter()
        for _ in range(question["products"]):
            torch.matmul(a, b)
        _wait(question)
        return 2 * size**3 * question["products"] / (time.perf_counter() - began)

    return measure


def step(question):
    """Steps in bfloat16 by autocast, after the products that tell the device's peak."""
    import torch

    check = _check(question)
    model = _model(question).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    forward = torch.compile(model) if question["variant"] == "compiled" else model
    inputs, labels = _batch(question, question["batch"])
    product = _product(question)

    def one_step():
        with _autocast(question):
            loss = forward(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    def once():
        peak = product()
        began = time.perf_counter()
        for _ in range(question["steps"]):
            loss = one_step()
        if not torch.isfinite(loss):
            raise FloatingPointError("The loss is not finite.")
        _wait(question)
        seconds = (time.perf_counter() - began) / question["steps"]
        return {"step": seconds, "product": peak, "device_peak": _device_peak(question)}

    for _ in range(3):  # `torch.compile` compiles at the first steps, not only at the first
        one_step()
    return Prepared(once, check)


def _device_peak(question):
    """The most memory the device has held for this process, in GiB, or None where it is no GPU."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**30 if question["device"] == "gpu" else None


if __name__ == "__main__":
    protocol.serve({"step": step}, ("transformers", "torch"))
