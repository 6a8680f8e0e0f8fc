"""A contestant: a peer's worker process, in the peer's own environment."""

import contextlib
import json
import os
import subprocess
import threading
import time

from benchmarks import materials, venvs

ROOT = materials.HERE.parent
REPLY_LIMIT = 4 * 3600  # seconds; a whole epoch of the slowest peer takes less


class Failed(RuntimeError):
    """A contestant said what went wrong, died, or did not answer in time."""


def environment(threads):
    """dict of the environment in which a measured process uses `threads` threads and no GPU."""
    words = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": 2,
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": -1,
        "HF_HUB_OFFLINE": 1,
        "KERAS_BACKEND": "tensorflow",
    }
    return os.environ | {name: str(value) for name, value in words.items()}


class Contestant:
    """A peer's worker process with one variant of its settings.

    Args:
        label: "peer" or "peer:variant".
        threads: how many the libraries may use.
        **words: of the environment, beside and before those of `environment`.

    Attributes:
        started: `time.perf_counter()` when the process was started; its environment was there.

    Raises:
        RuntimeError, OSError: the environment cannot be built, or the process not be started.
    """

    def __init__(self, label, threads, **words):
        peer = label.partition(":")[0]
        python = venvs.python_of(peer)  # may take minutes, the first time
        log = materials.WORK / "logs" / f"{label.replace(':', '_')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as errors:
            self.started = time.perf_counter()
            self.process = subprocess.Popen(
                [python, "-m", f"benchmarks.workers.{peer}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment(threads) | words,
                text=True,
                start_new_session=True,  # Ctrl-C is for the runner
            )

    def ask(self, **question):
        """-> dict of the answer. Raises `Failed` if there is none, or none within `REPLY_LIMIT`."""
        began, line = time.perf_counter(), ""
        timer = threading.Timer(REPLY_LIMIT, self.process.kill)  # ends the pipes, and the waiting
        timer.start()
        try:
            with contextlib.suppress(OSError):  # it died before it was asked
                print(json.dumps(question), file=self.process.stdin, flush=True)
                line = self.process.stdout.readline()
            if not line.endswith("\n"):
                self.process.wait()
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            if time.perf_counter() - began >= REPLY_LIMIT:
                raise Failed(f"no answer within {REPLY_LIMIT} s")
            raise Failed(f"the process ended with code {self.process.returncode}")
        answer = json.loads(line)
        if not answer.pop("ok"):
            raise Failed(answer["error"])
        return answer

    def close(self):
        """Ends the process, at once. Raises nothing."""
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what a dead process was not told is lost
                pipe.close()
