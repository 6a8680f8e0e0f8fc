"""An independent BERT forward pass in NumPy float64, and small models to try it on.

Written from Devlin et al. 2018, Vaswani et al. 2017 and the arithmetic of google-research/bert
`modeling.py`, sharing no code with the package: one sentence and one head at a time.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig

TINY = EncoderConfig(
    vocab_size=97,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=20,
)


def random_weights(shapes, seed=0):
    """name -> float32 array: norms around 1, everything else N(0, 0.3)."""
    generator = np.random.default_rng(seed)
    return {
        name: (name.endswith("gamma") + 0.3 * generator.standard_normal(shape)).astype("float32")
        for name, shape in shapes.items()
    }


def random_inputs(config, batch=5, length=12, seed=0):
    """Ids with rows of different length, all at least one token."""
    generator = np.random.default_rng(seed)
    mask = np.arange(length) < generator.integers(1, length + 1, (batch, 1))
    return {
        "token_ids": generator.integers(0, config.vocab_size, (batch, length)).astype("int32"),
        "segment_ids": generator.integers(0, 2, (batch, length)).astype("int32"),
        "padding_mask": mask.astype("int32"),
    }


_erf = np.vectorize(math.erf)
ACTIVATIONS = {
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_erf": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "linear": lambda x: x,
}


def forward(config, weights, inputs):
    """-> dict of layer_outputs (list of (B, L, D)), pooled_output (B, D), attention_scores."""
    w = {name: np.asarray(value, "float64") for name, value in weights.items()}
    rows = [
        _sentence(config, w, *(inputs[k][b] for k in ("token_ids", "segment_ids", "padding_mask")))
        for b in range(len(inputs["token_ids"]))
    ]
    layers = [np.stack(layer) for layer in zip(*(states for states, _ in rows), strict=True)]
    scores = [np.stack(layer) for layer in zip(*(probs for _, probs in rows), strict=True)]
    pooled = np.tanh(layers[-1][:, 0] @ w["pooler/kernel"] + w["pooler/bias"])
    return {"layer_outputs": layers, "pooled_output": pooled, "attention_scores": scores}


def _sentence(config, w, ids, segments, mask):
    x = (
        w["embeddings/token"][ids]
        + w["embeddings/position"][: len(ids)]
        + w["embeddings/segment"][segments]
    )
    x = _norm(config, w, "embeddings/norm", x)
    states, scores = [], []
    for i in range(config.num_hidden_layers):
        context, probabilities = _attention(config, w, f"layer_{i}/attention", x, mask)
        x = _norm(config, w, f"layer_{i}/attention/norm", context + x)
        inner = ACTIVATIONS[config.hidden_act](_dense(w, f"layer_{i}/ffn/intermediate", x))
        x = _norm(config, w, f"layer_{i}/ffn/norm", _dense(w, f"layer_{i}/ffn/output", inner) + x)
        states.append(x)
        scores.append(probabilities)
    return states, scores


def _attention(config, w, path, x, mask):
    size = config.hidden_size // config.num_attention_heads
    parts, scores = [], []
    for head in range(config.num_attention_heads):
        columns = slice(head * size, (head + 1) * size)
        query, key, value = (
            _dense(w, f"{path}/{name}", x)[:, columns] for name in ("query", "key", "value")
        )
        logits = query @ key.T / math.sqrt(size) - 10000.0 * (1 - mask)
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        parts.append(weights @ value)
        scores.append(weights)
    return _dense(w, f"{path}/output", np.concatenate(parts, -1)), np.stack(scores)


def _dense(w, path, x):
    return x @ w[f"{path}/kernel"] + w[f"{path}/bias"]


def _norm(config, w, path, x):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps)
    return scaled * w[f"{path}/gamma"] + w[f"{path}/beta"]


def tiny_classifier(labels=("tea", "stone", "rain"), config=TINY, pad=False, **kwargs):
    """A TextClassifier of TINY's size on the committed vocabulary, with seeded random weights."""
    from bert_tf2 import Encoder, Preprocessor, TextClassifier, WordPieceTokenizer

    folder = Path(__file__).parent / "reference" / "own_fixture"
    tokenizer = WordPieceTokenizer(folder / "vocab_uncased.txt", lowercase=True)
    config = dataclasses.replace(config, vocab_size=tokenizer.vocabulary_size)
    encoder = Encoder(config)
    preprocessor = Preprocessor(tokenizer, config.max_position_embeddings, pad_to_max_length=pad)
    task = TextClassifier(encoder, preprocessor, labels=list(labels), **kwargs)
    shapes = {name: v.shape for name, v in task.named_variables().items()}
    arrays = random_weights(shapes)
    for name, variable in task.named_variables().items():
        variable.assign(arrays[name])
    return task
