"""README and pages: links lead somewhere, and what is printed runs as it is printed."""

import ast
import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import oracle
import page_runner
import pages
import pytest

import bert_tf2
from bert_tf2.cli import flags
from bert_tf2.cli.verbs import VERBS

HOLD_CODE = [page for page in pages.PAGES if pages.blocks(page, "python") or pages.commands(page)]
HOLD_COMMANDS = [page for page in pages.NOTEBOOKS if pages.commands(page)]
NEEDS_NETWORK = ("download", "verify")  # the real weights


def has_target(words):
    """Whether `make` has the target and takes the settings: it says what it would do."""
    done = subprocess.run(["make", "-n", *words], cwd=pages.ROOT, capture_output=True, check=False)
    return done.returncode == 0


def has_module(words):
    """Whether `python -m` finds it, with such flags; "…" is what is left out."""
    spec = importlib.util.find_spec(words[1])
    spec = importlib.util.find_spec(f"{words[1]}.__main__") if "." not in words[1] else spec
    known = re.findall(r'"--(\w+)"', Path(spec.origin).read_text("utf-8"))
    named = {word.partition("=")[0][2:] for word in words[2:] if word[:2] == "--"}
    return words[0] == "-m" and named <= {*known}


def has_extra(words):
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.findall(r"\.\[([\w,]+)\]", " ".join(words))
    named = {extra for several in extras for extra in several.split(",")}
    return words[0] == "install" and named <= set(project["optional-dependencies"])


def has_flags(words):
    """Whether there is such a verb, with such flags; what they are set to may be left out."""
    named = {w.partition("=")[0].removeprefix("--") for w in words[1:] if w[:2] == "--"}
    return words[0] == "VERB" or named <= {*VERBS[words[0]].flags, "help"}


FORMS = {  # command -> whether its arguments are such as it takes
    "bert_tf2": lambda words: flags.parse("bert_tf2", VERBS[words[0]].flags, words[1:]) or True,
    "make": has_target,
    "pip": has_extra,
    "python": has_module,
    "docker": lambda words: words[0] == "run",
    "curl": lambda words: any(word.startswith("localhost:8501/") for word in words),
}


SPOKEN = FORMS | {"bert_tf2": has_flags}


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name_of)
def test_links_lead_somewhere(page):
    for target, place in pages.LINK.findall(page.read_text("utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        if place and there.suffix == ".md":
            assert place in pages.anchors(there), place


@pytest.mark.parametrize("page", HOLD_CODE + pages.NOTEBOOKS, ids=pages.name_of)
def test_code_has_its_form(page):
    for block in pages.blocks(page, "python"):
        found = [x for x in ast.walk(ast.parse(block)) if isinstance(x, ast.Attribute)]
        ours = {x.attr for x in found if isinstance(x.value, ast.Name) and x.value.id == "bert_tf2"}
        assert ours <= {*bert_tf2.__all__}  # a room is one's own to import
    for command, *words in pages.commands(page):
        assert FORMS[command](words), (command, *words)


def test_commands_inside_of_sentences():
    found = [
        (page, words) for page in pages.PAGES + pages.NOTEBOOKS for words in pages.spoken(page)
    ]
    assert len(found) > 100
    for page, (command, *words) in found:
        assert SPOKEN[command](words), (page, command, *words)


def test_the_shell_page_names_every_verb():
    """In the table's order; and what short names are of, as it says."""
    said = (pages.ROOT / "docs" / "shell.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", said, re.M) == [*VERBS]
    first = {short: names[0] for short, names in flags.ALIASES.items()}
    assert first == {
        "preset": "init_checkpoint",
        "batch": "train_batch_size",
        "seq": "max_seq_length",
    }


def test_every_fence_names_its_language():
    for page in pages.PAGES:
        found = {language for language, _ in pages.FENCE.findall(page.read_text("utf-8"))}
        assert found <= {"python", "sh", "text"}, page


def test_readme_is_short():
    assert len((pages.ROOT / "README.md").read_text("utf-8").splitlines()) < 150


def test_marks_are_right():
    """What no prepared folder can run says `# network`, and nothing else does."""
    for page in HOLD_CODE + HOLD_COMMANDS:
        for command, *words in pages.commands(page, marked=True):
            assert command == "bert_tf2" and words[0] in NEEDS_NETWORK, (page, words)
        for command, *words in pages.commands(page, marked=False):
            assert command != "bert_tf2" or words[0] not in NEEDS_NETWORK, (page, words)


@pytest.mark.full
@pytest.mark.parametrize("page", HOLD_CODE + HOLD_COMMANDS, ids=pages.name_of)
def test_code_runs(page, tmp_path, monkeypatch, reference):
    """As it is printed, with tiny checkpoints under the published names; but what is marked, `pip`,
    and `docker`, in whose place our own server serves. Of `make` and `python -m`, which take
    minutes to hours, the form alone is checked."""
    pages.prepare(tmp_path, reference)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path / "checkpoints"))
    if page in HOLD_COMMANDS:
        pages.prepare_support(tmp_path)
    known = {}
    for block in pages.blocks(page, "python"):
        if not pages.is_for(block):
            exec(compile(block, str(page), "exec"), known)
    with page_runner.Shell() as shell:
        for words in pages.commands(page, marked=False):
            shell.run(*words)


@pytest.mark.full
@pytest.mark.parametrize("peer", pages.ELSEWHERE.values())
def test_code_of_other_environments(peer, tmp_path):
    """As it is printed, beside a file of the name that it reads."""
    found = [
        block
        for page in pages.PAGES
        for block in pages.blocks(page, "python")
        if pages.is_for(block) == peer
    ]
    assert found
    oracle.tiny_classifier().save(tmp_path / "clf.keras")
    for block in found:
        assert page_runner.run_beside(peer, block, tmp_path) == [7]
