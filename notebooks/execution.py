"""A notebook as text -> the same with its outputs.

A notebook is written as a `.py` file in jupytext's percent format. The `.ipynb` beside it holds the
same cells and what they gave, and nothing of the machine or the moment.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import jupytext
import nbclient
import nbformat

HERE = Path(__file__).parent
SECONDS = 1200  # a cell that takes longer stands still
# TensorFlow's C++ part writes these straight to the screen, whatever it is told.
NOTES = re.compile(r"^(WARNING: All log messages before absl|[IWE]\d{4} \d\d:\d\d:).*\n?", re.M)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

Failed = nbclient.exceptions.CellExecutionError


def sources():
    """-> the `.py` files of notebooks, in order."""
    return sorted(HERE.glob("[0-9]*.py"))


def read(path):
    """A `.py` file -> a notebook without outputs, equal on each reading."""
    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def holds_cells(path, notebook):
    """Whether a file holds the cells of this notebook."""
    if not path.is_file():
        return False
    found = nbformat.read(path, as_version=4)
    cells = [[(x.cell_type, x.source) for x in one.cells] for one in (found, notebook)]
    return cells[0] == cells[1]


def execute(notebook):
    """Runs the cells in a process of its own, in this folder. -> the notebook, with outputs

    Raises:
        Failed: a cell raised an error; its traceback is in the message.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    place = {"metadata": {"path": str(HERE)}}
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, record_timing=False, resources=place
    )
    client.execute(stderr=subprocess.DEVNULL)  # what cells write there comes back as outputs
    notebook.metadata["language_info"] = {"name": "python"}  # not which Python it was
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := without_notes(output))]
    return notebook


def without_notes(output):
    """An output without the notes of TensorFlow's C++ part; None if there is nothing else in it."""
    if output.get("name") == "stderr":
        output.text = NOTES.sub("", output.text)
        return output if output.text.strip() else None
    return output


def write(notebook, path):
    """Writes an `.ipynb` file."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
