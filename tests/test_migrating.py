"""Tables for those who come from elsewhere: what is here runs, and what is there is there."""

import ast
import re

import keras
import names_there
import oracle
import pages
import peers
import pytest
from absl import flags as absl_flags

import bert_tf2
from bert_tf2.cli import flags
from bert_tf2.cli.verbs import VERBS
from bert_tf2.data.corpus.recipes import RECIPES

PAGE = (pages.ROOT / "docs" / "migrating.md").read_text("utf-8")
CODE = re.compile(r"`([^`]+)`")
SENTENCES = "sentence_transformers"
KNOWN = {  # heading -> its peer's names
    "From sentence-transformers": {
        **{n: f"{SENTENCES}:{n}" for n in ("SentenceTransformer", "CrossEncoder")},
        "SentenceTransformerTrainer": f"{SENTENCES}:SentenceTransformerTrainer",
        "model": f"{SENTENCES}:SentenceTransformer",
        "util": f"{SENTENCES}.util",
    },
    "From keras-hub": {
        **{
            n: f"keras_hub.models:{n}"
            for n in ("BertBackbone", "BertTokenizer", "BertTextClassifier", "BertMaskedLM")
        },
        "BertTextClassifierPreprocessor": "keras_hub.models:BertTextClassifierPreprocessor",
        "backbone": "keras_hub.models:BertBackbone",
        "classifier": "keras_hub.models:BertTextClassifier",
    },
}


def rows(heading):
    """[(left, right)] of the tables below a heading, without their heads."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\|(?!---)(.+)\|$(?!\n\|---)", part, re.M)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def codes(cell):
    """The expressions that a cell names; what only goes on from another is left out."""
    found = [code.replace("…", "...") for code in CODE.findall(cell)]
    return [code for code in found if code[0] not in ".[" and is_expression(code)]


def is_expression(code):
    try:
        ast.parse(code, mode="eval")
    except SyntaxError:
        return False
    return True


# === Our side: calls ==============================================================================

GOOGLES = "From Google's scripts"
HEADINGS = re.findall("^## (.+)$", PAGE, re.M)
TEXTS, SIGNS = ["coffee", "a letter", "stone", "late steam"] * 2, ["positive", "negative"] * 4
GIVEN = {
    "keras": keras,
    "folder": "folder",
    "texts": TEXTS,
    "text": TEXTS[0],
    "labels": SIGNS,
    "query": "stone?",
    "documents": TEXTS[:4],
    "pairs": [("stone", "a stone"), ("tea", "coffee")],
    "scores": [0.9, 0.2],
    "question": "late?",
    "context": "the letter was late",
    "rows": {"question": ["late?"], "context": ["the letter was late"]},
}
PROSE = (  # cells without code: there is nothing of ours to run
    "nothing: TensorFlow finds the devices",
    "nothing: tables are looked up",
    "nothing: what is cut or left out is said in any case",
)


def calls(heading):
    """The code of our side of a table in order, but for names of classes and words of a shell."""
    found = [code for _, ours in rows(heading) for code in CODE.findall(ours)]
    return [code for code in found if not re.match(r"bert_tf2 |--|\w+$", code)]


def names_of_the_page(heading):
    """What stands on the right side, small: models, texts and numbers by the page's names."""
    vec = oracle.tiny_task(bert_tf2.SentenceEncoder, prompts={"query": "late: "})
    a = vec.encode(TEXTS[:4], normalize_embeddings=True)
    tasks = {
        "clf": lambda: oracle.tiny_classifier(("negative", "positive")),
        "ner": lambda: oracle.tiny_task(bert_tf2.TokenClassifier, labels=["O", "B-PER", "I-PER"]),
        "qa": lambda: oracle.tiny_task(bert_tf2.QuestionAnswerer, doc_stride=4),
        "zero_shot": lambda: oracle.tiny_task(
            bert_tf2.ZeroShotClassifier, labels=["contradiction", "neutral", "entailment"]
        ),
        "mlm": lambda: oracle.tiny_task(bert_tf2.MaskedLM),
        "encoder": lambda: oracle.tiny_classifier().encoder,
        "reranker": lambda: oracle.tiny_task(bert_tf2.Reranker),
    }
    said = " ".join(calls(heading))
    needed = {name: make() for name, make in tasks.items() if re.search(rf"\b{name}\b", said)}
    inputs = {"token_ids": [[1, 2]], "segment_ids": [[0, 0]], "padding_mask": [[1, 1]]}
    if "outputs" in said:
        needed["outputs"] = oracle.make_encoder(oracle.TINIES["albert"])[0](inputs)
    return needed | {
        **{name: getattr(bert_tf2, name) for name in bert_tf2.__all__},
        **GIVEN,
        "vec": vec,
        "a": a,
        "b": a,
        "inputs": inputs,
    }


@pytest.mark.parametrize("heading", HEADINGS)
def test_our_side_is_code(heading):
    """Each cell has code or is prose that is known; what is no call is a name of ours."""
    for _, ours in rows(heading):
        spans = CODE.findall(ours)
        assert spans or ours in PROSE or re.match(r"the same\b", ours), ours
        for span in spans:
            if re.fullmatch("[A-Z]\\w+", span):
                assert span in bert_tf2.__all__, span
    for code in calls(heading):
        ast.parse(code, mode="eval")


@pytest.mark.full
@pytest.mark.parametrize("heading", HEADINGS)
def test_our_side_runs(heading, tmp_path, monkeypatch):
    """Each call on the right as it stands, in order."""
    known, found = names_of_the_page(heading), calls(heading)
    monkeypatch.chdir(tmp_path)
    scores = any(code.startswith("Reranker.") for code in found)
    saved = oracle.tiny_task(bert_tf2.TextRegressor) if scores else known["vec"]
    saved.save_to_preset("folder")
    vocabulary = saved.preprocessor.tokenizer.vocabulary
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    for code in found:
        eval(code, known)


# === Our side: flags ==============================================================================

VERBS_OF = {  # the row above a table -> the verbs that take its flags
    "flag of fine-tuning": ("finetune", "evaluate", "predict", "export"),
    "flag of pretraining": ("make-pretraining-data", "pretrain"),
}
DEFAULTS = {  # "the same, with the same defaults": run_classifier.py, create_pretraining_data.py
    "learning_rate": 5e-5,
    "num_train_epochs": 3.0,
    "warmup_proportion": 0.1,
    "dupe_factor": 10,
    "short_seq_prob": 0.1,
    "random_seed": 12345,
}


def table_below(head):
    """[(left, right)] of the one table with this head."""
    part = PAGE.partition(f"| {head} | here |\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in part.splitlines()[1:]]


def value_for(flag):
    """A value that such a flag takes, as a string."""
    if options := flag.settings.get("enum_values"):
        return options[-1]
    number = flag.define in (absl_flags.DEFINE_integer, absl_flags.DEFINE_float)
    return "1" if number else "auto" if "word" in flag.settings else "a"


def read(word, verbs):
    """A flag, with its value or one that fits, by the parser of each verb that has it."""
    name, _, value = word.removeprefix("--").partition("=")
    takers = [verb for verb in verbs if name in VERBS[verb].flags]
    assert takers, word
    for verb in takers:
        flag = VERBS[verb].flags[name]
        if not value and flag.define is not absl_flags.DEFINE_boolean:
            word = f"--{name}={value_for(flag)}"
        assert flags.parse(f"bert_tf2 {verb}", {name: flag}, [word])[name].present == 1
    return takers


@pytest.mark.parametrize("head", VERBS_OF)
def test_googles_flags(head):
    """Where it says "the same", a verb takes each; elsewhere it takes what stands there."""
    found = table_below(head)
    assert len(found) > 7
    for theirs, here in found:
        named = CODE.findall(f"{here} {theirs if here.startswith('the same') else ''}")
        for word in named:
            if word.startswith("--"):
                takers = read(word, VERBS_OF[head])
                if "same defaults" in here:
                    default = VERBS[takers[0]].flags[word[2:]].default
                    if default is None:  # the recipe's
                        default = getattr(RECIPES["bert"], word[2:])
                    assert default == DEFAULTS[word[2:]], word
            elif word.startswith("bert_tf2 "):
                assert word.split()[1] in VERBS


def test_googles_scripts():
    """Each verb is there and takes the flags beside it, and a page runs it as a whole line."""
    commands = [words for page in pages.PAGES for words in pages.commands(page)]
    lines = {(command, verb) for command, verb, *_ in commands if command == "bert_tf2"}
    for _, here in table_below("script"):
        verb = None
        for word in CODE.findall(here):
            if word.startswith("bert_tf2 "):
                _, verb, *given = word.split()
                assert ("bert_tf2", verb) in lines
            else:
                given = [word] if word.startswith("--") else []
            for flag in given:
                read(flag, [verb])


@pytest.mark.full
@pytest.mark.parametrize("heading", KNOWN)
def test_the_other_side(heading):
    job = {"known": KNOWN[heading], "code": [c for left, _ in rows(heading) for c in codes(left)]}
    assert len(job["code"]) > 5
    if heading == "From keras-hub":  # which our environment has
        pytest.importorskip("keras_hub")
        found = {code: names_there.wrong(code, job["known"]) for code in job["code"]}
    else:
        found = peers.run("transformers", "names_there.py", job)
    assert not {code: missing for code, missing in found.items() if missing}


def test_what_is_missing_is_found():
    known = {"Path": "pathlib:Path", "none": "pathlib:none"}
    assert names_there.wrong("Path(x).exists(follow_symlinks=1)", known) in (
        [],
        ["follow_symlinks"],
    )
    assert names_there.wrong("Path.home().exist(x)", known) == []  # of what a call gives, anything
    assert names_there.wrong("Path.hom(x)", known) == ["Path.hom"]
    assert names_there.wrong("Path('').open(mod=1)", known) == ["mod"]
    assert names_there.wrong("none(x)", known) == ["pathlib:none"]
    assert names_there.wrong("other.y", known) == ["other"]
