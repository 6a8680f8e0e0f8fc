"""What is asked in works of the kind `asked`: raw strings of CoNLL, SQuAD, AG News and STS-B."""

from pathlib import Path

import numpy as np

from benchmarks import materials, quality_data

LABELS = "world sports business technology politics science health travel food music film art law"
DOCUMENTS = 100  # for a query
LABELS = f"{LABELS} war weather history education economy crime religion".split()  # 20


def _entities(x):
    texts = [" ".join(words) for words in x["words"]]
    return {"text": texts}, texts


def _answers(x):
    return x, (x["question"], x["context"])


def _labels(x):
    pairs = [(text, f"This example is {name}.") for text in x["text"] for name in LABELS]
    return x | {"labels": LABELS}, tuple(map(list, zip(*pairs, strict=True)))


def _sentences(x):
    texts = x["text"] + x["text_pair"]
    return {"text": texts}, texts


def _ranked(x):
    documents = [*dict.fromkeys(x["context"])][:DOCUMENTS]
    query = x["question"][0]
    return {"query": query, "documents": documents}, ([query] * len(documents), documents)


# Head -> files, where they come from, how many rows; rows -> (what is asked, what the model reads).
HEADS = {
    "tag": (quality_data.of_conll, "CoNLL-2003, testa", 256, _entities),
    "answer": (quality_data.of_squad, "SQuAD 2.0, dev", 64, _answers),
    "zero_shot": (quality_data.of_ag_news, "AG News, test set", 64, _labels),
    "embed": (quality_data.of_glue("STS-B"), "STS-B, dev, both sides", 256, _sentences),
    "rerank": (quality_data.of_squad, "SQuAD 2.0, dev", 2000, _ranked),
}


def vectors(model, found):
    """What workers of the kind `embed` are told besides: STS-B's dev set in pairs, and sizes."""
    _, data = HEADS["embed"][0](Path(materials.ASSETS, "datasets"))
    pairs = {"text": data.x["text"], "text_pair": data.x["text_pair"]}
    pairs["score"] = [float(score) for score in data.y]
    return {
        "pairs": pairs,
        "width": materials.config(model).hidden_size,
        "padded": found["lengths"],
    }


def question(head):
    """dict of `asked`, columns of raw strings; the `lengths` of what is read; and `source`.

    Raises:
        ValueError: the data is not here.
    """
    if not materials.ASSETS:
        raise ValueError("set BERT_TF2_ASSETS to a folder that holds datasets/")
    read, source, size, sides = HEADS[head]
    _, data = read(Path(materials.ASSETS, "datasets"))
    rows = np.random.default_rng(materials.SEED).permutation(len(data.y))[:size]
    x, sides = sides(data.rows(rows).x)
    lengths = materials.encode(sides, max_length=384)["padding_mask"].sum(1).tolist()
    return {"asked": x, "lengths": lengths, "source": source}
