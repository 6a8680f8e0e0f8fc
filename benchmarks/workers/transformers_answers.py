"""Entities, answers and labels never seen, by transformers' pipelines; at best 32 texts at a time.

transformers 5 has no pipeline that answers questions: here is what its last one did, on the model.
"""

import functools

import numpy as np
import torch
import transformers

HEADS = {
    "tag": (
        transformers.AutoModelForTokenClassification,
        ["O", *(f"{place}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for place in "BI")],
    ),
    "answer": (transformers.AutoModelForQuestionAnswering, ["start", "end"]),
    "zero_shot": (
        transformers.AutoModelForSequenceClassification,
        ["contradiction", "entailment", "neutral"],
    ),
    "rerank": (transformers.AutoModelForSequenceClassification, ["score"]),
}
PIPELINES = {
    "tag": ("token-classification", {"aggregation_strategy": "first"}),
    "zero_shot": ("zero-shot-classification", {}),
}


def write_heads(question):
    """Writes the model with a random head for a kind of work."""
    auto, names = HEADS[question["head"]]
    transformers.set_seed(1)
    model = auto.from_pretrained(
        question["huggingface"],
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    model.save_pretrained(question["with_head"])
    transformers.AutoTokenizer.from_pretrained(question["huggingface"]).save_pretrained(
        question["with_head"]
    )


def asked(question):
    """-> (the model, a function that answers all rows)."""
    if question["head"] == "rerank":
        from benchmarks.workers import sentence_transformers

        return sentence_transformers.rerank(question)
    torch.set_num_threads(question["threads"])
    kind, x = question["head"], question["asked"]
    size = 32 if question["variant"] == "best" else 1
    model = HEADS[kind][0].from_pretrained(question["with_head"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(question["with_head"])
    if kind == "answer":
        return model, functools.partial(_answers, model, tokenizer, x, size)
    name, how = PIPELINES[kind]
    pipe = transformers.pipeline(name, model=model, tokenizer=tokenizer, batch_size=size, **how)
    labels = {"candidate_labels": x["labels"]} if kind == "zero_shot" else {}
    return model, lambda: pipe(x["text"], **labels)


def _answers(model, tokenizer, x, size):
    """Windows of 384 tokens that share 128; of each the likeliest span; of a question the best."""
    encoded = tokenizer(
        x["question"],
        x["context"],
        truncation="only_second",
        max_length=384,
        stride=128,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    best = [(-1.0, "")] * len(x["question"])
    names = ("input_ids", "token_type_ids", "attention_mask")
    for begin in range(0, len(encoded["input_ids"]), size):
        rows = range(begin, min(begin + size, len(encoded["input_ids"])))
        inputs = tokenizer.pad(
            {name: [encoded[name][i] for i in rows] for name in names}, return_tensors="pt"
        )
        with torch.inference_mode():
            outputs = model(**inputs)
        for place, row in enumerate(rows):
            length = len(encoded["input_ids"][row])
            start, end = (
                logits[place, :length].numpy()
                for logits in (outputs.start_logits, outputs.end_logits)
            )
            which = encoded["overflow_to_sample_mapping"][row]
            found = _likeliest(start, end, encoded.sequence_ids(row))
            span = encoded["offset_mapping"][row]
            text = x["context"][which][span[found[1]][0] : span[found[2]][1]]
            best[which] = max(best[which], (found[0], text))
    return best


def _likeliest(start, end, parts, longest=15):
    """(probability, first, last token) of the best span in the context."""
    outside = np.array([part != 1 for part in parts])
    first, last = (np.where(outside, -10000.0, x) for x in (start, end))
    first, last = (np.exp(x - x.max()) / np.exp(x - x.max()).sum() for x in (first, last))
    shares = np.tril(np.triu(first[:, None] * last), longest - 1)
    place = np.unravel_index(shares.argmax(), shares.shape)
    return float(shares[place]), *map(int, place)
