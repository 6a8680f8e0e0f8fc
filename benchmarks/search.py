"""`python -m benchmarks.search [WORK …]`: search and mining, in time, memory and what is found.

Each work is a process of its own. `million` and `mining` need nothing but this project; `graph` and
`cranfield` embed SST-2 and Cranfield from `$BERT_TF2_ASSETS/datasets` with all-MiniLM-L6-v2, and
are left out without them. Writes SEARCH.md; works that are not asked for keep their lines.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contestant, materials, report
from benchmarks.workers import protocol

RESULTS, TABLE = (materials.HERE / name for name in ("search.json", "SEARCH.md"))
ROUNDS, WIDTH = 9, 384


def unit(generator, rows):
    """Random vectors of length 1, float32 (rows, 384)."""
    found = generator.standard_normal((rows, WIDTH), dtype="float32")
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def timed(function, rounds=ROUNDS):
    """-> median seconds by the clock and of the processors, of rounds after a first one."""
    function()
    found = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [statistics.median(column) for column in zip(*found, strict=True)]


def from_now_on():
    """Forgets the most memory that was held before. -> GiB that are held now"""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return protocol.peak_gib()


# === Works: -> {what is measured: number or text} ================================================


def million():
    """A million random vectors, 32 queries, the ten nearest of each."""
    from bert_tf2.search import exact

    generator = np.random.default_rng(0)
    corpus, queries = unit(generator, 1_000_000), unit(generator, 32)
    before = from_now_on()
    wall, cpu = timed(lambda: exact.nearest(queries, corpus, 10, "dot"))
    more = protocol.peak_gib() - before
    product, _ = timed(lambda: [block @ queries.T for _, block in exact.blocks(corpus)])
    return {
        "seconds": round(wall, 3),
        "processor seconds": round(cpu, 3),
        "seconds of the products alone": round(product, 3),
        "GiB of the vectors": round(corpus.nbytes / 2**30, 2),
        "GiB beside them": round(more, 3),
    }


def mining():
    """Hard negatives of 20 000 anchors among 100 000 texts, vectors given."""
    from bert_tf2.search import mining as of

    generator = np.random.default_rng(0)
    corpus = unit(generator, 100_000)
    queries = corpus[:20_000] + 0.5 * unit(generator, 20_000)
    positives = [[row] for row in range(20_000)]
    limits = of.Limits(relative_margin=0.05)
    ranks = of.Ranks.of(0, None, 5, "top", limits, positives)
    began = time.process_time()
    of.mine(queries, corpus, positives, ranks, limits)
    cpu = time.process_time() - began
    return {
        "processor seconds": round(cpu, 1),
        "GiB at most, of the whole process": round(protocol.peak_gib(), 2),
    }


def graph():
    """The ten nearest of SST-2's 872 dev sentences among its 67 349 training texts."""
    import bert_tf2
    from bert_tf2.data import glue

    folder = Path(materials.ASSETS, "datasets", "glue")
    train, dev = (glue.read_glue(folder, "SST-2", split).texts for split in ("train", "dev"))
    index = bert_tf2.Index(bert_tf2.SentenceEncoder.from_preset(materials.minilm_folder()))
    texts = [*dict.fromkeys(train)]
    index.add(texts)
    queries = index.encoder.encode_query(dev)
    began = time.process_time()
    index.approximate()
    built = time.process_time() - began
    rows = {}
    for exactly in (True, False):
        rows[exactly] = [
            {hit["corpus_id"] for hit in hits} for hits in index.search(queries, exactly=exactly)
        ]
    found = [len(a & b) / 10 for a, b in zip(rows[True], rows[False], strict=True)]
    each = {
        exactly: timed(
            lambda exactly=exactly: [index.search(q, exactly=exactly) for q in queries[:50]]
        )[0]
        for exactly in (True, False)
    }
    return {
        "texts": len(texts),
        "recall@10": round(float(np.mean(found)), 4),
        "processor seconds to build it": round(built, 1),
        "milliseconds a query": round(each[False] * 20, 2),
        "milliseconds a query, exactly": round(each[True] * 20, 2),
    }


def cranfield():
    """225 questions on 1 400 abstracts: vectors, words, and both by reciprocal rank fusion."""
    import bert_tf2
    from bert_tf2.scoring.retrieval import information_retrieval
    from bert_tf2.search import fusion

    texts, queries, relevant = read_cranfield(Path(materials.ASSETS, "datasets", "cranfield"))
    index = bert_tf2.Index(bert_tf2.SentenceEncoder.from_preset(materials.minilm_folder()))
    index.add([text or "-" for text in texts])
    words = fusion.WordIndex(texts)
    ways = {
        "vectors": [_documents(hits) for hits in index.search(queries, 30)],
        "words": [words.nearest(query, 10)[1].tolist() for query in queries],
        "hybrid": [_documents(hits) for hits in index.search(queries, 30, hybrid=True)],
    }
    at = {"ndcg": (10,), "mrr": (10,), "recall": (10,)}
    return {
        f"{way}: {name}": round(value, 4)
        for way, ranked in ways.items()
        for name, value in information_retrieval(ranked, relevant, at).items()
    }


def _documents(hits):
    """The texts of hits, each where its best passage is."""
    return [*dict.fromkeys(hit["document"] for hit in hits)][:10]


def read_cranfield(folder):
    """-> texts (title and abstract), queries, and of each query the rows of what is relevant."""
    parts = (folder / "cran.all.1400").read_text(encoding="utf-8").split(".I ")[1:]
    found = [re.match(r"\d+\s+\.T\n(.*?)\.A\n.*?\.W\n(.*)", part, re.S) for part in parts]
    texts = [" ".join(" ".join(match.groups()).split()) for match in found]
    asked = (folder / "cran.qry").read_text(encoding="utf-8").split(".I ")[1:]
    queries = [" ".join(query.split(".W\n")[1].split()) for query in asked]
    relevant = [set() for _ in queries]
    for line in (folder / "cranqrel").read_text(encoding="utf-8").splitlines():
        query, text, code = map(int, line.split())
        if 1 <= code <= 4:
            relevant[query - 1].add(text - 1)
    return texts, queries, relevant


WORKS = {work.__name__: work for work in (million, mining, graph, cranfield)}
NEED_DATA = ("graph", "cranfield")

# === Running ======================================================================================

HEAD = """# Search

`python -m benchmarks.search`. Seconds are medians. There is no figure of a reranker: no
cross-encoder's checkpoint was at hand.
"""


def measured(name):
    """A work in a process of its own. -> its figures"""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.search", "--measure", name],
        env=contestant.environment(os.cpu_count()),
        cwd=contestant.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def table(results):
    """search.json -> Markdown."""
    lines = [HEAD]
    for name, result in results.items():
        lines += [f"## {WORKS[name].__doc__.strip()}", ""]
        lines += [f"`{name}`, {result['machine']}, {result['date']}.", "", "| | |", "| --- | --- |"]
        lines += [f"| {what} | {value} |" for what, value in result["figures"].items()] + [""]
    return "\n".join(lines)


def main(argv):
    """Measures and writes the table. -> exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.search", description=__doc__)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--measure", choices=WORKS, help=argparse.SUPPRESS)
    flags = parser.parse_args(argv)
    if flags.measure:
        print(json.dumps(WORKS[flags.measure]()))
        return 0
    if unknown := {*flags.works} - {*WORKS}:
        parser.error(f"works are {', '.join(WORKS)}. Received: {', '.join(unknown)}")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for name in flags.works or WORKS:
        if name in NEED_DATA and materials.ASSETS is None:
            print(f"left out: {name}: set BERT_TF2_ASSETS to a folder that holds datasets/")
            continue
        figures, facts = measured(name), report.machine()
        machine = f"{facts['processors']} threads of {facts['processor']}"
        results[name] = {"figures": figures, "machine": machine, "date": time.strftime("%Y-%m-%d")}
        print(name, figures, flush=True)
        results = {work: results[work] for work in WORKS if work in results}
        report.write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
        report.write_atomically(TABLE, table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
