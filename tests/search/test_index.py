"""Texts in and hits out; copies on the disk; what is refused."""

import importlib.util
import json
import logging
import sys

import numpy as np
import oracle
import pytest
from closeness import FORMULA

import bert_tf2
from bert_tf2.search import exact, folders, fusion

TEXTS = ["The kettle hums.", "rain", " \n", "stone, rain & tea\n\n" * 9, "late letter, tea"]
NAMES = ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"]
QUERIES = ["tea?", "the kettle", "rain"]
GENERATOR = np.random.default_rng(5)
VECTORS = GENERATOR.normal(size=(40, 6)).astype("float32")


@pytest.fixture(scope="module")
def encoder():
    return oracle.tiny_task(
        bert_tf2.SentenceEncoder, prompts={"query": "the ", "passage": "stone "}, pooling="mean"
    )


@pytest.fixture(scope="module")
def index(encoder):
    found = bert_tf2.Index(encoder)
    assert found.add(TEXTS, NAMES) == len(found)
    return found


def plain(index, encoder, query, k=10):
    """(score, passage) by the encoder alone, the best first."""
    texts = [hit["text"] for hit in index.search(query, 99)]
    scores = encoder.similarity(encoder.encode_query([query]), encoder.encode_document(texts))[0]
    return sorted(zip(scores.tolist(), texts, strict=True), reverse=True)[:k]


def test_hits_are_passages_with_their_places(index, encoder):
    assert len(index) > len(TEXTS)
    found = index.search(QUERIES, top_k=4)
    for query, hits in zip(QUERIES, found, strict=True):
        want = plain(index, encoder, query, 4)
        np.testing.assert_allclose(
            [h["score"] for h in hits], [s for s, _ in want], atol=4 * FORMULA
        )
        for hit in hits:
            text = TEXTS[NAMES.index(hit["name"])]
            assert hit["text"] == text[hit["start"] : hit["end"]]
            assert hit["document"] == NAMES.index(hit["name"])
            assert hit["text"].strip()
    alone = index.search(QUERIES[1], top_k=4)
    assert [hit["corpus_id"] for hit in alone] == [hit["corpus_id"] for hit in found[1]]
    assert index.search([]) == []
    ways = index.search(encoder.encode_query(QUERIES[:1]), top_k=4)
    assert [hit["corpus_id"] for hit in ways[0]] == [hit["corpus_id"] for hit in found[0]]


def test_words_are_fused_with_vectors(index):
    pytest.importorskip("bm25s")
    texts = [found["text"] for found in index.rows.passages(range(len(index)))]
    dense = [hit["corpus_id"] for hit in index.search("late tea", top_k=100)]
    by_words = fusion.WordIndex(texts).nearest("late tea", 100)[1]
    rows, scores = fusion.reciprocal_rank_fusion([dense, by_words], 5)
    hits = index.search("late tea", top_k=5, hybrid=True)
    assert [hit["corpus_id"] for hit in hits] == rows.tolist()
    np.testing.assert_allclose([hit["score"] for hit in hits], scores, rtol=1e-6)


def test_a_reranker_has_the_last_word(index):
    counts = []

    class Longest:
        def rank(self, query, documents, batch_size):
            counts.append(len(documents))
            order = sorted(range(len(documents)), key=lambda i: -len(documents[i]))
            return [{"corpus_id": i, "score": float(len(documents[i]))} for i in order]

    texts = [hit["text"] for hit in index.search("tea", top_k=3)]
    hits = index.search("tea", top_k=2, reranker=Longest(), candidates=3)
    assert [hit["text"] for hit in hits] == sorted(texts, key=len, reverse=True)[:2]
    assert hits[0]["score"] == len(hits[0]["text"])
    if importlib.util.find_spec("bm25s"):  # of both rankings together as many
        index.search("late tea", top_k=2, hybrid=True, reranker=Longest(), candidates=3)
    assert {*counts} == {3}


def test_a_query_that_is_cut_is_said(index, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            index.search("tea " * 40)
    assert caplog.text.count("1 of 1 texts are longer than 20 tokens") == 2


# === On the disk ===


def test_copies_are_equal_and_are_added_to(index, encoder, tmp_path):
    index.notes = {"made": "here"}
    folder = index.save(tmp_path / "index")
    again = bert_tf2.Index.load(folder, encoder)
    assert isinstance(again.rows.parts[0].vectors, np.memmap)
    assert (again.notes, len(again)) == (index.notes, len(index))
    assert again.search(QUERIES) == index.search(QUERIES)
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.name != "index.json"}
    again.add(["the kettle, the kettle"], ["f.txt"])
    assert again.save() == folder
    assert before.items() <= {path: path.read_bytes() for path in before}.items()
    third = bert_tf2.Index.load(folder, encoder)
    assert (len(third), third.rows.documents) == (len(index) + 1, 6)
    hits = third.search(QUERIES, top_k=99)
    assert hits == again.search(QUERIES, top_k=99)
    assert {"f.txt"} <= {hit["name"] for hit in hits[0]}
    assert next(hit for hit in hits[0] if hit["name"] == "f.txt")["document"] == 5
    other = bert_tf2.Index.load(folder, encoder)
    third.add(["rain"])
    third.save()
    other.add(["tea"])
    with pytest.raises(ValueError, match="was changed by another process"):
        other.save()
    hits = third.search(QUERIES, top_k=99)
    third.save(tmp_path / "copy")
    assert bert_tf2.Index.load(tmp_path / "copy", encoder).search(QUERIES, 99) == hits


def test_an_interrupted_addition_leaves_the_index_as_it_was(encoder, tmp_path, monkeypatch):
    index = bert_tf2.Index()
    index.add(vectors=VECTORS)
    folder = index.save(tmp_path / "index")
    again = bert_tf2.Index.load(folder)
    again.add(vectors=VECTORS[:3])
    monkeypatch.setattr(folders.files, "write_json", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        again.save()
    monkeypatch.undo()
    again = bert_tf2.Index.load(folder)
    assert len(again) == 40
    again.add(vectors=VECTORS[:3])
    again.save()
    assert len(bert_tf2.Index.load(folder)) == 43


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_alone(name, dtype):
    index = bert_tf2.Index(similarity_fn_name=name, dtype=dtype)
    for part in (VECTORS[:7], VECTORS[7:8], VECTORS[8:]):
        index.add(vectors=part)
    scores, rows = exact.nearest(VECTORS[:3] + 0.1, VECTORS, 5, name)
    hits = index.search(VECTORS[:3] + 0.1, top_k=5)
    atol = 4 * FORMULA if dtype == "float32" else 0.05
    np.testing.assert_allclose([[h["score"] for h in row] for row in hits], scores, atol=atol)
    if dtype == "float32":
        assert [[hit["corpus_id"] for hit in row] for row in hits] == rows.tolist()
    assert hits[0][0].keys() == {"corpus_id", "score"}
    assert index.search(VECTORS[0])[0] == pytest.approx(index.search(VECTORS[:1])[0][0])


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean"])
def test_a_graph_finds_the_like(name, tmp_path, monkeypatch, caplog):
    pytest.importorskip("usearch")
    generator = np.random.default_rng(0)
    found = generator.normal(size=(600, 12)).astype("float32")
    index = bert_tf2.Index(similarity_fn_name=name)
    index.add(vectors=found[:400])
    index.add(vectors=found[400:])
    index.approximate(threads=1)
    queries = found[::50] + 0.1
    wanted = index.search(queries, exactly=True)
    again = bert_tf2.Index.load(index.save(tmp_path / "index"))
    for one in (index, again):
        got = one.search(queries)
        shared = [
            len({hit["corpus_id"] for hit in a} & {hit["corpus_id"] for hit in b})
            for a, b in zip(got, wanted, strict=True)
        ]
        assert np.mean(shared) >= 9.5
        known = {hit["corpus_id"]: hit["score"] for hit in wanted[0]}
        assert all(known.get(h["corpus_id"], h["score"]) == pytest.approx(h["score"], abs=1e-5)
                   for h in got[0])  # fmt: skip
    with monkeypatch.context() as without:  # what cannot be opened here is kept, and not copied
        without.setitem(sys.modules, "usearch.index", None)
        lacking = bert_tf2.Index.load(tmp_path / "index")
        assert lacking.graph is None
        lacking.save()
        assert not [*lacking.save(tmp_path / "copy").glob("*.usearch")]
    assert bert_tf2.Index.load(tmp_path / "copy").graph is None
    assert len(bert_tf2.Index.load(tmp_path / "index").graph) == 600
    again.add(vectors=found[:1])
    assert again.graph is None
    for file in (tmp_path / "index").glob("*.usearch"):
        file.write_bytes(b"no graph")
    damaged = bert_tf2.Index.load(tmp_path / "index")
    assert "must be a graph" in caplog.text
    assert damaged.search(queries) == wanted
    damaged.approximate(threads=1)
    damaged.save()
    assert len(bert_tf2.Index.load(tmp_path / "index").graph) == 600


# === What is refused ===


def other_model():
    return oracle.tiny_task(bert_tf2.SentenceEncoder, pooling="cls")


def spoiled(tmp_path, **changes):
    """The folder of an index whose index.json says something else."""
    index = bert_tf2.Index()
    index.add(vectors=VECTORS)
    folder = index.save(tmp_path / "index")
    said = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(said | changes))
    return folder


def part(**changes):
    return {"parts": [{"name": "00000", "rows": 40, "documents": None} | changes]}


BAD_FOLDERS = {
    "version": ({"format": 2}, "format must be 1. Received: 2"),
    "width": ({"width": 7}, r"must be float32 \(40, 7\)"),
    "dtype": ({"dtype": "float16"}, "must be float16"),
    "rows": (part(rows=41), r"must be float32 \(41, 6\)"),
    "outside": (part(name="../00000"), "must be folders in it"),
    "texts": (part(documents=3), "lines.npy"),
    "words": ({"similarity_fn_name": "hamming"}, "must be one of cosine"),
    "kind": ({"parts": 3}, "parts must be a list"),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_folders_that_are_refused(tmp_path, name):
    changes, words = BAD_FOLDERS[name]
    with pytest.raises((ValueError, OSError), match=words):
        bert_tf2.Index.load(spoiled(tmp_path, **changes))


def test_an_index_of_another_model(index, tmp_path):
    folder = index.save(tmp_path / "index")
    with pytest.raises(ValueError, match="by another model, or with other settings"):
        bert_tf2.Index.load(folder, other_model())
    with pytest.raises(ValueError, match="made without one"):
        bert_tf2.Index.load(spoiled(tmp_path / "b"), other_model())
    with pytest.raises(ValueError, match="must be the folder of an index"):
        bert_tf2.Index.load(tmp_path)
    with pytest.raises(FileExistsError):
        bert_tf2.Index.load(folder).save(tmp_path / "b")


def test_texts_that_are_not_where_the_places_say(encoder, tmp_path):
    made(encoder).save(tmp_path / "index")
    for places in ([[1, 0, 3]], [[0, -2, 3]], [[0, 0, 4]]):
        np.save(tmp_path / "index" / "00000" / "places.npy", np.array(places))
        with pytest.raises(ValueError, match="places of part 00000 must be passages of its 1"):
            bert_tf2.Index.load(tmp_path / "index", encoder).search("tea")


def test_an_encoder_that_has_changed(tmp_path):
    trained = other_model()
    index = made(trained)
    for variable in trained.trainable_variables:
        variable.assign(variable + 1)
    for ask in (lambda: index.search("tea"), lambda: index.add(["rain"])):
        with pytest.raises(ValueError, match="encoder has changed"):
            ask()
    assert index.search(trained.encode("tea"))  # whoever brings vectors knows of what
    with pytest.raises(ValueError, match="encoder has changed"):
        index.save(tmp_path / "index")


def test_what_is_no_change(tmp_path):
    """Of what trains alone no number moves; a prompt is what documents were made with."""
    task = other_model()
    index = made(task)
    want = index.search("tea")
    task.trainable = False
    assert index.search("tea") == want
    index.save(tmp_path / "index")
    task.trainable = True
    assert bert_tf2.Index.load(tmp_path / "index", task).search("tea") == want
    task.prompts = {"query": "rain "}
    with pytest.raises(ValueError, match="encoder has changed"):
        index.search("tea")


def test_what_utf8_cannot_hold(tmp_path, encoder):
    """Half of a surrogate pair: in a text what `encode` has of it, in a name an escape."""
    index = bert_tf2.Index(encoder)
    index.add(["tea \ud800 stone"], ["caf\udce9.txt"])
    again = bert_tf2.Index.load(index.save(tmp_path / "index"), encoder)
    for found in (index, again):
        (hit,) = found.search("tea \ud800")
        assert (hit["text"], hit["name"]) == ("tea \ufffd stone", "caf\\udce9.txt")


def vectors_alone(similarity="cosine"):
    index = bert_tf2.Index(similarity_fn_name=similarity)
    index.add(vectors=VECTORS)
    return index


def made(encoder):
    index = bert_tf2.Index(encoder)
    index.add(["tea"])
    return index


NAN = np.where(np.arange(6) == 2, np.nan, VECTORS)
BAD = {
    "empty": (lambda e: bert_tf2.Index(e).search("tea"), "The index is empty"),
    "nothing": (lambda e: bert_tf2.Index(e).add([]), "`texts` must be one or more"),
    "no vectors": (lambda e: bert_tf2.Index().add(vectors=[]), "`vectors` must be one or more"),
    "blank": (lambda e: bert_tf2.Index(e).add([" "]), "must have one with a word"),
    "names": (lambda e: bert_tf2.Index(e).add(["a"], []), "1 texts and 0 names"),
    "kind": (lambda e: bert_tf2.Index(e).add([3]), "must be str. Received: 3"),
    "one str": (lambda e: bert_tf2.Index(e).add("tea"), "`texts` must be a list of str"),
    "a name": (lambda e: bert_tf2.Index(e).add(["tea"], "a"), "`names` must be a list of str"),
    "int8": (lambda e: vectors_alone("dot").approximate(dtype="int8"), "for cosine alone.*'dot'"),
    "candidates": (lambda e: made(e).search("tea", hybrid=True, candidates=0), "`candidates` must"),
    "no encoder": (lambda e: bert_tf2.Index().add(["tea"]), "takes `vectors`"),
    "asked": (lambda e: vectors_alone().search("tea"), "is asked by vectors"),
    "mixed": (lambda e: vectors_alone().search(["tea", 3]), "must be str, or vectors"),
    "width": (lambda e: vectors_alone().add(vectors=VECTORS[:, 1:]), "of width 6"),
    "width asked": (lambda e: vectors_alone().search(VECTORS[:, 1:]), "of width 6"),
    "NaN": (lambda e: vectors_alone().add(vectors=NAN), "`vectors` must be finite"),
    "NaN asked": (lambda e: vectors_alone().search(NAN), "`queries` must be finite"),
    "float16": (lambda e: bert_tf2.Index(None, "dot", dtype="float16").add(vectors=VECTORS * 1e6),
                "`vectors in float16` must be finite"),
    "texts": (lambda e: vectors_alone().add(["a"], vectors=VECTORS[:1]), "must have texts, or"),
    "one a text": (lambda e: bert_tf2.Index().add(["a"], vectors=VECTORS), "must be one a text, 1"),
    "hybrid": (lambda e: vectors_alone().search(VECTORS, hybrid=True), "need queries of str"),
    "length": (lambda e: bert_tf2.Index(e, passage_length=21), "from 6 to 20"),
    "length of a word": (lambda e: bert_tf2.Index(e, passage_length="15"), "must be an int from 1"),
    "half a token": (lambda e: bert_tf2.Index(e, passage_length=12.5), "must be an int from 1"),
    "no query": (lambda e: made(e).search(None), "`queries` must be a str, a list"),
    "nothing as a query": (lambda e: vectors_alone().search([None]), "must be str, or vectors"),
    "another word": (lambda e: made(e).search("tea", k=3), "unexpected keyword argument 'k'"),
    "a reranker's name": (lambda e: made(e).search("tea", reranker="a"), "must be a `Reranker`"),
    "an encoder": (lambda e: made(e).search("tea", reranker=e), "must be a `Reranker`"),
    "prompted": (lambda e: vectors_alone().search(VECTORS, prompt="a"), "need queries of str"),
    "dtype": (lambda e: bert_tf2.Index(dtype="int8"), "`dtype` must be float32 or float16"),
    "graph": (lambda e: bert_tf2.Index().approximate(), "The index is empty"),
    "top_k": (lambda e: vectors_alone().search(VECTORS, 0), "`top_k` must be an int from 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(encoder, name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call(encoder)


@pytest.mark.parametrize("begin", [bert_tf2.Index, vectors_alone])
def test_what_was_wrong_leaves_the_index_as_it_was(begin):
    """All of its state, whether it is empty or not."""
    index = begin()
    before = {**vars(index), "rows": [*index.rows.parts]}
    for how in (
        {"vectors": NAN},
        {"texts": ["x"], "vectors": np.ones((2, 5))},
        {"texts": ["x"], "names": ["a", "b"], "vectors": np.ones((1, 5))},
        {"texts": ["x"]},
    ):
        with pytest.raises(ValueError):
            index.add(**how)
        assert {**vars(index), "rows": [*index.rows.parts]} == before
    assert index.add(vectors=VECTORS) == 40
