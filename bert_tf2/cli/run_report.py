"""The report of a training run: report.json, and report.html that shows it."""

from bert_tf2.cli import scores, training_runs
from bert_tf2.files import write_file, write_json
from bert_tf2.reports import findings
from bert_tf2.reports.page import page

MOST_POINTS = 1000  # of given numbers beside gold


def write(folder, flags, metrics, judged):
    """Writes both files into the folder of a run.

    Args:
        flags: of the run.
        metrics: what metrics.json says.
        judged: of one file, what `judge` gave, with "split"; or None.
    """
    from bert_tf2.training.runlog import read_metrics

    more = training_runs.given(flags, metrics["settings"])
    rows = ", ".join(f"{count:,} rows of {split}" for split, count in metrics["rows"].items())
    report = {
        "title": f"{flags.task} on {metrics['settings']['init_checkpoint']}",
        "about": f"Seed {metrics['seed']}, {rows}; trained in {metrics['seconds']:.0f} s. "
        + metrics.get("remark", ""),
        "curves": read_metrics(folder),
        "scores": {split: metrics[split] for split in ("dev", "test") if split in metrics},
        **(judged or {}),
        "settings": {n: v for n, v in metrics["settings"].items() if v is not None} | more,
        "versions": metrics["versions"],
    }
    write_json(folder / "report.json", scores.plain(report))
    write_file(folder / "report.html", page(report))


def judge(model, rows, answers):
    """dict of what a report says of the answers to labelled rows."""
    kind, pairs = model.row.kind, list(zip(rows.labels, answers, strict=True))
    badness = [kind.badness(model, *pair) for pair in pairs]
    names, cells, mistakes = list(rows.columns), list(rows), []
    for number in findings.worst(badness):
        row, (gold, found) = dict(zip(names, cells[number], strict=True)), pairs[number]
        told = {"gold": gold, "given": kind.like(gold, model, found)}
        told = {name: kind.shown(value, row) for name, value in told.items()}
        mistakes.append({"text": row} | told | {"badness": badness[number]})
    judged = {"by": kind.by, "mistakes": mistakes}
    if calibrated := [one for pair in pairs for one in kind.calibrated(model, *pair)]:
        judged["calibration"] = findings.calibration(*zip(*calibrated, strict=True))
    if kind.by == "error" and len(model.classes) == 1:
        judged["points"] = [[gold, kind.given(model, found)] for gold, found in pairs[:MOST_POINTS]]
    return judged
