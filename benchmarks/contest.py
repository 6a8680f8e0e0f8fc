"""Runs one work: its contestants, each a process in its own environment, take turns."""

import json
import os
import shutil
import statistics
import subprocess
import time

import numpy as np

from benchmarks import materials, venvs, works

LIMIT = "limit"  # takes turns with the contestants: large matrix products, nothing else
ROOT = materials.HERE.parent
REPLY_LIMIT = 4 * 3600  # seconds; a whole epoch of the slowest peer


class Failed(RuntimeError):
    """A contestant said what went wrong, or died."""


class Contestant:
    """A peer's worker process with one variant of its settings."""

    def __init__(self, label, threads):
        self.label = label
        peer, _, self.variant = label.partition(":")
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
        log = materials.WORK / "logs" / f"{label.replace(':', '_')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [venvs.python_of(peer), "-m", f"benchmarks.workers.{peer}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=os.environ | {name: str(value) for name, value in words.items()},
                text=True,
                start_new_session=True,  # Ctrl-C is for the runner
            )

    def send(self, **question):
        """Asks without waiting."""
        print(json.dumps(question), file=self.process.stdin, flush=True)

    def receive(self):
        """Waits for the answer to the oldest question. Raises `Failed` if there is none."""
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the process ended with code {self.process.wait()}")
        answer = json.loads(line)
        if not answer.pop("ok"):
            raise Failed(answer["error"])
        return answer

    def close(self):
        """Ends the process, at once."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def run(work, rounds, threads, quick=False):
    """Does a work with all its contestants. -> dict for results.json, with a row a contestant."""
    question = _question(work, threads, quick)
    lengths = question.pop("lengths")
    failures = _set_up(work, question, threads)
    rows = {label: {"error": failures[label]} for label in work.contestants if label in failures}
    reference = None
    for group in _groups(work, [x for x in work.contestants if x not in rows], rounds):
        reference = _take_turns(work, group, rounds, question, rows, reference, threads)
    limits = rows.pop(LIMIT, {}).get("flops")
    training = work.kind in ("step", "span", "epoch")
    return {
        "rounds": rounds,
        "threads": threads,
        "limit": statistics.median(limits) if limits else None,
        "flops": works.flops(materials.config(work.model), lengths, training),
        "mean_length": statistics.mean(lengths),
        "texts": len(lengths),
        "source": question["source"],
        "rows": rows,
    }


def _groups(work, labels, rounds):
    """-> lists of contestants that are alive at once."""
    if work.kind == "startup":  # each round is a process
        return [[label] for label in labels] * rounds
    if work.turns == "alone":
        return [[label] for label in labels] + [[LIMIT]]
    if work.turns == "all":
        return [labels if work.kind == "fit" else [*labels, LIMIT]]
    first, *others = labels
    peers = dict.fromkeys(label.partition(":")[0] for label in others)
    return [[first, *(x for x in others if x.partition(":")[0] == peer), LIMIT] for peer in peers]


def _question(work, threads, quick):
    """What all workers are told about a work."""
    paths = materials.model_paths(work.model)
    folder = materials.WORK / work.model
    question = {
        "kind": work.kind,
        "dtype": work.dtype,
        "threads": threads,
        "calls": work.calls,
        "vocab": materials.vocabulary(),
        "check_batch": materials.check_batch(),
        "keras_hub_preset": str(folder / "keras_hub_preset"),
        **paths,
        **work.options,
    }
    if work.kind == "epoch":
        return question | _epoch(work.options, quick)
    return question | materials.batch(work.batch)


def _epoch(options, quick):
    texts, labels, source = materials.texts("sst2_train")
    whole = options.get("whole", False)
    if not whole:  # spread over the set
        size = options["quick_slice" if quick else "slice"]
        rows = np.random.default_rng(materials.SEED).permutation(len(texts))[:size]
        texts, labels = [texts[i] for i in rows], [labels[i] for i in rows]
    lengths = materials.encode(texts)["padding_mask"].sum(1).tolist()
    timed = lengths if whole else lengths[32:]  # the clock starts after the first step
    dev, dev_labels, _ = materials.texts("sst2")
    return {
        "texts": texts,
        "labels": labels,
        "dev": (dev, dev_labels),
        "whole": whole,
        "longest": max(lengths),
        "lengths": timed,
        "source": source,
    }


def _files(work, label, question):
    """What only this contestant is told: the files that belong to its variant."""
    if label == LIMIT:
        return {"kind": "matmul", "calls": 1}
    folder, variant = materials.WORK / work.model, label.partition(":")[2] or "float32"
    onnx = folder / f"{question.get('onnx_for', 'none')}.onnx"
    return {
        "saved_model": str(folder / f"saved_model_{variant}" / "1"),
        "onnx": str(onnx),
        "onnx_best": str(onnx.with_suffix(".best.onnx")),
        "onnx_int8": str(onnx.with_suffix(".int8.onnx")),
        "check_file": str(materials.WORK / f"check_{label.replace(':', '_')}.npy"),
        "variant": label.partition(":")[2],
    }


def _set_up(work, question, threads):
    """Writes what workers need and is not there yet. -> contestant -> why it cannot take part."""
    failures = {}
    for label, kind, written in work.setup:
        files = _files(work, label, question)
        path = (question | files)[written]
        if label.startswith("ours"):  # this project changes, its peers are pinned
            shutil.rmtree(path, ignore_errors=True)
        if os.path.exists(path):
            continue
        print(f"  setting up: {label} {kind}", flush=True)
        try:
            worker = Contestant(label, threads)
        except (RuntimeError, OSError) as error:
            failures[label] = str(error)
            continue
        try:
            worker.send(do="prepare", **question | files | {"kind": kind})
            worker.receive()
        except Failed as error:
            failures[label] = f"{kind}: {error}"
            print(f"  {label} {failures[label]}", flush=True)
        finally:
            worker.close()
    return failures


def _take_turns(work, labels, rounds, question, rows, reference, threads):
    """Builds the contestants, compares what they answer, and measures in turns.

    `rows` is filled as it goes. -> what the first one answered, for later groups.
    """
    alive = {}
    try:
        _start(alive, labels, work, question, rows, threads)
        reference = _prepare(alive, rows, reference, work)
        if work.kind == "startup":
            return reference
        for i in range(rounds):
            for label in list(alive)[:: -1 if i % 2 else 1]:  # drift of the machine cancels out
                _measure(alive, label, rows[label], work.calls)
                _say(f"  round {i + 1}/{rounds}", label, rows[label])
            _compare({label: rows[label] for label in alive}, work.contestants[0])
    finally:
        for contestant in alive.values():
            contestant.close()
    return reference


def _start(alive, labels, work, question, rows, threads):
    for label in labels:
        if "error" in rows.get(label, {}):  # it failed in an earlier group
            continue
        try:
            started = time.perf_counter()
            alive[label] = Contestant(label, threads)
        except (RuntimeError, OSError) as error:
            rows[label] = {"error": str(error)}
            continue
        rows.setdefault(label, {"wall": [], "cpu": []})
        alive[label].started = started
        alive[label].send(do="prepare", **question | _files(work, label, question))


def _prepare(alive, rows, reference, work):
    """Waits until all are ready. -> the first one's answer; who differs from it is out."""
    for label, contestant in list(alive.items()):
        row = rows[label]
        try:
            answer = contestant.receive()
            row["versions"] = answer["versions"]
            _note(row, answer, time.perf_counter() - contestant.started)
            if "check" in answer:
                output = np.load(answer["check"])
                reference = output if reference is None else reference
                row["difference"] = float(np.abs(output - reference).max())
            strict = work.dtype == "float32"
            if strict and not row.get("difference", 0) <= work.tolerance:
                raise Failed(f"outputs differ by {row['difference']:.1e}")
        except Failed as error:
            _out(alive, label, row, error)
    return reference


def _note(row, answer, wall):
    """Notes are seconds; a start is measured by them, and by the process's whole life."""
    for name, seconds in answer["notes"].items():
        row.setdefault("notes", {}).setdefault(name, []).append(seconds)
    if "whole" in answer:
        row["wall"].append(wall)
        row["cpu"].append(answer["whole"]["cpu"])
        row["peak"] = answer["whole"]["peak"]


def _measure(alive, label, row, calls):
    try:
        alive[label].send(do="round")
        answer = alive[label].receive()
    except (Failed, BrokenPipeError) as error:
        _out(alive, label, row, error)
        return
    row["wall"].append(answer["wall"] / calls)
    row["cpu"].append(answer["cpu"] / calls)
    row["peak"] = answer["peak"]
    for name in ("accuracy", "flops"):
        if name in answer:
            row.setdefault(name, []).append(answer[name])


def _compare(rows, base):
    """Sets what the round just done took beside what the base, and the limit, did in it."""
    limit = rows.get(LIMIT, {}).get("flops")
    for label, row in rows.items():
        if label == LIMIT:
            continue
        if base in rows:
            row.setdefault("ratio", []).append(row["cpu"][-1] / rows[base]["cpu"][-1])
        if limit:
            row.setdefault("at_limit", []).append(row["wall"][-1] * limit[-1])


def _out(alive, label, row, error):
    row["error"] = str(error)
    _say("  out:", label, row)
    alive.pop(label).close()


def _say(when, label, row):
    if "error" in row:
        figures = row["error"]
    elif "flops" in row:
        figures = f"{row['flops'][-1] / 1e9:.0f} GFLOP/s"
    else:
        figures = f"{row['cpu'][-1]:.3f} s CPU, {row['wall'][-1]:.3f} s wall"
    print(f"{when} {label}: {figures}", flush=True)
