"""Scores are plain functions: NumPy, Python and what errors are made of."""

import ast
import sys
from pathlib import Path

from bert_tf2 import scoring

ALLOWED = {"numpy", "bert_tf2.messages", "bert_tf2.scoring", "bert_tf2.scoring.arrays"}
ASKED_FOR = {"scipy.sparse"}  # by `SparseVectors.to_scipy`, when it is called


def test_scoring_imports_numpy_alone():
    for path in Path(scoring.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            wrong = {n for n in names if n.split(".")[0] not in sys.stdlib_module_names} - ALLOWED
            wrong -= ASKED_FOR if getattr(node, "col_offset", 0) else set()
            assert not wrong, (path.name, wrong)
