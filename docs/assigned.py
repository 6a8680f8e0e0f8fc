"""For the builder of pages: methods that a class has of a function elsewhere.

`encode = encoding.encode` in a class, or `classmethod(open_task)`, is read as a plain attribute by
what looks at the text of the code; here it becomes the function that it is.
"""

import griffe


class Assigned(griffe.Extension):
    """Has such attributes shown as methods, with the function's docstring and parameters."""

    def on_package(self, *, pkg, loader, **_):
        """Looks through a package that is read."""
        for cls in list(_classes(pkg)):
            for name, member in list(cls.members.items()):
                path = _assigned(member)
                function = path and _found(loader, path)
                if function:
                    cls.set_member(name, _method(name, member, function))


def _classes(there):
    for member in there.members.values():
        if not member.is_alias and (member.is_module or member.is_class):
            if member.is_class:
                yield member
            yield from _classes(member)


def _assigned(member):
    """The dotted name that a class's attribute is set to, or None."""
    value = None if member.is_alias or not member.is_attribute else member.value
    if isinstance(value, griffe.ExprCall) and str(value.function) == "classmethod":
        value = value.arguments[0]
    named = isinstance(value, griffe.ExprName | griffe.ExprAttribute)
    return value.canonical_path if named else None


def _found(loader, path):
    try:
        found = loader.modules_collection[path]
        found = found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError):  # of another package
        return None
    return found if found.is_function else None


def _method(name, member, function):
    made = griffe.Function(
        name,
        lineno=member.lineno,
        endlineno=member.endlineno,
        parameters=griffe.Parameters(*list(function.parameters)[1:]),
        returns=function.returns,
    )
    if function.docstring:
        made.docstring = griffe.Docstring(function.docstring.value, parent=made)
    return made
