"""`bert_tf2 serve` as a process: what it says, and that it finishes what it has taken."""

import concurrent.futures
import json
import signal
import subprocess
import sys

import shell
from served import ask, exported

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


def test_what_is_wrong_is_said(tmp_path, capsys):
    shell.fails(capsys, 2, ["serve"], "one folder")
    shell.fails(capsys, 1, ["serve", tmp_path / "nix"], "No folder")
    shell.fails(capsys, 1, ["serve", tmp_path], "No exported model", "bert_tf2 export")
