"""A small MaskedLM, and data for it."""

import dataclasses
from pathlib import Path

import numpy as np
import oracle

from bert_tf2 import Encoder, MaskedLM, Preprocessor, WordPieceTokenizer

FIXTURE = Path(__file__).parents[1] / "reference" / "own_fixture"
TEXTS = (FIXTURE / "text.txt").read_text("utf-8").splitlines()
TOKENIZER = WordPieceTokenizer(FIXTURE / "vocab_uncased.txt", lowercase=True)


def make(config=oracle.SMALL, dropout=False, dtype=None, pad=False, **kwargs):
    """A MaskedLM of a tiny config on the committed vocabulary, with seeded random weights."""
    config = config if dropout else oracle.with_dropout(config, 0.0)
    config = dataclasses.replace(config, vocab_size=TOKENIZER.vocabulary_size)
    preprocessor = Preprocessor(TOKENIZER, config.max_length, pad_to_max_length=pad)
    task = MaskedLM(Encoder(config, dtype=dtype), preprocessor, **kwargs)
    arrays = oracle.random_weights({n: v.shape for n, v in task.named_variables().items()})
    for name, variable in task.named_variables().items():
        variable.assign(arrays[name] * (0.1 if name == "embeddings/token" else 1.0))
    return task


def records(count=6, predictions=4, seed=0):
    """Inputs and targets as `read_records` gives them, of rows with different lengths."""
    generator = np.random.default_rng(seed)
    config = dataclasses.replace(oracle.SMALL, vocab_size=TOKENIZER.vocabulary_size)
    inputs = oracle.random_inputs(config, count, 12, seed)
    lengths = inputs["padding_mask"].sum(1, keepdims=True)
    shape = (count, predictions)
    weights = np.arange(predictions) < generator.integers(1, predictions + 1, (count, 1))
    inputs["masked_positions"] = (generator.integers(0, lengths, shape) * weights).astype("int32")
    return inputs, {
        "masked_ids": generator.integers(0, config.vocab_size, shape).astype("int32"),
        "masked_weights": weights.astype("float32"),
        "next_sentence_labels": generator.integers(0, 2, count).astype("int32"),
    }


def mean_loss(logits, ids, weight):
    """(sum of weighted losses / sum of weights, share of hits), in float64."""
    logits = np.asarray(logits, "float64")
    shifted = logits - logits.max(-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_probabilities, np.asarray(ids)[..., None], -1)[..., 0]
    hits = logits.argmax(-1) == ids
    return (losses * weight).sum() / np.sum(weight), (hits * weight).sum() / np.sum(weight)
