"""The code blocks of README and pages, and a folder in which they run as they are printed.

The folder holds, under the names that pages use, tiny random checkpoints and files of a few rows.
"""

import ast
import json
import re
import shlex
import shutil
from pathlib import Path

import keras
from shell import tiny_checkpoint

import bert_tf2

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("notebooks", "checkpoints")),
    *(page for folder in ("benchmarks", "docs") for page in sorted((ROOT / folder).glob("*.md"))),
    ROOT / "bert_tf2" / "data" / "support_requests" / "README.md",
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
NETWORK = re.compile(r"\s# network\b")  # the mark of a line that no folder can prepare
SPOKEN = re.compile(r"(?<!`)`((?:bert_tf2|make|pip|python|\.venv/bin/python) [^`]+)`")
HEADING = re.compile(r"^#+ (.*)$", re.M)
SUPPORT = "bert_tf2/data/support_requests"
ELSEWHERE = {"apache_beam": "beam", "ray": "ray"}  # packages that only an environment beside has
PRESETS = ("all-MiniLM-L6-v2", "uncased_L-4_H-512_A-8", "uncased_L-12_H-768_A-12")


def name_of(page):
    return str(page.relative_to(ROOT))


def said(page):
    """A page's text; of a notebook, its Markdown without the marks of comments."""
    text = page.read_text("utf-8")
    return re.sub("^# ?", "", text, flags=re.M) if page.suffix == ".py" else text


def blocks(page, language):
    """-> list of str, the blocks of this language in order"""
    return [text for kind, text in FENCE.findall(said(page)) if kind == language]


def is_for(block):
    """The environment that a block of Python needs; None for ours."""
    nodes = [x for x in ast.walk(ast.parse(block)) if isinstance(x, ast.Import)]
    names = [name.name for node in nodes for name in node.names]
    return next((ELSEWHERE[name] for name in names if name in ELSEWHERE), None)


def commands(page, marked=None):
    """-> list of lists of str, the commands of the shell's blocks in order

    marked: True for those alone that say `# network`, False for the others.
    """
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    chosen = [line for line in lines if marked is None or bool(NETWORK.search(line)) == marked]
    found = [shlex.split(line, comments=True) for line in chosen]
    return [words for words in found if words]


def spoken(page):
    """-> list of lists of str, the commands inside of sentences; "…" is what is left out of one"""
    text = FENCE.sub("", said(page)).replace("\n", " ")
    return [shlex.split(span.removeprefix(".venv/bin/")) for span in SPOKEN.findall(text)]


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


def prepare_support(folder):
    """Writes what the notebook that serves has written before its lines for a shell."""
    place = folder / "runs" / "notebooks" / "support"
    shutil.copytree(folder / "runs" / "quickstart", place)
    clf = keras.saving.load_model(place / "model.keras")
    bert_tf2.export_saved_model(clf, place / "serving" / "1")


def prepare(folder, reference):
    """Writes what pages name into a folder."""
    sizes = {"max_position_embeddings": 512, "num_hidden_layers": 4}
    for name in PRESETS[1:]:
        tiny_checkpoint(folder / "checkpoints" / name, reference, **sizes)
    names = ["contradiction", "entailment", "neutral"]
    first = folder / "checkpoints" / PRESETS[0]
    bert_tf2.convert(folder / "checkpoints" / PRESETS[1], first, to="huggingface")
    config = (first / "config.json").read_text("utf-8")  # as it is published, with the exact GELU
    (first / "config.json").write_text(config.replace('"gelu_new"', '"gelu"'), "utf-8")
    nli = bert_tf2.TextClassifier.from_preset(first, labels=names)
    nli.save_to_preset(folder / "checkpoints" / "roberta_large_mnli")
    (folder / "runs" / "quickstart").mkdir(parents=True)
    nli.save(folder / "runs" / "quickstart" / "model.keras")
    signs = "sentence\tlabel\n" + "".join(
        f"{text}\t{sign}\n" for text, sign in zip(TEXTS, SIGNS, strict=True)
    )
    several = "".join(json.dumps({"text": text, "label": ["a", "b"]}) + "\n" for text in TEXTS)
    written = {
        "vocab.txt": (reference / "own_fixture" / "vocab_uncased.txt").read_text("utf-8"),
        "texts.txt": "\n".join(TEXTS),
        "notes/a.md": "# Steam\n\nCoffee is hot.\n",
        "rows.csv": "id,text\n1,late coffee\n",
        "pairs.csv": "anchor,positive\n" + "".join(f"is it {x}?,{x}\n" for x in TEXTS),
        **dict.fromkeys(("train.tsv", "dev.tsv"), signs),
        **{
            f"{SUPPORT}/{name}.tsv": signs.replace("sentence", "text") for name in ("train", "test")
        },
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
