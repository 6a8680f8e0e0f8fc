"""JSON that others wrote, read into an object whose fields are what they should be."""

import json

from bert_tf2.messages import FileError, cut, shorten

DEPTH = 64  # of lists and objects inside each other


def decode(content, source, error=FileError):
    """Bytes in UTF-8 -> str, without a byte order mark; `source` names them in an `error`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        near = shorten(content[max(wrong.start - 4, 0) : wrong.start + 4])
        raise error(
            f"{source} must be text in UTF-8. Received: {near} at byte {wrong.start}"
        ) from wrong


def parse_json(content, source, schema=None, error=FileError, finite=False):
    """The object that bytes of JSON hold.

    Args:
        content: bytes, UTF-8 with or without a byte order mark.
        source: what names them in errors: the file.
        schema: dict of field -> what its value must be. A name that ends in "?" may be absent.
            A value is a type (`float` takes integers, `int` takes no booleans), None for null, a
            tuple of choices, `[of each item]`, `{str: of each value}`, or a schema of its own.
            Fields that it does not name are taken as they are.
        error: the class of what is raised, a ValueError.
        finite: refuse NaN and Infinity, which Python writes and JSON does not have.

    Raises:
        `error`: no JSON, no object, nested more than `DEPTH` deep, a field missing or of another
            type; it names the source and the field.
    """
    text = decode(content, source, error)
    try:
        values = json.loads(text, parse_constant=_no_number if finite else None)
    except RecursionError as wrong:
        raise error(f"{source} must not be nested more than {DEPTH} deep") from wrong
    except ValueError as wrong:  # bad JSON, or a number of thousands of digits
        said = f"{wrong}. Received: {shorten(text[:60])}" if text.strip() else "it is empty"
        raise error(f"{source} is not a JSON file: {said}") from wrong
    if not isinstance(values, dict):
        raise error(f"{source} must hold a JSON object. Received: {shorten(values)}")
    _check_depth(values, source, error)
    _check_fields(values, schema or {}, source, "", error)
    return values


def _no_number(word):
    raise ValueError(f"{word} is no number of JSON: give finite ones")


def _check_depth(values, source, error):
    inner = [values]
    for _ in range(DEPTH):
        items = (v for x in inner for v in (x.values() if isinstance(x, dict) else x))
        inner = [v for v in items if isinstance(v, dict | list)]
        if not inner:
            return
    raise error(f"{source} must not be nested more than {DEPTH} deep")


def _check_fields(values, schema, source, prefix, error):
    for key, wanted in schema.items():
        name = key.removesuffix("?")
        if name in values:
            _check_value(values[name], wanted, source, f"{prefix}{name}", error)
        elif key == name:
            raise error(
                f"{source} lacks {prefix}{name}, which must be {_words(wanted)}. It has: "
                f"{shorten(sorted(values), 200)}"
            )


def _check_value(value, wanted, source, name, error):
    if not _fits(value, wanted):
        raise error(f"{source}: {name} must be {_words(wanted)}. Received: {shorten(value)}")
    for choice in wanted if isinstance(wanted, tuple) else (wanted,):
        if isinstance(choice, list) and isinstance(value, list):
            for index, item in enumerate(value):
                _check_value(item, choice[0], source, f"{name}[{index}]", error)
        elif isinstance(choice, dict) and isinstance(value, dict):
            if set(choice) == {str}:
                for key, item in value.items():
                    _check_value(item, choice[str], source, f"{name}.{cut(key, 40)}", error)
            else:
                _check_fields(value, choice, source, f"{name}.", error)


def _fits(value, wanted):
    if isinstance(wanted, tuple):
        return any(_fits(value, choice) for choice in wanted)
    if wanted is None:
        return value is None
    if isinstance(wanted, list | dict):
        return isinstance(value, type(wanted))
    if wanted in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if wanted is float else wanted)


_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
_WORDS |= {list: "a list", dict: "an object"}


def _words(wanted):
    if isinstance(wanted, tuple):
        return " or ".join(map(_words, wanted))
    if isinstance(wanted, list):
        return f"a list, each item {_words(wanted[0])}"
    if isinstance(wanted, dict):
        return f"an object, each value {_words(wanted[str])}" if str in wanted else "an object"
    return _WORDS.get(wanted, "null")
