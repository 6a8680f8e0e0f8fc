"""A report's dict -> its page: HTML with style and charts inside, and nothing from elsewhere.

It runs no script, and its policy lets it load nothing. All texts are escaped.
"""

import html

from bert_tf2.reports import svg

MOST_CLASSES = 30  # of a confusion matrix that is shown whole
LONGEST = 600  # characters of a text that is shown
SPLITS = {"train": "training", "dev": "dev file"}

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #59636e; --page: #fff; --line: #d1d9e0;
  --shade: 37 99 235; --s0: #1d5fd1; --s1: #c2570c; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9198a1; --page: #0d1117;
  --line: #3d444d; --shade: 88 150 255; --s0: #6ea8ff; --s1: #f0a35e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, figcaption, dt { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td.n, th.n { text-align: right; }
td.cell { text-align: right; background: rgb(var(--shade) / calc(var(--share) * .6)); }
td.text { min-width: 14rem; overflow-wrap: anywhere; white-space: pre-wrap; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0; }
.figures dd { margin: 0; font-size: 1.3rem; }
figure { margin: 0; max-width: 40rem; } .charts { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--soft); } .right { text-anchor: end; }
.middle { text-anchor: middle; }
.line { fill: none; stroke-width: 2; } .grid { fill: none; stroke: var(--line); }
.dashed { stroke-dasharray: 4 4; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); }
.dot.s0 { fill: var(--s0); } .dot.s1 { fill: var(--s1); }
.key.s0 { color: var(--s0); } .key.s1 { color: var(--s1); }
"""


def page(report):
    """The page of a report.

    Args:
        report: dict of "title" and "about" (str), and of whichever there are of "curves" (the lines
            of metrics.jsonl), "scores" (split -> figures), "split" (of which is what follows),
            "calibration", "points" (of gold and given numbers), "mistakes" (dicts of "text",
            "gold", "given", "badness"; what that is is named "by"), "settings", "versions".

    Returns:
        str, a whole HTML document.
    """
    parts = [f"<h1>{_text(report['title'])}</h1><p>{_text(report['about'])}</p>"]
    for split, figures in report.get("scores", {}).items():
        parts.append(_scores(split, figures))
    parts.append(_curves(report.get("curves", ())))
    parts += [_calibration(report), _points(report), _mistakes(report)]
    for title in ("settings", "versions"):
        if report.get(title):
            rows = [(name, _setting(value)) for name, value in report[title].items()]
            parts.append(_section(title.capitalize(), _table(["", ""], rows)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{_text(report['title'])}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


# === Parts ========================================================================================


def _scores(split, figures):
    """The figures of a file: those that are numbers, a table for each by class, a matrix."""
    plain = {n: v for n, v in figures.items() if not isinstance(v, dict | list)}
    shown = "".join(
        f"<div><dt>{_text(n)}</dt><dd>{_number(v)}</dd></div>" for n, v in plain.items()
    )
    parts = [f'<dl class="figures">{shown}</dl>']
    for name, rows in figures.items():
        if isinstance(rows, dict) and rows:
            heads = list(next(iter(rows.values())))
            cells = [[key, *(row[head] for head in heads)] for key, row in rows.items()]
            parts.append(f"<h2>{_text(name.capitalize())}</h2>" + _table([name, *heads], cells))
    if "confusion_matrix" in figures:
        parts.append(_matrix(list(figures["classes"]), figures["confusion_matrix"]))
    return _section(f"Figures on the {SPLITS.get(split, f'{split} file')}", "".join(parts))


def _matrix(names, counts):
    """Rows gold, columns predicted; of many classes only the pairs that are mixed up most."""
    title = "<h2>What is taken for what</h2>"
    if len(names) > MOST_CLASSES:
        pairs = [
            (count, names[i], names[j])
            for i, row in enumerate(counts)
            for j, count in enumerate(row)
            if count and i != j
        ]
        rows = [[gold, given, count] for count, gold, given in sorted(pairs, reverse=True)[:30]]
        return title + _table(["gold", "predicted", "rows"], rows)
    head = "".join(f'<th class="n">{_text(name)}</th>' for name in names)
    body = []
    for name, row in zip(names, counts, strict=True):
        cells = "".join(
            f'<td class="cell" style="--share:{count / max(sum(row), 1):.3f}">{count}</td>'
            for count in row
        )
        body.append(f"<tr><th>{_text(name)}</th>{cells}</tr>")
    rows = f"<tr><th>gold ↓ predicted →</th>{head}</tr>{''.join(body)}"
    return f'{title}<div class="wide"><table>{rows}</table></div>'


def _curves(lines):
    """A chart of each metric by step: as it stood within epochs, and after them on the dev file."""
    names = [n for line in lines for n in line if n not in ("step", "epoch", "whole_epoch")]
    names = dict.fromkeys(name.removeprefix("val_") for name in names if name != "seconds")
    charts = []
    for name in names:
        series = {
            "training": [(x["step"], x[name]) for x in lines if name in x],
            "dev file": [(x["step"], x[f"val_{name}"]) for x in lines if f"val_{name}" in x],
        }
        charts.append(_figure(name.replace("_", " "), svg.lines(series, "step"), series))
    if not any(charts):
        return ""
    about = "<p>Of training as it stood in its epoch so far.</p>"
    return _section("How it went", f'{about}<div class="charts">{"".join(charts)}</div>')


def _figure(title, chart, series):
    if not chart:
        return ""
    keys = " ".join(
        f'<span class="key s{i}">● {_text(name)}</span>'
        for i, (name, pairs) in enumerate(series.items())
        if pairs
    )
    return f"<figure><figcaption>{_text(title)} {keys}</figcaption>{chart}</figure>"


def _calibration(report):
    found = report.get("calibration")
    if not found:
        return ""
    series = {"share of right ones": [(b["sure"], b["right"]) for b in found["bins"]]}
    chart = svg.lines(series, "probability", (0.0, 1.0), diagonal=True)
    rows = [[b["rows"], b["sure"], b["right"]] for b in found["bins"]]
    about = f"<p>Expected calibration error {_number(found['expected_error'])}.</p>"
    table = _table(["rows", "sure", "right"], rows)
    return _section("Is it as sure as it is right?", f"{about}<figure>{chart}</figure>{table}")


def _points(report):
    if not report.get("points"):
        return ""
    chart = svg.points({"given": report["points"]}, "gold", diagonal=True)
    return _section("Given numbers beside gold", f"<figure>{chart}</figure>")


def _mistakes(report):
    """The rows answered worst, with their texts."""
    if "mistakes" not in report:
        return ""
    title = f"The worst mistakes on the {SPLITS.get(report['split'], report['split'] + ' file')}"
    if not report["mistakes"]:
        return _section(title, "<p>There are none.</p>")
    rows = []
    for found in report["mistakes"]:
        texts = "\n".join(f"{name}: {value}" for name, value in found["text"].items())
        texts = texts.removeprefix("text: ") if len(found["text"]) == 1 else texts
        cells = "".join(f"<td>{_text(found[name])}</td>" for name in ("gold", "given"))
        bad = f'<td class="n">{_number(found["badness"])}</td>'
        rows.append(f'<tr>{cells}{bad}<td class="text">{_text(texts)}</td></tr>')
    head = (
        f'<tr><th>gold</th><th>given</th><th class="n">{_text(report["by"])}</th><th>text</th></tr>'
    )
    return _section(title, f'<div class="wide"><table>{head}{"".join(rows)}</table></div>')


# === Pieces =======================================================================================


def _section(title, content):
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def _table(heads, rows):
    """Rows of values as a table; numbers stand at the right."""
    rows = [list(row) for row in rows]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(heads))]
    kinds = [' class="n"' * is_number for is_number in right]
    head = "".join(f"<th{kind}>{_text(h)}</th>" for kind, h in zip(kinds, heads, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_number(v)}</td>" for kind, v in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    head = f"<tr>{head}</tr>" if any(heads) else ""
    return f'<div class="wide"><table>{head}{body}</table></div>'


def _number(value):
    """A value for people: four places, "–" for what is not defined."""
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else _text(value)


def _setting(value):
    """A value as it was given: numbers with all their digits."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(value):
    """Any value as text of a page, cut where it is long; `<bdi>` keeps its direction inside."""
    text = str(value)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
    return html.escape(text) if text.isascii() else f"<bdi>{html.escape(text)}</bdi>"
