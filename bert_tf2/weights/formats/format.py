"""What a table of names is made of: how a format stores things, and what it calls them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_NONE: Mapping[str, str] = MappingProxyType({})


class Format(NamedTuple):
    """How one checkpoint format stores things.

    Attributes:
        about: its name for people.
        separator: between the parts of a name.
        parts: kind -> {our last name: their last name}; "" adds none. Attention's kinds, where they
            are left out, are as "dense".
        transposed: kinds whose kernel is stored (out, in).
        splits_heads: whether attention's kernels are stored by head, (D, N, H) and (N, H, D).
        skipped: regular expression -> why a name that matches it is no weight of the model.
        aliases: (regular expression, replacement): other spellings of the names in the tables.
        scoped: whether the encoder's names have first parts that no other model's have.
        drops_zero: whether the first of several has no number: x, x_1, x_2 for x_0, x_1, x_2.
    """

    about: str
    separator: str
    parts: Mapping[str, Mapping[str, str]]
    transposed: frozenset[str] = frozenset()
    splits_heads: bool = False
    skipped: Mapping[str, str] = _NONE
    aliases: tuple[tuple[str, str], ...] = ()
    scoped: bool = True
    drops_zero: bool = False


class Naming(NamedTuple):
    """What one format calls the units of one family.

    Attributes:
        names: our unit -> theirs.
        prefix: what files of the bare encoder leave out.
        tied: their name -> the name that holds the same numbers; not loaded, but compared.
        skipped: regular expression -> why, as in `Format`, of names only this family's files have.
    """

    names: Mapping[str, str]
    prefix: str = ""
    tied: Mapping[str, str] = _NONE
    skipped: Mapping[str, str] = _NONE


def rows(text: str) -> dict[str, str]:
    """A table written as text, two words a line -> dict."""
    return dict(line.split() for line in text.splitlines() if line)
