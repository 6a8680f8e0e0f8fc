"""`python -m benchmarks.loading`: opening and converting BERT-base, in time and peak memory.

Each row is a process of its own. What its library imports is in memory before the clock starts;
then it opens one folder, or converts one, and says how long that took and how much more than
before it ever held. Rounds go around all rows; a row shows its median. "the file" is every byte of
the checkpoint read once: what no loader can be quicker than. Writes LOADING.md.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contestant, materials, report, venvs
from benchmarks.workers import protocol

FORMATS = ("google", "huggingface", "keras_hub", "tfhub", "bert_tf2")
# What is run: imports, then a statement of {folder} and {target}.
PROGRAMS = {
    "file": ("from pathlib import Path", "[f.read_bytes() for f in Path({folder}).rglob('*.*')]"),
    "load": ("import tensorflow, bert_tf2", "m = bert_tf2.Encoder.from_preset({folder})"),
    "convert": ("import tensorflow, bert_tf2", "bert_tf2.convert({folder}, {target}, {to})"),
    "keras_hub": (
        "import tensorflow, keras_hub",
        "m = keras_hub.models.Backbone.from_preset({folder})",
    ),
    # Sums touch what is only mapped, as a first forward pass would.
    "transformers": (
        "import torch, transformers; from transformers import BertModel",
        "m = BertModel.from_pretrained({folder}); [p.sum() for p in m.parameters()]",
    ),
}
MEASURE = """
import json, time
{imports}
def held(word):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(word))) / 2**20
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew, from what is held now
before, start = held("VmRSS"), time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(json.dumps([seconds, held("VmHWM") - before]))
"""


def measured(kind, peer="ours", **places):
    """Runs a row in a process of its own. -> seconds, and GiB more than before."""
    imports, statement = PROGRAMS[kind]
    places = {name: repr(str(place)) for name, place in places.items()}
    program = MEASURE.format(imports=imports, statement=statement.format(**places))
    done = subprocess.run(
        [venvs.python_of(peer), "-c", program],
        env=contestant.environment(os.cpu_count()),
        cwd=contestant.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{kind} {places} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def rows(folders, scratch):
    """Name of a row -> what measures it once."""

    def converting(source, to):
        def once():
            with tempfile.TemporaryDirectory(dir=scratch) as target:
                place = Path(target, "out")
                return measured("convert", folder=folders[source], target=place, to=to)

        return once

    def opening(kind, format, peer="ours"):
        return lambda: measured(kind, peer, folder=folders[format])

    found = {"the file": opening("file", "google")}
    found |= {f"bert_tf2 ← {format}": opening("load", format) for format in FORMATS}
    found["keras-hub ← its preset"] = opening("keras_hub", "keras_hub", "keras_hub")
    found["keras-hub ← huggingface"] = opening("keras_hub", "huggingface", "keras_hub")
    found["transformers ← huggingface"] = opening("transformers", "huggingface", "transformers")
    found |= {f"google → {to}": converting("google", to) for to in FORMATS[1:]}
    found |= {f"{source} → bert_tf2": converting(source, "bert_tf2") for source in FORMATS[1:4]}
    return found


def table(results, size):
    """{row: [(seconds, GiB)]} and the checkpoint's GiB -> lines of Markdown."""
    lines = [
        "| | seconds | of reading the file | GiB at most | of the checkpoint |",
        "| --- | --- | --- | --- | --- |",
    ]
    middle = {
        name: [statistics.median(column) for column in zip(*rounds, strict=True)]
        for name, rounds in results.items()
    }
    file, _ = middle["the file"]
    for name, (seconds, gib) in middle.items():
        lines.append(
            f"| {name} | {seconds:.2f} | {seconds / file:.1f}× | {gib:.2f} | {gib / size:.2f}× |"
        )
    return lines


def main(argv):
    """Measures and writes the table. -> exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.loading", description=__doc__)
    parser.add_argument("--model", default="bert_base", help="a model of materials.py")
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args(argv)
    import bert_tf2

    with tempfile.TemporaryDirectory(dir=_work()) as scratch:
        google = materials.model_paths(flags.model)["google"]
        folders = {"google": google}
        for format in FORMATS[1:]:
            folders[format] = Path(scratch, format)
            bert_tf2.convert(google, folders[format], format)
        works = rows(folders, scratch)
        results = {name: [] for name in works}
        for number in range(flags.rounds):
            for name, once in works.items():
                results[name].append(once())
            print(f"round {number + 1} of {flags.rounds} is done", flush=True)
        size = sum(f.stat().st_size for f in Path(google).iterdir()) / 2**30
    command = shlex.join(["python", "-m", "benchmarks.loading", *argv])
    told = report.where_and_when(protocol.versions("tensorflow", "keras"))
    text = [
        "# Opening and converting a checkpoint",
        "",
        f"{flags.model}, {size:.2f} GiB in Google's format. `{command}`; {told}.",
        "",
        *table(results, size),
        "",
        "Seconds begin when the library is imported. Memory is what the process held beyond its",
        "imports, mapped files included: the model itself is 1×.",
        "",
    ]
    print("\n".join(text))
    report.write_atomically(materials.HERE / "LOADING.md", "\n".join(text))
    return 0


def _work():
    materials.WORK.mkdir(exist_ok=True)
    return materials.WORK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
