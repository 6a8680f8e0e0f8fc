"""What goes out of an index: texts by their names, and those that others stand in for."""

import os
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.search import given

NUMBER = re.compile(r"[0-9]{1,18}")  # a name that counting may come to


def next_name(index):
    """The number by which the next text is named: no text has it, nor a higher one."""
    if index.next_name is not None:
        return index.next_name
    names = (name for name, _ in index.rows.texts())
    numbers = (int(name) for name in names if NUMBER.fullmatch(name))
    return max(index.rows.documents or 0, max(numbers, default=-1) + 1)


def remove(index, names):
    """Takes out all texts of some names.

    Args:
        names: a list of str.

    Returns:
        int: how many texts these were.

    Raises:
        ValueError: a name that no text has.
        TypeError: one str in the place of a list.
    """
    names = given.checked_names(names)
    found = [i for i, (name, _) in enumerate(index.rows.texts()) if name in names]
    if strange := names - {name for name, _ in index.rows.texts()}:
        raise ValueError(
            f"`names` must be of texts in the index. Received: {shorten(min(strange))}"
        )
    return drop(index, found)


def drop(index, documents):
    """Takes texts out of an index by their numbers, which it has; says how many."""
    gone = np.zeros(index.rows.documents or 0, bool)
    gone[documents] = True
    if gone.any():
        index.rows = index.rows.without(gone)
        index.graph = index.graph_file = index.words = None
    return int(gone.sum())


# === Texts that are read again ====================================================================


class Update(NamedTuple):
    """What an addition comes to.

    Attributes:
        gone: numbers of the index's texts that it stands in for, or whose file is gone.
        new: numbers of the given texts that the index has not.
        same: how many it has.
        twice: names that texts of other files have, too, which stay.
    """

    gone: list
    new: list
    same: int
    twice: list


def update(rows, names, texts, sources, by_name=False, folders=()):
    """What there is to do where texts are added to those of an index.

    A text stands in for those of its file; of an index that does not say its files, or where names
    are the texts' own, for those of its name.

    Args:
        rows: `parts.Rows`. names, texts: lists of str. sources: list of `Source`, their files.
        by_name: whether a name tells which text it is, whatever file it is in.
        folders: and files: those of them that are gone are gone from the index, too.

    Returns:
        `Update`.
    """
    paths, known = {source.path for source in sources}, {*names}
    wanted, matched = Counter(zip(names, texts, strict=True)), Counter()
    folders = {os.path.abspath(folder) for folder in folders}
    inside = tuple(os.path.join(folder, "") for folder in folders)
    gone, twice = [], set()
    every = zip(rows.texts(), rows.sources.each(), strict=True)
    for number, ((name, text), source) in enumerate(every):
        path = source.path if source else None
        named = name in known and (path is None or by_name)
        if not (named or path in paths or _went(path, folders, inside)):
            twice |= {name} & known
        elif matched[name, text] < wanted[name, text]:
            matched[name, text] += 1
        else:
            gone.append(number)
    same, new = matched.total(), []
    for number, pair in enumerate(zip(names, texts, strict=True)):
        matched[pair] -= 1
        if matched[pair] < 0:
            new.append(number)
    return Update(gone, new, same, sorted(twice))


def _went(path, folders, inside):
    named = path is not None and (path in folders or path.startswith(inside))
    return named and not os.path.exists(path)
