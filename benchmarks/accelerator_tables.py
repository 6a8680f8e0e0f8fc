"""accelerator.json -> ACCELERATOR.md."""

import statistics

from benchmarks import report

OURS = "accelerator_jax"
CONTESTANTS = {
    OURS: "ours in mixed_bfloat16, one compiled program a step",
    "accelerator_torch": "transformers with bfloat16 by autocast, sdpa attention, fused AdamW",
    "accelerator_torch:compiled": "the same through `torch.compile`",
}


def render(results, planned):
    """-> the text of ACCELERATOR.md, of what `accelerator.main` keeps in accelerator.json.

    Args:
        results: "gpu" and "cpu" -> what was measured there, as far as it was.
        planned: the `Case`s that are to be measured on a GPU.
    """
    lines = ["# Training steps on an accelerator", ""]
    lines += ["Written by `python -m benchmarks.accelerator`, whose docstring says how.", ""]
    lines += [f"* `{label}`: {text}." for label, text in CONTESTANTS.items()]
    if "gpu" in results:
        lines += _device("On a GPU", results["gpu"], _times)
    else:
        lines += ["", "## On a GPU", "", "| model | tokens | |", "| --- | --- | --- |"]
        lines += [f"| {x.model} | {x.length} | not measured: no GPU |" for x in planned]
    if "cpu" in results:
        lines += _device("Checked on a processor, with a tiny model", results["cpu"], _checks)
    return "\n".join([*lines, ""])


def _device(title, result, table_of):
    versions = {}
    for table in result["tables"]:
        for row in table["rows"].values():
            versions |= row.get("versions", {})
    told = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    lines = ["", f"## {title}", ""]
    lines.append(f"{result['device']}; {told}; {result['date']}, `{result['command']}`.")
    for table in result["tables"]:
        lines += ["", f"### {table['model']}, {table['texts']} × {table['length']} tokens", ""]
        lines += table_of(table, result["rounds"])
    return lines


def _checks(table, rounds):
    """Lines that show that the contestants compute the same; times would mean nothing here."""
    columns = "contestant | rounds done | moved by a step | float32 apart | bfloat16 apart"
    lines = [f"| {columns} |", f"|{' --- |' * 5}"]
    for label, row in table["rows"].items():
        if "error" in row:
            lines.append(_failed(label, row, 5))
            continue
        lines.append(
            f"| {label} | {len(row['step'])} of {rounds} | {row['moved']:.2f} "
            f"| {row['difference']:.0e} | {row['bfloat16 difference']:.0e} |"
        )
    return lines


def _failed(label, row, columns):
    return f"| {label} | failed: {row['error'].replace('|', '/')} |{' |' * (columns - 2)}"


def _times(table, rounds):
    peak = peak_of(table["rows"])
    told = f"{table['flops'] / 1e12:.2f} TFLOP a step; medians of {rounds} round(s)"
    told += f"; a peak of {peak / 1e12:.1f} TFLOP/s" if peak else ""
    columns = "contestant | ms a step | tokens/s | share of peak | ratio to ours | device GiB"
    lines = [f"{told}.", ""]
    lines += [f"| {columns} | float32 apart | bfloat16 apart |", f"|{' --- |' * 8}"]
    tokens = table["texts"] * table["length"]
    for label, row in table["rows"].items():
        if "error" in row:
            lines.append(_failed(label, row, 8))
            continue
        seconds, held = report.median(row, "step"), row["device_peak"]
        ratio = ratio_to_ours(table["rows"], label)
        lines.append(
            f"| {label} | {seconds * 1e3:.1f} | {tokens / seconds:,.0f} "
            f"| {table['flops'] / seconds / peak:.0%} | {f'{ratio:.2f}' if ratio else ''} "
            f"| {f'{held:.1f}' if held else ''} "
            f"| {row['difference']:.0e} | {row['bfloat16 difference']:.0e} |"
        )
    return lines


def peak_of(rows):
    """The device's operations a second: the best median of the contestants' products, or None."""
    found = [statistics.median(row["product"]) for row in rows.values() if row.get("product")]
    return max(found, default=None)


def ratio_to_ours(rows, label):
    """How many times our time a step takes, in the same round; the rounds' median, or None."""
    pairs = zip(rows[label].get("step", []), rows[OURS].get("step", []), strict=False)
    return statistics.median([theirs / ours for theirs, ours in pairs] or [0]) or None
