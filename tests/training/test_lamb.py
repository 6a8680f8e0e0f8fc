"""LAMB against a NumPy restatement, alone and inside Keras's own training loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from closeness import BACKWARD, CANCELLED, FORMULA, assert_near, of_steps
from numpy_optimizer import NumpyOptimizer, problem, variable

from bert_tf2.training import updates
from bert_tf2.training.optimizers import LAMB
from bert_tf2.training.schedules import LinearWarmupDecay


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("clip_norm", [1.0, None])
def test_twelve_steps_equal_numpy(clip_norm, compiled):
    expected, goal = problem()
    expected["pooler/kernel"], goal["pooler/kernel"] = np.zeros((2, 2)), np.ones((2, 2))
    variables = {path: variable(path, w) for path, w in expected.items()}
    reference = NumpyOptimizer(expected, clip_norm, lamb=True)
    optimizer = LAMB(LinearWarmupDecay(0.1, total_steps=20), clip_norm=clip_norm)
    optimizer.build(list(variables.values()))

    def step():
        gradients = [w.value - goal[path].astype("float32") for path, w in variables.items()]
        optimizer.apply(gradients, list(variables.values()))

    step = tf.function(step) if compiled else step
    for i in range(12):
        reference.step({path: w - goal[path] for path, w in expected.items()}, 0.1 * (1 - i / 20))
        step()
        for path, w in variables.items():
            assert_near(w.numpy(), expected[path], of_steps(12, 0.1, FORMULA), err_msg=path)


def moved(optimizer, *paths):
    """How far variables of four ones go with gradients of 1: with the ratio, their rate times 1."""
    variables = [variable(path, np.ones(4)) for path in paths]
    optimizer.apply([tf.ones(4)] * len(paths), variables)
    return [float(1 - w.numpy()[0]) for w in variables]


# m is 0.1 and the root of v 0.0316 after one step, so the update is 3.16 where nothing adapts it.
PLAIN, ADAPTED = 0.01 * 0.1 / np.sqrt(0.001), 0.01


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, [ADAPTED, PLAIN, PLAIN]),
        ({"exclude_from_weight_decay": ["kernel"]}, [PLAIN, ADAPTED, ADAPTED]),
        ({"exclude_from_layer_adaptation": ["kernel"]}, [PLAIN, ADAPTED, ADAPTED]),
        ({"exclude_from_layer_adaptation": []}, [ADAPTED, ADAPTED, ADAPTED]),
    ],
)
def test_what_is_adapted(arguments, expected):
    """By default what may decay, however little it does."""
    optimizer = LAMB(0.01, weight_decay=0.0, clip_norm=None, **arguments)
    steps = moved(optimizer, "a/kernel", "a/bias", "a/norm/gamma")
    np.testing.assert_allclose(steps, expected, rtol=CANCELLED)


def test_excluded_as_in_keras_is_not_adapted():
    optimizer = LAMB(0.01, weight_decay=0.0, clip_norm=None)
    variables = [variable(path, np.ones(4)) for path in ("a/kernel", "b/kernel")]
    optimizer.exclude_from_weight_decay(var_list=variables[1:])
    optimizer.apply([tf.ones(4)] * 2, variables)
    steps = [float(1 - w.numpy()[0]) for w in variables]
    np.testing.assert_allclose(steps, [ADAPTED, PLAIN], rtol=CANCELLED)


def test_nothing_to_learn_from_gives_no_nan():
    """A norm of 0 on either side, or on both."""
    weights = [[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]
    gradients = [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    variables = [variable(f"{i}/kernel", w) for i, w in enumerate(weights)]
    LAMB(0.1, weight_decay=0.0, clip_norm=None).apply(list(map(tf.constant, gradients)), variables)
    np.testing.assert_array_equal(variables[0].numpy(), weights[0])
    np.testing.assert_allclose(variables[1].numpy(), [-0.1 * np.sqrt(10)] * 2, rtol=CANCELLED)
    np.testing.assert_array_equal(variables[2].numpy(), weights[2])


@pytest.mark.parametrize("compiled", [True, False])
def test_norms_of_large_tables_are_exact(compiled):
    """As many numbers as BERT's token table: a float32 sum of squares in one row would stall."""
    w = tf.fill((30522, 768), 0.02)
    zeros = tf.zeros_like(w)
    values = tf.function(updates.lamb_values, jit_compile=True) if compiled else updates.lamb_values
    rate = tf.constant(0.1)
    arguments = (w, zeros, zeros, tf.ones_like(w), rate, tf.constant(1.0))
    next_w, _, _ = values(*arguments, 0.9, 0.999, 1e-6, 0.0, True)
    np.testing.assert_allclose(next_w[::999], tf.fill((31, 768), 0.02 * (1 - 0.1)), rtol=BACKWARD)


@pytest.mark.full
def test_fit_saves_and_goes_on(tmp_path):
    """Under XLA as without, with the slots and the exclusions that were saved."""
    x, y = np.eye(4, dtype="float32"), np.arange(4.0, dtype="float32")[:, None]
    weights = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="output")])
        optimizer = LAMB(0.05, exclude_from_layer_adaptation=["none"])
        model.compile(optimizer, loss="mse", jit_compile=jit_compile)
        model.fit(x, y, epochs=2, verbose=0)
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert type(again.optimizer) is LAMB
        for each in (model, again):
            each.fit(x, y, epochs=2, verbose=0)
        for w, saved in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(w, saved)
        weights.append(model.get_weights()[0])
    assert_near(weights[0], weights[1], FORMULA)


def test_config_round_trip():
    optimizer = LAMB(0.1, ["gamma"], beta_1=0.8, reproduce="google", layer_decay=0.9)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is LAMB
    assert again.get_config() == optimizer.get_config()
    assert again.get_config()["exclude_from_layer_adaptation"] == ["gamma"]
    assert (again.beta_1, again.reproduce, again.layer_decay) == (0.8, "google", 0.9)
    assert LAMB().get_config()["exclude_from_layer_adaptation"] is None


@pytest.mark.parametrize(
    "argument",
    [
        {"exclude_from_layer_adaptation": "bias"},
        {"exclude_from_layer_adaptation": ["(bias"]},
        {"layer_decay": 0.0},
        {"layer_decay": 1.1},
        {"beta_1": 1.0},
    ],
)
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"`{next(iter(argument))}` .*Received: "):
        LAMB(**argument)
