"""Poolings and what follows them, beside NumPy on one text at a time."""

import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import FORMULA

from bert_tf2.modeling import sentences

MASKS = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 1, 0, 1]], "int32")


def pooled(tokens, places, mode):
    """tokens (n, D) of one text that count, and their places in the row -> (D,)."""
    weights = (places + 1.0)[:, None]
    return {
        "cls": lambda: tokens[0],
        "max": lambda: tokens.max(0),
        "mean": lambda: tokens.mean(0),
        "mean_sqrt_len_tokens": lambda: tokens.sum(0) / np.sqrt(len(tokens)),
        "weightedmean": lambda: (tokens * weights).sum(0) / weights.sum(),
        "lasttoken": lambda: tokens[-1],
    }[mode]()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")


@pytest.mark.parametrize("modes", [*sentences.POOLINGS, ["lasttoken", "mean"]])
def test_poolings(x, modes):
    layer = sentences.SentenceVector(modes)
    wanted = [
        np.concatenate([pooled(row[mask > 0], np.flatnonzero(mask), m) for m in layer.pooling])
        for row, mask in zip(x.astype("float64"), MASKS, strict=True)
    ]
    np.testing.assert_allclose(layer(x, MASKS), wanted, atol=FORMULA)
    if modes == "lasttoken":  # of no token, as where a prompt does not count and is all there is
        assert not np.any(layer(x, 0 * MASKS))


def test_what_follows(x):
    """A dense layer, one that adds what came in, a norm, and length 1; dropout in training."""
    modules = [
        {"kind": "dense", "width": 4, "activation": "gelu"},
        {"kind": "dense", "width": 3, "activation": "relu", "bias": False, "residual": True},
        {"kind": "dense", "width": 3, "activation": "silu", "residual": True},
        "norm",
        {"kind": "dropout", "rate": 0.5},
        "normalize",
    ]
    layer = sentences.SentenceVector("cls", modules)
    layer(x, MASKS)
    w = oracle.random_weights({v.path: v.shape for v in layer.weights if "seed" not in v.path})
    for variable in layer.weights:
        if variable.path in w:
            variable.assign(w[variable.path])
    w = {name.split("/", 1)[1]: array.astype("float64") for name, array in w.items()}
    y = x[range(4), MASKS.argmax(1)].astype("float64")
    y = oracle.ACTIVATIONS["gelu_erf"](y @ w["dense_0/kernel"] + w["dense_0/bias"])
    y = np.maximum(y @ w["dense_1/kernel"], 0) + y @ w["residual_1/kernel"]
    dense = y @ w["dense_2/kernel"] + w["dense_2/bias"]
    y = y + dense / (1 + np.exp(-dense))
    y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-5)
    y = y * w["norm_3/gamma"] + w["norm_3/beta"]
    wanted = y / np.linalg.norm(y, axis=1, keepdims=True)
    np.testing.assert_allclose(layer(x, MASKS), wanted, atol=10 * FORMULA)
    assert np.any(np.abs(layer(x, MASKS, training=True) - wanted) > 0.01)


BAD = {
    "pooling of no name": (["median"], [], "`pooling` must be one or more of cls, max"),
    "no pooling": ([], [], "`pooling` must be one or more of"),
    "no module": ("mean", [{"kind": "lstm"}], "known are dense: width"),
    "no setting": ("mean", [{"kind": "norm", "eps": 1}], "norm: nothing"),
    "no width": ("mean", [{"kind": "dense"}], "must have a `width`"),
    "no activation": ("mean", [{"kind": "dense", "width": 2, "activation": "x"}], "linear, tanh"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_none_is_refused(name):
    pooling, modules, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        sentences.SentenceVector(pooling, modules)


@pytest.mark.parametrize("pooling", ["mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"])
def test_a_text_without_a_token_spoils_no_gradient(x, pooling):
    """As of an empty text after a prompt that does not count."""
    layer = sentences.SentenceVector(pooling, ["normalize"])
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = layer(x, tf.constant(MASKS * [[1], [0], [1], [1]]))
        value = tf.reduce_sum(found * found[::-1])
    slope = tape.gradient(value, x).numpy()
    assert np.isfinite(slope).all() and not slope[1].any() and slope[0].any()
