"""Schemes of tags: the tags of kinds, the scheme of tags, and tags of one in another."""

import logging

from bert_tf2.data.class_names import is_scheme, some, spelt, tag_parts
from bert_tf2.data.labels import class_names
from bert_tf2.scoring import entities

LOGGER = logging.getLogger("bert_tf2")
PREFIXES = {"IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU"}  # begin, inside, end, single
FEWER = {"I": "II", "IO": ("", "")}  # of sets of tags that have no letter to begin with, or none


def entity_tags(labels, scheme):
    """Types of entities -> the tags of a scheme: "O", and each letter with each type.

    Args:
        labels: the types, or such tags with "O" among them, which stay as they are.
        scheme: a key of `PREFIXES`.

    Raises:
        ValueError: another scheme, or tags that are not of it.
    """
    if scheme not in [*PREFIXES]:
        raise ValueError(f"`scheme` must be one of {[*PREFIXES]}. Received: {scheme!r}")
    names, letters = class_names(labels, fewest=1), PREFIXES[scheme]
    if "O" not in names:
        return ["O", *(spelt(letter, kind) for kind in names for letter in letters)]
    wrong = [n for n in names if n != "O" and (n[0] not in letters or n[1:2] not in ("", "-"))]
    if wrong:
        raise ValueError(
            f'`labels` must be kinds of entities, without "O", or tags of {scheme}, which begin '
            f"with one of {[*letters]} and a hyphen. Received: {wrong[:10]}"
        )
    return names


def scheme_of(names):
    """The scheme that tags are of, told by their letters: a key of `PREFIXES` or of `FEWER`."""
    letters = {letter for letter, _ in tag_parts(names)} - {""}
    if letters <= {"I"}:
        return "I" if letters else "IO"
    return next((s for s, known in PREFIXES.items() if letters <= set(known)), "IO")


def spelled(found, length, scheme):
    """Entities -> tags.

    Args:
        found: (kind, start, end) each, words, without overlap. length: words that there are.
        scheme: as of `scheme_of`.
    """
    tags, letters = ["O"] * length, (PREFIXES | FEWER)[scheme]
    for kind, start, end in found:
        for i in range(start, end):
            tags[i] = spelt(_letter(i, start, end, letters), kind)
    return tags


def _letter(i, start, end, letters):
    begin, go_on, *ends = letters
    if ends and end - start == 1:
        return ends[1]
    if i == start:
        return begin
    return ends[0] if ends and i == end - 1 else go_on


def in_scheme(rows, names):
    """Rows of tags, of which those of another scheme than the names' are read as conlleval reads
    them, and spelled as the names are; of names of IOB2 those that have a tag which is no name, for
    others may be of IOB1. Rows of numbers, and what has no such name, stay.

    Args:
        rows: list of lists of str, or of what `numbers_of_tags` takes. names: the tags of a model.
    """
    scheme, known, count, found = scheme_of(names), {*names}, 0, []
    if scheme != "IO" and not is_scheme(names):
        return rows
    for row in rows:
        plain = len(row) and all(isinstance(tag, str) for tag in row)
        new = _respelled(row, scheme) if plain and not _fits(row, scheme, known) else row
        fits = plain and new is not row and known.issuperset(new)
        count += bool(fits)
        found.append(new if fits else row)
    if count:
        LOGGER.warning(
            "The tags of %d texts are not of the labels' scheme, %s: they are read as conlleval "
            "reads them",
            count,
            scheme,
        )
    return found


def _fits(row, scheme, known):
    lenient = scheme in FEWER or scheme == "IOB2"
    return known.issuperset(row) and (lenient or not entities.check(row, scheme))


def _respelled(row, scheme):
    try:
        return spelled(entities.entities(list(row)), len(row), scheme)
    except ValueError:  # tags of no scheme, which are none of the names
        return row


def strict_scheme(names):
    """The scheme that entities of tags are of where nothing is repaired.

    Raises:
        ValueError: the tags of a model are of none that begins its entities.
    """
    scheme = scheme_of(names)
    if not is_scheme(names) or scheme not in PREFIXES:
        raise ValueError(
            f"A strict reading needs a model of tags of {', '.join(PREFIXES)}, by which the rest "
            f"is no entity. Received: the tags {some(names)}"
        )
    return scheme


def as_iob2(tags, names, scheme=None):
    """What a model of these names says -> tags of IOB2, as conlleval reads it; what is no name of
    its, as "_", is "O".

    Args:
        scheme: what this, the names' own, does not allow is no entity; None: as conlleval has it.
    """
    known = dict(zip(names, tag_parts(names), strict=True))
    parts = [known.get(tag, ("", "O")) for tag in tags]
    plain = ["O" if kind == "O" else spelt(letter or "I", kind) for letter, kind in parts]
    found = entities.entities(plain, scheme)
    return entities.tags_of(found, len(plain))
