"""The notebooks: outputs are of the text beside them, and figures in it are what cells print."""

import re

import pytest

execution = pytest.importorskip("notebooks.execution", exc_type=ImportError)  # needs the extra
nbformat = execution.nbformat

NAMES = [path.stem for path in execution.sources()]
FIGURE = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)")
A_MACHINE = re.compile(r"/(?:home|root|tmp|work|Users|usr|var)/\w")


def executed(name):
    return nbformat.read(execution.HERE / f"{name}.ipynb", as_version=4)


def prints(notebook):
    """All texts that the cells gave."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            found += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    return "\n".join(found)


def check(notebook, tolerance):
    """No error, no warning, no path of a machine; and each figure in the text is printed."""
    said = prints(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [x for x in outputs if x.output_type == "error" or x.get("name") == "stderr"]
    assert not A_MACHINE.search(said)
    printed = [float(figure) for figure in FIGURE.findall(said)]
    for cell in notebook.cells:
        for figure in FIGURE.findall(cell.source if cell.cell_type == "markdown" else ""):
            rounding = 0.5001 * 10.0 ** -len(figure.partition(".")[2])
            assert any(abs(float(figure) - x) <= max(tolerance, rounding) for x in printed), figure


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_of_this_text(name):
    path = execution.HERE / f"{name}.ipynb"
    notebook = executed(name)
    written = execution.with_outputs(execution.read(path.with_suffix(".py")), path)
    assert written == notebook, "`make notebooks` has not been run"
    check(notebook, 0)
    first = notebook.cells[0].source
    assert "**Needs**" in first and "**Takes**" in first
    assert path.stat().st_size < 1 << 20


def test_readme_names_each():
    said = (execution.HERE / "README.md").read_text("utf-8")
    assert re.findall(r"\]\((\w+)\.ipynb\)", said) == NAMES


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_runs(name, minilm):
    """Another processor trains another model: figures may differ by a few rows."""
    check(execution.execute(execution.read(execution.HERE / f"{name}.py")), 0.05)


def test_notes_of_tensorflow_are_left_out():
    notes = "WARNING: All log messages before absl::InitializeLog() …\nI0000 00:00:17 port.cc\n"
    output = nbformat.v4.new_output("stream", name="stderr", text=notes)
    assert execution.without_notes(output) is None
    output = nbformat.v4.new_output("stream", name="stderr", text=notes + "a warning\n")
    assert execution.without_notes(output).text == "a warning\n"
