"""What every variable is called here and in each format: all publishers' tables, by name."""

from collections.abc import Iterable
from dataclasses import replace

from bert_tf2.config import EncoderConfig
from bert_tf2.weights import name_tables, units
from bert_tf2.weights.name_tables import Naming, Variable, joined, their_unit
from bert_tf2.weights.publishers import FORMATS, NAMES
from bert_tf2.weights.report import CheckpointError, fold

expected_shapes = name_tables.expected_shapes
head_of, kind_of = units.head_of, units.kind_of


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


def variables(config: EncoderConfig, format: str, head: str | None = None) -> dict[str, Variable]:
    """`name_tables.written_out` of a format's table for the config's family.

    Raises:
        ValueError: the format has no names for the family.
    """
    names = naming(config, format)
    return name_tables.written_out(config, FORMATS[format], names, head)


def respelled(name: str, format: str) -> str:
    """A name in a file -> as the tables spell it, the prefix apart that files may leave out."""
    return name_tables.respelled(name, FORMATS[format])


def outer_prefix(config: EncoderConfig, format: str, listed: Iterable[str]) -> str:
    """What stands before all names of a file that holds the model inside of another one.

    Such as "module." of torch's DataParallel, or "0.auto_model." of sentence-transformers; ""
    where the token table has its own name.

    Raises:
        CheckpointError: there are several such tables.
    """
    names, prefix, *_ = naming(config, format)
    stored = FORMATS[format]
    unit = their_unit(stored, config, names["embeddings/token"])
    table = joined(stored.separator, unit, stored.parts["table"][""])
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
    of its own. Hugging Face's ALBERT has a projection even between equal sizes, and the classifier
    of Google's ELECTRA no dense layer.
    """
    names, prefix, *_ = naming(config, format)
    listed = [respelled(name, format) for name in listed]

    def has(unit):
        theirs = their_unit(FORMATS[format], config, names.get(unit, " "))  # no name has a space
        return any(name.startswith((theirs, theirs.removeprefix(prefix))) for name in listed)

    if config.family == "albert" and has("embeddings/projection"):
        config = replace(config, project_embeddings=True)
    if format == "google" and config.family == "electra" and has("classifier"):
        config = replace(config, classifier_act=None, classifier_drops_first=False)
    if config.pooler and not has("pooler"):
        config = replace(config, pooler=False, classifier_act=config.classifier_act or "tanh")
    return config
