"""The site of all pages: what is brought together, and that it builds without a warning."""

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import types

import pages
import pytest
import yaml

import bert_tf2
from docs import __main__ as site
from docs import api

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


def test_links_to_code_become_paths():
    text = "[a.py](../tests/a.py), [the test](../tests/a.py#x), ![one](no.png), [b](b.md#c)"
    assert site.linked(text, "docs/x.md", {"docs/b.md"}) == (
        "`tests/a.py`, the test (`tests/a.py`), one, [b](b.md#c)"
    )


def test_pictures_of_notebooks_are_in_it(gathered):
    for path in sorted((pages.ROOT / "notebooks").glob("*.ipynb")):
        count = path.read_text("utf-8").count('"image/png": ')
        page = gathered[f"notebooks/{path.stem}.md"]
        assert count and page.count("![output](data:image/png;base64,") == count, path


def test_public_names_are_told_once(gathered):
    api_pages = "\n".join(text for place, text in gathered.items() if place[:4] == "api/")
    told = re.findall(r"^::: (\S+)$", api_pages, re.M)
    assert len(told) == len({*told})
    assert {f"{bert_tf2.home_of(name)}.{name}" for name in bert_tf2.__all__} < {*told}
    links = re.findall(r"\]\((\w+)\.md#([\w.]+)\)", api_pages)
    assert {place for _, place in links} <= api.places()


def calls(page):
    """What the code of a page imports from our rooms and calls there: dotted names, and methods."""
    blocks = pages.blocks(page, "python") if page.suffix == ".md" else [page.read_text("utf-8")]
    code = ast.parse("\n".join(block for block in blocks if not pages.is_for(block)))
    rooms, named, methods = {}, set(), set()
    for x in ast.walk(code):
        if isinstance(x, ast.ImportFrom) and x.module.partition(".")[0] == "bert_tf2":
            there = importlib.import_module(x.module)
            for one in x.names:
                value = getattr(there, one.name, None) or f"{x.module}.{one.name}"
                if isinstance(value, types.ModuleType | str):
                    rooms[one.asname or one.name] = getattr(value, "__name__", value)
                else:
                    named.add(f"{value.__module__}.{one.name}")
    for x in ast.walk(code):
        if isinstance(x, ast.Call) and isinstance(x.func, ast.Attribute):
            owner = x.func.value.id if isinstance(x.func.value, ast.Name) else None
            if owner in rooms:
                home = api.home_there(rooms[owner].removeprefix("bert_tf2."), x.func.attr)
                named.add(f"{home}.{x.func.attr}")
            else:
                methods.add(x.func.attr)
    return named, methods


def ours():
    """All methods that classes have which are told."""
    classes = map(pkgutil.resolve_name, api.places())
    bases = {base for one in classes if inspect.isclass(one) for base in one.__mro__}
    bases = {base for base in bases if base.__module__.partition(".")[0] == "bert_tf2"}
    kinds = (types.FunctionType, property, classmethod, staticmethod)
    return {name for base in bases for name, x in vars(base).items() if isinstance(x, kinds)}


def test_what_pages_call_is_told():
    told, known = api.places(), ours()
    last = {place.rpartition(".")[2] for place in told}
    count = 0
    for page in [*pages.PAGES, *(p for p in pages.NOTEBOOKS if p.name[0].isdigit())]:
        named, methods = calls(page)
        assert named <= told, page
        assert (methods & known) - {*dir(str)} <= last, page
        count += len(named) + len(methods & known)
    assert count > 150


def test_readers_and_scores_are_told():
    """Those that the page of files names."""
    said = (pages.ROOT / "docs" / "files.md").read_text("utf-8")
    names = re.findall(r"`(?:data\.|scoring\.)?([a-z]\w+\.(?!jsonl)\w+)[`(]", said)
    told = {place.split(".", 2)[2] for place in api.places() if place.count(".") > 1}
    assert len(names) > 10
    assert {name for name in names if name.partition(".")[0] != "bert_tf2"} <= told


def test_what_is_left_out_is_there():
    left_out = [name for names in api.INNER.values() for name in names.split()]
    assert len(left_out) == len({*left_out}) and {*left_out} <= ours()


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
    made = "\n".join(p.read_text("utf-8") for p in (pages.ROOT / "site" / "api").glob("*.html"))
    assert api.places() <= {*re.findall(r'\bid="(bert_tf2[\w.]*)"', made)}
    assert not site.NAMELESS.search(made)
    assert (pages.ROOT / "site" / "search.js").stat().st_size > 10_000
