"""Learning rates that fall from layer to layer, against factors written by hand."""

import numpy as np
import oracle
import pytest
import replicas
import tensorflow as tf
from closeness import FORMULA, assert_near, of_steps
from numpy_optimizer import FACTORS, NumpyOptimizer, problem, variable

from bert_tf2 import Encoder
from bert_tf2.training.layer_decay import rate_factors
from bert_tf2.training.optimizers import LAMB, AdamW

# --- Which variable has which. --------------------------------------------------------------------


def test_factors_by_path():
    assert rate_factors(list(FACTORS), 0.8) == pytest.approx(list(FACTORS.values()))
    assert rate_factors(list(FACTORS), 1.0) == [1.0] * len(FACTORS)


def test_factors_of_an_encoder():
    """ELECTRA's, with a projection; the numbers are those of its `_get_layer_lrs` for 2 layers."""
    paths = [variable.path for variable in Encoder(oracle.TINIES["electra"]).trainable_variables]
    factors = {"embeddings": 0.5**4, "layer_0": 0.5**3, "layer_1": 0.5**2}
    found = dict(zip(paths, rate_factors(paths, 0.5), strict=True))
    assert any("embeddings/projection/kernel" in path for path in found)
    for path, factor in found.items():
        part = next(part for part in path.split("/") if part in factors)
        assert factor == factors[part], path


def test_layers_are_told_by_whole_names():
    paths = ["layer_10/kernel", "layer_1/kernel", "my_embeddings/kernel", "sublayer_3/kernel"]
    assert rate_factors(paths, 0.5) == [0.5**2, 0.5**11, 1.0, 1.0]


@pytest.mark.parametrize("family", ["albert", "albert, inner groups"])
def test_shared_layers_have_no_depth(family):
    variables = Encoder(oracle.TINIES[family]).trainable_variables
    with pytest.raises(ValueError, match=r"`layer_decay` .*ALBERT.*Received: .*0\.9.*group_0_"):
        AdamW(layer_decay=0.9).build(variables)


def test_a_model_without_layers():
    with pytest.raises(ValueError, match=r"`layer_decay` .*Received: .*0\.9.*a/kernel"):
        AdamW(layer_decay=0.9).build([variable("a/kernel", [1.0])])


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5])
def test_out_of_range(value):
    with pytest.raises(ValueError, match=f"`layer_decay` .*Received: layer_decay={value}"):
        AdamW(layer_decay=value)


# --- Steps. ---------------------------------------------------------------------------------------

CORRECTED = {"layer_decay": 0.8, "bias_correction": True}
DECAYED = {
    "adamw": (AdamW, {"layer_decay": 0.8}),
    "lamb": (LAMB, {"layer_decay": 0.8}),
    "adamw corrected": (AdamW, CORRECTED),
    "lamb corrected": (LAMB, CORRECTED),
}
STEPS, RATE = 6, 0.1


def numpy_steps(name):
    """path -> weights after the last step, with the rates written by hand."""
    weights, goal = problem()
    optimizer, settings = DECAYED[name]
    corrected = "bias_correction" in settings
    reference = NumpyOptimizer(weights, 1.0, optimizer is LAMB, FACTORS, corrected)
    for _ in range(STEPS):
        reference.step({path: w - goal[path] for path, w in weights.items()}, RATE)
    return weights


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", list(DECAYED))
def test_steps_equal_numpy(name, compiled):
    start, goal = problem()
    variables = {path: variable(path, w) for path, w in start.items()}
    optimizer_class, settings = DECAYED[name]
    optimizer = optimizer_class(RATE, **settings)
    optimizer.build(list(variables.values()))

    def step():
        gradients = [w.value - goal[path].astype("float32") for path, w in variables.items()]
        optimizer.apply(gradients, list(variables.values()))

    step = tf.function(step) if compiled else step
    for _ in range(STEPS):
        step()
    for path, expected in numpy_steps(name).items():
        assert_near(variables[path].numpy(), expected, of_steps(STEPS, RATE, FORMULA), err_msg=path)


def steps_on_replicas(strategy, out):
    """In a process of its own. Each replica has a part of the gradient that only their sum has."""
    arrays = {}
    for name, (optimizer_class, settings) in DECAYED.items():
        start, goal = problem()
        with strategy.scope():
            variables = {path: variable(path, w) for path, w in start.items()}
            optimizer = optimizer_class(RATE, **settings)
            optimizer.build(list(variables.values()))

        def replica_step(variables=variables, optimizer=optimizer, goal=goal):
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            part = tf.where(tf.equal(replica, 0), 3.0, -2.0)  # 1 in all
            gradients = [
                part * (w.value - goal[path].astype("float32")) for path, w in variables.items()
            ]
            optimizer.apply(gradients, list(variables.values()))

        step = tf.function(lambda replica_step=replica_step: strategy.run(replica_step))
        for _ in range(STEPS):
            step()
        for path, w in variables.items():
            for i, copy in enumerate(strategy.experimental_local_results(w.value)):
                arrays[f"{name}:{i}:{path}"] = copy.numpy()
    np.savez(out, **arrays)


@pytest.mark.full
def test_steps_on_two_replicas(tmp_path):
    replicas.call(__file__, "steps_on_replicas", tmp_path / "out.npz")
    found = np.load(tmp_path / "out.npz")
    for name in DECAYED:
        for path, expected in numpy_steps(name).items():
            for i in range(2):
                assert_near(found[f"{name}:{i}:{path}"], expected, of_steps(STEPS, RATE, FORMULA))
