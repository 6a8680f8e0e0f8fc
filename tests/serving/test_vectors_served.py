"""SavedModels of what gives vectors and scores: where TensorFlow alone is, and in pipelines."""

import json
import subprocess
import sys

import numpy as np
import oracle
import peers
import pytest
import served
import tensorflow as tf
from by_default import by_default
from closeness import FORWARD

import bert_tf2
from bert_tf2 import serving

TEXTS = ["The kettle hums.", "rain", "", "stone, rain & tea", "tea"]
PROMPTS = {"query": "tea: ", "document": "the stone "}
NAMES = ["query", "", "document", "query", ""]
EXPANDED = {"length": 9}
READER = """
import json, sys
import tensorflow as tf, tensorflow_text
folder, name, inputs = json.loads(sys.stdin.read())
model = tf.saved_model.load(folder)
out = model.signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
assert "bert_tf2" not in sys.modules
print(json.dumps({k: v.numpy().tolist() for k, v in out.items()}))
"""


def elsewhere(folder, name, inputs):
    done = subprocess.run(
        [sys.executable, "-I", "-c", READER],
        input=json.dumps([str(folder), name, inputs]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {n: np.array(x) for n, x in json.loads(done.stdout.splitlines()[-1]).items()}


def here(folder, name, inputs):
    found = tf.saved_model.load(folder).signatures[name]
    return found(**{n: tf.constant(x) for n, x in inputs.items()})


def dense_vectors(got, task):
    want = [task.encode(text, name or None) for text, name in zip(TEXTS, NAMES, strict=True)]
    np.testing.assert_allclose(got["embedding"], want, atol=FORWARD)


def sparse_vectors(got, task):
    for indices, values, text, name in zip(
        got["indices"], got["values"], TEXTS, NAMES, strict=True
    ):
        want, active = task.encode(text, name or None).toarray()[0], np.asarray(values) > 0
        assert np.all(np.diff(values) <= 0)
        found = np.zeros_like(want)
        found[np.asarray(indices)[active]] = np.asarray(values)[active]
        np.testing.assert_allclose(found, want, atol=2 * FORWARD)


def token_vectors(got, task):
    calls = {"query": task.encode_query, "document": task.encode_document, "": task.encode}
    for tokens, mask, text, name in zip(
        got["token_embeddings"], got["mask"], TEXTS, NAMES, strict=True
    ):
        found = np.asarray(tokens)[np.asarray(mask) > 0]
        np.testing.assert_allclose(found, calls[name](text), atol=2 * FORWARD)


def scores(got, task):
    rows = zip(TEXTS, TEXTS[::-1], NAMES, strict=True)
    want = [task.predict((a, b), prompt_name=name or None) for a, b, name in rows]
    np.testing.assert_allclose(got["score"], want, atol=FORWARD)


# Signature -> the task, its settings, and what is held against it.
NAMED = {"text": TEXTS, "prompt_name": NAMES}
SIGNATURES = {
    "embed": (bert_tf2.SentenceEncoder, {"prompts": PROMPTS, "pooling": "mean"}, dense_vectors),
    "embed_sparse": (bert_tf2.SparseEncoder, {"prompts": PROMPTS}, sparse_vectors),
    "embed_tokens": (
        bert_tf2.MultiVectorEncoder,
        {"prompts": PROMPTS, "query_expansion": EXPANDED, "document_length": 7},
        token_vectors,
    ),
    "rerank": (
        bert_tf2.Reranker,
        {"prompts": PROMPTS, "default_prompt_name": "document"},
        scores,
    ),
}


@pytest.mark.parametrize("name", by_default(SIGNATURES, ["embed_sparse", "embed_tokens"]))
@pytest.mark.parametrize("where", by_default([here, elsewhere], [here]))
def test_signatures(tmp_path, name, where):
    cls, settings, compare = SIGNATURES[name]
    task = oracle.tiny_task(cls, **settings)
    folder = task.export(tmp_path / "served")
    more = {"text_pair": TEXTS[::-1]} if name == "rerank" else {}
    compare(where(folder, name, NAMED | more), task)


@pytest.mark.full
def test_sparse_vectors_and_those_of_tokens_over_http(tmp_path):
    """text-embeddings-inference's routes, with a prompt of the model's and without."""
    sparse = oracle.tiny_task(bert_tf2.SparseEncoder, prompts=PROMPTS)
    late = SIGNATURES["embed_tokens"]
    late = oracle.tiny_task(late[0], **late[1])
    sparse.export(tmp_path / "models" / "sparse")
    late.export(tmp_path / "models" / "late")
    cls, settings, _ = SIGNATURES["rerank"]
    reranker = oracle.tiny_task(cls, **settings)
    reranker.export(tmp_path / "models" / "rank")
    with served.running(tmp_path / "models") as url:
        with serving.Client(url, "rank") as client:
            for name in (None, "query"):
                got = client.rank("rain", TEXTS, 3, True, prompt_name=name)
                want = reranker.rank("rain", TEXTS, 3, True, prompt_name=name)
                assert [x.pop("score") for x in got] == pytest.approx(
                    [x.pop("score") for x in want], abs=FORWARD
                )
                assert got == want
        for prompt in ({}, {"prompt_name": "query"}):
            status, found = served.ask(f"{url}/embed_sparse", {"inputs": TEXTS} | prompt)
            assert status == 200
            want = sparse.encode(TEXTS, **prompt).toarray()
            for row, vector in zip(found, want, strict=True):
                pairs = {x["index"]: x["value"] for x in row}
                assert [*pairs] == np.flatnonzero(vector)[np.argsort(-vector[vector > 0])].tolist()
                np.testing.assert_allclose([*pairs.values()], vector[[*pairs]], atol=2 * FORWARD)
            status, found = served.ask(f"{url}/embed_all", {"inputs": TEXTS} | prompt)
            assert status == 200
            want = late.encode_query(TEXTS) if prompt else late.encode(TEXTS)
            for tokens, vectors in zip(found, want, strict=True):
                np.testing.assert_allclose(tokens, vectors, atol=2 * FORWARD)
        for route in ("embed_sparse", "embed_all"):
            long = {"inputs": "tea " * 100, "truncate": False}
            status, said = served.ask(f"{url}/{route}", long)
            assert status == 413 and "tokens. Received: " in str(said), said
        assert served.ask(f"{url}/embed_all", {"inputs": TEXTS, "prompt_name": "nix"})[0] == 422
        assert served.ask(f"{url}/embed_all", {"inputs": TEXTS, "model": "sparse"})[0] == 422
        pair = {"source_sentence": "tea", "sentences": ["rain"]}
        assert served.ask(f"{url}/similarity", {"inputs": pair})[0] == 404  # no SentenceEncoder


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """The folder of a SentenceEncoder's SavedModel, and its vectors."""
    task = oracle.tiny_task(bert_tf2.SentenceEncoder, pooling="mean", modules=["normalize"])
    folder = task.export(tmp_path_factory.mktemp("served") / "vectors")
    return folder, task.encode(TEXTS)


@pytest.mark.full
def test_it_is_called_on_texts(vectors):
    folder, want = vectors
    found = tf.saved_model.load(folder)(tf.constant(TEXTS))
    np.testing.assert_allclose(found, want, atol=FORWARD)


@pytest.mark.full
@pytest.mark.parametrize("peer", ["beam", "ray"])
def test_others_map_it_over_texts(vectors, peer):
    """Apache Beam's transform for TF-Hub's text embeddings, and Ray Data's `map_batches`."""
    folder, want = vectors
    found = peers.run(peer, f"on_{peer}.py", [str(folder), TEXTS])
    np.testing.assert_allclose(found, want, atol=FORWARD)
