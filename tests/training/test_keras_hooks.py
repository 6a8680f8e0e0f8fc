"""What `training/keras_hooks.py` stands on, and whether Keras still needs it.

A test that fails here says that Keras has changed: look whether an override can go.
"""

import json
import subprocess
import sys

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD, FORWARD, assert_near


def test_keras_has_what_is_overridden_and_used():
    assert keras.__version__.startswith("3.15."), "run the full suite, then name the version here"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    names = ("_make_function", "_maybe_symbolic_build", "_symbolic_build", "_autoconvert_optionals")
    assert all(callable(getattr(model, name, None)) for name in names)
    assert hasattr(model, "_loss_tracker")
    assert callable(model.optimizer._all_reduce_sum_gradients)


def adam_step(gradient):
    table = keras.Variable(np.zeros((3, 1), "float32"))
    optimizer = keras.optimizers.Adam(0.1)
    for _ in range(3):
        optimizer.apply([gradient], [table])
    return table.numpy()


def test_keras_adam_still_squares_repeated_rows_one_by_one():
    """Row 0 comes twice, with 1 and -0.5: why `step.apply` makes gradients dense."""
    slices = tf.IndexedSlices(tf.constant([[1.0], [-0.5]]), tf.constant([0, 0]), (3, 1))
    dense = tf.convert_to_tensor(slices)
    np.testing.assert_allclose(adam_step(dense)[0], -0.3, atol=BACKWARD)
    assert abs(adam_step(slices)[0] + 0.3) > 0.01


STOCK_KERAS_ON_TWO_REPLICAS = """
import json, sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

import keras

x = np.array([[1.0], [2.0], [0.5], [30.0]], "float32")

def fit(strategy, steps=1, rows=4):
    with strategy.scope():
        layer = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
        model = keras.Sequential([keras.Input((1,)), layer])
        optimizer = keras.optimizers.SGD(1.0, global_clipnorm=1.0)
        model.compile(optimizer, "mse", steps_per_execution=steps, run_eagerly=False)
    data = tf.data.Dataset.from_tensor_slices((x[:rows], np.ones((rows, 1), "float32"))).batch(4)
    history = model.fit(data, epochs=1, verbose=0).history
    return [float(layer.kernel.numpy()[0, 0]), history["loss"][0]]

found = {"one": fit(tf.distribute.get_strategy()), "two": fit(two)}
for case in ({"steps": 2}, {"rows": 3}):
    name = next(iter(case))
    try:
        fit(two, **case)
        found[name] = "runs"
    except Exception as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""


@pytest.mark.full
def test_stock_keras_is_still_wrong_on_replicas():
    """Clipping; several steps per execution; replicas with unequal parts of a batch."""
    command = [sys.executable, "-c", STOCK_KERAS_ON_TWO_REPLICAS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert abs(found["one"][0] - found["two"][0]) > 0.01
    assert "runs" not in (found["steps"], found["rows"]), found


def test_predict_is_traced_once_for_all_sizes(monkeypatch):
    """Keras traces for the first batch's shape, and again for the second's."""
    task, traced = oracle.tiny_classifier(), []
    step = task.predict_step
    monkeypatch.setattr(task, "predict_step", lambda data: traced.append(data) or step(data))
    texts = ["tea", "rain, stone", "The kettle hums."]
    alone = [task.predict([text], verbose=0)[0] for text in texts]
    assert_near(task.predict(texts, batch_size=2, verbose=0), alone, FORWARD)
    assert len(traced) == 1
