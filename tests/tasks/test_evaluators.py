"""Evaluators: that each text's vector counts where it should, and the peer's numbers."""

import itertools

import numpy as np
import oracle
import peers
import pytest
from closeness import FORWARD
from scipy.stats import pearsonr, spearmanr

import bert_tf2
from bert_tf2.scoring import late, sparse, vectors
from bert_tf2.tasks import compared, evaluators

R = np.random.default_rng(5)
TEXTS = [f"text {i}" for i in range(40)]
FIRST, SECOND, THIRD = TEXTS[:20], TEXTS[20:], TEXTS[10:30]
SCORES = R.normal(size=20).tolist()
LABELS = R.integers(0, 2, 20).tolist()
QUERIES = {f"q{i}": f"text {i}" for i in range(6)}
CORPUS = {f"d{i}": f"text {i}" for i in range(6, 40)} | {"q0": "text 0"}
RELEVANT = {q: {f"d{i}" for i in R.choice(np.arange(6, 40), 3, False)} for q in QUERIES}
SAMPLES = [
    {"query": f"text {i}", "positive": TEXTS[i + 1 : i + 3], "negative": TEXTS[20 : 25 + i]}
    for i in range(4)
] + [{"query": "text 9", "positive": [], "negative": ["text 1"]}]
MAP = {f"s{i}": text for i, text in enumerate(TEXTS)}
PAIRS = [("s1", "s4"), ("s4", "s9"), ("s20", "s2"), ("s20", "elsewhere"), ("s3", "s30")]
FNS = ["cosine", "dot", "euclidean", "manhattan"]


class Table:
    """A stand-in for an encoder: a random vector for each text, another one as a query."""

    similarity_fn_name = "cosine"

    def __init__(self):
        self.asked = []

    def encode(self, texts, kind=0):
        self.asked.append(list(texts))
        rows = [np.random.default_rng([int(t.split()[-1]), kind]).normal(size=5) for t in texts]
        return np.array(rows, "float32")

    def encode_query(self, texts):
        return self.encode(texts, 1)

    encode_document = encode


def alike(a, b, name="cosine", kinds=(0, 0)):
    """How alike two texts are, in float64."""
    pairs = zip((a, b), kinds, strict=True)
    a, b = (Table().encode([text], kind)[0].astype("float64") for text, kind in pairs)
    return {
        "cosine": a @ b / np.linalg.norm(a) / np.linalg.norm(b),
        "dot": a @ b,
        "euclidean": -np.sqrt(((a - b) ** 2).sum()),
        "manhattan": -np.abs(a - b).sum(),
    }[name]


def test_embedding_similarity():
    table = Table()
    got = evaluators.embedding_similarity(table, FIRST, THIRD, SCORES, FNS)
    assert table.asked == [TEXTS[:30]]  # each text once
    for name in FNS:
        values = [alike(a, b, name) for a, b in zip(FIRST, THIRD, strict=True)]
        want = pearsonr(SCORES, values)[0], spearmanr(SCORES, values)[0]
        assert (got[f"pearson_{name}"], got[f"spearman_{name}"]) == pytest.approx(want, abs=1e-6)
    assert len(got) == 8
    assert {*evaluators.embedding_similarity(table, FIRST, SECOND, SCORES)} == {
        "pearson_cosine",
        "spearman_cosine",
    }


def test_binary_classification():
    got = evaluators.binary_classification(Table(), FIRST, SECOND, LABELS, ["dot", "manhattan"])
    for name in ("dot", "manhattan"):
        values = np.array([alike(a, b, name) for a, b in zip(FIRST, SECOND, strict=True)])
        right = (values >= got[f"{name}_accuracy_threshold"]) == np.array(LABELS)
        assert got[f"{name}_accuracy"] == right.mean() >= 0.5


def test_triplet():
    got = evaluators.triplet(Table(), FIRST, SECOND, THIRD, 0.1, ["cosine", "euclidean"])
    for name in ("cosine", "euclidean"):
        rows = zip(FIRST, SECOND, THIRD, strict=True)
        want = [alike(a, p, name) > alike(a, n, name) + 0.1 for a, p, n in rows]
        assert got[f"{name}_accuracy"] == np.mean(want)
    kept = {"cosine_accuracy": got["cosine_accuracy"]}
    assert evaluators.triplet(Table(), FIRST, SECOND, THIRD, {"cosine": 0.1}, "cosine") == kept


def test_information_retrieval():
    """By one query after another; `q0` is a text of the corpus, too."""
    for ignore in (False, True):
        got = evaluators.information_retrieval(
            *(Table(), QUERIES | {"q9": "text 9"}, CORPUS, RELEVANT | {"q9": set()}),
            at={"recall": (5,), "mrr": (40,)},
            ignore_identical_ids=ignore,
        )
        recalls, ranks = [], []
        for name, text in QUERIES.items():
            values = {d: alike(text, t, kinds=(1, 0)) for d, t in CORPUS.items()}
            order = sorted((d for d in values if not ignore or d != name), key=lambda d: -values[d])
            recalls.append(len({*order[:5]} & RELEVANT[name]) / 3)
            ranks.append(1 / (1 + min(order.index(d) for d in RELEVANT[name])))
        want = {"cosine_recall@5": np.mean(recalls), "cosine_mrr@40": np.mean(ranks)}
        assert got == pytest.approx(want)
    again = CORPUS | {"a copy": CORPUS["d7"]}  # of equals the first id comes first
    asked = (Table(), QUERIES, again, {"q1": {"d7"}}, {"mrr": (40,)})
    found = evaluators.information_retrieval(*asked)
    values = [alike("text 1", t, kinds=(1, 0)) for t in again.values()]
    place = 2 + sum(value > alike("text 1", "text 7", kinds=(1, 0)) + 1e-6 for value in values)
    assert found["cosine_mrr@40"] == pytest.approx(1 / place)


class Ranker:
    """A stand-in for a reranker, of the same likeness."""

    def predict(self, pairs):
        return np.array([alike(*pair, kinds=(1, 0)) for pair in zip(*pairs, strict=True)])


def test_reranking():
    got = evaluators.reranking(Table(), SAMPLES, at_k=3)
    assert got == pytest.approx(evaluators.reranking(Ranker(), SAMPLES, at_k=3))
    ranks = []
    for sample in SAMPLES[:4]:
        texts = [*sample["positive"], *sample["negative"]]
        values = [alike(sample["query"], text, kinds=(1, 0)) for text in texts]
        ranks.append(1 + sum(value > max(values[:2]) for value in values))
    want = np.mean([1 / rank if rank <= 3 else 0 for rank in ranks])
    assert got["mrr@3"] == pytest.approx(want)


@pytest.mark.parametrize("closure", [False, True])
def test_paraphrase_mining(closure):
    got = evaluators.paraphrase_mining(Table(), MAP, PAIRS, closure, top_k=40)
    gold = {("s1", "s4"), ("s4", "s9"), ("s20", "s2"), ("s3", "s30")}
    gold |= {("s1", "s9")} if closure else set()
    gold = {frozenset(pair) for pair in gold}
    values = {pair: alike(MAP[pair[0]], MAP[pair[1]]) for pair in itertools.combinations(MAP, 2)}
    order = sorted(values, key=lambda pair: -values[pair])
    places = [place for place, pair in enumerate(order, 1) if frozenset(pair) in gold]
    want = np.mean([number / place for number, place in enumerate(places, 1)])
    assert got["average_precision"] == pytest.approx(want)
    few = evaluators.paraphrase_mining(Table(), MAP, PAIRS, closure, max_pairs=places[0])
    assert few["recall"] == pytest.approx(1 / len(gold))


class Weighed(Table):
    """The same numbers above 0, as weights of words."""

    measures, similarity_fn_name = sparse, "dot"

    def encode(self, texts, kind=0):
        rows = [np.maximum(row, 0) for row in super().encode(texts, kind)]
        return sparse.SparseVectors.of_rows([(np.flatnonzero(x), x[x > 0]) for x in rows], 5)

    encode_document = encode


class Dense(Weighed):
    """Those as vectors."""

    measures = vectors

    def encode(self, texts, kind=0):
        return super().encode(texts, kind).toarray()

    encode_document = encode


class Late(Table):
    """The vectors of `Table`, each of a text's one token."""

    measures, similarity_fn_name = late, "maxsim"

    def encode(self, texts, kind=0):
        return [*super().encode(texts, kind)[:, np.newaxis]]

    encode_document = encode


class Products(Table):
    """Whose vectors are compared alike."""

    similarity_fn_name = "dot"


def figures_of(encoder):
    asked = (encoder, QUERIES, CORPUS, RELEVANT)
    found = evaluators.information_retrieval(*asked) | evaluators.reranking(encoder, SAMPLES, 3)
    found |= evaluators.triplet(encoder, FIRST, SECOND, THIRD)
    return {name.removeprefix(f"{encoder.similarity_fn_name}_"): x for name, x in found.items()}


@pytest.mark.parametrize(("other", "like"), [(Weighed, Dense), (Late, Products)])
def test_vectors_of_other_kinds(monkeypatch, other, like):
    """The same figures as of one vector a text, in blocks of any size."""
    monkeypatch.setattr(compared, "AT_ONCE", 80)
    for cls in (other, like):
        monkeypatch.setattr(cls, "encode_query", cls.encode)
    assert figures_of(other()) == pytest.approx(figures_of(like()))
    got = evaluators.embedding_similarity(other(), FIRST, SECOND, SCORES)
    want = evaluators.embedding_similarity(like(), FIRST, SECOND, SCORES)
    assert [*got.values()] == pytest.approx([*want.values()], abs=1e-6)
    with pytest.raises(ValueError, match=r"must be one of (dot, cosine|maxsim)"):
        evaluators.triplet(other(), FIRST, SECOND, THIRD, similarity_fn_names=["x"])
    with pytest.raises(TypeError, match="give a SentenceEncoder"):
        evaluators.paraphrase_mining(other(), MAP, PAIRS)


def test_what_means_little_is_said(caplog):
    """Relevant texts that are nowhere, and vectors that are all alike."""
    lost = {"q1": {"d7", "d99"}}
    found = evaluators.information_retrieval(Table(), QUERIES, CORPUS, lost, {"recall": (40,)})
    assert found == {"cosine_recall@40": 0.5}
    assert "1 of the relevant texts are not in the corpus" in caplog.text
    same = ["text 1"] * 3
    with np.errstate(all="ignore"):
        found = evaluators.embedding_similarity(Table(), same, same, [1, 2, 3])
    assert np.isnan(found["pearson_cosine"])
    assert "by cosine all pairs are equally alike" in caplog.text


BAD = {
    "one id": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, CORPUS, {"q1": "d7"}),
        "a set of ids. Received: 'd7', a str, of query q1",
    ),
    "ids of another kind": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, CORPUS, {"q1": {7}}),
        "`relevant_docs` must name ids of `corpus`",
    ),
    "a grade of 0 alone": (
        lambda: evaluators.information_retrieval(
            Table(), QUERIES, CORPUS, {"q1": {"d7": 0, "d99": 1}}
        ),
        r"`relevant_docs` must name ids of `corpus`. Received: \['d99'\]",
    ),
    "mixed ids": (
        lambda: evaluators.information_retrieval(
            Table(), QUERIES, CORPUS | {7: "text 7"}, RELEVANT
        ),
        "ids of one type. Received: int, str",
    ),
    "lengths": (
        lambda: evaluators.embedding_similarity(Table(), FIRST, SECOND[:3], SCORES),
        "of `sentences2`, and one.*20 gold and 3 answers",
    ),
    "one text": (
        lambda: evaluators.embedding_similarity(Table(), "ab", "cd", [1, 2]),
        "`sentences1` must be a list of str",
    ),
    "one positive": (
        lambda: evaluators.reranking(Table(), [SAMPLES[0] | {"positive": "tea"}]),
        "`positive` must be a list of str",
    ),
    "one pair": (
        lambda: evaluators.embedding_similarity(Table(), FIRST[:1], SECOND[:1], [0.5]),
        "two or more that differ.*Received: 1, ",
    ),
    "the same scores": (
        lambda: evaluators.embedding_similarity(Table(), FIRST[:2], SECOND[:2], [1, 1]),
        "two or more that differ.*Received: 2, ",
    ),
    "similarity": (
        lambda: evaluators.triplet(Table(), FIRST, FIRST, FIRST, similarity_fn_names=["x"]),
        "one of cosine, dot",
    ),
    "precision": (
        lambda: evaluators.embedding_similarity(Table(), FIRST, SECOND, SCORES, precision="binary"),
        "`precision` must be float32 here",
    ),
    "an empty corpus": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, {}, RELEVANT),
        "Received: 0 texts, 6 of 6",
    ),
    "no answers": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, CORPUS, {"q1": {"d7": 0}}),
        "0 of 6 queries",
    ),
    "a list of a corpus": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, FIRST, RELEVANT),
        "`corpus` must be a dict by ids",
    ),
    "no k": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, CORPUS, RELEVANT, {"mrr": []}),
        "`at` must give ks",
    ),
    "a k alone": (
        lambda: evaluators.information_retrieval(Table(), QUERIES, CORPUS, RELEVANT, {"mrr": 10}),
        "`at` must give ks",
    ),
    "no pair": (
        lambda: evaluators.paraphrase_mining(Table(), MAP, [None]),
        "must be pairs of ids. Received: None",
    ),
    "a margin": (
        lambda: evaluators.triplet(Table(), FIRST, FIRST, FIRST, margin=np.nan),
        "`margin` must be a number. Received: nan",
    ),
    "letters of a pair": (
        lambda: evaluators.paraphrase_mining(Table(), MAP, ["ab"]),
        "must be pairs of ids. Received: 'ab'",
    ),
    "a sample": (lambda: evaluators.reranking(Table(), [{"query": "a"}]), "must be dicts of"),
    "samples": (lambda: evaluators.reranking(Table(), SAMPLES[4:]), "a positive and a negative"),
    "pairs": (lambda: evaluators.paraphrase_mining(Table(), MAP, [("a", "b")]), "pairs of ids"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call()


# === The peer =====================================================================================

WORDS = ["the kettle", "rain", "stone", "tea", "a letter", "steam", "coffee", "hums", "late", "old"]


@pytest.mark.full
def test_the_peer_gives_the_same_numbers(tmp_path):
    """Of distances its thresholds are not compared: it takes the farthest for the most alike."""
    task = oracle.tiny_task(bert_tf2.SentenceEncoder, pooling="mean", modules=["normalize"])
    task.save_to_preset(tmp_path / "a", format="sentence_transformers")
    say = {f"text {i}": " ".join(R.choice(WORDS, R.integers(2, 6), False)) for i in range(40)}

    def said(value):
        if isinstance(value, dict):
            return {name: said(inner) for name, inner in value.items()}
        return say.get(value, value) if isinstance(value, str) else [said(inner) for inner in value]

    two = said({"sentences1": FIRST, "sentences2": SECOND})
    three = said({"anchors": FIRST, "positives": SECOND, "negatives": THIRD})
    relevant = {query: sorted(ids) for query, ids in RELEVANT.items()}
    asked = {"queries": said(QUERIES), "corpus": said(CORPUS), "relevant_docs": relevant}
    mined = {"sentences_map": said(MAP), "duplicates_list": PAIRS}
    names = {"similarity_fn_names": FNS}
    rows = [
        ("embedding_similarity", two | {"scores": SCORES} | names, names),
        ("binary_classification", two | {"labels": LABELS}, {"similarity_fn_names": ["cosine"]}),
        ("binary_classification", two | {"labels": LABELS}, {"similarity_fn_names": ["dot"]}),
        ("triplet", three | names, {}),
        ("information_retrieval", asked, {}),
        ("reranking", {"samples": said(SAMPLES)}, {}),
        ("paraphrase_mining", mined, {}),
        ("paraphrase_mining", mined, {"add_transitive_closure": True, "max_pairs": 90}),
    ]
    runs = []
    for name, arguments, more in rows:
        given = arguments | more
        theirs = "".join(word.title() for word in name.split("_")) + "Evaluator"
        runs.append([theirs, given])
    job = {"folder": str(tmp_path / "a"), "runs": runs}
    for (name, arguments, more), want in zip(
        rows, peers.run("transformers", "peer_evaluators.py", job), strict=True
    ):
        got = getattr(evaluators, name)(task, **arguments | more)
        if name == "information_retrieval":
            assert {*got} == {*want}
        assert got == pytest.approx({figure: want[figure] for figure in got}, abs=FORWARD), name


OTHERS = {
    "SparseEncoder": ("Sparse", ("embedding_similarity", "binary_classification")),
    "MultiVectorEncoder": ("MultiVector", ()),
}


@pytest.mark.full
@pytest.mark.parametrize("kind", OTHERS)
def test_the_peer_gives_the_same_numbers_of_other_kinds(tmp_path, kind):
    prefix, more = OTHERS[kind]
    task = oracle.tiny_task(getattr(bert_tf2, kind), prompts={"query": "tea "})
    folder = task.save_to_preset(tmp_path / "a", format="sentence_transformers")
    generator = np.random.default_rng(3)
    say = {
        text: " ".join(generator.choice(WORDS, generator.integers(2, 6), False)) for text in TEXTS
    }
    first, second, third = ([say[text] for text in some] for some in (FIRST, SECOND, THIRD))
    rows = {
        "triplet": {"anchors": first, "positives": second, "negatives": third},
        "information_retrieval": {
            "queries": {name: say[text] for name, text in QUERIES.items()},
            "corpus": {name: say[text] for name, text in CORPUS.items()},
            "relevant_docs": {query: sorted(ids) for query, ids in RELEVANT.items()},
        },
        "reranking": {
            "samples": [
                {"query": first[i], "positive": second[i : i + 2], "negative": third[i : i + 5]}
                for i in range(6)
            ]
        },
        "embedding_similarity": {"sentences1": first, "sentences2": second, "scores": SCORES},
        "binary_classification": {"sentences1": first, "sentences2": second, "labels": LABELS},
    }
    rows = {n: x for n, x in rows.items() if n in more or n not in OTHERS["SparseEncoder"][1]}
    names = ["".join(word.title() for word in name.split("_")) for name in rows]
    runs = [[f"{prefix}{name}Evaluator", x] for name, x in zip(names, rows.values(), strict=True)]
    runs = [[n, x | ({"similarity_fn_names": ["dot"]} if "Binary" in n else {})] for n, x in runs]
    job = {"folder": str(folder), "runs": runs, "kind": kind}
    found = peers.run("transformers", "peer_evaluators.py", job)
    for (name, arguments), want in zip(rows.items(), found, strict=True):
        own = task.similarity_fn_name
        if (kind, name) == ("SparseEncoder", "reranking"):  # where theirs is the cosine
            task.similarity_fn_name = "cosine"
        got = getattr(evaluators, name)(task, **arguments)
        task.similarity_fn_name = own
        assert got == pytest.approx({figure: want[figure] for figure in got}, rel=1e-5, abs=1e-4), (
            name
        )
