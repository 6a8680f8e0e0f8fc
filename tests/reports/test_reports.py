"""The page of a run: charts with their numbers where they belong, texts as texts, in a browser."""

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest
from closeness import CANCELLED

from bert_tf2.reports import findings, svg
from bert_tf2.reports.page import page

EVIL = '<script>alert(1)</script> & "quoted" \u202eright to left\x00'
REPORT = {
    "title": f"text_classification on {EVIL}",
    "about": "Seed 1",
    "curves": [
        {"step": 5, "epoch": 1, "whole_epoch": False, "seconds": 1.0, "loss": 2.0},
        {"step": 10, "epoch": 1, "whole_epoch": True, "seconds": 2.0, "loss": 1.0, "val_loss": 1.5},
        {"step": 15, "epoch": 2, "whole_epoch": False, "seconds": 3.0, "loss": float("nan")},
    ],
    "scores": {
        "dev": {
            "rows": 4,
            "accuracy": 0.75,
            "roc_auc": None,
            "classes": {EVIL: {"f1": 0.5, "support": 2}, "b": {"f1": 1.0, "support": 2}},
            "confusion_matrix": [[1, 1], [0, 2]],
        }
    },
    "split": "dev",
    "by": "sure",
    "calibration": {"expected_error": 0.25, "bins": [{"rows": 4, "sure": 0.5, "right": 0.75}]},
    "points": [[1.0, 2.0], [2.0, 2.5]],
    "mistakes": [{"text": {"text": EVIL}, "gold": EVIL, "given": "b", "badness": 0.9}],
    "settings": {"learning_rate": 5e-5, "class_weight": None, "layers": [0, 1], "task": EVIL},
    "versions": {"keras": "3"},
}


@pytest.mark.parametrize(
    ("lowest", "highest", "want"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.13, 0.87, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (2, 2, [1.4, 1.6, 1.8, 2, 2.2, 2.4, 2.6]),
        (-3, 1200, [-250, 0, 250, 500, 750, 1000, 1250]),
        (1e-7, 3e-7, [1e-7, 1.5e-7, 2e-7, 2.5e-7, 3e-7]),
    ],
)
def test_ticks_are_round_and_span_the_range(lowest, highest, want):
    assert svg.ticks(lowest, highest) == pytest.approx(want, rel=CANCELLED, abs=1e-12)


def test_points_stand_where_their_numbers_are():
    chart = svg.lines({"a": [(0.0, 0.0), (10.0, 1.0), (5.0, float("nan"))]}, "step")
    (drawn,) = re.findall(r'class="line s0" points="([^"]*)"', chart)
    first, last = (tuple(map(float, pair.split(","))) for pair in drawn.split())
    left, right = svg.LEFT, svg.WIDTH - svg.RIGHT
    assert first == (left, svg.HEIGHT - svg.BOTTOM) and last == (right, svg.TOP)
    assert svg.lines({"a": [(1.0, float("inf"))]}, "step") == ""
    many = svg.lines({"a": [(float(i), float(i)) for i in range(10_000)]}, "step")
    assert len(many) < 20_000 and f"{right}.0,{svg.TOP}.0" in many  # the last one stays


def test_calibration_and_the_worst_mistakes():
    found = findings.calibration([0.55, 0.52, 1.0, 0.0], [True, False, True, False])
    assert [b["rows"] for b in found["bins"]] == [1, 2, 1]
    assert found["bins"][1] == {"rows": 2, "sure": pytest.approx(0.535), "right": 0.5}
    assert found["expected_error"] == pytest.approx(2 * 0.035 / 4)
    assert findings.worst([0.0, 0.2, 0.9, 0.2]) == [2, 1, 3]
    assert len(findings.worst(np.ones(1000))) == findings.MOST


class Checker(html.parser.HTMLParser):
    """Collects tags, and that each is closed."""

    void = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.open += [tag] * (tag not in self.void)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)


def test_a_page_is_whole_and_runs_nothing():
    text, checker = page(REPORT), Checker()
    checker.feed(text)
    assert checker.open == [] and checker.links == []
    assert not checker.seen & {"script", "img", "link", "iframe"} and "svg" in checker.seen
    assert "&lt;script&gt;" in text and "<script" not in text and "http:" not in text
    assert "0.7500" in text and "–" in text  # a figure, and one that is not defined


def test_a_page_of_little():
    assert page({"title": "a", "about": "b"}).endswith("</html>\n")
    many = [f"class {i}" for i in range(40)]
    matrix = np.eye(40, dtype=int)
    matrix[3, 5] = 7
    figures = {"classes": {n: {"f1": 1.0} for n in many}, "confusion_matrix": matrix.tolist()}
    text = page({"title": "a", "about": "b", "scores": {"dev": figures}})
    assert "<td>class 3</td><td>class 5</td>" in text  # of many classes those that are mixed up
    assert "gold ↓" not in text


@pytest.mark.full
@pytest.mark.parametrize(("scheme", "low", "high"), [(0, 0, 90), (1, 190, 255)])
def test_a_browser_shows_it(tmp_path, scheme, low, high):
    """In dark and in light, as wide as a phone's screen."""
    import tensorflow as tf

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    (tmp_path / "report.html").write_text(page(REPORT), "utf-8")
    quiet = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
    command = [browser, *quiet.split(), f"--user-data-dir={tmp_path}/profile"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", "--window-size=500,1600"]
    command += [f"--screenshot={tmp_path}/page.png", f"file://{tmp_path}/report.html"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = tf.io.decode_png((tmp_path / "page.png").read_bytes(), channels=3).numpy()
    assert low <= np.median(pixels) <= high
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50  # text, charts and shades
