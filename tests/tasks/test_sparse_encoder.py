"""Weights of words, beside an encoder and a head in NumPy, one text at a time."""

import dataclasses
import logging
from pathlib import Path

import keras
import numpy as np
import oracle
import pytest
from by_default import by_default
from closeness import FORWARD

import bert_tf2
from bert_tf2.modeling import splade

TEXTS = ["The kettle hums.", "rain", "", "stone, rain & tea", "tea"]
PROMPTS = {"query": "tea: ", "passage": "the stone "}
WAYS = ["keras", "bert_tf2", "sentence_transformers"]


def made(**settings):
    return oracle.tiny_task(bert_tf2.SparseEncoder, **{"prompts": PROMPTS} | settings)


@pytest.fixture(scope="module")
def task():
    return made()


def wanted(task, texts, prompt=""):
    """Dense rows by the definition, in float64."""
    config = task.encoder.config
    w = {n: np.asarray(v, "float64") for n, v in task.named_variables().items()}
    rows = []
    for text in texts:
        inputs = {n: x.numpy() for n, x in task.preprocessor([prompt + text]).items()}
        x = oracle.forward(config, w, inputs)["layer_outputs"][-1][0]
        x = x @ w["mlm/transform/kernel"] + w["mlm/transform/bias"]
        x = oracle.ACTIVATIONS[config.hidden_act](x)
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
            x.var(-1, keepdims=True) + config.layer_norm_eps
        )
        x = x * w["mlm/norm/gamma"] + w["mlm/norm/beta"]
        x = np.log1p(np.maximum(x @ w["embeddings/token"].T + w["mlm/bias"], 0))
        x = np.log1p(x) if task.activation_function == "log1p_relu" else x
        rows.append(x.max(0) if task.pooling_strategy == "max" else x.sum(0))
    return np.array(rows)


KINDS = [
    (strategy, activation, at_once)
    for strategy in splade.STRATEGIES
    for activation in splade.ACTIVATIONS
    for at_once in (splade.AT_ONCE, 1500)
]


@pytest.mark.parametrize(
    ("strategy", "activation", "at_once"),
    by_default(KINDS, [("max", "relu", 1500), ("sum", "log1p_relu", 1500)]),
)
def test_weights_are_those_of_each_text_alone(monkeypatch, strategy, activation, at_once):
    """Whether the logits of all tokens fit into a block or not, in a graph and out of one."""
    monkeypatch.setattr(splade, "AT_ONCE", at_once)
    task = made(pooling_strategy=strategy, activation_function=activation)
    want = wanted(task, TEXTS)
    got = task.encode(TEXTS, batch_size=3).toarray()
    scale = want.max()
    np.testing.assert_allclose(got / scale, want / scale, atol=FORWARD)
    eager = task(task.preprocessor(TEXTS))
    np.testing.assert_allclose(eager / scale, want / scale, atol=FORWARD)


def test_prompts_and_forms(task):
    want = task.encode(TEXTS, prompt="tea: ").toarray()
    np.testing.assert_allclose(want, wanted(task, TEXTS, "tea: "), atol=10 * FORWARD)
    for got in (task.encode(TEXTS, "query"), task.encode_query(TEXTS)):
        np.testing.assert_array_equal(got.toarray(), want)
    assert np.abs(task.encode_document(TEXTS).toarray() - want).max() > 0.01
    assert task.encode("rain").shape == (1, want.shape[1])
    assert task.encode([]).shape == (0, want.shape[1])


def test_the_largest_are_kept_and_decoded(task):
    whole = task.encode(TEXTS)
    cut = task.encode(TEXTS, max_active_dims=6)
    assert cut.sparsity()["active_dims"] == 6
    for row, pieces in enumerate(task.decode(cut, top_k=4)):
        dense = whole.toarray()[row]
        order = np.argsort(-dense, kind="stable")
        assert {*cut.row(row)[0]} == {*order[:6]}
        vocabulary = task.preprocessor.tokenizer.vocabulary
        assert [piece for piece, _ in pieces] == [vocabulary[i] for i in order[:4]]
        np.testing.assert_array_equal([weight for _, weight in pieces], dense[order[:4]])
    assert len(task.decode(whole)[0]) == len(whole.row(0)[0])
    assert task.similarity(whole, cut).shape == (5, 5)
    dot = (whole.toarray() * cut.toarray()).sum(1)
    np.testing.assert_allclose(task.similarity_pairwise(whole, cut), dot, rtol=1e-6)


@pytest.mark.parametrize("way", by_default(WAYS, ["sentence_transformers"]))
def test_copies_are_equal(tmp_path, way):
    encoder, place = made(max_active_dims=9, similarity_fn_name="cosine"), tmp_path / "a.keras"
    if way == "keras":
        encoder.save(place)
        again = keras.saving.load_model(place)
    else:
        encoder.save_to_preset(place, format=way)
        again = bert_tf2.SparseEncoder.from_preset(place)
    for got, want in zip(again.encode(TEXTS), encoder.encode(TEXTS), strict=True):
        np.testing.assert_array_equal(got, want)
    assert {n: getattr(again, n) for n in again.settings} == {
        n: getattr(encoder, n) for n in encoder.settings
    }


def test_a_plain_masked_language_model_opens(task, tmp_path):
    """Of any family and format that has its head; and nothing that has none."""
    folder = tmp_path / "mlm"
    bert_tf2.MaskedLM(task.encoder, task.preprocessor).save_to_preset(folder, "huggingface")
    again = bert_tf2.SparseEncoder.from_preset(folder)
    assert again.load_report.missing == []
    task.encoder.save_to_preset(tmp_path / "bare")
    task.preprocessor.save_assets(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"no head of masked_lm.*a MaskedLM"):
        bert_tf2.SparseEncoder.from_preset(tmp_path / "bare")


@pytest.mark.full
def test_memory_is_a_blocks():
    """Of 64 texts of 512 tokens all logits would take 4 GB."""
    config = dataclasses.replace(oracle.SMALL, max_position_embeddings=512, vocab_size=30522)
    words = [f"[unused{i}]" for i in range(30517)]
    tokenizer = bert_tf2.WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", *words])
    encoder = bert_tf2.Encoder(config)
    task = bert_tf2.SparseEncoder(encoder, bert_tf2.Preprocessor(tokenizer, 512))
    task.encode(["a"], max_active_dims=9)
    Path("/proc/self/clear_refs").write_text("5")  # the most it held is counted anew from here
    before = kibibytes("VmRSS")
    task.encode(["a " * 600] * 64, batch_size=64, max_active_dims=9)
    grown = kibibytes("VmHWM") - before
    assert 0 < grown < 1_500_000, f"{grown / 1e6:.2f} GB"


def kibibytes(name):
    """What the kernel says of this process's memory."""
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0])


BAD = {
    "pooling": (lambda t: made(pooling_strategy="mean"), "`pooling_strategy` must be one of"),
    "activation": (lambda t: made(activation_function="gelu"), "`activation_function` must be"),
    "similarity": (lambda t: made(similarity_fn_name="maxsim"), "one of dot, cosine"),
    "count": (lambda t: made(max_active_dims=0), "`max_active_dims` must be an int from 1"),
    "a count": (lambda t: t.encode(TEXTS, max_active_dims=True), "`max_active_dims` must be"),
    "prompt": (lambda t: t.encode(TEXTS, "answer"), "`prompt_name` must be one of .*query"),
    "a tensor": (lambda t: t.encode(TEXTS, convert_to_sparse_tensor=False), "toarray"),
    "pairs": (lambda t: t.predict((TEXTS, TEXTS), verbose=0), "takes single texts"),
    "top": (lambda t: t.decode(t.encode("a"), 0), "`top_k` must be an int from 1"),
    "training": (lambda t: t.fit(TEXTS), "not trained"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(task, name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call(task)


def test_weights_that_are_no_numbers_are_named():
    broken = made()
    broken.named_variables()["mlm/bias"].assign(np.full(broken.output.shape[-1], np.nan))
    with pytest.raises(ValueError, match="must be finite"):
        broken.encode(TEXTS)


def test_what_is_cut_is_said(task, caplog):
    task.said_what_is_cut = False
    with caplog.at_level(logging.WARNING):
        task.encode([*TEXTS, "tea " * 40])
    assert "1 of 6 texts are longer than 20 tokens" in caplog.text
