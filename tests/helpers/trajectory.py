"""Short training runs in a process of their own; devices are split before TensorFlow starts.

    python trajectory.py '[{"out": "one.npz"}, {"replicas": 2, "out": "two.npz"}]'

Each run is a dict of settings, see `DEFAULTS`. It writes losses, metrics, predictions and all
weights and slots.
"""

import contextlib
import functools
import json
import os
import signal
import sys

import numpy as np
import oracle
import tensorflow as tf

TEXTS = ["tea tea tea", "The kettle hums.", "stone, rain & tea", "tea", "rain tea rain", "x y z"]
TEXTS = [f"{a} {b}" for a in TEXTS for b in ("rain", "stone tea", "a kettle of rain", "")][:22]
LABELS = [["tea", "stone", "rain"][i * i % 3] for i in range(len(TEXTS))]
WEIGHTS = [1.0 + (i % 4) / 2 for i in range(len(TEXTS))]


CONFIGS = oracle.TINIES | {"bert": oracle.SMALL}
DEFAULTS = {
    "replicas": 1,  # logical CPU devices of a MirroredStrategy; or "workers", as TF_CONFIG says
    "compile": {},  # more for `Task.compile`
    "optimizer": "adamw",
    "epochs": 7,
    "family": "bert",
    "drop_padding": True,
    "shuffle": True,
    "dropout": 0.0,
    "overflow_row": None,  # its weight is infinite
    "checkpoints": None,  # keyword arguments of `Checkpoints`
    "kill_at": None,  # steps done when the process kills itself
    "killed": None,  # the index of the worker that does; default all
    "deterministic": False,
}


@functools.cache  # a second one in a process mixes up its sums with those of the first
def strategy(replicas):
    if replicas == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])


def scope(replicas):
    return contextlib.nullcontext() if replicas == 1 else strategy(replicas).scope()


def optimizer(name):
    import keras

    import bert_tf2

    schedule = keras.optimizers.schedules.PolynomialDecay(3e-4, 21, 1e-4)
    make = {
        "adamw": lambda: bert_tf2.AdamW(schedule, clip_norm=0.5),
        "keras_adam": lambda: keras.optimizers.Adam(schedule, global_clipnorm=0.5),
        "keras_clipnorm": lambda: keras.optimizers.SGD(schedule, momentum=0.9, clipnorm=0.05),
        "scaled": lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(schedule, global_clipnorm=0.5), initial_scale=2.0**10
        ),
    }
    return make[name]()


def callbacks(given):
    """What saves the run, and what kills it."""
    import keras

    import bert_tf2

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations.numpy()) == given["kill_at"]:
                os.kill(os.getpid(), signal.SIGKILL)

    found = [bert_tf2.Checkpoints(**given["checkpoints"])] if given["checkpoints"] else []
    worker = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {}).get("index")
    dies = given["kill_at"] and given["killed"] in (None, worker)
    return found + ([Kill()] if dies else [])


def run(given):
    import keras

    with scope(given["replicas"]):
        keras.utils.set_random_seed(3)
        task = oracle.tiny_classifier(
            config=oracle.with_dropout(CONFIGS[given["family"]], given["dropout"]),
            dropout=given["dropout"],
            drop_padding=given["drop_padding"],
            pad=not given["drop_padding"],
        )
        task.compile(optimizer(given["optimizer"]), **given["compile"])
    weights = list(WEIGHTS)
    if given["overflow_row"] is not None:
        weights[given["overflow_row"]] = float("inf")
    data = {"x": TEXTS, "y": LABELS, "sample_weight": weights, "batch_size": 8}
    if given["overflow_row"] is not None:  # which no array may have
        rows = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS, weights))
        data = {"x": rows.batch(8)}
    fitted = task.fit(
        **data,
        shuffle=given["shuffle"],
        epochs=given["epochs"],
        validation_data=(TEXTS[:13], LABELS[:13]),
        callbacks=callbacks(given),
        verbose=0,
    )
    predicted = task.predict(TEXTS[:13], batch_size=8, verbose=0)
    arrays = {f"weight/{n}": np.asarray(v.value) for n, v in task.named_variables().items()}
    arrays |= {f"optimizer/{v.path}": np.asarray(v.value) for v in task.optimizer.variables}
    arrays |= {f"history/{name}": np.array(values) for name, values in fitted.history.items()}
    np.savez(given["out"], predicted=predicted, **arrays)


if __name__ == "__main__":
    runs = [DEFAULTS | given for given in json.loads(sys.argv[1])]
    if all(given["replicas"] != "workers" for given in runs):
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
        )
    if any(given["deterministic"] for given in runs):
        tf.config.experimental.enable_op_determinism()
    for given in runs:
        run(given)
