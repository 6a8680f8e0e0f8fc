"""The conversation with a worker, and what becomes of one that fails, dies or hangs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import contest, contestant, materials, venvs, works

ROOT = Path(__file__).parents[2]
WORKER = """
import os
import signal
from pathlib import Path

from benchmarks.workers import protocol

def count(question):
    print("libraries may print")
    total = []

    def once():
        total.append(sum(range(100_000)))  # takes some time
        if question.get("variant") == "dies" and len(total) == 2:
            os._exit(3)
        if question.get("variant") == "hangs":
            signal.pause()
        return {"done": len(total)}

    return protocol.Prepared(once, [question["x"]])

def write(question):
    file = Path(question["onnx"])
    file.write_text(question["x"])
    if question["x"] == "half":
        os._exit(3)
    file.with_name(f"{file.name}.data").write_text("beside it")
    return protocol.Prepared()

def fail(question):
    raise ValueError("first line\\nlast line")

protocol.serve({"count": count, "write": write, "fail": fail}, ())
"""


@pytest.fixture
def ask():
    """A function that asks a live worker."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    )

    def one(**question):
        print(json.dumps(question), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    yield one
    process.kill()
    process.communicate()


def test_conversation(ask, tmp_path):
    file = str(tmp_path / "check.npy")
    ready = ask(do="prepare", kind="count", threads=1, x=2.5, check_file=file)
    assert ready == {"ok": True, "notes": {}, "check": file, "versions": {}}
    assert np.load(file).tolist() == [2.5]
    first, second = ask(do="round"), ask(do="round")
    assert (first["done"], second["done"]) == (1, 2)
    assert second["ok"] and second["cpu"] >= 0 < second["peak"] < 100
    assert ask(do="prepare", kind="fail", threads=1) == {
        "ok": False,
        "error": "ValueError: first line",
    }
    assert "count" in ask(do="prepare", kind="unknown", threads=1)["error"]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Makes the worker above a peer named "fake"; -> the folder for what it writes."""
    workers = tmp_path / "root" / "benchmarks" / "workers"
    workers.mkdir(parents=True)
    (workers / "fake.py").write_text(WORKER)
    shutil.copy(ROOT / "benchmarks" / "workers" / "protocol.py", workers)
    monkeypatch.setattr(contestant, "ROOT", tmp_path / "root")
    monkeypatch.setattr(venvs, "python_of", lambda peer: sys.executable)
    monkeypatch.setattr(materials, "WORK", tmp_path / "work")
    return tmp_path / "work"


def test_who_dies_in_a_round_is_out_and_the_others_go_on(fake):
    work = works.Work("x", "X", "count", ("fake", "fake:dies", "fake:best"))
    question, rows = {"kind": "count", "threads": 1, "x": 1.5}, {}
    reference = contest.take_turns(work, list(work.contestants), 3, question, rows)
    assert reference.tolist() == [1.5]
    assert rows["fake:dies"]["error"] == "the process ended with code 3"
    assert len(rows["fake:dies"]["cpu"]) == 1
    assert [len(rows[label]["ratio"]) for label in ("fake", "fake:best")] == [3, 3]
    assert "error" not in rows["fake"] | rows["fake:best"]


def test_who_differs_or_cannot_start_is_out(fake, monkeypatch):
    def python_of(peer):
        if peer == "missing":
            raise RuntimeError("no such package")
        return sys.executable

    monkeypatch.setattr(venvs, "python_of", python_of)
    work = works.Work("x", "X", "count", ("fake", "missing"))
    question, rows = {"kind": "count", "threads": 1, "x": 1.5}, {}
    contest.take_turns(work, list(work.contestants), 1, question, rows, reference=np.ones(1))
    assert rows["fake"]["error"] == "outputs differ by 5.0e-01"
    assert rows["missing"]["error"] == "no such package"


def test_who_died_while_idle_fails_when_asked(fake):
    dead = contestant.Contestant("fake", 1)
    dead.process.kill()
    dead.process.wait()
    with pytest.raises(contestant.Failed, match="ended with code -9"):
        dead.ask(do="round", padding="x" * 100_000)  # more than a pipe holds
    dead.close()
    dead.close()


def test_who_is_silent_is_ended(fake, monkeypatch):
    silent = contestant.Contestant("fake", 1)
    check_file = str(fake / "check.npy")
    question = {"kind": "count", "threads": 1, "x": 0, "check_file": check_file}
    silent.ask(do="prepare", **question, variant="hangs")
    monkeypatch.setattr(contestant, "REPLY_LIMIT", 0.2)
    with pytest.raises(contestant.Failed, match=r"no answer within 0\.2 s"):
        silent.ask(do="round")
    silent.close()


def test_an_interrupted_set_up_is_done_again(fake):
    work = works.Work("x", "X", "serve", ("fake",), setup=(("fake", "write", "onnx"),))
    question = {"threads": 1, "onnx_for": "serve"}
    folder = fake / work.model
    failed = contest.set_up(work, question | {"x": "half"})
    assert failed == {"fake": "write: the process ended with code 3"}
    assert not (folder / "serve.onnx").exists()
    assert contest.set_up(work, question | {"x": "whole"}) == {}
    assert (folder / "serve.onnx").read_text() == "whole"
    assert sorted(x.name for x in folder.iterdir()) == ["serve.onnx", "serve.onnx.data"]
    assert contest.set_up(work, question | {"x": "not again"}) == {}
    assert (folder / "serve.onnx").read_text() == "whole"


def test_complete_says_what_was_not_written(tmp_path):
    with (
        pytest.raises(RuntimeError, match="model was not written"),
        materials.complete(tmp_path / "model"),
    ):
        pass
    with materials.complete(tmp_path / "model") as partial:
        partial.mkdir()
        assert not (tmp_path / "model").exists()
    assert [x.name for x in tmp_path.iterdir()] == ["model"]
