"""Hugging Face transformers on torch at work, as documented, and at its best settings.

Documented: batches padded to their longest text; bfloat16 by autocast (`Trainer(bf16=True)`).
Best: batches of texts of like length (`group_by_length`), which then hold almost no padding;
bfloat16 weights. Both use `Trainer`'s own optimizer (fused AdamW) and attention ("sdpa").
"""

import contextlib
import time

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared

# Theirs -> ours.
NAMES = {
    "input_ids": "token_ids",
    "token_type_ids": "segment_ids",
    "attention_mask": "padding_mask",
}


def _model(question, kind):
    import torch
    import transformers

    torch.set_num_threads(question["threads"])
    auto = getattr(transformers, kind)
    pure = question["dtype"] == "bfloat16" and question["variant"] == "best"
    model = auto.from_pretrained(
        question["huggingface"], dtype=torch.bfloat16 if pure else torch.float32
    )
    if question["variant"] == "checkpointed":
        model.gradient_checkpointing_enable()
    return model.eval()


def _autocast(question):
    import torch

    if question["dtype"] == "bfloat16" and question["variant"] != "best":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _batch(question, path):
    import numpy as np
    import torch

    with np.load(path) as arrays:
        inputs = {theirs: torch.tensor(arrays[ours]).long() for theirs, ours in NAMES.items()}
        labels = torch.tensor(arrays["labels"]).long()
    if question["family"] == "distilbert":
        del inputs["token_type_ids"]
    return inputs, labels


def _tokens(model, question):
    import torch

    inputs, _ = _batch(question, question["check_batch"])
    with torch.inference_mode(), _autocast(question):
        output = model.base_model(**inputs).last_hidden_state
    return output[inputs["attention_mask"] == 1].float().numpy()


def _training_step(question, kind, targets):
    """-> Prepared: one step on the batch; `targets` names the labels for the model."""
    import torch

    model = _model(question, kind)
    check = _tokens(model, question)
    grouped = question["variant"] == "best" and "grouped_batch" in question
    inputs, labels = _batch(question, question["grouped_batch" if grouped else "batch"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    model.train()

    def once(inputs=inputs, labels=labels):
        with _autocast(question):
            loss = model(**inputs, **targets(labels)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if not torch.isfinite(loss):
            raise FloatingPointError("The loss is not finite.")

    once({name: x[:2] for name, x in inputs.items()}, labels[:2])
    return Prepared(once, check)


def step(question):
    """Forward, backward, clip and AdamW, on ids."""
    return _training_step(
        question, "AutoModelForSequenceClassification", lambda labels: {"labels": labels}
    )


def span(question):
    """The same for a start and an end a text."""
    return _training_step(
        question,
        "AutoModelForQuestionAnswering",
        lambda labels: {"start_positions": labels[:, 0], "end_positions": labels[:, 1]},
    )


def forward(question):
    """All vectors of a batch."""
    import torch

    model = _model(question, "AutoModel")
    inputs, _ = _batch(question, question["batch"])

    def once():
        with torch.inference_mode(), _autocast(question):
            model(**inputs)

    once()
    return Prepared(once, _tokens(model, question))


def onnx(question):
    """Sets up ONNX Runtime's `serve` and `forward`: writes the two models for it."""
    import torch

    kinds = {"serve": "AutoModelForSequenceClassification", "forward": "AutoModel"}
    model = _model(question, kinds[question["onnx_for"]])
    model.config.return_dict = False
    inputs, _ = _batch(question, question["check_batch"])
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    names = list(inputs)
    torch.onnx.export(
        model,
        (),
        question["onnx"],
        kwargs=inputs,
        input_names=names,
        dynamic_shapes=dict.fromkeys(names, shape),
        dynamo=True,
        external_data=False,
    )
    return Prepared()


def serve(question):
    """One text: the documented pipeline from the raw string; at best the model on its ids."""
    import torch
    import transformers

    model = _model(question, "AutoModelForSequenceClassification")
    tokenizer = transformers.AutoTokenizer.from_pretrained(question["huggingface"])
    pipe = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    inputs, _ = _batch(question, question["batch"])

    def on_ids():
        with torch.inference_mode(), _autocast(question):
            return model(**inputs).logits.float().numpy()

    def once():
        for _ in range(question["calls"]):
            on_ids() if question["variant"] == "best" else pipe(question["text"])

    once()
    return Prepared(once, on_ids())


def startup(question):
    """A fresh process to its first answer."""
    times = [time.perf_counter()]
    import torch

    torch.set_num_threads(question["threads"])
    times.append(time.perf_counter())
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    times.append(time.perf_counter())
    tokenizer = AutoTokenizer.from_pretrained(question["huggingface"])
    model = AutoModelForSequenceClassification.from_pretrained(question["huggingface"])
    times.append(time.perf_counter())
    with torch.inference_mode():
        model(**tokenizer(question["text"], return_tensors="pt")).logits.numpy()
    times.append(time.perf_counter())
    names = ("import torch", "import transformers", "build and load", "first answer")
    return Prepared(notes=protocol.phases(names, times))


def epoch(question):
    """Raw strings through the tokenizer and `Trainer`."""
    from benchmarks.workers import transformers_trainer

    model = _model(question, "AutoModelForSequenceClassification")
    return Prepared(lambda: transformers_trainer.epoch(model, question), _tokens(model, question))


def write_heads(question):
    """Sets up `asked`: a model with a random head, for everyone."""
    from benchmarks.workers import transformers_answers

    transformers_answers.write_heads(question)
    return Prepared()


def asked(question):
    """Raw strings in, entities, answers or labels out."""
    from benchmarks.workers import transformers_answers

    model, once = transformers_answers.asked(question)
    once()
    return Prepared(lambda: once() and None, _tokens(model, question))


def embed(question):
    """Raw strings -> vectors, by sentence-transformers."""
    from benchmarks.workers import sentence_transformers

    encode, found, notes = sentence_transformers.embed(question)

    def once():
        encode()

    return Prepared(once, found, notes)


def finetune(question):
    """Real data in, answers out, for `benchmarks.quality`."""
    from benchmarks.workers import transformers_quality

    return Prepared(lambda: transformers_quality.finetune(question))


if __name__ == "__main__":
    kinds = (step, span, forward, onnx, serve, startup, epoch, finetune, write_heads, asked, embed)
    protocol.serve({k.__name__: k for k in kinds}, ("transformers", "torch"))
