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
# TensorFlow writes these to the screen, its C++ part whatever it is told.
NOTES = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]\d{4} \d\d:\d\d:|INFO:tensorflow:).*\n?", re.M
)
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


def with_outputs(notebook, path):
    """The notebook with the outputs that a file holds; None if the file has not the same code."""
    if not path.is_file():
        return None
    found = nbformat.read(path, as_version=4)
    before, now = ([c for c in one.cells if c.cell_type == "code"] for one in (found, notebook))
    if [cell.source for cell in before] != [cell.source for cell in now]:
        return None
    for old, new in zip(before, now, strict=True):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    return notebook


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
    """An output without the notes of TensorFlow; None if there is nothing else in it."""
    if output.output_type == "stream":
        output.text = NOTES.sub("", output.text)
        return output if output.text.strip() else None
    return output


def write(notebook, path):
    """Writes an `.ipynb` file."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
