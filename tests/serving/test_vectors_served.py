"""SavedModels of what gives vectors and scores: where TensorFlow alone is, and in pipelines."""

import json
import subprocess
import sys

import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import FORWARD

import bert_tf2

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
    want = task.predict([*zip(TEXTS, TEXTS[::-1], strict=True)])
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
    "rerank": (bert_tf2.Reranker, {}, scores),
}


@pytest.mark.parametrize("name", by_default(SIGNATURES, ["embed_sparse", "embed_tokens"]))
@pytest.mark.parametrize("where", by_default([here, elsewhere], [here]))
def test_signatures(tmp_path, name, where):
    cls, settings, compare = SIGNATURES[name]
    task = oracle.tiny_task(cls, **settings)
    folder = task.export(tmp_path / "served")
    pairs = {"text": TEXTS, "text_pair": TEXTS[::-1]}
    compare(where(folder, name, pairs if name == "rerank" else NAMED), task)


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
