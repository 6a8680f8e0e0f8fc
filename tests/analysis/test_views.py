"""The pages: whole, small, with nothing from elsewhere, and drawn by a browser."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import time

import numpy as np
import pytest

from bert_tf2.analysis import charts, views
from bert_tf2.analysis.attention import Attention
from bert_tf2.analysis.attribution import Attribution

EVIL = '</script><script>alert(1)</script> & "{data}"'


def made(layers=2, heads=3, length=6, second=None, seed=0):
    weights = np.random.default_rng(seed).dirichlet(np.full(length, 0.1), (layers, heads, length))
    pieces = [f"word{i}" for i in range(length)]
    pieces[0], pieces[-1] = "[CLS]", "[SEP]"
    special = np.array([piece[0] == "[" for piece in pieces])
    return Attention(pieces, special, second, weights.astype("float32"))


def data_of(page):
    (inside,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.html)
    return json.loads(inside)


def drawn(data, layer, head):
    """The weights that the page draws, (L, L): 0 where none are kept."""
    shape = (len(data["layers"]), len(data["heads"]), len(data["pieces"]), data["kept"])
    kept = np.frombuffer(base64.b64decode(data["weights"]), "uint8").reshape(shape)[layer, head]
    if data["columns"] is None:
        return kept / 255
    columns = np.frombuffer(base64.b64decode(data["columns"]), "<u2").reshape(shape)[layer, head]
    found = np.zeros((shape[2], shape[2]))
    np.put_along_axis(found, columns.astype(int), kept / 255, 1)
    return found


def test_what_is_drawn_are_the_weights():
    found = made(second=3)
    data = data_of(views.head_view(found, layers=[1], heads=[2, 0]))
    assert (data["layers"], data["heads"], data["second"]) == ([1], [2, 0], 3)
    np.testing.assert_allclose(drawn(data, 0, 1), found.weights[1, 0], atol=0.5 / 255 + 1e-6)
    assert data["first"] == {"layer": 0, "heads": [0, 1]}
    assert data_of(views.head_view(found, layer=1))["first"]["layer"] == 1
    assert data_of(views.model_view(found))["first"] == {"layer": 0, "heads": [0]}


def test_long_texts_keep_their_largest_weights(monkeypatch):
    monkeypatch.setattr(views, "MOST", 2 * 3 * 40 * 3 * 5)  # five of each row
    found = made(length=40)
    data = data_of(views.model_view(found))
    got, want = drawn(data, 1, 2), found.weights[1, 2]
    largest = want >= np.sort(want, -1)[:, [-5]]
    np.testing.assert_allclose(got[largest], want[largest], atol=0.5 / 255 + 1e-6)
    assert data["kept"] == 5 and not got[~largest].any()
    with pytest.raises(ValueError, match="choose `layers` or `heads`"):
        monkeypatch.setattr(views, "MOST", 100)
        views.model_view(found)


def test_a_page_is_whole_and_runs_only_what_is_in_it(tmp_path):
    found = made()._replace(pieces=["[CLS]", EVIL, "a", "##b", "c", "[SEP]"])
    scores = np.array([0, 1.0, -0.5, 0, 0.25, 0])
    told = Attribution(EVIL, found.pieces, found.special, None, scores, 1.0, 0.25, 32)
    page = views.view(found, told)
    assert page.html.count("<script") == page.html.count("</script>") == 2
    assert "alert(1)</script>" not in page.html and not re.search("https?:|@import|url", page.html)
    script = page.html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.html
    assert data_of(page)["pieces"][1] == EVIL
    assert '<span class="for" style="--share:1.000" title="+1.000">' in page.html
    assert '<span class="against" style="--share:0.500" title="-0.500">a</span>' in page.html
    assert "ab c</title>" in page.html
    assert page.save(tmp_path / "page.html").read_text("utf-8") == page.html
    assert "\n" not in page.as_frame()
    assert page.as_frame().startswith("<iframe srcdoc=") and "<script" not in page.as_frame()
    assert told._repr_html_().startswith("<iframe")
    alone = views.coloured_text(told).html
    assert alone.index("What speaks for: ") < alone.index('class="text"') < alone.index("1.000 for")
    assert "<h2>What speaks for: " in page.html and "<h2>" not in alone


def test_measures_are_charts():
    page = charts.measures_view([made(), made(seed=1)])
    assert page.html.count("<svg") == 5 and page.html.count("<circle") == 5 * 6
    assert "share on [SEP]" in page.html


@pytest.mark.parametrize("how", [{"layers": [2]}, {"heads": [-1]}, {"heads": []}, {"layer": 7}])
def test_refuses(how):
    with pytest.raises(ValueError, match="must be one of"):
        views.head_view(made(), **how)


# === In a browser =================================================================================


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    quiet = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
    return [found, *quiet.split()]


def idle():
    """What share of a processor this machine has left for us, now."""
    wall, mine = time.perf_counter(), time.process_time()
    while time.process_time() - mine < 0.3:
        pass
    return min(1.0, 0.3 / (time.perf_counter() - wall))


@pytest.mark.full
def test_the_largest_page_opens_in_two_seconds(browser, tmp_path):
    """By the browser's own clock, from its opening to where all is drawn, as far as it was ours."""
    page = views.model_view(made(12, 12, 512)).html
    assert len(page) < 5_000_000
    policy, clock = "<meta http-equiv", "<script>document.title = performance.now()</script></body>"
    timed = page.replace(policy, "<meta name").replace("</body>", clock)  # which runs one more
    (tmp_path / "page.html").write_text(timed, encoding="utf-8")
    command = [*browser, f"--user-data-dir={tmp_path}/profile", "--dump-dom"]
    command.append(f"file://{tmp_path}/page.html")
    before = idle()
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    took = float(re.search("<title>([0-9.]+)<", done.stdout)[1])
    assert took * (before + idle()) / 2 < 2000
    assert done.stdout.count("<canvas") == 145 and done.stdout.count("<li") == 2 * 512


@pytest.mark.full
@pytest.mark.parametrize(("scheme", "low", "high"), [(0, 0, 90), (1, 190, 255)])
def test_a_phone_shows_it_by_day_and_night(browser, tmp_path, scheme, low, high):
    import tensorflow as tf

    views.model_view(made(6, 12, 20, second=9)).save(tmp_path / "page.html")
    command = [*browser, f"--user-data-dir={tmp_path}/profile", "--window-size=500,1200"]
    command += [f"--blink-settings=preferredColorScheme={scheme}"]
    command += [f"--screenshot={tmp_path}/page.png", f"file://{tmp_path}/page.html"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = tf.io.decode_png((tmp_path / "page.png").read_bytes(), channels=3).numpy()
    assert low <= np.median(pixels) <= high
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
