"""Fine-tunes an exported text encoder with what a TF-Hub user has, and nothing of this package.

    python fine_tune_hub.py '{"folder": …, "out": …, "replicas": 1, "saved": …}'

`out` gets losses, predictions before and after, and the encoder's variables; `saved` the model.
"""

import json
import os
import sys

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras


def build(folder, rate):
    layer = hub.KerasLayer(folder, trainable=True)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    inputs = {name: tf_keras.Input((None,), dtype=tf.int32, name=name) for name in names}
    outputs = layer(inputs)
    dense = tf_keras.layers.Dense(1, kernel_initializer="ones", name="regressor")
    model = tf_keras.Model(inputs, dense(outputs["default"]))
    model.compile(tf_keras.optimizers.SGD(rate), "mse")
    return layer, model


def main(folder, out, inputs, replicas=1, saved=None, rate=0.01):
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(cpu, parts)
    strategy = tf.distribute.get_strategy()
    if replicas > 1:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
    x = {name: np.array(values, "int32") for name, values in inputs.items()}
    y = np.linspace(-1, 1, len(x["input_mask"]), dtype="float32")[:, None]
    with strategy.scope():
        layer, model = build(folder, rate)
    before = {f"before/{v.name}": v.numpy() for v in layer.variables}
    first = model.predict(x, verbose=0)
    losses = [model.train_on_batch(x, y) for _ in range(4)]
    after = {f"after/{v.name}": v.numpy() for v in layer.variables}
    np.savez(out, losses=losses, first=first, last=model.predict(x, verbose=0), **before, **after)
    if saved:
        model.save(saved)
    assert not [name for name in sys.modules if name.startswith("bert_tf2")]


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
