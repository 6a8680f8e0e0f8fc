"""The commands of a page, run one after another as a reader types them in the folder."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import peers
from processes import environment

from bert_tf2 import cli
from bert_tf2.cli.launch import free_ports

PLACE = re.compile(r"\blocalhost:(\d+)")
VOLUME = re.compile(r"\$PWD/(.+):/models/(\w+)$")
FORM_ALONE = ("make", "pip", "python")


class Shell:
    """Servers go on until it is left; each port that a page names is one that is free."""

    def __init__(self):
        self.ports, self.servers = {}, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(60)

    def run(self, command, *words):
        """Runs a command, which must succeed."""
        if command == "bert_tf2" and words[0] == "serve":
            self.serve(*words[1:])
        elif command == "bert_tf2":
            assert cli.main([self.moved(word) for word in words]) == 0, words
        elif command == "curl":
            subprocess.run(["curl", "-sS", "--fail", *map(self.moved, words)], check=True)
        elif command == "docker":
            self.serve(in_place_of_docker(words))
        else:
            assert command in FORM_ALONE

    def moved(self, word):
        """A word with our port in place of a page's."""
        return PLACE.sub(lambda found: f"localhost:{self.ports[found[1]]}", word)

    def serve(self, *words):
        """Starts `bert_tf2 serve` in a process of its own, and waits until it answers."""
        given = [word for word in words if not word.startswith("--port=")]
        named = [word.removeprefix("--port=") for word in words if word not in given]
        (port,) = free_ports(1)
        self.ports[named[0] if named else "8501"] = port
        command = [sys.executable, "-m", "bert_tf2", "serve", *given, f"--port={port}"]
        server = subprocess.Popen(command, env=environment())
        self.servers.append(server)
        for _ in range(1200):
            assert server.poll() is None, f"it ended: {words}"
            try:
                urllib.request.urlopen(f"http://localhost:{port}/v2/health/ready", timeout=9)
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise AssertionError(f"it does not answer: {words}")


def in_place_of_docker(words):
    """The folder to serve that has the model which TensorFlow Serving is given, of its name."""
    ((place, name),) = [VOLUME.search(word).groups() for word in words if VOLUME.search(word)]
    assert words[0] == "run" and f"MODEL_NAME={name}" in words and words[-1] == "tensorflow/serving"
    return str(shutil.copytree(place, Path("in_place_of_docker") / name).parent)


def run_beside(peer, block, folder):
    """Runs a block of Python in a folder, with the packages of a peer's environment.

    -> the `id` of each row of the answers that it writes
    """
    prepared = f"""import os, sys
os.chdir({str(folder)!r})
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # of the workers
"""
    program = folder / "block.py"
    program.write_text(f"{prepared}{block}\nprint('null')\n", "utf-8")
    peers.run_here(peer, program)
    files = [*folder.glob("answers.jsonl*"), *folder.glob("answers/*")]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    return [json.loads(line)["id"] for line in lines]
