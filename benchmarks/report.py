"""results.json -> RESULTS.md."""

import os
import statistics
from pathlib import Path

from benchmarks import works

# Flags of /proc/cpuinfo that decide how quick a reduced precision is.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def write_atomically(path, text):
    """Writes a file that is never seen half done."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


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


def render(results):
    """-> the text of RESULTS.md.

    Args:
        results: `machine` as above and `works`, name -> what `contest.run` returned, with `date`,
            `command` and `quick`.
    """
    parts = [_head(results)]
    parts += [_section(work, results["works"]) for work in works.WORKS]
    parts.append(_legend(results["works"]))
    return "\n".join(part for part in parts if part)


def _head(results):
    facts = results["machine"]
    lines = [
        "# Results",
        "",
        "Written by `make bench`; [README.md](README.md) says how to read it. "
        "Times are medians; smaller is better.",
        "",
        f"* {facts['processor']}, {facts['processors']} processors, {facts['memory GiB']} GiB",
        f"* it has {', '.join(facts['flags'])}; not {', '.join(facts['missing flags'])}",
        f"* {_versions(results['works'])}",
    ]
    if any(result.get("quick") for result in results["works"].values()):
        lines.append("* tables marked *quick* have few rounds: differences below 10 % are ties")
    if results.get("plot"):
        lines += ["", f"![ratios]({results['plot']})"]
    return "\n".join([*lines, ""])


def _versions(measured):
    found = {}
    for result in measured.values():
        for row in result["rows"].values():
            found |= row.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def _section(work, measured):
    if work.name not in measured:
        return ""
    result = measured[work.name]
    limit = result["limit"]
    told = [
        f"{result['texts']} text(s) of {result['mean_length']:.1f} tokens on average "
        f"({result['source']})",
        f"{result['flops'] / 1e9:.1f} GFLOP at a limit of {limit / 1e9:.0f} GFLOP/s"
        if limit
        else "no limit measured",
        f"{result['threads']} thread(s), {result['rounds']} round(s)"
        + (" (*quick*)" if result.get("quick") else ""),
        f"{result['date']}, `{result['command']}`",
    ]
    columns = (
        "contestant", "CPU s", "wall s", "ratio to ours", "aim", "share of limit", "peak GiB",
        "difference",
    )  # fmt: skip
    lines = [f"## {work.title}", "", "; ".join(told) + ".", "", _cells(columns)]
    lines.append(_cells(["---"] * len(columns)))
    labels = [label for label in work.contestants if label in result["rows"]]
    lines += [_cells(_row(work, result, label)) for label in labels]
    lines += _notes(work, result, labels)
    return "\n".join([*lines, ""])


def _row(work, result, label):
    row, base = result["rows"][label], work.contestants[0]
    if "error" in row:
        return [label, f"failed: {row['error']}".replace("|", "/"), *[""] * 6]
    return [
        label,
        _number(median(row, "cpu"), "{:.3g}"),
        _number(median(row, "wall"), "{:.3g}"),
        _number(ratio(result["rows"], label, base), "{:.2f}"),
        _number(work.aims.get(label), "{:.2f}"),
        _number(share(result, row), "{:.0%}"),
        _number(row.get("peak"), "{:.2f}"),
        _number(row.get("difference"), "{:.0e}"),
    ]


def _notes(work, result, labels):
    lines = []
    if "share" in work.aims:
        lines.append(f"Our aim: {work.aims['share']:.0%} of the limit.")
    if "peak" in work.aims:
        lines.append(f"Our aim: at most {work.aims['peak']} GiB.")
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
    told = [f"* `{label}`: {text}." for label, text in works.SETTINGS.items() if label in used]
    return "\n".join(["## Contestants", "", *told, ""])


def _number(value, form):
    return "" if value is None else form.format(value)


def _cells(values):
    return f"| {' | '.join(values)} |"
