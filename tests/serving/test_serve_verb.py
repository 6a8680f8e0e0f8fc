"""`bert_tf2 serve` as a process: what it says, and that it finishes what it has taken."""

import concurrent.futures
import json
import signal
import subprocess
import sys
from pathlib import Path

import oracle
import pytest
import shell
from served import ask, exported, running

import bert_tf2
from bert_tf2.cli.serve import exported_for_now
from bert_tf2.serving import Client

ROWS = 400


def test_serve_until_it_is_told_to_stop(tmp_path):
    exported(tmp_path / "models", "clf")
    key = tmp_path / "key"
    key.write_text("geheim\n")
    command = [sys.executable, "-m", "bert_tf2", "serve", tmp_path / "models", "--port=0"]
    server = subprocess.Popen(
        [*map(str, command), f"--api_key=@{key}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = [server.stdout.readline() for _ in range(5)]
    assert "development" in said[1] and "tensorflow/serving" in said[4]
    url = next(word for word in said[0].split() if word.startswith("http")).rstrip(",")
    place, headers = f"{url}/v1/models/clf:predict", {"Authorization": "Bearer geheim"}
    assert ask(place, {"instances": ["tea"]})[0] == 401

    body = {"inputs": [f"{i} stone and tea" for i in range(ROWS)]}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, place, body, **headers) for _ in range(8)]
        concurrent.futures.wait(asked, return_when="FIRST_COMPLETED")  # the others are on their way
        server.send_signal(signal.SIGTERM)
        found = [one.result() for one in asked]
    assert [(status, len(x["outputs"]["label"])) for status, x in found] == [(200, ROWS)] * 8
    assert server.wait(30) == 128 + signal.SIGTERM
    lines = [json.loads(x) for x in server.stderr.read().splitlines() if x.startswith("{")]
    assert [x["event"] for x in lines].count("request") == 9
    assert lines[0]["event"] == "loaded" and not any("stone" in str(x) for x in lines)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_trained_model_is_exported_and_served(tmp_path, kind, capsys):
    """A `.keras` file or a preset, into a folder that goes with the server."""
    task = oracle.tiny_task(bert_tf2.TextClassifier, labels=["tea", "rain"])
    place = tmp_path / "mine" / "model.keras" if kind == "file" else tmp_path / "mine"
    place.parent.mkdir(exist_ok=True)
    task.save(place) if kind == "file" else task.save_to_preset(place)
    with exported_for_now(str(place)) as folder, running(folder) as url, Client(url) as client:
        assert client.predict(["a cup"]) == pytest.approx(task.predict(["a cup"]), abs=1e-5)
        assert client.model == "mine" and Path(folder).is_dir()
    assert not Path(folder).exists()
    assert f"bert_tf2 export --model='{place}'" in capsys.readouterr().out


def test_what_is_wrong_is_said(tmp_path, capsys):
    shell.fails(capsys, 2, ["serve"], "one folder")
    shell.fails(capsys, 1, ["serve", tmp_path / "nix"], "No folder")
    (tmp_path / "a.txt").write_text("tea")
    shell.fails(capsys, 1, ["serve", tmp_path / "a.txt"], "a.txt")
    (tmp_path / "a.txt").unlink()
    shell.fails(capsys, 1, ["serve", tmp_path], "No exported model", "bert_tf2 export")
