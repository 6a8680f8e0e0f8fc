"""Questions on transformers' `Trainer`: windows to train on, and answers from their logits.

As its example of SQuAD 2.0 has it: windows that share 128 tokens, the first token where a window
holds no answer; spans among the 20 likeliest starts and ends of each window, of at most 30 tokens;
no answer where the first token's sum is above that of the best span, at the threshold of 0.
"""

import numpy as np

SHARED, LIKELIEST, LONGEST = 128, 20, 30


def _encoded(tokenizer, x, question):
    return tokenizer(
        x["question"],
        x["context"],
        truncation="only_second",
        max_length=question["max_length"],
        stride=SHARED,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def rows(tokenizer, x, y, question):
    """Windows, with the first and last token of the first answer in them."""
    encoded, found = _encoded(tokenizer, x, question), []
    for i, which in enumerate(encoded["overflow_to_sample_mapping"]):
        first, last = _target(encoded["offset_mapping"][i], encoded.sequence_ids(i), y[which])
        inputs = {name: encoded[name][i] for name in tokenizer.model_input_names}
        found.append(inputs | {"start_positions": first, "end_positions": last})
    return found


def _target(spans, parts, answer):
    """(first, last token) of an answer that lies within a window; else (0, 0), the first token."""
    if not answer["text"]:
        return 0, 0
    start = answer["answer_start"][0]
    end = start + len(answer["text"][0])
    inside = [i for i, part in enumerate(parts) if part == 1]
    if start < spans[inside[0]][0] or end > spans[inside[-1]][1]:
        return 0, 0
    return (
        max(i for i in inside if spans[i][0] <= start),
        min(i for i in inside if spans[i][1] >= end),
    )


def answers(tokenizer, outputs, x, question):
    """Logits of all windows -> the answer to each question, "" where there is none."""
    encoded = _encoded(tokenizer, x, question)
    nothing = np.full(len(x["question"]), np.inf)
    best = [(-np.inf, "")] * len(x["question"])
    for i, which in enumerate(encoded["overflow_to_sample_mapping"]):
        spans, parts = encoded["offset_mapping"][i], encoded.sequence_ids(i)
        start, end = (logits[i, : len(spans)] for logits in outputs)
        nothing[which] = min(nothing[which], start[0] + end[0])
        score, first, last = _likeliest(start, end, parts)
        text = x["context"][which][spans[first][0] : spans[last][1]]
        best[which] = max(best[which], (score, text))
    return [
        text if score >= none else "" for (score, text), none in zip(best, nothing, strict=True)
    ]


def _likeliest(start, end, parts):
    """(sum of logits, first, last token) of the best span in the context."""
    inside = np.array([part == 1 for part in parts])
    spans = [
        (float(start[first] + end[last]), int(first), int(last))
        for first in np.argsort(start)[-LIKELIEST:]
        for last in np.argsort(end)[-LIKELIEST:]
        if inside[first] and inside[last] and first <= last < first + LONGEST
    ]
    return max(spans, default=(-np.inf, 0, 0))
