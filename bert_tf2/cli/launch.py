"""`bert_tf2 launch`: several workers on this machine, each with its part of TF_CONFIG."""

import json
import os
import socket
import subprocess
import sys
import time

from bert_tf2.cli.flags import UsageError


def launch(flags):
    """Starts `bert_tf2 VERB …` N times; ends with the first error, and all of them with it.

    Raises:
        UsageError: no verb is given.
        OSError: a worker ended with an error; the others were stopped.
    """
    if not flags.arguments:
        raise UsageError("give the command of each worker after --: finetune …", flags.command)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(flags.workers)]}
    workers = [_start(flags.arguments, cluster, i) for i in range(flags.workers)]
    try:
        _wait(workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _start(arguments, cluster, index):
    """One worker; only the first one's output is shown, but errors of all."""
    task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        [sys.executable, "-m", "bert_tf2", *arguments],
        env=os.environ | {"TF_CONFIG": json.dumps(task)},
        stdout=subprocess.DEVNULL if index else None,
    )


def _wait(workers):
    """Until all have ended well. A worker that dies would have the others wait for it forever."""
    while True:
        states = [worker.poll() for worker in workers]
        for index, state in enumerate(states):
            if state:
                raise OSError(
                    f"worker {index} ended with status {state}; the others were stopped. A run "
                    "with --save_checkpoints_steps goes on when started again with --resume."
                )
        if all(state == 0 for state in states):
            return
        time.sleep(0.1)


def free_ports(count):
    """Ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
