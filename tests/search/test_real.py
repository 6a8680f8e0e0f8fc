"""Search on real texts and at real size: these pages, Cranfield, a million vectors."""

import json
import shlex

import numpy as np
import pages
import peers
import pytest
import shell

from bert_tf2 import cli

pytestmark = pytest.mark.full


def test_these_pages_answer(minilm, tmp_path, capsys):
    """`make search` by its parts: of each question the first or second passage answers it."""
    pytest.importorskip("bm25s")
    lines = (pages.ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ").splitlines()
    asked = next(line for line in lines if line.startswith("QUESTIONS"))
    questions = shlex.split(asked.split("?=")[1])
    index = tmp_path / "pages"
    how = [f"--preset={minilm}", f"--index_dir={index}", "--passage_length=128"]
    names = (
        "README.md",
        "CONTRIBUTING.md",
        "docs",
        "benchmarks/README.md",
        "checkpoints/README.md",
    )
    shell.runs("index", *how, *(pages.ROOT / name for name in names))
    capsys.readouterr()
    shell.runs("search", f"--index_dir={index}", "--hybrid", "--json_lines", *questions)
    hits = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    answers = ("end with the same weights", "safetensors", "`prepare`, `losses` and `answers`")
    for question, answer in zip(questions, answers, strict=True):
        best = [hit["text"] for hit in hits if hit["query"] == question and hit["rank"] <= 2]
        assert any(answer in " ".join(text.split()) for text in best)
    assert cli.main(["search", f"--index_dir={index}", "tea " * 300]) == 0  # cut, and said


def test_words_help_vectors(assets, monkeypatch):
    """On Cranfield both together are better than either."""
    pytest.importorskip("bm25s")
    from benchmarks import materials, search

    monkeypatch.setattr(materials, "ASSETS", str(assets))
    found = search.cranfield()
    figures = {way: found[f"{way}: ndcg@10"] for way in ("vectors", "words", "hybrid")}
    want = {"vectors": 0.4014, "words": 0.3639, "hybrid": 0.4207}
    assert figures == pytest.approx(want, abs=2e-3)  # a text of one query is up to 2e-3


def test_a_million_vectors():
    """Exactly, and in little memory beside them."""
    code = """
import json, numpy as np
from benchmarks import search
from bert_tf2.search import exact
generator = np.random.default_rng(0)
corpus, queries = search.unit(generator, 1_000_000), search.unit(generator, 4)
before = search.from_now_on()
scores, rows = exact.nearest(queries, corpus, 10, "dot")
after = search.protocol.peak_gib()
whole = corpus @ queries.T
want = np.sort(whole, 0)[::-1][:10].T
print(json.dumps([after - before, float(np.abs(scores - want).max()),
                  float(np.abs(np.take_along_axis(whole.T, rows, 1) - want).max())]))
"""
    more, of_scores, of_rows = peers.here(code)
    assert 0 < more < 0.1
    assert max(of_scores, of_rows) < 1e-6


def test_a_graph_of_sentences(assets, minilm):
    """Of the ten nearest of 5 000 real sentences hardly one is overlooked."""
    pytest.importorskip("usearch")
    import bert_tf2
    from bert_tf2.data import glue

    texts = glue.read_glue(assets / "datasets" / "glue", "SST-2", "train").texts[:5000]
    index = bert_tf2.Index(bert_tf2.SentenceEncoder.from_preset(minilm))
    index.add([*dict.fromkeys(texts)])
    index.approximate(threads=1)
    queries = glue.read_glue(assets / "datasets" / "glue", "SST-2", "dev").texts[:100]
    found = [
        [{hit["corpus_id"] for hit in hits} for hits in index.search(queries, exactly=exactly)]
        for exactly in (True, False)
    ]
    recall = np.mean([len(a & b) / 10 for a, b in zip(*found, strict=True)])
    print(f"recall@10 {recall:.4f}")
    assert recall > 0.95
