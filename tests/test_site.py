"""The site of all pages: what is brought together, and that it builds without a warning."""

import importlib.util
import json
import re
import subprocess
import sys

import pages
import pytest
import yaml

import bert_tf2
from docs import __main__ as site

FETCHED = re.compile(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="(https?://[^"]+)"')
LOCAL = re.compile(r'<(?:a|img|link|script)\b[^>]*?\b(?:src|href)="(?!\w+:|#)([^"#?]+)')


@pytest.fixture(scope="module")
def gathered():
    return site.gathered()


def test_each_page_is_in_it(gathered):
    places = {"README.md": "index.md"}
    for page in pages.PAGES:
        name = pages.name_of(page)
        assert places.get(name, name) in gathered


def test_links_stay_inside(gathered):
    for place, text in gathered.items():
        prose = site.CODE.sub("", text)
        for _, _, target, _ in site.LINK.findall(prose):
            if not target.startswith(("http:", "https:", "data:")):
                there = (site.PAGES / place).parent / target
                name = str(there.resolve().relative_to(site.PAGES.resolve()))
                assert name in gathered or name.endswith(".png"), (place, target)


def test_pictures_of_notebooks_are_in_it(gathered):
    for path in sorted((pages.ROOT / "notebooks").glob("*.ipynb")):
        count = path.read_text("utf-8").count('"image/png": ')
        page = gathered[f"notebooks/{path.stem}.md"]
        assert count and page.count("![output](data:image/png;base64,") == count, path


def test_public_names_are_told_once(gathered):
    told = re.findall(
        r"^::: (\S+)$", "\n".join(t for p, t in gathered.items() if p[:4] == "api/"), re.M
    )
    assert sorted(name.rpartition(".")[2] for name in told) == sorted(bert_tf2.__all__)


def test_outputs_of_a_notebook():
    cells = [
        {"cell_type": "markdown", "source": ["# One\n", "two"]},
        {
            "cell_type": "code",
            "source": ["print(1)"],
            "outputs": [
                {"text": ["1\n"]},
                {"data": {"image/png": "iVBO\nRw==", "text/plain": "<Figure>"}},
                {"data": {"text/plain": ["2"]}},
                {"data": {}},
            ],
        },
    ]
    parts = site.of_notebook(json.loads(json.dumps({"cells": cells}))).split("\n\n")
    assert parts == [
        "# One\ntwo",
        "```python\nprint(1)\n```",
        "```text\n1\n```",
        "![output](data:image/png;base64,iVBORw==)",
        "```text\n2\n```\n",
    ]


def test_the_menu_names_pages(gathered):
    def leaves(x):
        parts = x.values() if isinstance(x, dict) else x if isinstance(x, list) else None
        return [x] if parts is None else [leaf for part in parts for leaf in leaves(part)]

    menu = yaml.safe_load((pages.ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert {*leaves(menu)} <= gathered.keys()
    left_out = {p for p in gathered if p[:4] != "api/"} - {*leaves(menu)}
    assert not left_out


@pytest.mark.full
@pytest.mark.skipif(not importlib.util.find_spec("zensical"), reason="zensical is not installed")
def test_it_builds_strictly():
    done = subprocess.run(
        [sys.executable, "-m", "docs"], cwd=pages.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (pages.ROOT / "site").rglob("[!4]*.html"):  # without a network or a server
        html = page.read_text("utf-8")
        assert not FETCHED.findall(html), page
        assert "window.Worker = class" in html, page  # searches from files
        here = [target for target in LOCAL.findall(html) if not (page.parent / target).exists()]
        assert not here, page
    assert (pages.ROOT / "site" / "search.js").stat().st_size > 10_000
