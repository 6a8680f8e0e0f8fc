"""Tables for those who come from elsewhere: what they name is there, on both sides."""

import ast
import re

import names_there
import pages
import peers
import pytest

import bert_tf2
from bert_tf2.cli.verbs import VERBS

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


def test_our_side_of_each_table():
    """Names of classes and functions that stand alone, or before a bracket or a point."""
    for heading in ("From transformers' TensorFlow classes", *KNOWN):
        for _, ours in rows(heading):
            for code in CODE.findall(ours):
                name = re.match(r"[A-Za-z_]+", code)
                if name and name[0][0].isupper():
                    assert name[0] in bert_tf2.__all__, code


def test_googles_flags():
    """Where it says "the same", each is a flag of a verb; elsewhere what stands there is."""
    known = {f"--{flag}" for verb in VERBS.values() for flag in verb.flags}
    known |= {"bert_tf2", *VERBS, "QuestionAnswerer.predict_nbest", 'outputs["layer_outputs"]'}
    for theirs, here in rows("From Google's scripts"):
        named = f"{here} {theirs if here.startswith('the same') else ''}"
        for word in " ".join(CODE.findall(named)).split():
            assert word.partition("=")[0] in known, word


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
