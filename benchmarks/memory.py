"""`python -m benchmarks.memory`: what `bert_tf2 plan` predicts, beside the measured peak.

Each row is a process of its own, which takes three steps of `TextClassifier.fit` on full rows of
random words, with random weights, and reads the most memory that it ever held. Writes MEMORY.md; a
run with `--quick` only prints. Keep the machine's other work away: what it takes is not in the
peaks, but a process that is paged out would show too little.
"""

import argparse
import dataclasses
import json
import os
import shlex
import subprocess
import sys
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contestant, materials, report
from benchmarks.workers import protocol
from bert_tf2.planning.memory import GIB, Step, predict
from bert_tf2.variants import VARIANTS

STEPS = 3
SMALL, MEDIUM = "uncased_L-4_H-512_A-8", "uncased_L-8_H-512_A-8"
BASE, ALBERT = "uncased_L-12_H-768_A-12", "albert_base_v1"


class Case(NamedTuple):
    """A row: a name in `VARIANTS`, and a step."""

    model: str
    step: Step

    def predicted(self):
        """-> GiB."""
        return predict(VARIANTS[self.model], self.step).peak / GIB


# Quick ones first: those are what the full test suite measures.
QUICK = (
    Case("uncased_L-2_H-128_A-2", Step(4, 32)),
    Case("uncased_L-12_H-256_A-4", Step(32, 64)),
    Case(SMALL, Step(16, 128)),
    Case(SMALL, Step(16, 128, recompute=True)),
    Case(SMALL, Step(16, 128, micro_batches=4)),
    Case(SMALL, Step(8, 128, dtype="mixed_bfloat16")),
    Case(MEDIUM, Step(4, 384)),
    Case(ALBERT, Step(4, 32)),
)
CASES = (
    *QUICK,
    Case(SMALL, Step(32, 128, pooling="mean")),
    Case(MEDIUM, Step(32, 128)),
    Case(MEDIUM, Step(32, 128, recompute=True, micro_batches=4)),
    Case(MEDIUM, Step(16, 128, dtype="mixed_bfloat16", recompute=True)),
    Case(ALBERT, Step(16, 128)),
    Case("electra_small", Step(32, 128)),
    Case("distilbert_base_uncased", Step(16, 128)),
    Case(BASE, Step(2, 16, micro_batches=2)),
    Case(BASE, Step(8, 384)),
    Case(BASE, Step(16, 128)),
    Case(BASE, Step(16, 128, recompute=True)),
    Case(BASE, Step(16, 128, micro_batches=4)),
)


def measured(case):
    """Runs a case in a process of its own. -> the peak in GiB."""
    question = json.dumps([case.model, dataclasses.asdict(case.step)])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--measure", question],
        env=contestant.environment(os.cpu_count()),
        cwd=contestant.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{case} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])


def measure(model, step):
    """Takes the steps in this process. -> its peak in GiB."""
    import numpy as np

    import bert_tf2

    words = [f"w{i}" for i in range(1000)]
    tokenizer = bert_tf2.WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    encoder = bert_tf2.Encoder(VARIANTS[model], dtype=step.dtype, recompute=step.recompute)
    preprocessor = bert_tf2.Preprocessor(tokenizer, step.length)
    classifier = bert_tf2.TextClassifier(encoder, preprocessor, labels=2, pooling=step.pooling)
    classifier.compile(micro_batches=step.micro_batches)
    chosen = np.random.default_rng(0).choice(words, (step.batch_size * STEPS, step.length))
    texts = [" ".join(row) for row in chosen]
    labels = np.zeros(len(texts), "int32")
    classifier.fit(texts, labels, batch_size=step.batch_size, epochs=1, verbose=0)
    return protocol.peak_gib()


def described(step):
    """-> the step's settings, for people."""
    more = {
        "mean": step.pooling == "mean",
        "recompute": step.recompute,
        f"micro_batches={step.micro_batches}": step.micro_batches > 1,
        "mixed_bfloat16": step.dtype != "float32",
    }
    return ", ".join(name for name, used in more.items() if used)


def table(rows):
    """[(case, predicted, measured)] -> lines of Markdown."""
    lines = [
        "| model | texts × tokens | settings | predicted GiB | measured GiB | difference |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (model, step), guess, peak in rows:
        size = f"{step.batch_size} × {step.length}"
        numbers = f"{guess:.2f} | {peak:.2f} | {guess / peak - 1:+.0%}"
        lines.append(f"| {model} | {size} | {described(step)} | {numbers} |")
    worst = max(abs(guess / peak - 1) for _, guess, peak in rows)
    return [*lines, "", f"The largest difference is {worst:.0%}."]


def main(argv):
    """Measures and writes the table. -> exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small ones, printed only")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    flags = parser.parse_args(argv)
    if flags.measure:
        model, step = json.loads(flags.measure)
        print(measure(model, Step(**step)))
        return 0
    rows = []
    for case in QUICK if flags.quick else CASES:
        rows.append((case, case.predicted(), measured(case)))
        print(table(rows)[len(rows) + 1], flush=True)
    if flags.quick:
        return 0
    command = shlex.join(["python", "-m", "benchmarks.memory", *argv])
    told = report.where_and_when(protocol.versions("tensorflow", "keras"))
    head = [
        "# What a training step takes",
        "",
        "Predicted by `bert_tf2 plan`, and measured: the most that a process held, with Python and",
        f"TensorFlow. `{command}`; {told}.",
        "",
    ]
    text = "\n".join([*head, *table(rows), ""])
    report.write_atomically(materials.HERE / "MEMORY.md", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
