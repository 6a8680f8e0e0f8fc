"""Whether code of another library names what it has: classes, methods, and arguments by name.

    python names_there.py '{"known": {"model": "module:Class", …}, "code": ["model.encode(x)", …]}'

Prints, as JSON, what each code names that is not there: mostly nothing. Nothing is called.
"""

import ast
import importlib
import inspect
import json
import sys

LIKEWISE = ("from_preset", "from_pretrained")  # what these give is of the class


class Any:
    """What some call gives: it may have anything."""

    def __getattr__(self, name):
        return self


def wrong(code, known):
    """list of str: what is not there."""
    missing = []

    def of(node):
        if isinstance(node, ast.Name):
            return named(node.id)
        if isinstance(node, ast.Subscript):
            of(node.value)
            return Any()
        if isinstance(node, ast.Attribute):
            owner = of(node.value)
            if not hasattr(owner, node.attr):
                missing.append(ast.unparse(node))
                return Any()
            return getattr(owner, node.attr)
        if isinstance(node, ast.Call):
            return called(node)
        return Any()

    def named(name):
        if name not in known:
            missing.append(name)
            return Any()
        module, _, inside = known[name].partition(":")
        found = importlib.import_module(module)
        if inside and not hasattr(found, inside):
            missing.append(known[name])
            return Any()
        return getattr(found, inside) if inside else found

    def called(node):
        function = of(node.func)
        if isinstance(function, Any):
            return function
        parameters = inspect.signature(function).parameters
        free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        missing.extend(k.arg for k in node.keywords if not free and k.arg not in parameters)
        if inspect.isclass(function):
            return function
        owner = getattr(function, "__self__", None)
        return owner if getattr(function, "__name__", "") in LIKEWISE else Any()

    of(ast.parse(code, mode="eval").body)
    return missing


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps({code: wrong(code, job["known"]) for code in job["code"]}))
