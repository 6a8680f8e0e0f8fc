"""A vector a token, beside an encoder in NumPy, one text at a time."""

import logging

import keras
import numpy as np
import oracle
import pytest
from by_default import by_default
from closeness import FORWARD

import bert_tf2

TEXTS = ["The kettle hums.", "rain", "", "stone, rain & tea", "tea " * 40]
PROMPTS = {"query": "[unused0] ", "document": "[unused1] "}
MODULES = [{"kind": "dense", "width": 9, "activation": "linear", "bias": False}, "normalize"]
EXPANDED = {"length": 10}
WAYS = ["keras", "bert_tf2", "sentence_transformers"]
SETTINGS = {
    "modules": MODULES,
    "prompts": PROMPTS,
    "query_expansion": EXPANDED,
    "document_length": 12,
    "skiplist_words": [",", ".", "&", "⁂"],
}
# Name -> what differs from these, of the settings.
ROWS = {
    "colbert": {},
    "attending": {"query_expansion": EXPANDED | {"attend": True}},
    "at least": {"query_expansion": EXPANDED | {"strategy": "min", "token": "tea"}},
    "plain": {"query_expansion": None, "query_length": 7, "skiplist_tasks": ["query"]},
    "with padding": {"drop_padding": False},
}


def made(**settings):
    task = oracle.tiny_task(bert_tf2.MultiVectorEncoder, **SETTINGS | settings)
    marks = [{"content": mark} for mark in ("[unused0]", "[unused1]")]
    vocabulary = task.preprocessor.tokenizer.vocabulary
    tokenizer = bert_tf2.WordPieceTokenizer(vocabulary, lowercase=True, added_tokens=marks)
    task.preprocessor.tokenizer = tokenizer
    return task


class Tasks(dict):
    """The tasks of `ROWS`, each made when it is asked for."""

    def __missing__(self, name):
        return self.setdefault(name, made(**ROWS[name]))


@pytest.fixture(scope="module")
def tasks():
    return Tasks()


def wanted(task, text, kind):
    """The vectors of one text by the definition, in float64."""
    tokenizer, fill = task.preprocessor.tokenizer, task.query_expansion if kind == "query" else None
    ids = tokenizer([f"{PROMPTS.get(kind, '')}{text}"]).to_list()[0]
    most = {"query": task.query_length, "document": task.document_length}.get(kind) or 20
    most = fill["length"] if fill and fill["strategy"] == "fixed" else most
    ids = [tokenizer.cls_token_id, *ids[: most - 2], tokenizer.sep_token_id]
    real = len(ids)
    if fill:
        token = tokenizer.token_to_id(fill["token"] or "[MASK]")
        ids += [token] * (fill["length"] - real)
    mask = [1] * real + [int(bool(fill and fill["attend"]))] * (len(ids) - real)
    inputs = {"token_ids": [ids], "segment_ids": [[0] * len(ids)], "padding_mask": [mask]}
    inputs = {name: np.array(value) for name, value in inputs.items()}
    w = {n: np.asarray(v, "float64") for n, v in task.named_variables().items()}
    x = oracle.forward(task.encoder.config, w, inputs)["layer_outputs"][-1][0]
    x = x @ w["vector/dense_0/kernel"]
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    known = [tokenizer.vocabulary.index(word) for word in task.skiplist_words if word != "⁂"]
    skipped = known if (kind or "document") in task.skiplist_tasks else []
    return x[[i not in skipped for i in ids]]


@pytest.mark.parametrize("name", by_default(ROWS, ["colbert"]))
def test_vectors_are_those_of_each_text_alone(tasks, name):
    task = tasks[name]
    for kind in (None, "query", "document"):
        call = {"query": task.encode_query, "document": task.encode_document}.get(kind, task.encode)
        for got, text in zip(call(TEXTS, batch_size=3), TEXTS, strict=True):
            want = wanted(task, text, kind)
            assert (got.dtype, got.shape) == (np.float32, want.shape), (kind, text)
            np.testing.assert_allclose(got, want, atol=2 * FORWARD, err_msg=f"{kind}, {text}")


def test_forms_of_texts(tasks):
    task = tasks["colbert"]
    want = task.encode_query(TEXTS)
    np.testing.assert_allclose(task.encode_query(TEXTS[1]), want[1], atol=FORWARD)
    named = task.encode(TEXTS, "query", task="query")
    np.testing.assert_array_equal(named[0], want[0])
    assert task.encode([]) == []
    assert task.predict(TEXTS, verbose=0).shape[-1] == 9
    found = task.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=-1), 1, atol=1e-6)
    ids = {name: np.array(x) for name, x in task.preprocessor(["tea"]).items()}
    with_mask = ids | {"scoring_mask": ids["padding_mask"]}
    np.testing.assert_array_equal(task(with_mask), task(ids))
    with pytest.raises(ValueError, match="gives vectors"):
        bert_tf2.integrated_gradients(task, "tea")


def test_what_is_cut_is_said(tasks, caplog):
    task = tasks["plain"]
    for call, words in ((task.encode_query, "3 of 5 texts are longer than 7"), (task.encode, "")):
        task.said_what_is_cut = not words
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            call(TEXTS)
        assert words in caplog.text


def test_ranks(tasks):
    task = tasks["colbert"]
    asked, found = task.encode_query(["rain?"])[0], task.encode_document(TEXTS)
    scores = np.array([(asked @ text.T).max(1).sum() for text in found])
    np.testing.assert_allclose(task.similarity([asked], found)[0], scores, atol=1e-5)
    ranked = task.rank("rain?", TEXTS, top_k=3, return_documents=True)
    assert [row["corpus_id"] for row in ranked] == np.argsort(-scores)[:3].tolist()
    assert ranked[0]["text"] == TEXTS[ranked[0]["corpus_id"]]
    assert task.rank("rain?", []) == []


@pytest.mark.parametrize("way", by_default(WAYS, ["sentence_transformers"]))
def test_copies_are_equal(tasks, tmp_path, way):
    for name in ("colbert", "plain"):
        encoder, place = tasks[name], tmp_path / f"{name}.keras"
        if way == "keras":
            encoder.save(place)
            again = keras.saving.load_model(place)
        else:
            encoder.save_to_preset(place, format=way)
            again = bert_tf2.MultiVectorEncoder.from_preset(place)
        for got, want in zip(again.encode_query(TEXTS), encoder.encode_query(TEXTS), strict=True):
            np.testing.assert_array_equal(got, want)
        assert {n: getattr(again, n) for n in again.settings} == {
            n: getattr(encoder, n) for n in encoder.settings
        }


BAD = {
    "strategy": ({"query_expansion": {"length": 9, "strategy": "max"}}, "`query_expansion` must"),
    "word": ({"query_expansion": {"length": 9, "width": 3}}, "`query_expansion` must"),
    "no length": ({"query_expansion": {"attend": True}}, "`length` is needed"),
    "too long": ({"query_expansion": {"length": 21}}, "`length` must be an int from 3 to 20"),
    "length": ({"document_length": 2}, "`document_length` must be an int from 3 to 20"),
    "letters": ({"skiplist_words": "the"}, "`skiplist_words` must be a list of str"),
    "skipped": ({"skiplist_tasks": ["title"]}, "`skiplist_tasks` must be of"),
    "similarity": ({"similarity_fn_name": "dot"}, "one of maxsim, meanmaxsim"),
    "module": ({"modules": ["lstm"]}, "known are dense: width"),
}


@pytest.mark.parametrize("name", BAD)
def test_settings_that_are_refused(name):
    settings, words = BAD[name]
    with pytest.raises((TypeError, ValueError), match=words):
        made(**settings)


ASKED = {
    "task": (lambda t: t.encode(TEXTS, task="title"), "`task` must be one of"),
    "prompt": (lambda t: t.encode(TEXTS, "answer"), "`prompt_name` must be one of"),
    "top": (lambda t: t.rank("a", TEXTS, top_k=0), "`top_k` must be an int from 1"),
    "one text": (lambda t: t.rank("a", "tea"), "`documents` must be a list of str"),
    "pairs": (lambda t: t.predict((TEXTS, TEXTS), verbose=0), "takes single texts"),
    "training": (lambda t: t.fit(TEXTS), "not trained"),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_wrong_is_named(tasks, name):
    call, words = ASKED[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call(tasks["colbert"])
