"""The page to try models in: whole, with nothing from elsewhere, and at work in a browser."""

import base64
import hashlib
import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest
from served import TASKS, ask, exported, running

from bert_tf2.serving.server.page import page


class Checker(html.parser.HTMLParser):
    """Collects tags and links, and that each tag is closed."""

    void = ("meta", "br", "input")

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "style")]
        self.open += [tag] * (tag not in self.void)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_whole_and_runs_only_what_is_in_it():
    (text, policy), checker = page(), Checker()
    checker.feed(text)
    assert checker.open == [] and checker.links == []
    assert not re.search(r"https?:|innerHTML|eval\(|@import|url\(", text)
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "unsafe" not in policy


# === In a browser =================================================================================

SEEN = {  # task -> what its answer to the example says
    "clf": ["stone", "Probabilities", "tokens of the text"],
    "multi": ["Labels", "rain"],
    "ner": ["<mark", "LOC"],
    "qa": ["In the text", "Answers", "tokens of the context"],
    "mlm": ["Mask 1"],
    "vec": ["Alike to", "Shares fell sharply."],
    "rank": ["In their order", "In Rome Ada met Bo."],
    "num": ["Numbers"],
    "choice": ["flew away."],
    "zero": ["politics"],
    "many_clf": ["stone", "Probabilities"],
    "many_vec": ["Alike to", "Shares fell sharply."],
}


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    quiet = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
    return [found, *quiet.split(), "--virtual-time-budget=10000"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "models"
    tasks = exported(folder, *TASKS)
    for name in ("clf", "vec"):
        tasks[name].add_adapter().export(folder / f"many_{name}", adapters="all")
    with running(folder) as url:
        assert ask(url)[0] == 200
        yield url


@pytest.mark.full
@pytest.mark.parametrize("name", SEEN)
def test_a_browser_asks_and_shows(url, browser, tmp_path, name):
    command = [*browser, f"--user-data-dir={tmp_path}", "--dump-dom", f"{url}/#{name}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    answer = done.stdout.partition("<main")[2].partition("</main>")[0]
    assert 'class="error"' not in answer, answer
    for words in SEEN[name]:
        assert words in answer
    assert "ms, there and back" in done.stdout


@pytest.mark.full
@pytest.mark.parametrize(("scheme", "low", "high"), [(0, 0, 90), (1, 190, 255)])
def test_a_phone_shows_it_by_day_and_night(url, browser, tmp_path, scheme, low, high):
    import tensorflow as tf

    command = [*browser, f"--user-data-dir={tmp_path}/profile", "--window-size=500,900"]
    command += [f"--blink-settings=preferredColorScheme={scheme}"]
    command += [f"--screenshot={tmp_path}/page.png", f"{url}/#ner"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = tf.io.decode_png((tmp_path / "page.png").read_bytes(), channels=3).numpy()
    assert low <= np.median(pixels) <= high
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
