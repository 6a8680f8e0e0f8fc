"""What every variable is called here and in each format: the tables (tables.py), written out.

A format says how each kind of variable is stored; a table per family and format says where. A new
family adds a table and no code.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from bert_tf2.config import EncoderConfig
from bert_tf2.weights import tables

# --- Formats: how a kind is stored. ---------------------------------------------------------------


class Format(NamedTuple):
    """How one checkpoint format stores things.

    Attributes:
        separator: between the parts of a name.
        parts: kind -> {our last name: their last name}; "" adds none.
        transposed: kinds whose kernel is stored (out, in).
        skipped: regular expression -> why a name that matches it is no weight of the model.
        aliases: (regular expression, replacement): other spellings of the names in the tables.
    """

    separator: str
    parts: dict[str, dict[str, str]]
    transposed: frozenset[str]
    skipped: dict[str, str]
    aliases: tuple[tuple[str, str], ...]


FORMATS = {
    "google": Format(
        separator="/",
        parts={
            "table": {"": ""},
            "vector": {"": ""},
            "norm": {"gamma": "gamma", "beta": "beta"},
            "dense": {"kernel": "kernel", "bias": "bias"},
            "logits": {"kernel": "output_weights", "bias": "output_bias"},
        },
        transposed=frozenset({"logits"}),
        skipped={
            r"/(adam|lamb)_[mv]$": "optimizer slot",  # Google's AdamWeightDecay and LAMB
            r"/(Adam|Adam_1|Momentum)$": "optimizer slot",  # TensorFlow's own
            r"(^|/)beta[12]_power$": "optimizer slot",
            r"/ExponentialMovingAverage$": "moving average of a weight",
            r"^global_step$": "step counter",
        },
        aliases=(),
    ),
    "huggingface": Format(
        separator=".",
        parts={
            "table": {"": "weight"},
            "vector": {"": ""},
            "norm": {"gamma": "weight", "beta": "bias"},
            "dense": {"kernel": "weight", "bias": "bias"},
            "logits": {"kernel": "weight", "bias": "bias"},
        },
        transposed=frozenset({"dense", "logits"}),
        skipped={r"(^|\.)position_ids$": "constant 0, 1, 2, …"},
        aliases=(
            (r"LayerNorm\.gamma$", "LayerNorm.weight"),  # files converted before 2020
            (r"LayerNorm\.beta$", "LayerNorm.bias"),
        ),
    ),
}


class Naming(NamedTuple):
    """What one format calls the units of one family.

    Attributes:
        names: our unit -> theirs.
        prefix: what files of the bare encoder leave out.
        tied: their name -> the name that holds the same numbers; not loaded, but compared.
        skipped: regular expression -> why, as in `Format`, of names only this family's files have.
    """

    names: dict[str, str]
    prefix: str = ""
    tied: Mapping[str, str] = MappingProxyType({})
    skipped: Mapping[str, str] = MappingProxyType({})


def _rows_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line]


_UNITS = _rows_of(tables.UNITS)
_TIED = {
    "bert": {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    "albert": {
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
    "distilbert": {"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
    "electra": {"generator_lm_head.weight": "electra.embeddings.word_embeddings.weight"},
    "roberta": {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
}


def _google(text: str, **skipped) -> Naming:
    return Naming(dict(_rows_of(text)), **skipped)


def _huggingface(text: str, root: str) -> Naming:
    return Naming(dict(_rows_of(text)), f"{root}.", _TIED[root])


NAMES = {
    ("bert", "google"): _google(tables.BERT_GOOGLE),
    ("albert", "google"): _google(tables.ALBERT_GOOGLE),
    ("electra", "google"): _google(
        tables.ELECTRA_GOOGLE, skipped={r"^generator(_predictions)?/": "the generator's"}
    ),
    ("electra_generator", "google"): _google(
        tables.ELECTRA_GENERATOR_GOOGLE,
        skipped={r"^(electra|discriminator_predictions)/": "the discriminator's"},
    ),
    ("bert", "huggingface"): _huggingface(tables.BERT_HUGGINGFACE, "bert"),
    ("albert", "huggingface"): _huggingface(tables.ALBERT_HUGGINGFACE, "albert"),
    ("distilbert", "huggingface"): _huggingface(tables.DISTILBERT_HUGGINGFACE, "distilbert"),
    ("electra", "huggingface"): _huggingface(tables.ELECTRA_HUGGINGFACE, "electra"),
    ("electra_generator", "huggingface"): _huggingface(tables.ELECTRA_HUGGINGFACE, "electra"),
    ("roberta", "huggingface"): _huggingface(tables.ROBERTA_HUGGINGFACE, "roberta"),
    ("xlm_roberta", "huggingface"): _huggingface(tables.ROBERTA_HUGGINGFACE, "roberta"),
}

# --- The tables, written out for one configuration. -----------------------------------------------


class Variable(NamedTuple):
    """One row: `theirs` is their name; `shape` is ours, None where the number of labels is free."""

    theirs: str
    transposed: bool
    shape: tuple[int | None, ...]


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


def variables(config: EncoderConfig, format: str) -> dict[str, Variable]:
    """Our name -> `Variable` for everything that `format` has a name for, heads included."""
    stored, names = FORMATS[format], naming(config, format).names
    return {
        _join("/", unit.format(block=block), part): Variable(
            theirs=_join(
                stored.separator, names[unit].format(*_numbers(block)), stored.parts[kind][part]
            ),
            transposed=part == "kernel" and kind in stored.transposed,
            shape=shape,
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


def as_found(config: EncoderConfig, format: str, listed: Iterable[str]) -> EncoderConfig:
    """The config with what no JSON says, and the names in a file do.

    A BERT without its pooler is one that computes none, and a classifier then brings a dense layer
    of its own. Hugging Face's ALBERT has a projection even between equal sizes.
    """
    names, prefix, *_ = naming(config, format)
    listed = list(listed)

    def has(unit):
        theirs = names.get(unit, " ")  # no name holds a space
        return any(name.startswith((theirs, theirs.removeprefix(prefix))) for name in listed)

    if has("embeddings/projection"):
        config = replace(config, project_embeddings=True)
    if config.pooler and not has("pooler"):
        config = replace(config, pooler=False, classifier_act=config.classifier_act or "tanh")
    return config


def head_of(name: str) -> str | None:
    """The head that one of our names belongs to: "mlm" for `mlm/bias`, None for the encoder's."""
    return None if name.startswith(_ENCODER) else name.split("/")[0]


# Everything else is a head's.
_ENCODER = ("embeddings/", "layer_", "group_", "pooler/")


def _rows(config: EncoderConfig):
    """Yields (unit, block, kind, part, shape) for every variable there may be, heads included."""
    absent = {
        "embeddings/segment": config.type_vocab_size == 0,
        "embeddings/projection": not config.has_projection,
        "pooler": not config.pooler,
        "pre_classifier": config.classifier_act is None,
    }
    blocks = list(dict.fromkeys(config.block_names()))
    for unit, kind, letters in _UNITS:
        if absent.get(unit):
            continue
        shape = tuple(_size(config, letter) for letter in letters.split(","))
        for block in blocks if "{block}" in unit else ("",):
            for part in tables.PARTS[kind]:
                yield unit, block, kind, part, shape[-1:] if part == "bias" else shape


def _numbers(block: str) -> list[str]:
    return re.findall(r"\d+", block)


def _size(config: EncoderConfig, letter: str) -> int | None:
    if letter == "K":
        return None
    return int(letter) if letter.isdigit() else getattr(config, tables.SIZES[letter])


def _join(separator: str, first: str, last: str) -> str:
    # "." stands for the top level: Google's classifier is plain `output_weights`.
    return separator.join(part for part in (first, last) if part not in ("", "."))
