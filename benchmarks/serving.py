"""`python -m benchmarks.serving`: what the server adds to a graph, and what batching brings.

Prints a table: the milliseconds of one text at one client, and how many of these the graph took,
as the server itself counts; and answers a second at 32 clients, with batching and without, on the
same texts.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

TEXTS = [
    "a stirring , funny and finally transporting re-imagining of beauty and the beast",
    "it 's slow , very , very slow .",
    "the film is a verbal duel between two gifted performers , and a rather long one at that",
    "unflinchingly bleak and desperate",
]
CLIENTS = 32


def ask(connection, place, texts):
    """One request on an open connection."""
    body = json.dumps({"instances": texts})
    connection.request("POST", place, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(content)


def connect(url):
    """A connection to a server."""
    there = urllib.parse.urlsplit(url)
    return http.client.HTTPConnection(there.hostname, there.port)


def alone(url, place, rounds):
    """Of requests of a text each, one after another: seconds, and those of the graph in them."""
    connection, found, before = connect(url), [], computed(url)
    for i in range(rounds):
        started = time.perf_counter()
        ask(connection, place, [TEXTS[i % len(TEXTS)]])
        seconds, now = time.perf_counter() - started, computed(url)
        found.append((seconds, now - before))
        before = now
    return found


def computed(url):
    """The seconds that a server's graphs have taken until now."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if "batch_seconds_sum{" in line)


def together(url, place, seconds):
    """Answers a second, and the seconds of each, of `CLIENTS` at once."""
    until = time.monotonic() + seconds

    def client(number):
        connection, found = connect(url), []
        while time.monotonic() < until:
            started = time.perf_counter()
            ask(connection, place, [TEXTS[(number + len(found)) % len(TEXTS)]])
            found.append(time.perf_counter() - started)
        return found

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        found = [x for times in pool.map(client, range(CLIENTS)) for x in times]
    return len(found) / seconds, found


def start(folder, *flags):
    """A server process, and its URL."""
    command = [sys.executable, "-m", "bert_tf2", "serve", str(folder), "--port=0", *flags]
    process = subprocess.Popen(
        [*command, "--nolog_requests"], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    said = process.stdout.readline()
    return process, next(word for word in said.split() if word.startswith("http")).rstrip(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="a preset")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10)
    flags = parser.parse_args()
    import bert_tf2

    names = ["negative", "positive"]
    task = bert_tf2.TextClassifier.from_preset(flags.model, labels=names, pooling="mean")
    with tempfile.TemporaryDirectory() as folder:
        version = bert_tf2.export_saved_model(task, Path(folder) / "m")
        measure(version, flags)


def measure(version, flags):
    """Prints the table."""
    place = "/v1/models/m:predict"
    batched, url = start(version.parent)
    plain, plain_url = start(version.parent, "--max_batch_rows=1", "--batch_window_ms=0")
    try:
        single, rates = [], {"batches": [], "no batches": []}
        for round in range(4):  # in turns; the first one warms up
            found = alone(url, place, flags.rounds // 3)
            single += found * (round > 0)
            for name, address in (("batches", url), ("no batches", plain_url)):
                rates[name] += [together(address, place, flags.seconds / 3)] * (round > 0)
    finally:
        for process in (batched, plain):
            process.terminate()
            process.wait()
    show(*zip(*single, strict=True), rates)


def show(served, graph, rates):
    """Prints what was measured."""
    print(f"\n{'':34}{'p50 ms':>9}{'p99 ms':>9}{'answers/s':>11}")

    def line(name, times, rate=None):
        p50, p99 = np.percentile(times, [50, 99]) * 1000
        print(f"{name:34}{p50:9.2f}{p99:9.2f}" + (f"{rate:11.0f}" if rate else ""))

    line("one text, one client", served)
    line("of these the graph", graph)
    for name, runs in rates.items():
        times = [x for _, found in runs for x in found]
        line(f"{CLIENTS} clients, {name}", times, np.median([rate for rate, _ in runs]))
    added = np.median(np.subtract(served, graph)) * 1000
    ratio = np.median([x for x, _ in rates["batches"]]) / np.median(
        [x for x, _ in rates["no batches"]]
    )
    print(
        f"\nThe server adds {added:.2f} ms to an answer; batches answer {ratio:.1f} times as many."
    )


if __name__ == "__main__":
    main()
