"""JSON Lines: one JSON object a line. Blank lines are skipped."""

import json

from bert_tf2.data import tables


def rows(path, content, wanted=(), first=1):
    """(line number, object) of each line.

    Args:
        path: of the file, for messages.
        content: its text.
        wanted: the keys that every object must have.
        first: the number of its first line.

    Raises:
        ValueError: with file and line: invalid JSON, no object, or a key that is not there.
    """
    for number, line in tables.lines(content, first):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: invalid JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: expected a JSON object. Received: {type(row).__name__}"
            )
        for column in wanted:
            if column not in row:
                raise ValueError(
                    f"{path}, line {number}: expected a key {column!r}. "
                    f"Received the keys {tables.shown(row)}"
                )
        yield number, row


def text(where, name, value):
    """A value that must be text. -> str.

    Args:
        where: file and line, for messages.
        name: its column or key.

    Raises:
        ValueError: no str, or one that UTF-8 cannot hold.
    """
    if not isinstance(value, str):
        raise ValueError(
            f"{where}: expected a string in {name!r}. Received: {type(value).__name__}"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can spell what UTF-8 cannot
        raise ValueError(
            f"{where}: {name!r} holds half a character (a lone surrogate, {value[error.start]!a})"
        ) from error
    return value
