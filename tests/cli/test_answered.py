"""Files of any number of rows: answered in order, in windows, going on where a run was killed."""

import json
import random
import signal
import subprocess
import sys
import time

import oracle
import pytest
import served
import shell
from by_default import by_default
from processes import environment

from bert_tf2 import cli
from bert_tf2.cli import answer_verbs, answered
from bert_tf2.cli.opened import opened

TEXTS = ["coffee", "", "a letter about stone and steam", "漢字 🙂", "late " * 30, "tea"] * 4


def jsonl(columns):
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return "".join(json.dumps(row) + "\n" for row in rows)


class Killed(Exception):
    """In place of a kill, which would end the tests."""


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(answered, "WINDOW", 5)
    monkeypatch.setattr(answered, "STEPS", 1)


def killed_after(monkeypatch, windows):
    """Has the next run end in the middle of its work. -> the list of rows that it computes."""
    seen, real = [], answered.answered

    def computed(model, rows, *how):
        if len(seen) >= 5 * windows:
            raise Killed
        seen.extend(rows)
        return real(model, rows, *how)

    monkeypatch.setattr(answered, "answered", computed)
    return seen


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A function of a name to the file of a tiny task."""
    folder, known = tmp_path_factory.mktemp("models"), {}

    def model(name, seed=0):
        if (name, seed) not in known:
            cls, how = served.TASKS[name]
            task = oracle.tiny_task(cls, **how)
            if seed:
                variable = task.trainable_variables[-1]
                variable.assign(variable + seed)
            known[name, seed] = folder / f"{name}{seed}.keras"
            task.save(known[name, seed])
        return known[name, seed]

    return model


CASES = [*((task, ".jsonl") for task in served.TASKS), ("clf", ".csv"), ("qa", ".tsv")]


@pytest.mark.parametrize(("task", "suffix"), by_default(CASES, [("clf", ".csv")]))
def test_each_task_goes_on(tmp_path, monkeypatch, small_windows, task, suffix):
    """Interrupted, it answers what is left, once, and its file is as if it never had been."""
    columns, more = served.columns_of(task, TEXTS)
    (tmp_path / "in.jsonl").write_text(jsonl(columns), "utf-8")
    cls, how = served.TASKS[task]
    model = opened("tiny", oracle.tiny_task(cls, **how))
    if task == "zero":
        model.task.set_candidates(["tea", "rain"])
    monkeypatch.setattr(answer_verbs, "open_model", lambda flags: model)
    given = ["predict", "--model=tiny.keras", f"--input_file={tmp_path}/in.jsonl", *more]
    given += ["--predict_batch_size=4"]
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    shell.runs(*given, f"--output_file={whole}")
    with monkeypatch.context() as patched:
        killed_after(patched, 2)
        with pytest.raises(Killed):
            cli.main([*given, f"--output_file={out}", "--debug"])
    assert not out.exists()
    seen = killed_after(monkeypatch, 9)
    shell.runs(*given, f"--output_file={out}")
    assert len(seen) == len(TEXTS) - 10
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(x.name for x in tmp_path.iterdir()) == ["in.jsonl", out.name, whole.name]


def test_another_run_is_refused(models, tmp_path, monkeypatch, capsys, small_windows):
    """Other texts, another model, other settings: none goes on with the file of the first."""
    texts, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    texts.write_text(jsonl({"text": TEXTS}), "utf-8")
    other.write_text(jsonl({"text": [*TEXTS[:-1], "rain"]}), "utf-8")
    out = f"--output_file={tmp_path}/out.csv"
    given = {"model": models("clf"), "input_file": texts, "predict_batch_size": 4}

    def run(**changed):
        return ["predict", *(f"--{n}={x}" for n, x in (given | changed).items()), out]

    with monkeypatch.context() as patched:
        killed_after(patched, 2)
        with pytest.raises(Killed):
            cli.main([*run(), "--debug"])
    for name, changed in {
        "input": {"input_file": other},
        "model": {"model": models("clf", 1)},
        "settings": {"predict_batch_size": 3},
    }.items():
        shell.fails(capsys, 1, run(**changed), "was begun by another model", f"({name})")
    part = tmp_path / ".out.csv.part"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    shell.fails(capsys, 1, run(), "must have", "Received")
    part.write_bytes(content + b"half of a row that was not noted")
    shell.runs(*run())
    assert "goes on at row 11" in capsys.readouterr().out


def test_a_file_that_comes_to_be_meanwhile_is_left_alone(tmp_path):
    with answered.drafts.draft(tmp_path / "a.txt", {}) as draft:
        draft.part.write_text("ours")
        draft.note(1)
        (tmp_path / "a.txt").write_text("theirs")
        with pytest.raises(FileExistsError, match="has come to be meanwhile"):
            draft.publish()
    assert (tmp_path / "a.txt").read_text() == "theirs" and draft.part.read_text() == "ours"


def test_what_is_wrong_in_the_last_row_is_said_before_the_first(models, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text(jsonl({"text": TEXTS}) + "{}\n", "utf-8")
    given = [f"--model={models('clf')}", f"--input_file={tmp_path}/a.jsonl"]
    shell.fails(capsys, 1, ["predict", *given], "line 25: expected a key 'text'")
    assert "coffee" not in capsys.readouterr().out
    rows = ["[MASK]", "[MASK] and tea", "no mask at all, but long"]
    (tmp_path / "a.txt").write_text("\n".join(rows), "utf-8")
    given = [f"--model={models('mlm')}", f"--input_file={tmp_path}/a.txt"]
    shell.fails(capsys, 1, ["predict", *given], "rows 1 to 3: ", "at index 2", "no mask")


KILLS = [
    pytest.param(20_000, 3, marks=pytest.mark.full),
    pytest.param(1_000_000, 20, marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("rows", "kills"), KILLS)
def test_killed_at_random_moments(models, tmp_path, rows, kills):
    """SIGKILL in the middle of whatever it does: every row is there once, in order."""
    generator = random.Random(rows)
    words = ["coffee", "stone", "tea", "letter", "late", "steam"]
    with open(tmp_path / "in.jsonl", "w") as file:
        for i in range(rows):
            text = " ".join(generator.choices(words, k=generator.randint(1, 8)))
            file.write(json.dumps({"text": f"{i} {text}"}) + "\n")
    out, notes = tmp_path / "out.jsonl", tmp_path / ".out.jsonl.part.json"
    given = [f"--model={models('clf')}", f"--input_file={tmp_path}/in.jsonl"]
    command = [sys.executable, "-m", "bert_tf2", "predict", *given, f"--output_file={out}"]
    pause = 0.4 if rows < 100_000 else 6.0
    reached = []
    for _ in range(kills):
        run = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
        before = notes.read_bytes() if notes.exists() else b""
        while run.poll() is None and (not notes.exists() or notes.read_bytes() == before):
            time.sleep(0.01)
        time.sleep(generator.uniform(0, pause))
        run.kill()
        assert run.wait() == -signal.SIGKILL and not out.exists()
        reached.append(json.loads(notes.read_text())["done"])
    started = time.monotonic()
    subprocess.run(command, env=environment(), check=True)
    print(f"killed at rows {reached}; the rest in {time.monotonic() - started:.0f} s")
    assert reached == sorted(reached) and reached[-1] > 0  # notes are written as a run goes on, too
    with open(out) as found, open(tmp_path / "in.jsonl") as given:
        count = 0
        for answer, row in zip(found, given, strict=True):
            assert json.loads(answer)["text"] == json.loads(row)["text"]
            count += 1
    assert count == rows
    assert {x.name for x in tmp_path.iterdir()} <= {"in.jsonl", "out.jsonl"}
