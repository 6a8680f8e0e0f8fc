"""Docstrings of public names: whole, with an example that stands once and runs."""

import ast
import doctest
import inspect
import re
import shutil

import keras
import numpy as np
import pages
import pytest

import bert_tf2

PARSER = doctest.DocTestParser()
NAMES = {name: getattr(bert_tf2, name) for name in bert_tf2.__all__}


SAVED = {  # folders that examples open
    "squad": bert_tf2.QuestionAnswerer,
    "a/colbert": bert_tf2.MultiVectorEncoder,
    "a/splade": bert_tf2.MaskedLM,
    "a/cross-encoder": bert_tf2.TextRegressor,
}


def text_of(name):
    return inspect.getdoc(NAMES[name]) or ""


@pytest.mark.parametrize("name", NAMES)
def test_each_says_all(name):
    """What goes in, what comes out, what is refused, and an example."""
    said, parameters = text_of(name), inspect.signature(NAMES[name]).parameters
    assert len(said.splitlines()[0]) > 20
    assert said.count("Examples:\n") == 1 and PARSER.get_examples(said)
    for example in PARSER.get_examples(said):
        found = [x for x in ast.walk(ast.parse(example.source)) if isinstance(x, ast.Attribute)]
        ours = {x.attr for x in found if isinstance(x.value, ast.Name) and x.value.id == "bert_tf2"}
        assert ours <= {*bert_tf2.__all__}
    assert re.search(r"[Rr]aises\b", said)
    if inspect.isfunction(NAMES[name]):
        assert "Returns:\n" in said or "Returns, raises:" in said
    for parameter in parameters:
        if parameter not in ("args", "kwargs", "name", "assets"):  # the last one is of subclasses
            assert parameter in said, parameter


def same_form(got, want):
    """Whether a value is printed with the types and sizes that an example shows."""
    try:
        want = ast.literal_eval(want)
        got = ast.literal_eval(got)
    except (ValueError, SyntaxError):
        return got.split("(")[0].split(" ")[0] == str(want).split("(")[0].split(" ")[0]
    if isinstance(want, tuple | list) and type(got) is type(want):
        return len(got) == len(want)
    return type(got) is type(want)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, reference):
    """A folder with what examples name, of tiny random checkpoints."""
    folder = tmp_path_factory.mktemp("examples")
    pages.prepare(folder, reference)
    for name in ("spiece.model", "vocab.json", "merges.txt"):
        shutil.copy(reference / "tokenizers" / name, folder)
    saved = folder / "checkpoints"
    shutil.copytree(saved / pages.PRESETS[1], saved / "electra_small")
    shutil.copytree(saved / "roberta_large_mnli", folder / "folder/of/nli")
    for name, cls in SAVED.items():
        cls.from_preset(saved / pages.PRESETS[1]).save_to_preset(folder / "folder/of" / name)
    sentences = "".join(f"Tea and rain {i}.\n" for i in range(9))
    (folder / "corpus.txt").write_text("\n".join([sentences] * 9), "utf-8")
    return folder


def known():
    """What examples may name without saying it."""
    from bert_tf2.scoring import classification

    texts = ["coffee", "a letter", "stone", "late", "steam and coffee", "letter times"]
    return {
        "bert_tf2": bert_tf2,
        "keras": keras,
        "ops": keras.ops,
        "np": np,
        "classification": classification,
        "CRF": bert_tf2.CRF,
        "texts": texts,
        "labels": ["good", "bad"] * 3,
        "dev_texts": texts[:2],
        "dev_labels": ["good", "bad"],
        "logits": np.zeros((2, 3, 4), "float32"),
        "tags": np.zeros((2, 3), "int32"),
        "mask": np.ones((2, 3), bool),
        "questions": texts[:3],
        "passages": texts[3:],
    }


def run(source, name, here):
    """Runs an example. -> its value; None of a statement"""
    try:
        code = compile(source.strip(), name, "eval")
    except SyntaxError:
        return exec(compile(source, name, "exec"), here)
    return eval(code, here)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_its_example_runs(name, folder, monkeypatch):
    """As it is printed; what it shows has that form. Numbers are other weights'."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(folder / "checkpoints"))
    said = text_of(name)
    here = known()
    for example in PARSER.get_examples(said):
        try:
            value = run(example.source, name, here)
        except ImportError as error:  # of an extra
            pytest.skip(str(error))
        if example.want and value is not None:  # what is printed is of other weights
            assert same_form(repr(value), example.want.strip()), (repr(value), example.want)
