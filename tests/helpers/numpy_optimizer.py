"""Google's optimizers restated in NumPy float64, and small variables to try the real ones on.

Written from google-research/bert `optimization.py`, albert `lamb_optimizer.py` and electra
`model/optimization.py`, sharing no code with the package.
"""

import contextlib
import re

import numpy as np


class NumpyOptimizer:
    """AdamW, or LAMB, on a dict of float64 arrays, changed in place.

    Args:
        weights: path -> array.
        clip_norm: the largest global norm, or None.
        lamb: make each update that decays as long as its weights.
        factors: path -> part of the rate; default 1.
        corrected: divide moments by what they lack from their start at zero.
    """

    def __init__(self, weights, clip_norm, lamb=False, factors=None, corrected=False):
        self.weights, self.clip_norm = weights, clip_norm
        self.lamb, self.factors = lamb, factors or {}
        self.corrected, self.steps = corrected, 0
        self.m = {path: np.zeros_like(w) for path, w in weights.items()}
        self.v = {path: np.zeros_like(w) for path, w in weights.items()}

    def step(self, gradients, rate):
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        self.steps += self.corrected
        of_m, of_v = (1 - 0.9**self.steps, 1 - 0.999**self.steps) if self.corrected else (1, 1)
        scale = 1.0 if self.clip_norm is None else min(1.0, self.clip_norm / norm)
        for path, w in self.weights.items():
            g = gradients[path] * scale
            self.m[path] = 0.9 * self.m[path] + 0.1 * g
            self.v[path] = 0.999 * self.v[path] + 0.001 * g**2
            update = self.m[path] / of_m / (np.sqrt(self.v[path] / of_v) + 1e-6)
            ratio = 1.0
            if not re.search("norm|bias", path):
                update += 0.01 * w
                lengths = np.linalg.norm(w), np.linalg.norm(update)
                ratio = lengths[0] / lengths[1] if self.lamb and all(lengths) else 1.0
            w -= rate * self.factors.get(path, 1.0) * ratio * update


def variable(path, value):
    """A keras.Variable with the given path, such as `dense/kernel`."""
    import keras

    *scopes, name = path.split("/")
    with contextlib.ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(value, name=name, dtype="float32")


# Variables of a model of two layers, and their factors for a decay of 0.8, written by hand. There
# are few shapes, since each is compiled.
SHAPES = {
    "encoder/embeddings/token": (4, 3),
    "encoder/embeddings/norm/gamma": (3,),
    "encoder/layer_0/ffn/output/kernel": (4, 3),
    "encoder/layer_0/ffn/output/bias": (3,),
    "encoder/layer_1/ffn/output/kernel": (4, 3),
    "encoder/layer_1/ffn/norm/beta": (3,),
    "encoder/pooler/kernel": (4, 3),
    "classifier/kernel": (4, 3),
}
FACTORS = {
    "encoder/embeddings/token": 0.4096,
    "encoder/embeddings/norm/gamma": 0.4096,
    "encoder/layer_0/ffn/output/kernel": 0.512,
    "encoder/layer_0/ffn/output/bias": 0.512,
    "encoder/layer_1/ffn/output/kernel": 0.64,
    "encoder/layer_1/ffn/norm/beta": 0.64,
    "encoder/pooler/kernel": 1.0,
    "classifier/kernel": 1.0,
}


def problem():
    """A start and a goal, two dicts of arrays. The gradient is their distance."""
    generator = np.random.default_rng(0)
    start = {path: generator.normal(size=shape) for path, shape in SHAPES.items()}
    goal = {path: 3 * generator.normal(size=shape) for path, shape in SHAPES.items()}
    return start, goal
