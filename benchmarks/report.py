"""results.json -> RESULTS.md."""

import json
import os
import statistics
import time
from pathlib import Path

from benchmarks import works
from benchmarks.settings import SETTINGS

# Flags of /proc/cpuinfo that decide how quick a reduced precision is.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def write_atomically(path, text):
    """Writes a file that is never seen half done."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def load(path):
    """-> what results.json holds, as `render` takes it.

    Older files name one machine for all works; each work then gets it.
    """
    results = json.loads(Path(path).read_text(encoding="utf-8"))
    if common := results.pop("machine", None):
        for result in results["works"].values():
            result.setdefault("machine", common)
    return results


def machine():
    """dict of what decides the speed here, and of nothing that tells where here is."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    memory = Path("/proc/meminfo").read_text(encoding="utf-8")
    value = {
        key.strip(): rest.strip()
        for key, _, rest in (line.partition(":") for line in cpu.splitlines())
    }
    flags = value.get("flags", "").split()
    return {
        "processor": value.get("model name", "unknown"),
        "processors": os.cpu_count(),
        "memory GiB": round(int(memory.split()[1]) / 2**20),
        "flags": [flag for flag in FLAGS if flag in flags],
        "missing flags": [flag for flag in FLAGS if flag not in flags],
    }


def where_and_when(libraries):
    """{library: version} -> a line: this machine, those, and today."""
    told = ", ".join(f"{name} {version}" for name, version in libraries.items())
    return f"{_hardware(machine())}; {told}; {time.strftime('%Y-%m-%d')}"


def median(row, name):
    """The median of a row's measurements, or None."""
    return statistics.median(row[name]) if row.get(name) else None


def ratio(rows, label, base):
    """How many times the base's CPU time this one needs, or None.

    The median over the rounds in which both took part; of the medians where there are none.
    """
    ours, theirs = median(rows.get(base, {}), "cpu"), median(rows[label], "cpu")
    return median(rows[label], "ratio") or (theirs / ours if ours and theirs else None)


def share(result, row):
    """The arithmetic over what the limit would have done in the same time, or None."""
    limit, wall = result["limit"], median(row, "wall")
    done = median(row, "at_limit") or (limit and wall and limit * wall)
    return result["flops"] / done if done else None


def machines(measured):
    """-> list of the different machines of the works, that of the newest first."""
    found = []
    latest = reversed(measured.values())  # of a day's works, the last one measured comes last
    for result in sorted(latest, key=lambda result: result["date"], reverse=True):
        if result["machine"] not in found:
            found.append(result["machine"])
    return found


def render(results):
    """-> the text of RESULTS.md.

    Args:
        results: `plot`, a file name or None, and `works`, name -> what `contest.run` returned,
            with `machine` as above, `date`, `command` and `quick`.
    """
    measured = results["works"]
    parts = [_head(measured, results.get("plot"))]
    parts += [_section(work, measured) for work in works.WORKS if work.name in measured]
    parts.append(_legend(measured))
    return "\n".join(parts)


def _head(measured, picture):
    lines = [
        "# Results",
        "",
        "Written by `make bench`; [README.md](README.md) says how to read it. "
        "Times are medians; smaller is better.",
        "",
    ]
    for facts in machines(measured):
        has, lacks = ", ".join(facts["flags"]), ", ".join(facts["missing flags"])
        lines.append(f"* {_hardware(facts)}; it has {has or 'none'}; it lacks {lacks or 'none'}")
    lines.append(f"* {_versions(measured)}")
    if any(result.get("quick") for result in measured.values()):
        lines.append("* tables marked *quick* have few rounds: differences below 10 % are ties")
    if picture:
        lines += ["", f"![ratios]({picture})"]
    return "\n".join([*lines, ""])


def _hardware(facts):
    return f"{facts['processor']}, {facts['processors']} processors, {facts['memory GiB']} GiB"


def _versions(measured):
    """Every version that a table was measured with: "keras 3.15.1, torch 2.12 and 2.13"."""
    found = {}
    for result in measured.values():
        for row in result["rows"].values():
            for name, version in row.get("versions", {}).items():
                found.setdefault(name, set()).add(version)
    return ", ".join(f"{name} {' and '.join(sorted(found[name]))}" for name in sorted(found))


def _told(work, result, newest):
    """The line above a table: what was measured, and how."""
    told = [_texts(work, result)]
    if limit := result["limit"]:
        told.append(f"{result['flops'] / 1e9:.1f} GFLOP at a limit of {limit / 1e9:.0f} GFLOP/s")
    quick = " (*quick*)" if result.get("quick") else ""
    told.append(f"{result['threads']} thread(s), {result['rounds']} round(s){quick}")
    told.append(f"{result['date']}, `{result['command']}`")
    if result["machine"] != newest:
        told.append(f"on another machine: {_hardware(result['machine'])}")
    return "; ".join(told) + "."


def _texts(work, result):
    length, source = f"{result['mean_length']:.1f} tokens", result["source"]
    if work.copies > 1:
        return f"{work.copies} × one text of {length} ({source})"
    return f"{result['texts']} text(s) of {length} on average ({source})"


def _section(work, measured):
    result = measured[work.name]
    columns = (
        "contestant", "CPU s", "wall s", "ratio to ours", "aim", "share of limit", "peak GiB",
        "difference",
    )  # fmt: skip
    told = _told(work, result, machines(measured)[0])
    lines = [f"## {work.title}", "", told, "", _cells(columns)]
    lines.append(_cells(["---"] * len(columns)))
    labels = [label for label in work.contestants if label in result["rows"]]
    lines += [_cells(_row(work, result, label)) for label in labels]
    lines += _notes(work, result, labels)
    return "\n".join([*lines, ""])


def _row(work, result, label):
    row = result["rows"][label]
    if "error" in row:
        return [label, f"failed: {row['error']}".replace("|", "/"), *[""] * 6]
    reached = ratio(result["rows"], label, work.contestants[0])
    return [
        label,
        _number(median(row, "cpu"), "{:.3g}"),
        _number(median(row, "wall"), "{:.3g}"),
        _number(reached, "{:.2f}"),
        _aim(work.aims.get(label), reached),
        _number(share(result, row), "{:.0%}"),
        _number(row.get("peak"), "{:.2f}"),
        _number(row.get("difference"), "{:.0e}"),
    ]


def _aim(aim, reached):
    """A ratio we want at least, marked where it is missed to the digits shown."""
    missed = None not in (aim, reached) and round(reached, 2) < round(aim, 2)
    return _number(aim, "{:.2f}") + (" (missed)" if missed else "")


def _own_aims(work, result):
    """Lines about what we want of ourselves, whoever else is measured."""
    ours = [row for label, row in result["rows"].items() if label.partition(":")[0] == "ours"]
    ours = [row for row in ours if "error" not in row]
    lines = []
    if aim := work.aims.get("share"):
        best = max((value for row in ours if (value := share(result, row))), default=None)
        missed = best is not None and round(best, 2) < aim
        lines.append(f"Our aim: {aim:.0%} of the limit{_reached(best, '{:.0%}', missed)}.")
    if aim := work.aims.get("peak"):
        best = min((row["peak"] for row in ours if "peak" in row), default=None)
        missed = best is not None and round(best, 2) > aim
        lines.append(f"Our aim: at most {aim} GiB{_reached(best, '{:.2f} GiB', missed)}.")
    return lines


def _reached(best, form, missed):
    if best is None:
        return "; not measured"
    return f"; reached {form.format(best)}" + (" (missed)" if missed else "")


def _notes(work, result, labels):
    lines = _own_aims(work, result)
    for label in labels:
        row = result["rows"][label]
        told = [f"{name} {statistics.median(x):.2f}" for name, x in row.get("notes", {}).items()]
        told += [f"accuracy {median(row, 'accuracy'):.4f}"] if "accuracy" in row else []
        if told:
            lines.append(f"`{label}`: {', '.join(told)}.")
    lines += [work.note] if work.note else []
    return [text for line in lines for text in ("", line)]


def _legend(measured):
    used = {label for result in measured.values() for label in result["rows"]}
    told = [f"* `{label}`: {text}." for label, text in SETTINGS.items() if label in used]
    return "\n".join(["## Contestants", "", *told, ""])


def _number(value, form):
    return "" if value is None else form.format(value)


def _cells(values):
    return f"| {' | '.join(values)} |"
