"""Runs one work: its contestants, each a process in its own environment, take turns."""

import dataclasses
import shutil
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks import asked, materials, works
from benchmarks.contestant import ROOT, Contestant, Failed

LIMIT = "limit"  # takes turns with the contestants: large matrix products, nothing else
TRAINING = ("step", "span", "epoch", "fit")  # kinds of work with a backward pass


def run(work, rounds, threads, quick=False):
    """Does a work with all its contestants. -> dict for results.json, with a row a contestant."""
    if quick:
        taking_part = tuple(label for label in work.contestants if label not in works.SLOW)
        work = dataclasses.replace(work, contestants=taking_part)
    question = question_of(work, threads, quick)
    lengths = question.pop("lengths") * work.copies
    failures = set_up(work, question)
    rows = {label: {"error": failures[label]} for label in work.contestants if label in failures}
    reference = None
    for group in _groups(work, [x for x in work.contestants if x not in rows], rounds):
        reference = take_turns(work, group, rounds, question, rows, reference)
    limits = rows.pop(LIMIT, {}).get("flops")
    return {
        "rounds": rounds,
        "threads": threads,
        "limit": statistics.median(limits) if limits else None,
        "flops": works.flops(materials.config(work.model), lengths, work.kind in TRAINING),
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


def question_of(work, threads, quick=False):
    """What all workers are told about a work. -> dict"""
    paths = materials.model_paths(work.model)
    folder = materials.WORK / work.model
    question = {
        "kind": work.kind,
        "dtype": work.dtype,
        "threads": threads,
        "calls": work.calls,
        "copies": work.copies,
        "vocab": materials.vocabulary(),
        "check_batch": materials.check_batch(),
        "keras_hub_preset": str(folder / "keras_hub_preset"),
        **paths,
        **work.options,
    }
    if work.kind == "epoch":
        return question | _epoch(work.options, quick)
    if work.kind in ("asked", "embed"):
        found = question | asked.question(work.options["head"])
        return found | (asked.vectors(work.model, found) if work.kind == "embed" else {})
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


def files_of(work, label, question):
    """What only this contestant is told: the files that belong to its variant. -> dict"""
    if label == LIMIT:
        return {"kind": "matmul"}
    folder, variant = materials.WORK / work.model, label.partition(":")[2]
    precision = variant if variant in ("bfloat16", "int8") else "float32"
    onnx = folder / f"{question.get('onnx_for', 'none')}.onnx"
    return {
        "with_head": str(folder / f"head_{question.get('head')}"),
        "vectors": str(folder / f"vectors_{precision}" / "1"),
        "saved_model": str(folder / f"saved_model_{precision}" / "1"),
        "runtime": str(folder / f"runtime_{variant}"),
        "onnx": str(onnx),
        "onnx_best": str(onnx.with_suffix(".best.onnx")),
        "onnx_int8": str(onnx.with_suffix(".int8.onnx")),
        "check_file": str(materials.WORK / f"check_{label.replace(':', '_')}.npy"),
        "variant": variant,
    }


def set_up(work, question):
    """Writes what workers need and is not there yet. -> contestant -> why it cannot take part."""
    failures = {}
    for label, kind, written in work.setup:
        files = files_of(work, label, question)
        path = Path((question | files)[written])
        if label.startswith(("ours", "runtimes")):  # this project changes, its peers are pinned
            shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            continue
        print(f"  setting up: {label} {kind}", flush=True)
        try:
            with materials.complete(path) as partial:
                _write(label, question | files | {"kind": kind, written: str(partial)})
        except (RuntimeError, OSError) as error:
            failures[label] = f"{kind}: {_reason(error)}"
            print(f"  {label} {failures[label]}", flush=True)
    return failures


def _write(label, question):
    worker = Contestant(label, question["threads"])
    try:
        worker.ask(do="prepare", **question)
    finally:
        worker.close()


def take_turns(work, labels, rounds, question, rows, reference=None):
    """Builds the contestants, compares what they answer, and measures in turns.

    Each is ready before the next is started, so that none is slowed by another's start. One that
    fails or dies is out, and its row says why; the others go on.

    Args:
        work: a `Work`.
        labels: contestants that are alive at once.
        rounds: how often each is measured.
        question: what all of them are told.
        rows: dict of label -> what was measured, filled as it goes.
        reference: what the first contestant of an earlier group answered.

    Returns:
        that, or what the first one of this group answered.
    """
    alive = {}
    try:
        for label in labels:
            row = rows.setdefault(label, {"wall": [], "cpu": []})
            if "error" not in row:  # it may have failed in an earlier group
                reference = _prepare(alive, label, row, reference, work, question)
        if work.kind == "startup":
            return reference
        for i in range(rounds):
            for label in list(alive)[:: -1 if i % 2 else 1]:  # drift of the machine cancels out
                _measure(alive, label, rows[label], work.calls)
                _say(f"  round {i + 1}/{rounds}", label, rows[label])
            compare({label: rows[label] for label in alive}, work.contestants[0])
    finally:
        for contestant in alive.values():
            contestant.close()
    return reference


def _prepare(alive, label, row, reference, work, question):
    """Starts one and waits until it is ready. -> the first one's answer; who differs is out."""
    try:
        contestant = alive[label] = Contestant(label, question["threads"])
        answer = contestant.ask(do="prepare", **question | files_of(work, label, question))
        row["versions"] = answer["versions"]
        _note(row, answer, time.perf_counter() - contestant.started)
        if "check" in answer:
            output = np.load(answer["check"])
            reference = output if reference is None else reference
            row["difference"] = float(np.abs(output - reference).max())
        if work.dtype == "float32" and not row.get("difference", 0) <= work.tolerance:
            raise Failed(f"outputs differ by {row['difference']:.1e}")
    except (RuntimeError, OSError, ValueError) as error:  # ValueError: outputs of another shape
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
        answer = alive[label].ask(do="round")
    except Failed as error:
        _out(alive, label, row, error)
        return
    row["wall"].append(answer["wall"] / calls)
    row["cpu"].append(answer["cpu"] / calls)
    row["peak"] = answer["peak"]
    for name in ("accuracy", "flops"):
        if name in answer:
            row.setdefault(name, []).append(answer[name])


def compare(rows, base):
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
    row["error"] = _reason(error)
    _say("  out:", label, row)
    if label in alive:  # not if it could not even be started
        alive.pop(label).close()


def _reason(error):
    """The message, without where on this machine the project lies: it goes into the tables."""
    return str(error).replace(f"{ROOT}/", "")


def _say(when, label, row):
    if "error" in row:
        figures = row["error"]
    elif "flops" in row:
        figures = f"{row['flops'][-1] / 1e9:.0f} GFLOP/s"
    else:
        figures = f"{row['cpu'][-1]:.3f} s CPU, {row['wall'][-1]:.3f} s wall"
    print(f"{when} {label}: {figures}", flush=True)
