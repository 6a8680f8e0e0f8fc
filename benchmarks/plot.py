"""results.json -> results.png, and at_a_glance.png of a few works: how many times our CPU time
each peer needs."""

from benchmarks import works
from benchmarks.report import ratio

COLOURS = {
    "ours": "#222222",
    "keras_hub": "#d1495b",
    "transformers": "#edae49",
    "onnxruntime": "#00798c",
    "model_garden": "#8d6a9f",
    "zeromodels": "#6a994e",
}
AT_A_GLANCE = {  # works a newcomer asks for first, also those that are lost -> their titles
    "step_sst2": "a training step of BERT-base",
    "epoch_minilm": "MiniLM fine-tuned from strings",
    "embed_sts": "vectors of strings, MiniLM",
    "asked_tag": "entities in strings, MiniLM",
    "serve_one": "one string to BERT-base",
    "startup": "a fresh process to its first answer",
}
WORDS = {"color": "#808080", "fontsize": 9, "va": "center"}
LONGEST = 12  # a bar that needs more is cut, and says so


def bars(measured):
    """-> list of (title, [(contestant, ratio)]) of the works that have one to show.

    Where the aim is memory, time is not what the work is about.
    """
    found = []
    for work in works.WORKS:
        rows = measured.get(work.name, {}).get("rows", {})
        ratios = [(label, ratio(rows, label, work.contestants[0])) for label in rows]
        ratios = [(label, value) for label, value in ratios if value is not None]
        if len(ratios) > 1 and "peak" not in work.aims:
            found.append((work.title, ratios))
    return found


def draw(measured, path):
    """Writes the plot; nothing where there is nothing to compare. -> whether it did."""
    groups = bars(measured)
    if not groups:
        return False
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    count = sum(len(ratios) + 1.6 for _, ratios in groups)
    figure, axes = plt.subplots(figsize=(9, 0.24 * count + 1))
    place = 0.0
    for title, ratios in groups:
        axes.text(0, place, title, fontsize=9, fontweight="bold", va="center")
        for label, value in ratios:
            place += 1
            length = min(value, LONGEST)
            more = " …" if value > LONGEST else ""
            axes.barh(place, length, 0.8, color=COLOURS[label.split(":")[0]])
            axes.text(length, place, f"{more} {value:.2f}  {label}", fontsize=8, va="center")
        place += 1.6
    axes.axvline(1, color="#bbbbbb", linewidth=0.8, zorder=0)
    highest = max(value for _, ratios in groups for _, value in ratios)
    axes.set_xlim(0, 1.3 * min(highest, LONGEST))
    axes.set_ylim(place - 0.8, -0.8)
    axes.set_yticks([])
    axes.set_xlabel("CPU time, ours = 1 (longer is slower)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return True


def glance(measured, path):
    """Writes the picture of README: each peer as documented, and at its best. -> whether it did.

    It stands on pages of either theme: grey, on nothing.
    """
    rows = [
        (title, *peer)
        for name, title in AT_A_GLANCE.items()
        for peer in _peers(name, measured.get(name, {}).get("rows", {}))
    ]
    if not rows:
        return False
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 0.27 * (len(rows) + 2)))
    for place, (title, peer, plain, best) in enumerate(rows):
        style = {"color": COLOURS[peer], "markersize": 8}
        axes.plot([plain, best], [place] * 2, linewidth=2, **style)
        axes.plot(plain, place, "o", **style)
        axes.plot(best, place, "o", markerfacecolor="none" if best != plain else None, **style)
        axes.text(1.12 * max(plain, best, 1), place, f"{peer} {plain:.3g}×", **WORDS)
        if not place or rows[place - 1][0] != title:
            axes.axhline(place - 0.5, color=WORDS["color"], linewidth=0.4)
            axes.text(0.44, place, title, ha="right", **WORDS)
    axes.axvline(1, color=WORDS["color"], linewidth=1.5)
    axes.set_xscale("log")
    ticks = [0.5, 1, 2, 4, 8, 16]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks], color=WORDS["color"])
    axes.set_xlim(0.45, 60)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.minorticks_off()
    axes.set_xlabel("processor time, bert_tf2 = 1; ○: tuned to its best", color=WORDS["color"])
    axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=150, transparent=True, bbox_inches="tight")
    plt.close(figure)
    return True


def _peers(name, rows):
    """-> (peer, ratio as documented, ratio at its best) of each that was measured so."""
    ours = {work.name: work.contestants[0] for work in works.WORKS}[name]
    for label in rows:
        plain = ratio(rows, label, ours)
        if label != ours and ":" not in label and plain is not None:
            best = f"{label}:best"
            yield label, plain, (ratio(rows, best, ours) if best in rows else None) or plain
