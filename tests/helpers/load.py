"""Many clients at once: each compares what it gets with what the task itself answers."""

import concurrent.futures
import os
import threading
import time
from typing import NamedTuple

import numpy as np
from closeness import FORWARD, assert_near

from bert_tf2.serving import Client

CLIENTS = 32
ROWS = 64
FLOATS = ("logits", "embedding", "scores", "tag_scores", "probabilities")  # what is compared


class Found(NamedTuple):
    """What a run came to.

    Attributes:
        seconds: of each request, sorted. memory: MiB of this process, twice a second.
    """

    seconds: np.ndarray
    memory: np.ndarray

    def __str__(self):
        p50, p99 = np.percentile(self.seconds, [50, 99]) * 1000
        slope = np.polyfit(np.arange(len(self.settled)), self.settled, 1)[0] * 2 * 60
        return (
            f"{len(self.seconds)} requests, p50 {p50:.0f} ms, p99 {p99:.0f} ms; memory "
            f"{self.memory[0]:.0f} to {self.memory[-1]:.0f} MiB, {slope:+.1f} MiB a minute in the "
            "second half"
        )

    @property
    def settled(self):
        return self.memory[len(self.memory) // 2 :]


def resident():
    """MiB of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def columns(task):
    """Rows of all lengths, as a task reads them."""
    texts = [f"{'stone and tea ' * (i % 40)}{i}" for i in range(ROWS)]
    made = {"text_pair": texts[::-1], "question": [f"tea {i}?" for i in range(ROWS)]}
    names = task.raw_names[: 1 + (task.takes_pairs or len(task.raw_names) > 1)]
    names = names[:1] if "text_pair" in names and not task.takes_pairs else names
    return {name: made.get(name, texts) for name in names}


def run(urls, tasks, seconds):
    """32 clients in turn for each URL and task, rows of all lengths. -> `Found`

    Raises:
        AssertionError: an answer that is not the task's. Any other error: an answer that is lost.
    """
    rows = {name: columns(task) for name, task in tasks.items()}
    want = {name: next(task.answer(rows[name], batch_size=ROWS)) for name, task in tasks.items()}
    places = [(url, name) for name in tasks for url in urls]
    until, done, memory = time.monotonic() + seconds, threading.Event(), []

    def watch():
        while not done.wait(0.5):
            memory.append(resident())

    def client(number):
        url, name = places[number % len(places)]
        took = []
        with Client(url, name, concurrency=1) as one:
            while time.monotonic() < until:
                some = [(number * 7 + len(took) * 3 + i) % ROWS for i in range(1 + len(took) % 3)]
                asked = {n: [side[i] for i in some] for n, side in rows[name].items()}
                started = time.monotonic()
                found = one.answer(asked)
                took.append(time.monotonic() - started)
                for key in {*FLOATS} & {*found}:
                    wide = found[key].shape[1]
                    assert_near(found[key], want[name][key][some][:, :wide], FORWARD)
        return took

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            took = list(pool.map(client, range(CLIENTS)))
    finally:
        done.set()
        watcher.join()
    return Found(np.sort(np.concatenate(took)), np.array(memory))
