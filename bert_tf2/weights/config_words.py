"""How a publisher's JSON says a config: its words for our fields, and what silence means.

Google writes `bert_config.json` and `albert_config.json`, Hugging Face and keras-hub write
`config.json`. The first two share most names and differ in one meaning that costs 6e-4 when missed:
Google's "gelu" is the tanh approximation, Hugging Face's is the exact erf form. Ours is always
spelled out.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bert_tf2.config import ACTIVATIONS, FAMILIES, EncoderConfig, check_field
from bert_tf2.messages import shorten

# All but the family, which each publisher says in a way of its own.
FIELDS = {f.name: f for f in dataclasses.fields(EncoderConfig) if f.name != "family"}
# Those that most publishers call as we do.
ALIKE = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
)

# Words that change what is computed: all that they may say here, and why.
_SAYS_NOTHING = (None, False, {})
_ONLY = {
    "position_embedding_type": (("absolute",), "only absolute position embeddings are known"),
    "is_decoder": (_SAYS_NOTHING, "a decoder's attention, which sees no later token, is not known"),
    "is_encoder_decoder": (_SAYS_NOTHING, "models with a decoder are not known"),
    "add_cross_attention": (_SAYS_NOTHING, "attention to another model is not known"),
    "pruned_heads": (_SAYS_NOTHING, "layers with heads of their own number are not known"),
    "per_layer_config": (_SAYS_NOTHING, "layers with sizes of their own are not known"),
    "quantization_config": (_SAYS_NOTHING, "quantised weights cannot be loaded"),
}


def _same(value):
    return value


class Word(NamedTuple):
    """A publisher's word for one of our fields, where it is more than another name.

    Attributes:
        name: theirs.
        read: their value -> ours; it raises ValueError at one that it does not know.
        write: our value -> theirs.
    """

    name: str
    read: Callable = _same
    write: Callable = _same


class ConfigWords(NamedTuple):
    """How one publisher writes the config of one family.

    Attributes:
        words: our field -> their name of it, or a `Word`.
        left_out: our field -> what leaving the word out means, where the family's row is not it.
        also: our fields that are understood under our names as well, where theirs is left out.
        needed: our fields that must not be null.
        unread: our fields that other families say by this name and this one's code does not read.
    """

    words: Mapping[str, str | Word]
    left_out: Mapping[str, object] = MappingProxyType({})
    also: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class Dialect(NamedTuple):
    """How one publisher writes configs.

    Attributes:
        families: family -> `ConfigWords`.
        family_of: parsed JSON and its source -> what it says that the model is, and the family;
            None: unknown.
        pack: family, words -> the JSON.
        unpack: parsed JSON and its source -> the words in one mapping.
    """

    families: Mapping[str, ConfigWords]
    family_of: Callable[[Mapping, str], tuple[object, str | None]]
    pack: Callable[[str, Mapping], dict]
    unpack: Callable[[Mapping, str], Mapping] = lambda values, source: values


def activation(name: str, spellings: Mapping[str, str]) -> Word:
    """A word for an activation. Ours are understood, too.

    One without a word keeps ours, which their code refuses: better than another one.
    """
    known = {act: act for act in ACTIVATIONS} | dict(spellings)
    theirs = {ours: word for word, ours in reversed(spellings.items())}

    def read(value):
        if str(value) not in known:
            raise ValueError(f"must be one of {list(known)}. Received: {shorten(value)}")
        return known[str(value)]

    return Word(name, read, lambda act: theirs.get(act, act))


def parse(dialect: Dialect, values: Mapping, source: str) -> EncoderConfig:
    """The config that a parsed JSON of a publisher says.

    Args:
        values: the parsed JSON. Unknown keys are ignored, as the original readers do, but for those
            that change what is computed. Our own names are understood where a dialect has no word.
        source: where it came from, for messages.

    Raises:
        ValueError: the family is not supported or not said, a size is missing, a value is out of
            range, or a word asks for what is not computed here.
    """
    said, family = dialect.family_of(values, source)
    if not isinstance(family, str) or family not in dialect.families:
        raise ValueError(
            f"{source} describes a model of type {shorten(said)}; known are "
            f"{list(dialect.families)}."
        )
    values = dialect.unpack(values, source)
    for word, (known, why) in _ONLY.items():
        if word in values and values[word] not in known:
            got = shorten(values[word])
            raise ValueError(f"{source}: {why}. Received: `{word}`: {got}")
    return _config(dialect.families[family], family, values, source)


def _config(theirs: ConfigWords, family: str, values: Mapping, source: str) -> EncoderConfig:
    words = {field: _word(theirs.words.get(field, field)) for field in FIELDS}
    for field in theirs.also:
        if words[field].name not in values and field in values:
            words[field] = Word(field)
    needed = [name for name, field in FIELDS.items() if field.default is dataclasses.MISSING]
    missing = [(n, words[n].name) for n in needed if words[n].name not in values]
    if missing:
        said = [ours if ours == there else f"{ours} (there {there})" for ours, there in missing]
        raise ValueError(f"{source} lacks {', '.join(said)}.")
    fields = dict(FAMILIES[family]) | theirs.left_out
    for field, word in words.items():
        if word.name in values and field not in theirs.unread:
            fields[field] = _value(FIELDS[field], word, values[word.name], source)
        if field in theirs.needed and fields.get(field) is None:
            raise ValueError(f"{source}: `{word.name}` must be an integer. Received: None")
    try:
        return EncoderConfig(family=family, **fields)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _value(field: dataclasses.Field, word: Word, value, source: str):
    try:
        return check_field(field, word.read(value), word.name)
    except ValueError as error:
        named = "" if str(error).startswith("`") else f"`{word.name}` "
        raise ValueError(f"{source}: {named}{error}") from error


def write(dialect: Dialect, config: EncoderConfig) -> dict:
    """Their words, and under our own names whatever these would be misunderstood in.

    Raises:
        ValueError: a value that the family's code does not read, and has another in its place.
    """
    family, ours = config.family, config.to_dict()
    said = ours | {"embedding_size": config.embedding_width}
    words = {f: _word(word) for f, word in dialect.families[family].words.items()}
    written = dialect.pack(family, {w.name: w.write(said[f]) for f, w in words.items()})
    understood = parse(dialect, written, "config").to_dict()
    others = {name: x for name, x in ours.items() if x != understood[name]}
    for name in others.keys() & {*dialect.families[family].unread}:
        raise ValueError(
            f"`{name}` must be {understood[name]}, which is what this format's code computes a "
            f"{family} with: it has no word for another. Received: {others[name]}"
        )
    return written | others


def names_of(dialect: Dialect, family: str) -> set[str]:
    """The words that a publisher's own code reads."""
    return {_word(word).name for word in dialect.families[family].words.values()}


def _word(word: str | Word) -> Word:
    return word if isinstance(word, Word) else Word(word)
