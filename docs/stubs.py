"""`python -m docs.stubs`: writes `bert_tf2/__init__.pyi`, the types of all public names.

Signatures and defaults are those of the code, types those of `stub_types.py`. What is written is
what editors and type checkers read: names are imported late in `bert_tf2/__init__.py`, where they
would not see them.
"""

import dataclasses
import inspect
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

from docs import stub_types as known

TARGET = Path(__file__).parents[1] / "bert_tf2" / "__init__.pyi"
HEAD = '''"""Written by `make types`: the types of all public names, for editors and checkers."""

# mypy: disable-error-code="override"
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NoReturn, Self

import keras
import numpy as np

from bert_tf2.analysis.attention import Attention
from bert_tf2.analysis.attribution import Attribution
from bert_tf2.analysis.views import View
from bert_tf2.tasks.multiple_choice import Choice
from bert_tf2.weights.report import Report
'''


def text():
    """The stub: str."""
    import bert_tf2
    from bert_tf2.tasks.prompted import Prompted
    from bert_tf2.tasks.task import Task

    public = {name: getattr(bert_tf2, name) for name in bert_tf2.__all__}
    named = {value: name for name, value in public.items()}
    named |= {Task: "_Task", Prompted: "_Prompted"}  # what several share; no public names
    classes = sorted(filter(inspect.isclass, named), key=lambda c: len(c.__mro__))
    parts = [HEAD, "__version__: str\n__all__: list[str]\n\ndef home_of(name: str) -> str: ..."]
    parts += [_class(cls, named) for cls in classes]
    parts += [_function(f, name) for f, name in named.items() if inspect.isfunction(f)]
    command = [sys.executable, "-m", "ruff", "format", f"--stdin-filename={TARGET}", "-"]
    written = "\n".join(parts) + "\n"
    return subprocess.run(command, input=written, capture_output=True, text=True, check=True).stdout


def _class(cls, named):
    """A class with the methods of its own and of those of its bases that have no name here."""
    bases, lines = [], []
    for one in cls.__mro__:
        if one is not cls and one in named:
            bases.append(named[one])
            break
        if one.__module__.startswith("keras"):
            bases.append("keras." + ("Model" if issubclass(cls, _keras("Model")) else one.__name__))
            break
    if not bases:  # where a checker knows no base of it, it knows no attributes either
        lines.append("    def __getattr__(self, name: str) -> Any: ...")
    if dataclasses.is_dataclass(cls):
        lines += [
            f"    {f.name}: {inspect.formatannotation(f.type)}" for f in dataclasses.fields(cls)
        ]
    own = {}
    for one in reversed(cls.__mro__):
        others = [base for base in cls.__mro__[1:] if base in named]
        if not one.__module__.startswith("bert_tf2") or any(issubclass(b, one) for b in others):
            continue
        own |= vars(one)
    for name, value in own.items():
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        lines += _member(value, f"{named[cls]}.{name}")
    base = {"keras.Layer": "keras.layers.Layer", "keras.Callback": "keras.callbacks.Callback"}
    base |= {"keras.Optimizer": "keras.optimizers.Optimizer"}
    inside = f"({base.get(bases[0], bases[0])})" if bases else ""
    return "\n".join([f"\nclass {named[cls]}{inside}:", *(lines or ["    ..."])])


def _keras(name):
    import keras

    return getattr(keras, name)


def _member(value, place):
    name = place.rpartition(".")[2]
    if isinstance(value, property):
        kind = known.PROPERTIES.get(name, "Any")
        return ["    @property", f"    def {name}(self) -> {kind}: ..."]
    if isinstance(value, classmethod):
        return ["    @classmethod", f"    {_function(value.__func__, place)}"]
    if isinstance(value, types.FunctionType):
        return [f"    {_function(value, place)}"]
    return []


def _function(function, place):
    """`def name(parameters) -> returned: ...`."""
    name = place.rpartition(".")[2]
    signature = inspect.signature(function)
    parts, starred = [], False
    for number, one in enumerate(signature.parameters.values()):
        if one.kind is one.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        mark = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        if "." in place and number == 0:
            parts.append("cls" if one.name == "cls" else "self")  # tasks are called so by helpers
            continue
        default = "" if one.default is one.empty else " = ..."
        parts.append(f"{mark}{one.name}: {_kind(one, place)}{default}")
    last = ".".join(place.split(".")[-1:])
    returned = known.RETURNS.get(place) or known.RETURNS.get(last) or "Any"
    return f"def {name}({', '.join(parts)}) -> {returned}: ..."


def _kind(parameter, place):
    """The type of a parameter: as the table has it, or of its default.

    Raises:
        LookupError: what makes an object, or a function, has one that is not in the table, and
            no default that tells.
    """
    name, default = parameter.name, parameter.default
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return "Any"
    if parameter.annotation is not parameter.empty:
        return inspect.formatannotation(parameter.annotation)
    owner = place.split(".")[0]
    for key in (f"{place}.{name}", f"{owner}.{name}", name):
        if key in known.PARAMETERS:
            return known.PARAMETERS[key]
    for kind in (bool, int, float, str):
        if isinstance(default, kind):
            return kind.__name__
    if isinstance(default, Mapping):
        return "Mapping[Any, Any]"
    if isinstance(default, Sequence):
        return "Sequence[Any]"
    if "." in place and not place.endswith(".__init__"):
        return "Any"  # of a method that people seldom call themselves
    raise LookupError(f"docs/stub_types.py must have the type of `{name}`, of {place}")


def main():
    """Writes the stub. -> exit code"""
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
