"""How values are shown in errors: shortened, whatever they are."""

import reprlib

import numpy as np

MESSAGE = 600  # characters, the most that an error has


class FileError(ValueError):
    """A file that is not what it should be."""

    def __init__(self, message):
        super().__init__(cut(str(message), MESSAGE))


class RowError(ValueError):
    """What is wrong with a row; `row` is its number."""

    def __init__(self, message, row):
        super().__init__(message)
        self.row = row


def cut(text, limit):
    """A str of at most `limit` characters: what is longer loses its middle."""
    half = (limit - 3) // 2
    return text if len(text) <= limit else f"{text[: limit - 3 - half]} … {text[-half:]}"


def shorten(value, limit=120):
    """How a value, of any size, is shown in a message. -> str of at most `limit` characters."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = limit
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = 6
    try:
        return cut(" ".join(short.repr(value).split()), limit)
    except Exception:  # a value's own __repr__ may raise what it likes
        return f"a {type(value).__name__}"


def checked_bool(name, value):
    """A setting that is True or False, as a bool: by its truth "no" would be True.

    Raises:
        ValueError: anything else, by the setting's name.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False. Received: {shorten(value)}")
    return bool(value)


def switched(said, *names):
    """Settings out of a file, a dict, whose switches an earlier version wrote as they came: 1 for
    True, and 0."""
    numbers = {name for name in names if type(said.get(name)) is int and said[name] in (0, 1)}
    return {name: bool(value) if name in numbers else value for name, value in said.items()}


def checked_int(name, value, least=1):
    """A setting that is a whole number from `least`, as an int: 12.7 is not 12.

    Raises:
        ValueError: anything else, by the setting's name.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(f"`{name}` must be an int from {least}. Received: {shorten(value)}")
    return int(value)


def assertion(message):
    """What an assertion in a graph says, of TensorFlow's message: without where it stands."""
    lines = message.splitlines()
    said = [x for x in lines if x and not x.startswith(("Detected at", "\t", "Graph", " "))]
    said = " ".join(said or lines).replace("<stack traces unavailable>", "")
    return cut(said.rpartition("assertion failed:")[2].strip(), 400)
