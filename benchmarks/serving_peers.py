"""`python -m benchmarks.serving_peers`: one text, and batches, in every runtime, taking turns.

Prints a table for one raw string, and for batches of ids of SST-2's and of SQuAD's lengths: the
milliseconds of a call, half of them and all but a hundredth, its processor time beside ours, and
texts a second. BERT-base with random weights; each contestant is a process of its own.

    python -m benchmarks.serving_peers --rounds 200 --threads 2
    python -m benchmarks.serving_peers --only ours,runtimes:onnx,onnxruntime --rounds 20
"""

import argparse
import dataclasses
import os

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contest, works
from benchmarks.contestant import Contestant, Failed
from benchmarks.work import Work

OURS = ("ours", "ours:int8", "runtimes:onnx", "runtimes:onnx_int8", "runtimes:litert_int8")
THEIRS = ("onnxruntime", "onnxruntime:best", "onnxruntime:int8", "transformers:best")
FROM_TEXT = ("transformers", "keras_hub")
QUANTIZE = ("onnxruntime:int8", "quantize", "onnx_int8")
SETUP = {  # contestant -> what must be written for it, in this order
    "ours": (works.SAVED_MODEL,),
    "ours:int8": (("ours:int8", "export", "saved_model"),),
    **{label: ((label, "write", "runtime"),) for label in OURS[2:]},
    "onnxruntime": (works.ONNX,),
    "onnxruntime:best": (works.ONNX, works.ONNX_BEST),
    "onnxruntime:int8": (works.ONNX, works.ONNX_BEST, QUANTIZE),
    **dict.fromkeys(("keras_hub", "keras_hub:best"), (works.PRESET,)),
}


def _work(name, title, batch, contestants, **options):
    options |= {"onnx_for": "serve"}
    return Work(name, title, "serve", contestants, batch=batch, options=options, turns="all")


ALL = (*OURS, *THEIRS, "keras_hub:best")
WORKS = (
    _work("one", "one raw string of about 32 tokens", "one_32", (*OURS, *THEIRS, *FROM_TEXT)),
    _work("sst2", "16 rows of ids, of SST-2's lengths", "sst2_16", ALL, ids=True),
    _work("squad", "8 rows of ids, 384 each", "full_8x384", ALL, ids=True),
)


def measured(work, labels, rounds, threads, written):
    """Lets contestants take turns. -> label -> (wall, cpu) seconds of each call; rows of a call.

    `written`: rows of `SETUP` that were set up before, for all works; it gets those of this one.
    """
    setup = dict.fromkeys(row for label in labels for row in SETUP.get(label, ()))
    work = dataclasses.replace(work, setup=tuple(row for row in setup if row not in written))
    written |= {*setup}
    question = contest.question_of(work, threads)
    rows = len(question.pop("lengths"))
    failures, alive, found = contest.set_up(work, question), {}, {}
    try:
        for label in labels:
            try:
                if label in failures:
                    raise Failed(failures[label])
                alive[label] = Contestant(label, threads)
                files = contest.files_of(work, label, question)
                alive[label].ask(do="prepare", **question | files)
            except (Failed, RuntimeError, OSError) as error:
                print(f"  out: {label}: {error}", flush=True)
                if label in alive:
                    alive.pop(label).close()
        for i in range(rounds):
            for label in [*alive][:: -1 if i % 2 else 1]:  # drift of the machine cancels out
                answer = alive[label].ask(do="round")
                found.setdefault(label, []).append((answer["wall"], answer["cpu"]))
    finally:
        for contestant in alive.values():
            contestant.close()
    return found, rows


def show(work, found, rows):
    """Prints the table of a work."""
    print(
        f"\n{work.title}\n{'':18}{'p50 ms':>9}{'p99 ms':>9}{'cpu ms':>9}{'ratio':>7}{'texts/s':>9}"
    )
    base = np.array(found.get("ours") or next(iter(found.values())))
    for label, times in found.items():
        wall, cpu = np.array(times).T
        p50, p99 = np.percentile(wall, [50, 99]) * 1000
        ratio = np.median(cpu / base[:, 1])
        print(
            f"{label:18}{p50:9.2f}{p99:9.2f}{np.median(cpu) * 1000:9.2f}{ratio:7.2f}"
            f"{rows / np.median(wall):9.1f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="calls of each contestant")
    parser.add_argument("--threads", type=int, default=1, help="for everyone")
    parser.add_argument("--only", default="", metavar="LABEL,…", help="just these contestants")
    parser.add_argument("--works", default="one,sst2,squad", help="of these")
    flags = parser.parse_args()
    only = [label for label in flags.only.split(",") if label]
    written = set()
    for work in WORKS:
        if work.name in flags.works.split(","):
            labels = [label for label in work.contestants if not only or label in only]
            show(work, *measured(work, labels, flags.rounds, flags.threads, written))


if __name__ == "__main__":
    main()
