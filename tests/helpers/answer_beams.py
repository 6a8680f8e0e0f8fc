"""Heads that find an answer's end behind its start, in NumPy float64, one window at a time.

Written from google-research/albert `squad_utils.py` (`create_v2_model`) and google-research/electra
`finetune/qa/qa_tasks.py` (`get_prediction_module`); it shares no code with the package.
"""

import numpy as np
import oracle

SIZES = {"answerable_spans": 5, "joint_spans": 20}
NAMES = {"answerable_spans": "squad2", "joint_spans": "joint"}


def float64(weights):
    return {name: np.asarray(value, "float64") for name, value in weights.items()}


def log_softmax(x):
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def allowed(kind, segments, mask):
    """Which tokens may begin or end an answer, or stand for none: a list of bools."""
    found = [bool(s and m) for s, m in zip(segments, mask, strict=True)]
    if kind == "answerable_spans":  # its p_mask leaves out the last "[SEP]"
        for place in [i for i, here in enumerate(found) if here and not any(found[i + 1 : i + 2])]:
            found[place] = False
    found[0] = True
    return np.array(found)


def dense(w, path, x):
    return x @ w[f"{path}/kernel"] + w.get(f"{path}/bias", 0.0)


def end_logits(kind, w, x, start):
    """x (L, D) of one window, and the place of a start -> (L,)."""
    own, told = NAMES[kind], np.tile(x[start], (len(x), 1))
    both = [x, told] if kind == "answerable_spans" else [told, x]
    hidden = dense(w, f"{own}/end_dense", np.concatenate(both, -1))  # (L, H)
    if kind == "answerable_spans":
        hidden = np.tanh(hidden)
        spread = np.sqrt(hidden.var(-1, keepdims=True) + 1e-12)
        hidden = (hidden - hidden.mean(-1, keepdims=True)) / spread
        hidden = hidden * w[f"{own}/end_norm/gamma"] + w[f"{own}/end_norm/beta"]
    else:
        hidden = oracle.ACTIVATIONS["gelu_erf"](hidden)
    return dense(w, f"{own}/end", hidden)[:, 0]


def no_answer(kind, w, x, start_logits):
    """The logit that a window has no answer."""
    own = NAMES[kind]
    mean = np.exp(log_softmax(start_logits)) @ x
    both = [mean, x[0]] if kind == "answerable_spans" else [x[0], mean]
    hidden = dense(w, f"{own}/answer_dense", np.concatenate(both))
    act = {"answerable_spans": "tanh", "joint_spans": "gelu_erf"}[kind]
    return dense(w, f"{own}/answer", oracle.ACTIVATIONS[act](hidden))[0]


def start_logits(kind, w, x, may_be):
    return np.where(may_be, dense(w, f"{NAMES[kind]}/start", x)[:, 0], -1e30)


def beam(kind, weights, x, segments, mask):
    """One window's -> [(start, its log-probability, [(end, its log-probability), …])] of places
    alone, the best first; and the logit that there is no answer."""
    w, x, may_be = float64(weights), np.asarray(x, "float64"), allowed(kind, segments, mask)
    logits = start_logits(kind, w, x, may_be)
    found = []
    for start, value in _best(log_softmax(logits), may_be, SIZES[kind]):
        ends = np.where(may_be, end_logits(kind, w, x, start), -1e30)
        found.append((start, value, _best(log_softmax(ends), may_be, SIZES[kind])))
    return found, no_answer(kind, w, x, logits)


def _best(values, may_be, size):
    order = sorted(np.flatnonzero(may_be), key=lambda i: -values[i])[:size]
    return [(int(i), float(values[i])) for i in order]


def loss(kind, weights, x, segments, mask, start, end, without):
    """One window's, where the right start is told."""
    w, x, may_be = float64(weights), np.asarray(x, "float64"), allowed(kind, segments, mask)
    logits = start_logits(kind, w, x, may_be)
    ends = np.where(may_be, end_logits(kind, w, x, start), -1e30)
    found = -(log_softmax(logits)[start] + log_softmax(ends)[end]) / 2
    none = no_answer(kind, w, x, logits)
    return found + 0.5 * np.log1p(np.exp(-none if without else none))
