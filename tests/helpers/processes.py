"""Training runs in processes of their own: `trajectory.py`, alone or as two workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bert_tf2.cli.launch import free_ports

HERE = Path(__file__).parent
PROGRAM = HERE / "trajectory.py"


def environment(**more):
    paths = [str(HERE), str(HERE.parents[1])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | more


def start(runs, **more):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), json.dumps(runs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**more),
    )


def finish(process, status=0):
    try:
        output, _ = process.communicate(timeout=1800)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == status, output[-3000:]
    return output


def two_workers(folder, **settings):
    """Starts two worker processes; -> the processes, and the files they will write."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    files = [folder / f"worker_{i}.npz" for i in range(2)]
    processes = [
        start(
            [settings | {"replicas": "workers", "out": str(file)}],
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}),
        )
        for i, file in enumerate(files)
    ]
    return processes, files
