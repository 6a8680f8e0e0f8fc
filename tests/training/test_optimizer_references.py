"""Trajectories recorded from Google's own optimizer."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf2.training.optimizers import AdamW
from bert_tf2.training.schedules import LinearWarmupDecay

pytestmark = pytest.mark.full


def variable(path, value):
    """A keras.Variable with the given path, such as `dense/kernel`."""
    *scopes, name = path.split("/")
    with contextlib.ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(value, name=name, dtype="float32")


def steps_of(optimizer, recorded):
    """Yields the weights by name after each step on the recorded quadratic loss."""
    names = [key.removeprefix("target/") for key in recorded.files if key.startswith("target/")]
    weights = {name: variable(name, recorded[f"w/{name}"][0]) for name in names}

    @tf.function
    def step():
        gradients = [
            float(recorded["loss_scale"]) * (w.value - recorded[f"target/{name}"])
            for name, w in weights.items()
        ]
        optimizer.apply(gradients, list(weights.values()))

    optimizer.build(list(weights.values()))
    for _ in recorded["lr"]:
        step()
        yield {name: w.numpy() for name, w in weights.items()}


def schedule_of(recorded):
    return LinearWarmupDecay(
        float(recorded["init_lr"]),
        int(recorded["num_train_steps"]),
        int(recorded["num_warmup_steps"]),
    )


@pytest.mark.parametrize("name", ["clip", "noclip", "nowarmup"])
def test_adamw_trajectory(assets, name):
    recorded = np.load(assets / f"reference/optimizer/bert_adamw_{name}.npz")
    optimizer = AdamW(schedule_of(recorded))
    for step, weights in enumerate(steps_of(optimizer, recorded)):
        for path, value in weights.items():
            expected = recorded[f"w/{path}"][step + 1]
            np.testing.assert_allclose(
                value, expected, rtol=1e-6, atol=1e-6, err_msg=f"{path}, step {step}"
            )
    slots = {v.name: v.numpy() for v in optimizer.variables}
    for key in (key for key in recorded.files if key.startswith("final/")):
        slot = slots[key.removeprefix("final/").replace("/", "_")]
        np.testing.assert_allclose(slot, recorded[key], rtol=1e-5, atol=1e-7, err_msg=key)


@pytest.mark.parametrize(
    "reproduce, norm",
    [("google", "global_norm_used_by_reference"), (None, "dense_global_norm")],
)
def test_repeated_ids(assets, reproduce, norm):
    recorded = np.load(assets / "reference/optimizer/sparse_embedding_clip.npz")
    table = variable("embeddings/table", recorded["E0"])
    rate = LinearWarmupDecay(float(recorded["init_lr"]), int(recorded["num_train_steps"]))
    optimizer = AdamW(rate, reproduce=reproduce)
    ids = recorded["ids"]
    values = tf.fill((len(ids), table.shape[1]), float(recorded["loss_scale"]))
    gradient = tf.IndexedSlices(values, ids, tf.constant(table.shape))
    optimizer.apply([gradient], [table])

    first_moment = optimizer.variables[-2].numpy()
    counts = np.bincount(ids, minlength=table.shape[0])[:, None]
    clipped = counts * float(recorded["loss_scale"]) / recorded[norm]
    np.testing.assert_allclose(first_moment, np.broadcast_to(0.1 * clipped, table.shape), rtol=1e-6)
    if reproduce:
        np.testing.assert_allclose(first_moment, recorded["adam_m"], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(table.numpy(), recorded["E1"], rtol=1e-6, atol=1e-6)
