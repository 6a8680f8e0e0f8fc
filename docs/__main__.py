"""`python -m docs`: builds the site of all pages into `site/`, strictly and without the network.

The pages are those of this repository, as they lie: README, CHANGELOG, `docs/`, `benchmarks/`,
`checkpoints/` and the notebooks with their outputs. They are brought together under `build/pages`,
where links to code become paths; a page is made for each room of public names from their
docstrings. The builder is Zensical, which reads `mkdocs.yml` and is kept by the authors of MkDocs's
most used theme; MkDocs itself is not developed further.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs import api

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "pages"
FOLDERS = ("docs", "benchmarks", "checkpoints", "notebooks")
DATA = "bert_tf2/data/support_requests/README.md"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.M | re.S)
COPIED = (".png", ".svg", ".css")
NAMELESS = re.compile(r'(<li class="doc-section-item field-body">)\s*–')
SHORT = re.compile(r"<code>(?=([^<]{1,32})</code>)")
FETCHED = '<script src="https://unpkg.com/iframe-worker/shim" type="text/javascript"></script>'


def main():
    """Builds the site. -> exit code"""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or its notes would look like warnings
    shutil.rmtree(PAGES, ignore_errors=True)
    for place, text in gathered().items():
        target = PAGES / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for folder in FOLDERS:
        for file in (ROOT / folder).glob("*"):
            if file.suffix in COPIED:
                shutil.copy(file, PAGES / folder)
    program = Path(sys.executable).with_name("zensical")
    if not program.is_file():
        sys.exit('zensical is not installed: pip install ".[docs]"')
    command = [program, "build", "--strict", "--clean", "-f", ROOT / "mkdocs.yml"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if not code:
        _mend()
        print("Open site/index.html in a browser")
    return code


def _mend():
    """Puts a script of ours where the builder's pages would fetch one for searches from files.

    Also removes the dash before what is returned where that has no name, and marks code that
    `site.css` keeps whole: in sentences what is short, in tables a word.
    """
    ours = Path(__file__).with_name("search_from_files.js").read_text("utf-8")
    for page in (ROOT / "site").rglob("*.html"):
        text = page.read_text("utf-8").replace(FETCHED, f"<script>\n{ours}</script>")
        text = SHORT.sub(_marked, NAMELESS.sub(r"\1", text))
        page.write_text(text, encoding="utf-8")


def _marked(match):
    return f'<code class="{"short word" if len(match[1]) <= 16 else "short"}">'


def gathered():
    """{place in the site: Markdown} of all pages."""
    found = {"index.md": ROOT / "README.md"}
    found |= {name: ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", DATA)}
    found |= {f"{f}/{p.name}": p for f in FOLDERS for p in sorted((ROOT / f).glob("*.md"))}
    texts = {place: path.read_text("utf-8") for place, path in found.items()}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        texts[f"notebooks/{path.stem}.md"] = of_notebook(json.loads(path.read_text("utf-8")))
    known = {*texts, *(f"{f}/{p.name}" for f in FOLDERS for p in (ROOT / f).glob("*.png"))}
    return {place: linked(text, place, known) for place, text in texts.items()} | api.pages()


# === Links ========================================================================================


def linked(text, place, known):
    """A page with links to what is in the site; of those to other files the path, as code."""

    def of(match):
        mark, words, target, anchor = match.groups()
        if target.startswith(("http:", "https:", "data:")):
            return match[0]
        there = os.path.normpath(Path(place).parent / target)
        there = {"README.md": "index.md"}.get(there, there)
        there = re.sub(r"\.ipynb$", ".md", there)
        if there not in known:  # found in a copy of the repository
            return words if mark else f"`{there}`" if words in there else f"{words} (`{there}`)"
        relative = os.path.relpath(there, Path(place).parent)
        return f"{mark}[{words}]({relative}{anchor or ''})"

    parts = CODE.split(text)  # code is every other part
    return "".join(x if i % 2 else LINK.sub(of, x) for i, x in enumerate(parts))


# === Notebooks ====================================================================================


def of_notebook(notebook):
    """A notebook with its outputs as Markdown; pictures are inside."""
    return "\n\n".join(block for cell in notebook["cells"] for block in _of_cell(cell)) + "\n"


def _of_cell(cell):
    source = "".join(cell["source"]).strip("\n")
    if cell["cell_type"] == "markdown":
        return [source]
    return [f"```python\n{source}\n```", *filter(None, map(_of_output, cell["outputs"]))]


def _of_output(output):
    data = output.get("data", {})
    if picture := data.get("image/png"):
        joined = "".join(picture) if isinstance(picture, list) else picture
        return f"![output](data:image/png;base64,{''.join(joined.split())})"
    if html := data.get("text/html"):
        return f"<div>{''.join(html)}</div>"  # a block, in which Markdown is not looked for
    text = "".join(output.get("text") or data.get("text/plain") or "").rstrip("\n")
    return text and f"```text\n{text}\n```"


if __name__ == "__main__":
    sys.exit(main())
