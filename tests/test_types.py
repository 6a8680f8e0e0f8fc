"""The types of public names: written for all, as the code has them, and of use to a checker."""

import subprocess
import sys

import pages
import pytest

from docs import stubs

USES = """
import bert_tf2

clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
reveal_type(clf)
reveal_type(bert_tf2.attention(clf, "tea").weights.shape)
bert_tf2.attention(clf, 3)
bert_tf2.Encoderr
bert_tf2.SentenceEncoder.from_preset(3)
reveal_type(bert_tf2.Index.load("folder"))
"""
SAID = [
    'is "bert_tf2.TextClassifier"',
    'is "tuple[Any, ...]"',
    'Argument 2 to "attention" has incompatible type "int"; expected "str"',
    'has no attribute "Encoderr"',
    'Argument 1 to "from_preset" of "SentenceEncoder" has incompatible type "int"',
    'is "bert_tf2.Index"',
]


def test_they_are_those_of_the_code():
    assert stubs.TARGET.read_text("utf-8") == stubs.text(), "`make types` has not been run"


@pytest.mark.full
def test_a_type_checker_knows_them(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "uses.py").write_text(USES, "utf-8")
    how = ["--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={tmp_path}/cache"]
    command = [sys.executable, "-m", "mypy", *how, str(stubs.TARGET), str(tmp_path / "uses.py")]
    done = subprocess.run(command, cwd=pages.ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()[:-1]
    assert len(lines) == len(SAID), done.stdout + done.stderr
    for line, said in zip(lines, SAID, strict=True):
        assert said in line
