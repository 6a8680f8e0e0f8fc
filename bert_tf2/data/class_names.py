"""The names of classes as found in a file. Imports no TensorFlow."""

import re

from bert_tf2.messages import shorten
from bert_tf2.scoring.entities import UNTYPED

NUMERAL = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,2})?", re.ASCII)
ORDERS = {  # objective -> the names of classes 0 and 1
    "nsp": ("next", "random"),
    "sop": ("in_order", "swapped"),
}
LETTERS = "BIESLU"  # of the schemes of tags: begin, inside, end, single; last, unit
MOST_SHOWN = 8
MANY = 20  # different numbers from which on they look like a score


def names_of(found):
    """The class names that occur in the labels of a file, sorted; numbers as numbers.

    Raises:
        ValueError: many numbers that are not whole: a score, as in STS-B, and no classes.
    """
    names = sorted(set(found))
    if not all(map(NUMERAL.fullmatch, names)):
        return names
    if len(names) > MANY and any(float(name) % 1 for name in names):
        raise ValueError(
            f"The labels are {len(names)} different numbers, such as {some(names, 3)}: a score, "
            "and no classes. Name the classes by `labels` if they are."
        )
    return sorted(names, key=lambda name: (float(name), name))


def tag_parts(names):
    """(letter, kind) of each tag of a set: ("B", "PER"), ("", "NOUN"), and ("", "O").

    What a name means, the others tell: "E-mail" is a kind where no tag is of B or I, and a letter
    alone is a tag where all others are of letters.
    """
    typed = any(name[:2] in ("B-", "I-") for name in names)
    bare = {"B", "I"} & {*names} and {"B", "O"} & {*names}
    bare = bare and all(name == "O" or part(name)[0] for name in names)
    known = [(part(name), typed if name[1:] else bare) for name in names]
    return [
        found if fits and found[0] else ("", name)
        for name, (found, fits) in zip(names, known, strict=True)
    ]


def part(tag):
    """(letter, kind) of a tag by itself; no letter where it can be none of a scheme."""
    known = tag[:1] in tuple(LETTERS) and tag[1:2] in ("", "-")
    return (tag[:1], tag[2:] or UNTYPED) if known else ("", tag)


def is_scheme(names):
    """Whether all tags of a set are "O", or a letter and a kind."""
    return all(name == "O" or x[0] for name, x in zip(names, tag_parts(names), strict=True))


def spelt(letter, kind):
    """The tag of a letter, which may be "", and a kind."""
    return letter if letter and kind == UNTYPED else f"{letter}-{kind}" if letter else kind


def untagged(names):
    """What a word gets that a model of these tags has seen nothing of: "O", or, where they have
    none, "_", as CoNLL-U spells what is not said."""
    return "O" if "O" in names else "_"


def tags_of(words, tags, names):
    """The tags of the words of a text, from rows that are filled up with b"" at their ends.

    Args:
        words, tags: bytes. Exports of before 0.3.0 give b"" as the tag of a word without a piece.
        names: of all tags.
    """
    count = max(
        (i for i, both in enumerate(zip(words, tags, strict=True), 1) if any(both)), default=0
    )
    return [tag.decode(errors="replace") or untagged(names) for tag in tags[:count]]


def some(names, most=MOST_SHOWN):
    """Names for a message, as a list that stops."""
    first = ", ".join(shorten(name, 40) for name in list(names)[:most])
    return f"[{first}{', ...' if len(names) > most else ''}]"
