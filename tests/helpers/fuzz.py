"""Damages checkpoints and converts them, in a process that may die of it: see test_fuzzed.py.

    python fuzz.py FOLDER WORK FIRST LAST

Case n changes one file of FOLDER: cuts it, flips bits, repeats or swaps a part. Prints a line each:
the number, what was done, and what came of it.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

import bert_tf2
from bert_tf2 import weights

BAD = (weights.CheckpointError, ValueError, FileNotFoundError)


def damage(data, generator):
    """-> what was done, and the bytes after it."""
    kind = generator.choice(["cut", "flip", "flip at the front", "repeat", "swap"])
    size, a = len(data), bytearray(data)
    if kind == "cut":
        return kind, data[: generator.integers(0, size)]
    if kind.startswith("flip"):
        end = min(size, 300) if kind == "flip at the front" else size
        for place in generator.integers(0, end, generator.integers(1, 6)):
            a[place] ^= 1 << generator.integers(0, 8)
        return kind, bytes(a)
    i, j = sorted(generator.integers(0, size, 2))
    return kind, data[:j] + data[i:] if kind == "repeat" else data[j:] + data[i:j] + data[:i]


def outcome(folder, target):
    try:
        bert_tf2.convert(folder, target, to="bert_tf2")
    except BAD as error:
        assert not target.exists() and not list(target.parent.glob(f".{target.name}*")), error
        return f"{type(error).__name__}: {str(error)[:60]!r}"
    return "converted"  # what no checksum guards, such as safetensors' numbers, may change


def main(source, work, first, last):
    files = sorted(str(p.relative_to(source)) for p in source.rglob("*") if p.is_file())
    for number in range(first, last):
        generator = np.random.default_rng(number)
        folder, target = work / f"case_{number}", work / f"out_{number}"
        shutil.copytree(source, folder)
        file = folder / generator.choice(files)
        kind, data = damage(file.read_bytes(), generator)
        file.write_bytes(data)
        print(number, file.name, kind, flush=True, end=": ")
        print(outcome(folder, target), flush=True)
        shutil.rmtree(folder)
        shutil.rmtree(target, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
