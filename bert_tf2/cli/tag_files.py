"""What tags and entities of a file are, beside the tags that a model knows."""

import logging

from bert_tf2.data.class_names import is_scheme, part, some, tag_parts
from bert_tf2.messages import shorten

LOGGER = logging.getLogger("bert_tf2")


def kind_of(tag):
    """The kind of a tag of a file that is read by a scheme, as IOB2."""
    return part(tag)[1]


def kinds_of(names):
    """The kinds of entities that a model's tags tell; of names without "O" also these, as kinds."""
    kinds = {kind for _, kind in tag_parts(names)} - {"O"}
    return kinds | ({*names} if "O" not in names else set())


def scheme_of_file(flags, names):
    """The `scheme` of `read_conll`: that of --scheme, or None for a model of tags that are no
    entities'.

    Args:
        names: the tags that a model knows, or None.
    """
    others = names is not None and not is_scheme(names)
    return None if flags.scheme == "none" or (flags.scheme == "any" and others) else flags.scheme


def _beside(tag):
    """Of B-x what shows that it is a tag of the kind x: I-x and x; and so of I-x."""
    return {f"I-{tag[2:]}", f"B-{tag[2:]}", tag[2:]} - {tag}


def check_kinds(path, found, known=None):
    """Raises a ValueError, with file and line, for an entity that is called by a tag of words, and
    says which kinds only look like one.

    Args:
        found: `Spans` of the file. known: what are kinds for certain, those of a model's tags.
    """
    labels = {label for row in found.spans for _, _, label in row}
    typed = {label for label in labels if label[:2] in ("B-", "I-")}
    typed -= known or set()
    are_tags = typed if typed >= labels - {"O"} else {x for x in typed if _beside(x) & labels}
    for line, row in zip(found.lines, found.spans, strict=True):
        for _, _, label in row:
            if label == "O" or label in are_tags:
                raise ValueError(
                    f"{path}, line {line}: an entity's label must be its kind, such as 'PER', and "
                    "no tag of a word (to train on kinds that begin so, name them by --labels). "
                    f"Received: {shorten(label, 40)}"
                )
    if typed:
        said = "%s: %s are kinds of entities here, and no tags of words, as which they begin"
        LOGGER.warning(said, path, some(sorted(typed)))
