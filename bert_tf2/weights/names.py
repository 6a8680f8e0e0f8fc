"""Name tables: what every variable is called here and in each format. Data, read both ways.

A family is a table of its units (a dense layer, a norm, an embedding table) with kind and shape. A
format says how each kind is stored; a table per family and format says where. A new family adds
tables and letters, and no code.

Shape letters: V vocabulary, P positions, S segments, D width, I inner width, K labels.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bert_tf2.config import EncoderConfig

# --- Ours: unit | kind | shape. A dense kernel is (in, out). --------------------------------------

_BERT = """
embeddings/token             table   V,D
embeddings/position          table   P,D
embeddings/segment           table   S,D
embeddings/norm              norm    D
layer_{i}/attention/query    dense   D,D
layer_{i}/attention/key      dense   D,D
layer_{i}/attention/value    dense   D,D
layer_{i}/attention/output   dense   D,D
layer_{i}/attention/norm     norm    D
layer_{i}/ffn/intermediate   dense   D,I
layer_{i}/ffn/output         dense   I,D
layer_{i}/ffn/norm           norm    D
pooler                       dense   D,D
mlm/transform                dense   D,D
mlm/norm                     norm    D
mlm/bias                     vector  V
nsp                          logits  D,2
classifier                   logits  D,K
span                         logits  D,2
"""
_SIZES = {
    "V": "vocab_size",
    "P": "max_position_embeddings",
    "S": "type_vocab_size",
    "D": "hidden_size",
    "I": "intermediate_size",
}
_PARTS = {
    "table": ("",),
    "vector": ("",),
    "norm": ("gamma", "beta"),
    "dense": ("kernel", "bias"),
    "logits": ("kernel", "bias"),  # a dense layer onto classes; Google stores these transposed
}
_ENCODER = ("embeddings/", "layer_", "pooler/")  # everything else is a head

# --- Theirs: unit | name, for each format. --------------------------------------------------------

# google-research/bert: modeling.py, run_pretraining.py, run_classifier.py, run_squad.py
_BERT_GOOGLE = """
embeddings/token             bert/embeddings/word_embeddings
embeddings/position          bert/embeddings/position_embeddings
embeddings/segment           bert/embeddings/token_type_embeddings
embeddings/norm              bert/embeddings/LayerNorm
layer_{i}/attention/query    bert/encoder/layer_{i}/attention/self/query
layer_{i}/attention/key      bert/encoder/layer_{i}/attention/self/key
layer_{i}/attention/value    bert/encoder/layer_{i}/attention/self/value
layer_{i}/attention/output   bert/encoder/layer_{i}/attention/output/dense
layer_{i}/attention/norm     bert/encoder/layer_{i}/attention/output/LayerNorm
layer_{i}/ffn/intermediate   bert/encoder/layer_{i}/intermediate/dense
layer_{i}/ffn/output         bert/encoder/layer_{i}/output/dense
layer_{i}/ffn/norm           bert/encoder/layer_{i}/output/LayerNorm
pooler                       bert/pooler/dense
mlm/transform                cls/predictions/transform/dense
mlm/norm                     cls/predictions/transform/LayerNorm
mlm/bias                     cls/predictions/output_bias
nsp                          cls/seq_relationship
classifier                   .
span                         cls/squad
"""

# transformers: modeling_bert.py
_BERT_HUGGINGFACE = """
embeddings/token             bert.embeddings.word_embeddings
embeddings/position          bert.embeddings.position_embeddings
embeddings/segment           bert.embeddings.token_type_embeddings
embeddings/norm              bert.embeddings.LayerNorm
layer_{i}/attention/query    bert.encoder.layer.{i}.attention.self.query
layer_{i}/attention/key      bert.encoder.layer.{i}.attention.self.key
layer_{i}/attention/value    bert.encoder.layer.{i}.attention.self.value
layer_{i}/attention/output   bert.encoder.layer.{i}.attention.output.dense
layer_{i}/attention/norm     bert.encoder.layer.{i}.attention.output.LayerNorm
layer_{i}/ffn/intermediate   bert.encoder.layer.{i}.intermediate.dense
layer_{i}/ffn/output         bert.encoder.layer.{i}.output.dense
layer_{i}/ffn/norm           bert.encoder.layer.{i}.output.LayerNorm
pooler                       bert.pooler.dense
mlm/transform                cls.predictions.transform.dense
mlm/norm                     cls.predictions.transform.LayerNorm
mlm/bias                     cls.predictions.bias
nsp                          cls.seq_relationship
classifier                   classifier
span                         qa_outputs
"""

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
    """

    names: dict[str, str]
    prefix: str = ""
    tied: Mapping[str, str] = MappingProxyType({})


def _table(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


FAMILIES = {"bert": _table(_BERT)}
NAMES = {
    ("bert", "google"): Naming(dict(_table(_BERT_GOOGLE))),
    ("bert", "huggingface"): Naming(
        dict(_table(_BERT_HUGGINGFACE)),
        prefix="bert.",
        tied={
            "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        },
    ),
}

# --- The tables, written out for one configuration. -----------------------------------------------


class Variable(NamedTuple):
    """One row: `theirs` is their name; `shape` is ours, None where the number of labels is free."""

    theirs: str
    transposed: bool
    shape: tuple[int | None, ...]


def variables(config: EncoderConfig, format: str) -> dict[str, Variable]:
    """Our name -> `Variable` for everything that `format` has a name for, heads included."""
    stored, names = FORMATS[format], NAMES[config.family, format].names
    return {
        _join("/", unit.format(i=i), part): Variable(
            theirs=_join(stored.separator, names[unit].format(i=i), stored.parts[kind][part]),
            transposed=part == "kernel" and kind in stored.transposed,
            shape=shape,
        )
        for unit, i, kind, part, shape in _rows(config)
        if unit in names
    }


def expected_shapes(
    config: EncoderConfig, heads: tuple[str, ...] = (), labels: int | None = None
) -> dict[str, tuple[int, ...]]:
    """Our name -> shape of an encoder with pooler, and of the named `heads` ("mlm", "classifier"…).

    Args:
        labels: the number of labels K of a "classifier".
    """
    named = {_join("/", unit.format(i=i), part): s for unit, i, _, part, s in _rows(config)}
    return {
        name: tuple(labels if size is None else size for size in shape)
        for name, shape in named.items()
        if head_of(name) in (None, *heads)
    }


def _rows(config: EncoderConfig):
    """Yields (unit, layer, kind, part, shape) for every variable of the family, heads included."""
    for unit, kind, letters in FAMILIES[config.family]:
        shape = tuple(_size(config, letter) for letter in letters.split(","))
        for i in range(config.num_hidden_layers if "{i}" in unit else 1):
            for part in _PARTS[kind]:
                yield unit, i, kind, part, shape[-1:] if part == "bias" else shape


def head_of(name: str) -> str | None:
    """The head that one of our names belongs to: "mlm" for `mlm/bias`, None for the encoder's."""
    return None if name.startswith(_ENCODER) else name.split("/")[0]


def _size(config: EncoderConfig, letter: str) -> int | None:
    if letter == "K":
        return None
    return int(letter) if letter.isdigit() else getattr(config, _SIZES[letter])


def _join(separator: str, first: str, last: str) -> str:
    # "." stands for the top level: Google's classifier is plain `output_weights`.
    return separator.join(part for part in (first, last) if part not in ("", "."))
