"""results.json -> results.png: how many times our CPU time each peer needs."""

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
