"""`python -m benchmarks.quality [ROW …] [--seeds N] [--peer transformers] [--table] [--again]`.

Fine-tunes all-MiniLM-L6-v2 on real data, in the tasks that this project has, and scores it beside
plain baselines and a peer, on the same data with the same seeds and budget. Rows are those of
`quality_rows.py`; the data lies in `$BERT_TF2_ASSETS/datasets`. What is in quality.json already is
not measured again, and a run of ours that was stopped goes on where it was. Writes QUALITY.md.
"""

import argparse
import functools
import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contestant, materials, report
from benchmarks.quality_data import few, label_names
from benchmarks.quality_rows import KINDS, ROWS

RESULTS, TABLE = (materials.HERE / name for name in ("quality.json", "QUALITY.md"))
PLACE = materials.WORK / "quality"
OURS, PEERS = "ours", ("transformers",)
WHO = (OURS, *PEERS)
SAMPLED = range(1, 6)  # seeds of the samples that baselines learn from, where a row has samples


def parse(argv):
    """Flags -> namespace. Stops where a row is not known, or its data not there."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default all")
    parser.add_argument("--seeds", type=int, default=1, help="how many runs, from seed 1")
    parser.add_argument("--peer", choices=PEERS, help="measure this one in our place")
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--table", action="store_true", help="only write the table")
    flags = parser.parse_args(argv)
    if unknown := [name for name in flags.rows if name not in ROWS]:
        parser.error(f"rows are {', '.join(ROWS)}. Received: {', '.join(unknown)}")
    flags.rows = flags.rows or [*ROWS]
    flags.folder = materials.ASSETS and Path(materials.ASSETS, "datasets")
    if not flags.table and (flags.folder is None or not flags.folder.is_dir()):
        parser.error("set BERT_TF2_ASSETS to a folder that holds datasets/")
    return flags


def main(argv):
    """Measures what is not there yet, and writes the table. -> exit code."""
    flags = parse(argv)
    for name in () if flags.table else flags.rows:
        result = known().get(name, {})
        measure(name, flags, result, functools.partial(save, name, result))
    save()
    print(f"Written: {TABLE}")
    return 0


def known():
    """-> what quality.json holds."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def save(name=None, result=None):
    """Writes quality.json, where other runs may have added their rows by now, and its table."""
    results = known() | ({name: result} if result else {})
    ordered = {name: results[name] for name in ROWS if results.get(name)}
    report.write_atomically(RESULTS, json.dumps(ordered, indent=1) + "\n")
    report.write_atomically(TABLE, table(ordered))


def measure(name, flags, result, keep):
    """Adds to a row's result the baselines, and a run of each seed that is not there yet."""
    row, who = ROWS[name], flags.peer or OURS
    wanted = [str(seed) for seed in range(1, flags.seeds + 1)]
    missing = [seed for seed in wanted if flags.again or seed not in result.get(who, {})]
    plain = {n: x for n, x in row.plain.items() if n not in result.get("plain", {})}
    if not missing and not plain:
        return
    train, dev = row.read(flags.folder)
    names = label_names(train.y) if KINDS[row.kind].named else None
    learnt = len(few(train, row.samples, 1).y) if row.samples else len(train.y)
    result["rows"] = [learnt, len(dev.y)]
    print(f"{name}: {row.about}; {learnt} rows to train on, {len(dev.y)} to score", flush=True)

    def scored(answers):
        return {n: float(value) for n, value in row.score(dev.y, answers, names).items()}

    if (row.samples or row.adapter) and who != OURS:
        print(f"  left out: {who}: it has no such recipe", flush=True)
        return
    if plain:
        found = result.get("plain", {}) | baselines(row, plain, train, dev, scored)
        result["plain"] = {name: found[name] for name in row.plain}
        print(
            "\n".join(f"  {n}: {told(found)}" for n, found in result["plain"].items()), flush=True
        )
        keep()
    for seed in missing:
        try:
            run = train_ours if who == OURS else train_peer
            run = train_few if row.samples else run
            found = run(name, row, (train, dev, names), int(seed), scored, flags)
        except contestant.Failed as error:
            print(f"  left out: {who}: {error}", flush=True)
            return
        result.setdefault(who, {})[seed] = found | {"date": time.strftime("%Y-%m-%d")}
        print(
            f"  {who}, seed {seed}: {told(found['figures'])}; {found['seconds']:.0f} s", flush=True
        )
        keep()


def baselines(row, plain, train, dev, scored):
    """Some of a row's -> {baseline: figures}; of samples the means."""
    parts = [few(train, row.samples, seed) for seed in SAMPLED] if row.samples else [train]
    return {
        name: mean_of([scored(answers(part, dev.x)) for part in parts])
        for name, answers in plain.items()
    }


def mean_of(runs):
    """Figures of several runs -> their means."""
    return {name: statistics.mean(run[name] for run in runs) for name in runs[0]}


def told(figures):
    """-> figures, for people."""
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


# === Runs =========================================================================================


def train_ours(name, row, data, seed, scored, flags):
    """-> dict of `figures`, those after each epoch, and `seconds`."""
    import keras

    import bert_tf2

    (train, dev, names), kind = data, KINDS[row.kind]
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    settings = {"labels": names} if kind.named else {}
    task = getattr(bert_tf2, kind.task).from_preset(
        materials.minilm_folder(), max_length=row.max_length, **settings, **row.settings
    )
    if row.adapter:
        task.add_adapter(**row.adapter)
        trained, everything = task.trained_share()
        print(
            f"    trains {trained} of {everything} numbers, {trained / everything:.2%}", flush=True
        )
    loss = {} if row.loss is None else {"loss": row.loss}
    how = {"learning_rate": row.learning_rate, "bias_correction": row.bias_correction}
    task.compile(how, **loss)
    folder, epochs = PLACE / f"{name}-{seed}", []

    def on_epoch_end(epoch, logs):
        epochs.append(scored(kind.answers(task, dev.x)))
        print(f"    epoch {epoch + 1}: loss {logs['loss']:.4f}, {told(epochs[-1])}", flush=True)

    saved = bert_tf2.Checkpoints(folder, every=200, settings={"seed": seed})
    scoring = keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
    began = time.perf_counter()
    how = {"batch_size": row.batch_size, "epochs": row.epochs, "verbose": 0}
    task.fit(train.x, train.y, callbacks=[scoring, saved], **how)
    seconds = time.perf_counter() - began
    figures = epochs[-1] if epochs else scored(kind.answers(task, dev.x))
    shutil.rmtree(folder, ignore_errors=True)
    return {"figures": figures, "epochs": epochs, "seconds": round(seconds, 1)}


def train_few(name, row, data, seed, scored, flags):
    """-> the same, of a classifier that learns from a few texts of each class."""
    import keras

    import bert_tf2

    train, dev, names = data
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    part, began = few(train, row.samples, seed), time.perf_counter()
    task = bert_tf2.FewShotClassifier.from_preset(
        materials.minilm_folder(), labels=names, max_length=row.max_length
    )
    how = {"batch_size": row.batch_size, "epochs": row.epochs, "seed": seed}
    task.fit(part.x["text"], part.y, learning_rate=row.learning_rate, **how, **row.settings)
    seconds = time.perf_counter() - began
    figures = scored(task.predict(dev.x["text"]))
    return {"figures": figures, "seconds": round(seconds, 1)}


def train_peer(name, row, data, seed, scored, flags):
    """The same by a peer, in a process of its own."""
    (train, dev, names), place = data, PLACE / f"{name}.json"
    given = place.with_suffix(".given.json")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"train": train._asdict(), "dev": dev._asdict()}))
    recipe = ("epochs", "learning_rate", "batch_size", "max_length")
    question = {setting: getattr(row, setting) for setting in recipe} | {
        "kind": "finetune",
        "answers": row.kind,
        "labels": names,
        "settings": dict(row.settings),
        "loss": row.loss,
        "seed": seed,
        "threads": len(os.sched_getaffinity(0)),
        "model": materials.minilm_folder(),
        "data": str(place),
        "given": str(given),
    }
    worker = contestant.Contestant(flags.peer, question["threads"])
    try:
        worker.ask(do="prepare", **question)
        seconds = worker.ask(do="round")["wall"]
    finally:
        worker.close()
    return {"figures": scored(json.loads(given.read_text())), "seconds": round(seconds, 1)}


# === The table ====================================================================================

HEAD = """# Real data

all-MiniLM-L6-v2, fine-tuned on real data and scored on rows it has not seen, beside plain baselines
and beside transformers and torch with the same rows, recipe and seeds. The figure that counts, the
mean over seeds, with its spread (standard deviation) of several; "wanted" is what was set as an aim
before it was measured. `python -m benchmarks.quality`;
the recipes are in `quality_rows.py`, and what each figure is beside it in the scoring package.
"""


def table(results):
    """quality.json -> Markdown: the figures that count, then all of them."""
    head = ["data", "train / scored", "figure", "plain", *WHO, "wanted"]
    lines = [HEAD, *_lines(head, [_counts(ROWS[name], found) for name, found in results.items()])]
    for name, found in results.items():
        row = ROWS[name]
        lines += ["", f"## {row.about}", ""]
        few_of_each = f"{row.samples} texts of each class, by the seed; " if row.samples else ""
        recipe = f"`{name}`: {few_of_each}{row.epochs} epoch{'s'[: row.epochs - 1]}, learning rate "
        corrected = ", moments corrected" * row.bias_correction
        seeds = "; ".join(
            f"{who}: seed{'s'[: len(found[who]) - 1]} {', '.join(found[who])}"
            for who in WHO
            if who in found
        )
        lines += [
            f"{recipe}{row.learning_rate:g}, batches of {row.batch_size}{corrected}. {seeds}."
        ]
        lines += [""]
        runs = {who: [figures] for who, figures in found["plain"].items()} | _runs(found)
        figures = next(iter(runs.values()))[0]
        rows = [[who, *(_mean(run, name) for name in figures)] for who, run in runs.items()]
        lines += _lines(["", *figures], rows)
        lines += [text for line in _notes(row, found) for text in ("", line)]
    return "\n".join([*lines, ""])


def _notes(row, found):
    """-> lines: the figure that counts after each epoch of our first run, and what was found."""
    epochs = next(iter(found.get(OURS, {}).values()), {}).get("epochs", ())
    values = [f"{next(iter(figures.values())):.4f}" for figures in epochs]
    whole = len(values) == row.epochs > 1  # of a run that went on, those before are not known
    told = [f"Ours after each epoch, the first seed: {', '.join(values)}."] if whole else []
    return told + ([row.note] if row.note else [])


def _runs(found):
    """-> {who: the figures of each seed}."""
    return {who: [run["figures"] for run in found[who].values()] for who in WHO if who in found}


def _counts(row, found):
    """A row's cells in the first table."""
    figure = next(iter(next(iter(found["plain"].values()))))
    plain = max(figures[figure] for figures in found["plain"].values())
    runs = _runs(found)
    sizes = " / ".join(map(str, found["rows"]))
    cells = [_mean(runs[who], figure) if who in runs else "" for who in WHO]
    return [row.about, sizes, figure, f"{plain:.4f}", *cells, f"{row.aim or ''}"]


def _mean(runs, figure):
    values = [figures[figure] for figures in runs]
    spread = f" ± {statistics.pstdev(values):.4f}" if values[1:] else ""
    return f"{statistics.mean(values):.4f}{spread}"


def _lines(head, rows):
    """-> lines of a table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
