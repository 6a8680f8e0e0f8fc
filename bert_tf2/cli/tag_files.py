"""What tags and entities of a file are, beside the tags that a model knows."""

from bert_tf2.data.class_names import has_letter
from bert_tf2.messages import shorten


def kind_of(tag):
    """What a tag tells: the type of an entity, or itself."""
    return tag[2:] if has_letter(tag) else tag


def is_entity_tag(name):
    """Whether a tag is "O", or a letter and a type."""
    return name == "O" or has_letter(name)


def scheme_of_file(flags, names):
    """The `scheme` of `read_conll`: that of --scheme, or None for a model of tags that are no
    entities'.

    Args:
        names: the tags that a model knows, or None.
    """
    others = names is not None and not all(map(is_entity_tag, names))
    return None if flags.scheme == "none" or (flags.scheme == "any" and others) else flags.scheme


def check_kinds(path, found):
    """Raises a ValueError, with file and line, for an entity that is called by a tag of words.

    Args:
        found: `Spans` of the file.
    """
    for line, row in zip(found.lines, found.spans, strict=True):
        for _, _, label in row:
            if label == "O" or label[:2] in ("B-", "I-"):
                raise ValueError(
                    f"{path}, line {line}: an entity's label must be its kind, such as 'PER', and "
                    f"no tag of a word. Received: {shorten(label, 40)}"
                )
