"""Our own names: every unit of every family, and what code wants to know of it.

A unit is a dense layer, a norm or a table. `{block}` stands for a name of
`EncoderConfig.block_names`. What variables do in training (how deep they lie, whether they decay,
whether they are weights at all) is asked here, so that no other file reads it from a path.

Shape letters: V vocabulary, P positions, S segments, E embedding width, D width, I inner width,
R buckets of distances, N heads, K labels or any size; 2D twice D.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Unit(NamedTuple):
    """A row of the table.

    Attributes:
        kind: a key of `KINDS`.
        shape: letters, or numbers. A dense kernel is (in, out).
        place: "below" all blocks, in a "block", "above" them, or in a "head", which is no part of
            an encoder.
        where: the value of an `EncoderConfig` without which there is no such unit, or with which,
            after "!"; "" for always.
    """

    kind: str
    shape: str
    place: str
    where: str = ""

    def is_in(self, config) -> bool:
        """Whether models of an `EncoderConfig` may have it."""
        name = self.where.removeprefix("!")
        return not name or bool(getattr(config, name)) is not self.where.startswith("!")


_UNITS = """
embeddings/token             table      V,E   below
embeddings/position          table      P,E   below
embeddings/segment           table      S,E   below   type_vocab_size
embeddings/norm              norm       E     below
embeddings/projection        dense      E,D   below   has_projection
positions/relative           table      R,N   below   relative_buckets
{block}/attention/query      heads_in   D,D   block
{block}/attention/key        heads_in   D,D   block
{block}/attention/value      heads_in   D,D   block
{block}/attention/output     heads_out  D,D   block
{block}/attention/norm       norm       D     block
{block}/ffn/intermediate     dense      D,I   block
{block}/ffn/output           dense      I,D   block
{block}/ffn/norm             norm       D     block
pooler                       dense      D,D   above   pooler
mlm/transform                dense      D,E   head
mlm/norm                     norm       E     head
mlm/bias                     vector     V     head
nsp                          logits     D,2   head
sop                          logits     D,2   head
rtd/dense                    dense      D,D   head
rtd/logits                   dense      D,1   head
pre_classifier               dense      D,D   head    classifier_act
classifier                   logits     D,K   head
token_classifier             logits     D,K   head
crf/transitions              table      K,K   head
crf/starts                   vector     K     head
crf/ends                     vector     K     head
span                         logits     D,2   head
pre_choice                   dense      D,D   head    !pooler
choice                       logits     D,1   head
squad2/start                 dense      D,1   head
squad2/end_dense             dense      2D,D  head
squad2/end_norm              norm       D     head
squad2/end                   dense      D,1   head
squad2/answer_dense          dense      2D,D  head
squad2/answer                product    D,1   head
joint/start                  dense      D,1   head
joint/end_dense              dense      2D,512 head
joint/end                    dense      512,1 head
joint/answer_dense           dense      2D,512 head
joint/answer                 dense      512,1 head
"""
UNITS = {name: Unit(*row) for name, *row in map(str.split, _UNITS.strip().split("\n"))}
# What may follow the pooling of a sentence encoder, each module by its place there.
MODULES = 6
_MODULE = {"dense": ("dense", "K,K"), "residual": ("product", "K,K"), "norm": ("norm", "K")}
UNITS |= {
    f"vector/{name}_{place}": Unit(*row, "head")
    for place in range(MODULES)
    for name, row in _MODULE.items()
}
# What a head answers -> its units. Where a format has one name for several of these, it is that of
# the first, unless something says which.
HEADS = {
    "classes": ("pre_classifier", "classifier"),
    "tokens": ("token_classifier",),
    "crf": ("crf",),
    "spans": ("span",),
    "answerable_spans": ("squad2",),
    "joint_spans": ("joint",),
    "choice": ("pre_choice", "choice"),
    "next_sentence": ("nsp",),
    "sentence_order": ("sop",),
    "masked_lm": ("mlm",),
    "replaced_tokens": ("rtd",),
    "sentence": ("vector",),
}
SIZES = {
    "V": "vocab_size",
    "P": "max_position_embeddings",
    "S": "type_vocab_size",
    "E": "embedding_width",
    "D": "hidden_size",
    "I": "intermediate_size",
    "R": "relative_buckets",
    "N": "num_attention_heads",
}
TOKEN_TABLE = "embeddings/token"

# The variables of each kind, and which of them weight decay is for (google-research/bert,
# optimization.py: all but norms and biases).
_DENSE = {"kernel": True, "bias": False}
KINDS = {
    "table": {"": True},
    "vector": {"": False},
    "norm": {"gamma": False, "beta": False},
    "dense": _DENSE,
    "product": {"kernel": True},  # a dense layer without a bias
    "heads_in": _DENSE,  # a dense layer onto the heads, side by side
    "heads_out": _DENSE,  # and from them
    "logits": _DENSE,  # a dense layer onto classes; Google stores these transposed
}
# The same said of variables that have no row here, by names as Google's checkpoints and ours are
# spelled.
NO_DECAY = ("LayerNorm", "layer_norm", "(^|/)norm/", "bias")

_BLOCK = re.compile(r"layer_(\d+)|group_\d+_inner_\d+")
_FIRST_WORDS = {name.split("/")[0]: unit.place for name, unit in UNITS.items()}
_PARTS = {
    f"{name}/{part}".rstrip("/"): (name, part)
    for name, unit in UNITS.items()
    for part in KINDS[unit.kind]
}


def role_of(path: str) -> tuple[str, str] | None:
    """The unit of a variable and its part in it; None for one that has no row here.

    Args:
        path: a variable's, in whatever scopes, e.g. `encoder_1.layer_0/ffn/norm/gamma`.
    """
    words = ["{block}" if _BLOCK.fullmatch(word) else word for word in _words(path)]
    tails = ("/".join(words[i:]) for i in range(len(words)))
    return next((_PARTS[tail] for tail in tails if tail in _PARTS), None)


def decays(path: str) -> bool:
    """Whether weight decay is for a variable, as Google has it."""
    if role := role_of(path):
        unit, part = role
        return KINDS[UNITS[unit].kind][part]
    return not any(re.search(pattern, path) for pattern in NO_DECAY)


def block_of(path: str) -> str | None:
    """The name of the block that a variable lies in; None for others."""
    return next((word for word in _words(path)[:-1] if _BLOCK.fullmatch(word)), None)


def depth_of(path: str) -> int | None:
    """0 below the blocks, i + 1 in `layer_<i>`; None above, and in blocks that layers share."""
    if any(_FIRST_WORDS.get(word) == "below" for word in _words(path)[:-1]):
        return 0
    number = _BLOCK.fullmatch(block_of(path) or "")
    return int(number[1]) + 1 if number and number[1] else None


def head_of(name: str) -> str | None:
    """The head that one of our names belongs to: "mlm" for `mlm/bias`, None for the encoder's."""
    first = name.split("/")[0]
    return None if block_of(name) or _FIRST_WORDS.get(first) in ("below", "above") else first


def kind_of(names: Iterable[str]) -> str | None:
    """The first of `HEADS` that some of our names belong to; None: there is no head."""
    found = {head_of(name) for name in names}
    return next((kind for kind, parts in HEADS.items() if found.intersection(parts)), None)


def is_token_table(path: str) -> bool:
    """Whether a variable is the table that is looked up by rows, some of them twice a batch."""
    return role_of(path) == (TOKEN_TABLE, "")


def is_state(path: str) -> bool:
    """Whether a variable is the state of a dropout's random generator, which is no weight."""
    return path.endswith("seed_generator_state")


def _words(path):
    return re.split("[/.]", path)  # a further encoder's name stands before a dot
