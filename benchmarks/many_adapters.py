"""`python -m benchmarks.many_adapters [--count 50] [--rank 8] [--rounds 20]`: many in one model.

A classifier of all-MiniLM-L6-v2's sizes, with random weights, as three SavedModels: without an
adapter, with one LoRA merged, and with so many of which each row names its own. Prints the size of
each, and the processor time of the bundled requests in batches of 32, in turns, beside the others.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks.startup import made

BATCH = 32
KINDS = ("none", "one, merged", "many")


def write(folder, count, rank):
    """Exports the three, one in a folder each. -> names of the adapters of the last."""
    import bert_tf2

    task = made("MiniLM")
    bert_tf2.export_saved_model(task, folder / "none" / "1")
    names = [f"tenant-{i}" for i in range(count)]
    for name in names:
        task.add_adapter("lora", name, rank=rank)
    bert_tf2.export_saved_model(task, folder / "one, merged" / "1")
    bert_tf2.export_saved_model(task, folder / "many" / "1", adapters="all")
    return names


def asked(folder, names):
    """-> {kind: a function that answers all texts}."""
    import tensorflow as tf

    from bert_tf2.data.examples import support_requests

    texts = support_requests("train").texts
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    chosen = [names[i % len(names)] for i in range(BATCH)]

    def of(kind):
        model = tf.saved_model.load(str(folder / kind / "1"))
        answer = model.signatures["serving_default"]

        def once():
            for rows in batches:
                own = {"adapter": tf.constant(chosen[: len(rows)])} if kind == "many" else {}
                answer(text=tf.constant(rows), **own)["probabilities"].numpy()

        once.model = model  # which alone holds the variables
        return once

    return {kind: of(kind) for kind in KINDS}


def seconds(once):
    began = time.process_time()
    once()
    return time.process_time() - began


def main():
    parser = argparse.ArgumentParser("python -m benchmarks.many_adapters", description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="how many adapters")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        calls = asked(folder, write(folder, flags.count, flags.rank))
        sizes = {
            kind: sum(x.stat().st_size for x in (folder / kind).rglob("*") if x.is_file()) / 1e6
            for kind in KINDS
        }
        found = {kind: [] for kind in KINDS}
        for number in range(flags.rounds + 1):
            for kind, once in calls.items():
                found[kind].append(seconds(once))
            if number == 0:  # traces
                found = {kind: [] for kind in KINDS}
    print(f"{'adapters':14}{'MB':>8}{'CPU s':>8}{'beside none':>13}{'beside merged':>15}")
    for kind in KINDS:
        beside = [
            statistics.median(a / b for a, b in zip(found[kind], found[other], strict=True))
            for other in KINDS[:2]
        ]
        middle = statistics.median(found[kind])
        print(f"{kind:14}{sizes[kind]:8.1f}{middle:8.2f}{beside[0]:13.3f}{beside[1]:15.3f}")


if __name__ == "__main__":
    main()
