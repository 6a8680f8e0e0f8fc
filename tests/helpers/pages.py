"""The code blocks of README and pages, and a folder in which they run as they are printed.

The folder holds, under the names that pages use, tiny random checkpoints and files of a few rows.
"""

import json
import re
import shlex
from pathlib import Path

from shell import tiny_checkpoint

import bert_tf2

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("notebooks", "checkpoints", "benchmarks")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.M)
PRESETS = ("all-MiniLM-L6-v2", "uncased_L-4_H-512_A-8", "uncased_L-12_H-768_A-12")


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page, language):
    """-> list of str, the blocks of this language in order"""
    return [text for kind, text in FENCE.findall(page.read_text("utf-8")) if kind == language]


def commands(page):
    """-> list of lists of str, the commands of the shell's blocks in order"""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if words]


def anchors(page):
    """The places of a page that links may name, spelled as GitHub does."""
    titles = HEADING.findall(FENCE.sub("", page.read_text("utf-8")))
    return {"#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# === A folder for them ============================================================================

TEXTS = ["coffee", "a letter", "stone", "late", "steam and coffee", "letter times"]
SIGNS = ["positive", "negative"] * 3
CONLL = "".join(f"{text.split()[-1]} NN I-NP B-LOC\nis VB I-VP O\n\n" for text in TEXTS)
SQUAD = [
    {"id": "1", "question": "late?", "answers": [{"text": "letter", "answer_start": 4}]},
    {"id": "2", "question": "stone?", "answers": [], "is_impossible": True},
]
SQUAD = [{"title": "", "paragraphs": [{"context": "the letter was late", "qas": SQUAD}]}]
SIMILAR = "index\tsentence1\tsentence2\tscore\n" + "".join(
    f"{i}\t{text}\tcoffee\t{i / 2}\n" for i, text in enumerate(TEXTS)
)


def prepare(folder, reference):
    """Writes what pages name into a folder."""
    for name in PRESETS:
        sizes = {"max_position_embeddings": 512, "num_hidden_layers": 4}
        tiny_checkpoint(folder / "checkpoints" / name, reference, **sizes)
    names = ["contradiction", "entailment", "neutral"]
    first = folder / "checkpoints" / PRESETS[0]
    bert_tf2.TextClassifier.from_preset(first, labels=names).save_to_preset(folder / "NLI_FOLDER")
    reranker = bert_tf2.TextRegressor.from_preset(first)
    reranker.save_to_preset(folder / "RERANKER_FOLDER")
    signs = "sentence\tlabel\n" + "".join(
        f"{text}\t{sign}\n" for text, sign in zip(TEXTS, SIGNS, strict=True)
    )
    several = "".join(json.dumps({"text": text, "label": ["a", "b"]}) + "\n" for text in TEXTS)
    written = {
        "vocab.txt": (reference / "own_fixture" / "vocab_uncased.txt").read_text("utf-8"),
        "texts.txt": "\n".join(TEXTS),
        "notes/a.md": "# Steam\n\nCoffee is hot.\n",
        "rows.csv": "id,text\n1,late coffee\n",
        **dict.fromkeys(("train.tsv", "dev.tsv"), signs),
        **{f"SST-2/{name}": signs.replace("positive", "1") for name in ("train.tsv", "dev.tsv")},
        **dict.fromkeys(("train.jsonl", "dev.jsonl", "big.jsonl"), several),
        **{f"eng.{name}": CONLL for name in ("train", "testa", "testb")},
        **{f"{name}-v2.0.json": json.dumps({"data": SQUAD}) for name in ("train", "dev")},
        **{f"glue/STS-B/{name}.tsv": SIMILAR for name in ("train", "dev")},
        "beir/corpus.jsonl": "".join(json.dumps({"_id": t, "text": t}) + "\n" for t in TEXTS),
        "beir/queries.jsonl": json.dumps({"_id": "q", "text": "coffee?"}),
        "beir/qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\tcoffee\t1\n",
    }
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
