"""What adapters there are, the settings of each, and the units of an encoder that they lie at."""

import dataclasses
import math
import re
from collections.abc import Mapping

import numpy as np

from bert_tf2.messages import checked_bool, shorten
from bert_tf2.modeling.functions import ACTIVATION_FUNCTIONS
from bert_tf2.weights import names

BIASES = ("none", "lora_only", "all")


@dataclasses.dataclass(frozen=True)
class LoRA:
    """A product of two thin matrices beside dense layers' kernels (Hu et al. 2021).

    The names and defaults are those of peft's `LoraConfig`.

    Args:
        rank: of the product. alpha: the product counts alpha / rank.
        dropout: of what goes into the product, in training.
        targets: the ends of names of dense layers, ours or the published ones ("query", "value",
            "dense", "attention/output", "q_lin"); or "all-linear".
        bias: which biases are trained, too: "none", "lora_only" of the targets, "all".
        use_rslora: the product counts alpha / sqrt(rank) (Kalajdzievski 2023).
        ranks, alphas: of single targets, where they have others: a dict by our names.
        train_head: whether the task's head is trained with it, and is the adapter's own.
    """

    rank: int = 8
    alpha: float = 8.0
    dropout: float = 0.0
    targets: tuple = ("query", "value")
    bias: str = "none"
    use_rslora: bool = False
    ranks: Mapping = dataclasses.field(default_factory=dict)
    alphas: Mapping = dataclasses.field(default_factory=dict)
    train_head: bool = True

    def __post_init__(self):
        for rank in (self.rank, *self.ranks.values()):
            _check("rank", rank, _is_count(rank), "an int from 1")
        for alpha in (self.alpha, *self.alphas.values()):
            _check("alpha", alpha, _is_number(alpha) and alpha > 0, "above 0")
        right = _is_number(self.dropout) and 0 <= self.dropout < 1
        _check("dropout", self.dropout, right, "from 0 to below 1")
        _check("bias", self.bias, self.bias in BIASES, f"one of {BIASES}")

    def scale_of(self, unit):
        """What the product at a unit counts."""
        rank = self.rank_of(unit)
        return self.alphas.get(unit, self.alpha) / (math.sqrt(rank) if self.use_rslora else rank)

    def rank_of(self, unit):
        """The rank at a unit."""
        return self.ranks.get(unit, self.rank)


@dataclasses.dataclass(frozen=True)
class Bottleneck:
    """Two small dense layers with an activation between, and a residual around them.

    Args:
        size: the width between them; default a sixteenth of the encoder's.
        activation: one of `functions.ACTIVATION_FUNCTIONS`.
        train_head: as of `LoRA`.
    """

    size: int | None = None
    activation: str = "gelu_tanh"
    train_head: bool = True

    places = ("attention", "ffn")
    before_norm = True  # read before the norm that follows, or behind it

    def __post_init__(self):
        _check("size", self.size, self.size is None or _is_count(self.size), "an int from 1")
        known = [*ACTIVATION_FUNCTIONS]
        _check("activation", self.activation, self.activation in known, f"one of {known}")


class Houlsby(Bottleneck):
    """`Bottleneck`s behind attention and behind the feed-forward layers (Houlsby et al. 2019)."""


@dataclasses.dataclass(frozen=True)
class Pfeiffer(Bottleneck):
    """A `Bottleneck` behind the feed-forward layers alone, read behind its norm (Pfeiffer et al.
    2021, "AdapterFusion", section 3)."""

    activation: str = "relu"

    places = ("ffn",)
    before_norm = False


@dataclasses.dataclass(frozen=True)
class Bias:
    """The biases of dense layers and norms alone (Ben Zaken et al. 2022, "BitFit").

    Args:
        targets: as of `LoRA`, and "norm"; or "all".
        train_head: as of `LoRA`.
    """

    targets: tuple | str = "all"
    train_head: bool = True


SWITCHES = {"use_rslora", "train_head"}
KINDS = {"lora": LoRA, "houlsby": Houlsby, "pfeiffer": Pfeiffer, "bias": Bias}


def settings_of(kind, config, given, unread=()):
    """The settings of an adapter of an encoder, an object of one of `KINDS`.

    Args:
        kind: a key of `KINDS`. config: the `EncoderConfig`.
        given: dict of them; targets become our units, in the order of the model.
        unread: units that the task does not compute with, which are no targets.

    Raises:
        ValueError: an unknown kind, a value that has no meaning, or a target that is not there.
        TypeError: a setting that the kind has not.
    """
    if kind not in KINDS:
        raise ValueError(f"An adapter must be one of {[*KINDS]}. Received: {kind!r}")
    known = [field.name for field in dataclasses.fields(KINDS[kind])]
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"Settings of {kind!r} are {known}. Received: {unknown}")
    for name in SWITCHES & {*given}:
        checked_bool(name, given[name])
    plain = {name: x.item() if isinstance(x, np.generic) else x for name, x in given.items()}
    settings = KINDS[kind](**plain)
    if kind in ("lora", "bias"):
        units = matched(config, settings.targets, with_norms=kind == "bias")
        units = tuple(unit for unit in units if unit not in unread)
        if not units:
            raise ValueError(
                f"`targets` must be read by the task, and {sorted(unread)} are not. Received: "
                f"{shorten(settings.targets)}"
            )
        settings = dataclasses.replace(settings, targets=units)
    if kind == "lora":
        for name in ("ranks", "alphas"):
            places = getattr(settings, name)
            right = {*places} <= {*settings.targets}
            _check(name, [*places], right, "of units among the targets, by our names")
    return settings


def their_modules(config):
    """dict of the units of an encoder that have biases to the modules' names in transformers."""
    try:
        table = names.variables(config, "huggingface")
    except ValueError:
        table = {}  # no such family there
    found = {}
    for name in names.expected_shapes(config):
        unit, _, part = name.rpartition("/")
        if part in ("bias", "beta"):
            found[unit] = table[name].theirs.rpartition(".")[0] if name in table else ""
    return found


def matched(config, targets, with_norms=False):
    """The units that some words name, by how our names or transformers' end, a list.

    Raises:
        ValueError: there is none of that name.
    """
    known = their_modules(config)
    if not with_norms:
        known = {unit: module for unit, module in known.items() if not is_norm(unit)}
    words = (targets,) if isinstance(targets, str) else tuple(targets or ())
    if words in (("all-linear",), ("all",)):
        return [*known]
    found = set()
    for word in words:
        here = {unit for unit, module in known.items() if named(word, unit, module)}
        if not here:
            raise ValueError(
                f"`targets` must be ends of names such as {shorten(_ends(known), 400)}, or "
                f'"all-linear". Received: {word!r}'
            )
        found |= here
    _check("targets", targets, bool(found), "one name or more")
    return [unit for unit in known if unit in found]


def named(word, unit, module):
    """Whether a word is the end of our unit's name, or of transformers' module's."""
    ours, theirs = f"/{unit}".endswith(f"/{word}"), f".{module}".endswith(f".{word}")
    return isinstance(word, str) and (ours or theirs)


def is_norm(unit):
    """Whether a unit is a norm."""
    return unit.endswith("/norm")


def _ends(known):
    """The short names that targets may have, ours and theirs."""
    ours = [re.sub("^.*/(?=(attention|ffn|embeddings)/)", "", unit) for unit in known]
    theirs = [module.rpartition(".")[2] for module in known.values()]
    return sorted({*(u.rpartition("/")[2] for u in ours), *ours, *theirs} - {""})


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value):
    return isinstance(value, int | float) and math.isfinite(value)


def _check(name, value, right, wanted):
    if not right:
        raise ValueError(f"`{name}` must be {wanted}. Received: {shorten(value)}")
