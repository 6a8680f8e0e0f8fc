"""What a table of names is made of, and how it is written out for a config.

A publisher's format says how each kind of variable is stored; its table for a family says where. A
new family adds a table and no code.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.weights.tensors import transposed
from bert_tf2.weights.units import HEADS, KINDS, SIZES, UNITS, head_of

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
        names: our unit -> theirs. "x[1/3]" is the second of three that the product x holds side by
            side, as fused attention does.
        prefix: what files of the bare encoder leave out.
        tied: their name -> the name that holds the same numbers; not loaded, but compared.
        skipped: regular expression -> why, as in `Format`, of names only this family's files have.
        kinds: our unit -> the kind that it is stored as, where that is another one than ours.
    """

    names: Mapping[str, str]
    prefix: str = ""
    tied: Mapping[str, str] = _NONE
    skipped: Mapping[str, str] = _NONE
    kinds: Mapping[str, str] = _NONE


def rows(text: str) -> dict[str, str]:
    """A table written as text, two words a line -> dict."""
    return dict(line.split() for line in text.splitlines() if line)


class Variable(NamedTuple):
    """One row of a table, written out.

    Attributes:
        theirs: their name.
        shape: ours; None where the number of labels is free.
        stored: the shape in the file.
        transposed: whether a matrix is stored (out, in).
        slice: which of how many that are stored side by side, along the axis of outputs.
    """

    theirs: str
    shape: tuple[int | None, ...]
    stored: tuple[int | None, ...]
    transposed: bool
    slice: tuple[int, int] = (0, 1)

    def fits(self, found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        """Whether a shape in a file is this row's, for a model's variable of shape `wanted`."""
        if len(self.stored) != len(self.shape):  # heads apart
            return found == self.stored and wanted == self.shape
        found, (_, count) = found[::-1] if self.transposed else found, self.slice
        return found == (*wanted[:-1], *(size * count for size in wanted[-1:]))

    def holds(self, found: tuple[int, ...]) -> bool:
        """Whether a shape in a file is this row's, for some number of labels."""
        return len(found) == len(self.stored) and all(
            wanted in (None, got) for wanted, got in zip(self.stored, found, strict=True)
        )

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Its slice of an array as stored."""
        index, count = self.slice
        return np.split(array, count, self.axis)[index] if count > 1 else array

    @property
    def axis(self) -> int:
        """The axis of outputs, as stored."""
        return 0 if self.transposed else -1

    def ours_of(self, array: np.ndarray) -> np.ndarray:
        """An array as stored -> as we have it."""
        array = transposed(array) if self.transposed else array
        return array if len(self.stored) == len(self.shape) else array.reshape(self.shape)

    def theirs_of(self, array: np.ndarray) -> np.ndarray:
        """An array of ours -> as it is stored."""
        array = array.T if self.transposed else array
        return array if len(self.stored) == len(self.shape) else array.reshape(self.stored)


def written_out(
    config: EncoderConfig, stored: Format, naming: Naming, head: str | None = None
) -> dict[str, Variable]:
    """Our name -> `Variable` for everything that a table has a name for, heads included.

    Args:
        head: a key of `HEADS`: which one is meant where several have the same name.
    """
    names = _each_once(config, naming.names, head)
    count, table = {block: i for i, block in enumerate(_blocks(config))}, {}
    for unit, block, kind, part, shape in _rows(config):
        if unit not in names:
            continue
        kind = naming.kinds.get(unit, kind)
        template, index, slices = re.fullmatch(_SLICE, names[unit]).groups()
        theirs = their_unit(stored, config, template, block, count.get(block))
        table[joined("/", unit.format(block=block), part)] = Variable(
            joined(stored.separator, theirs, stored.parts.get(kind, stored.parts["dense"])[part]),
            shape,
            _stored_shape(stored, config, kind, part, shape),
            part == "kernel" and kind in stored.transposed,
            (int(index), int(slices)) if slices else (0, 1),
        )
    return table


def _each_once(config: EncoderConfig, names: Mapping[str, str], head: str | None) -> dict[str, str]:
    """The rows of a table for a config, of the heads those that are whole and have own names."""
    there = [unit for unit, row in UNITS.items() if row.is_in(config)]
    chosen = {u: names[u] for u in there if u in names and UNITS[u].place != "head"}
    for kind in dict.fromkeys([head or "classes", *HEADS]):
        parts = {u: names.get(u) for u in there if u.split("/")[0] in HEADS[kind]}
        if not {*parts.values()} & {None, *chosen.values()}:
            chosen |= parts
    return chosen


_SLICE = r"(.*?)(?:\[(\d+)/(\d+)\])?"


def expected_shapes(
    config: EncoderConfig, heads: tuple[str, ...] = (), labels: int | None = None
) -> dict[str, tuple[int, ...]]:
    """Our name -> shape of a whole encoder, and of the named `heads` ("mlm", "classifier"…).

    Args:
        labels: the number of labels K of a "classifier" or "token_classifier".
    """
    named = {joined("/", unit.format(block=b), part): s for unit, b, _, part, s in _rows(config)}
    return {
        name: tuple(labels if size is None else size for size in shape)
        for name, shape in named.items()
        if head_of(name) in (None, *heads)
    }


def respelled(name: str, stored: Format) -> str:
    """A name in a file -> as the tables spell it, the prefix apart that files may leave out."""
    for pattern, replacement in stored.aliases:
        name = re.sub(pattern, replacement, name)
    return name


def _rows(config: EncoderConfig):
    """Yields (unit, block, kind, part, shape) for every variable there may be, heads included."""
    blocks = _blocks(config)
    for name, unit in UNITS.items():
        if not unit.is_in(config):
            continue
        shape = tuple(_size(config, letter) for letter in unit.shape.split(","))
        for block in blocks if unit.place == "block" else ("",):
            for part in KINDS[unit.kind]:
                yield name, block, unit.kind, part, shape[-1:] if part == "bias" else shape


def _blocks(config: EncoderConfig) -> list[str]:
    """The names of the blocks, each once."""
    return list(dict.fromkeys(config.block_names()))


def their_unit(
    stored: Format, config: EncoderConfig, template: str, block: str = "", count: int | None = None
) -> str:
    unit = template.format(
        *re.findall(r"\d+", block),
        block=block,
        count=count,
        projections=int(config.has_projection),
    )
    return re.sub(r"_0(?=/|$)", "", unit) if stored.drops_zero else unit


def _stored_shape(stored: Format, config: EncoderConfig, kind: str, part: str, shape: tuple):
    """Of our shape, theirs: heads apart, or the matrix transposed."""
    if stored.splits_heads and kind.startswith("heads"):
        heads = (config.num_attention_heads, config.hidden_size // config.num_attention_heads)
        if kind == "heads_in":
            return (*shape[:-1], *heads)
        return (*heads, *shape[1:]) if part == "kernel" else shape
    return shape[::-1] if part == "kernel" and kind in stored.transposed else shape


def _size(config: EncoderConfig, letter: str) -> int | None:
    if letter == "K":
        return None
    if letter.isdigit():
        return int(letter)
    return int(letter[:-1] or 1) * getattr(config, SIZES[letter[-1]])


def joined(separator: str, first: str, last: str) -> str:
    # "." stands for the top level: Google's classifier is plain `output_weights`.
    return separator.join(part for part in (first, last) if part not in ("", "."))
