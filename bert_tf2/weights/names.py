"""What every variable is called here and in each format: the tables of formats/, written out.

A format says how each kind of variable is stored; a table per family and format says where. A new
family adds a table and no code.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.weights.formats import FORMATS, NAMES, Format, Naming
from bert_tf2.weights.report import CheckpointError, fold
from bert_tf2.weights.tensors import transposed
from bert_tf2.weights.units import KINDS, SIZES, UNITS, head_of


class Variable(NamedTuple):
    """One row of a table.

    Attributes:
        theirs: their name.
        shape: ours; None where the number of labels is free.
        stored: the shape in the file.
        transposed: whether a matrix is stored (out, in).
    """

    theirs: str
    shape: tuple[int | None, ...]
    stored: tuple[int | None, ...]
    transposed: bool

    def fits(self, found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        """Whether a shape in a file is this row's, for a model's variable of shape `wanted`."""
        if len(self.stored) != len(self.shape):  # heads apart
            return found == self.stored and wanted == self.shape
        return (found[::-1] if self.transposed else found) == wanted

    def ours_of(self, array: np.ndarray) -> np.ndarray:
        """An array as stored -> as we have it."""
        array = transposed(array) if self.transposed else array
        return array if len(self.stored) == len(self.shape) else array.reshape(self.shape)

    def theirs_of(self, array: np.ndarray) -> np.ndarray:
        """An array of ours -> as it is stored."""
        array = array.T if self.transposed else array
        return array if len(self.stored) == len(self.shape) else array.reshape(self.stored)


def naming(config: EncoderConfig, format: str) -> Naming:
    """The `Naming` of a family in a format.

    Raises:
        ValueError: the format has no names for the family.
    """
    if (config.family, format) not in NAMES:
        known = [f for family, f in NAMES if family == config.family]
        raise ValueError(
            f"There is no {format} format of {config.family}; its formats are {known}."
        )
    return NAMES[config.family, format]


def variables(config: EncoderConfig, format: str, of_tokens=False) -> dict[str, Variable]:
    """Our name -> `Variable` for everything that `format` has a name for, heads included.

    Args:
        of_tokens: whether a classifier there is one of tokens, where both have the same name.
    """
    names, stored = naming(config, format).names, FORMATS[format]
    if of_tokens and "classifier" in names and "token_classifier" not in names:
        names = {unit: name for unit, name in names.items() if not unit.endswith("classifier")}
        names["token_classifier"] = naming(config, format).names["classifier"]
    count = {block: i for i, block in enumerate(_blocks(config))}
    return {
        _join("/", unit.format(block=block), part): Variable(
            theirs=_join(
                stored.separator,
                _their_unit(stored, config, names[unit], block, count.get(block)),
                stored.parts.get(kind, stored.parts["dense"])[part],
            ),
            shape=shape,
            stored=_stored_shape(stored, config, kind, part, shape),
            transposed=part == "kernel" and kind in stored.transposed,
        )
        for unit, block, kind, part, shape in _rows(config)
        if unit in names
    }


def expected_shapes(
    config: EncoderConfig, heads: tuple[str, ...] = (), labels: int | None = None
) -> dict[str, tuple[int, ...]]:
    """Our name -> shape of a whole encoder, and of the named `heads` ("mlm", "classifier"…).

    Args:
        labels: the number of labels K of a "classifier" or "token_classifier".
    """
    named = {_join("/", unit.format(block=b), part): s for unit, b, _, part, s in _rows(config)}
    return {
        name: tuple(labels if size is None else size for size in shape)
        for name, shape in named.items()
        if head_of(name) in (None, *heads)
    }


def outer_prefix(config: EncoderConfig, format: str, listed: Iterable[str]) -> str:
    """What stands before all names of a file that holds the model inside of another one.

    Such as "module." of torch's DataParallel, or "0.auto_model." of sentence-transformers; ""
    where the token table has its own name.

    Raises:
        CheckpointError: there are several such tables.
    """
    names, prefix, *_ = naming(config, format)
    stored = FORMATS[format]
    unit = _their_unit(stored, config, names["embeddings/token"])
    table = _join(stored.separator, unit, stored.parts["table"][""])
    listed, spellings = list(listed), (table, table.removeprefix(prefix))
    if any(respelled(name, format) in spellings for name in listed):
        return ""
    for spelling in spellings:
        inside = [name for name in listed if name.endswith(stored.separator + spelling)]
        if len(inside) > 1:
            raise CheckpointError(
                f"The file holds {len(inside)} encoders: {', '.join(fold(inside, 4))}. "
                "Name what to leave out with `ignore`, a list of patterns such as "
                f"{inside[0].removesuffix(spelling)}*."
            )
        found = inside[0].removesuffix(spelling) if inside else ""
        others = (their.prefix for (_, f), their in NAMES.items() if f == format and their.prefix)
        if found and not found.endswith(tuple(others)):  # another family's are not this one's
            return found
    return ""


def as_found(config: EncoderConfig, format: str, listed: Iterable[str]) -> EncoderConfig:
    """The config with what no JSON says, and the names in a file do.

    A BERT without its pooler is one that computes none, and a classifier then brings a dense layer
    of its own. Hugging Face's ALBERT has a projection even between equal sizes.
    """
    names, prefix, *_ = naming(config, format)
    listed = [respelled(name, format) for name in listed]

    def has(unit):
        theirs = _their_unit(FORMATS[format], config, names.get(unit, " "))  # no name has a space
        return any(name.startswith((theirs, theirs.removeprefix(prefix))) for name in listed)

    if config.family == "albert" and has("embeddings/projection"):
        config = replace(config, project_embeddings=True)
    if config.pooler and not has("pooler"):
        config = replace(config, pooler=False, classifier_act=config.classifier_act or "tanh")
    return config


def respelled(name: str, format: str) -> str:
    """A name in a file -> as the tables spell it, the prefix apart that files may leave out."""
    for pattern, replacement in FORMATS[format].aliases:
        name = re.sub(pattern, replacement, name)
    return name


def _rows(config: EncoderConfig):
    """Yields (unit, block, kind, part, shape) for every variable there may be, heads included."""
    blocks = _blocks(config)
    for unit, (kind, letters, place, where) in UNITS.items():
        if where and not getattr(config, where):
            continue
        shape = tuple(_size(config, letter) for letter in letters.split(","))
        for block in blocks if place == "block" else ("",):
            for part in KINDS[kind]:
                yield unit, block, kind, part, shape[-1:] if part == "bias" else shape


def _blocks(config: EncoderConfig) -> list[str]:
    """The names of the blocks, each once."""
    return list(dict.fromkeys(config.block_names()))


def _their_unit(
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
    return int(letter) if letter.isdigit() else getattr(config, SIZES[letter])


def _join(separator: str, first: str, last: str) -> str:
    # "." stands for the top level: Google's classifier is plain `output_weights`.
    return separator.join(part for part in (first, last) if part not in ("", "."))
