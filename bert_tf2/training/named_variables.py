"""Variables by their paths: those that regular expressions of users name."""

import re


def path(variable):
    """The path of a variable of Keras; of TensorFlow's its name."""
    return getattr(variable, "path", variable.name)


def matches(patterns, variable):
    """Whether one of the patterns is found in a variable's path."""
    return any(re.search(pattern, path(variable)) for pattern in patterns)


def checked_patterns(name, patterns):
    """Regular expressions as a tuple, each known to compile.

    Args:
        name: of the argument, for messages.
        patterns: list of str, or None for none.

    Raises:
        ValueError: a single string, or one that is no regular expression.
    """
    if isinstance(patterns, str):
        raise ValueError(
            f"`{name}` must be a list of regular expressions. "
            f"Received: {patterns!r}; write [{patterns!r}]"
        )
    for pattern in patterns or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"`{name}` must hold regular expressions. Received: {pattern!r} ({error})"
            ) from error
    return tuple(patterns or ())
