"""The three JSON dialects of configs: their words for our fields, and what they mean by silence.

Google writes `bert_config.json` and `albert_config.json`, Hugging Face and keras-hub write
`config.json`. The first two share most names and differ in one meaning that costs 6e-4 when missed:
Google's "gelu" is the tanh approximation, Hugging Face's is the exact erf form. Ours is always
spelled out.

keras-hub has few settings: activation and epsilon are fixed by the class.

Sources: the configs of google-research/bert, albert and electra, and of transformers; keras-hub's
models/*/*_backbone.py.
"""

import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

ACTIVATIONS = ("gelu_tanh", "gelu_erf", "relu", "tanh", "linear")

# A family is a row of values: where it differs from BERT, whose values are the defaults below.
_ELECTRA = {
    "hidden_act": "gelu_erf",
    "pooler": False,
    "classifier_act": "gelu_erf",
    "classifier_drops_first": True,
}
_ROBERTA = {
    "hidden_act": "gelu_erf",
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "position_padding_id": 1,
    "classifier_act": "tanh",
    "classifier_drops_first": True,
}
FAMILIES = {
    "bert": {},
    "albert": {
        "embedding_size": 128,
        "num_hidden_groups": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.1,
    },
    "distilbert": {
        "hidden_act": "gelu_erf",
        "type_vocab_size": 0,
        "pooler": False,
        "attention_output_dropout_prob": 0.0,
        "classifier_act": "relu",
        "classifier_dropout_prob": 0.2,
    },
    "electra": _ELECTRA,
    "electra_generator": _ELECTRA,
    "roberta": _ROBERTA,
    "xlm_roberta": _ROBERTA,
}


class Dialect(NamedTuple):
    """How one publisher writes the config of one family.

    Attributes:
        activations: their word -> ours.
        words: our field -> their word.
        left_out: our field -> what leaving the word out means, where the family's row is not it.
        also: our fields that are understood under our names as well, where theirs is left out.
    """

    activations: Mapping[str, str]
    words: Mapping[str, str]
    left_out: Mapping[str, object]
    also: tuple[str, ...] = ()


_TANH = {"gelu": "gelu_tanh", "relu": "relu", "tanh": "tanh", "linear": "linear"}
_ERF = _TANH | {"gelu": "gelu_erf"}
# transformers' activations.py: the forms of one function, and nothing else that is called GELU.
_TANH_FORMS = ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate")
_ERF_OR_NEW = _ERF | dict.fromkeys(_TANH_FORMS, "gelu_tanh") | {"gelu_python": "gelu_erf"}
_ALIKE = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
)
_SHARING = ("embedding_size", "num_hidden_groups", "inner_group_num")
_DROPOUT = {"classifier_dropout_prob": "classifier_dropout"}


def _dialect(activations, alike=(), words=None, **left_out) -> Dialect:
    """`alike`: further fields that are spelled as ours; `words`: those that are not."""
    words = {name: name for name in (*_ALIKE, *alike)} | (words or {})
    return Dialect(activations, words, left_out)


_GOOGLE_ELECTRA = _dialect(_ERF, ("embedding_size",))
# transformers' masked-word heads of these have the erf form, whatever `hidden_act` is.
_HF_ELECTRA = _dialect(
    _ERF_OR_NEW,
    ("layer_norm_eps", "embedding_size"),
    _DROPOUT,
    embedding_size=128,
    mlm_act="gelu_erf",
)
_HF_ROBERTA = _dialect(
    _ERF_OR_NEW,
    ("layer_norm_eps",),
    _DROPOUT | {"position_padding_id": "pad_token_id"},
    max_position_embeddings=512,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
    mlm_act="gelu_erf",
)
_HF_DISTILBERT = {
    "vocab_size": "vocab_size",
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "max_position_embeddings": "max_position_embeddings",
    "initializer_range": "initializer_range",
    "sinusoidal_positions": "sinusoidal_pos_embds",
    "classifier_dropout_prob": "seq_classif_dropout",
}
# keras-hub has one rate for every dropout (see `_sayings`), and no word for the activation.
_KERAS = {
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_dim",
    "hidden_dropout_prob": "dropout",
    "max_position_embeddings": "max_sequence_length",
}
_KERAS_BERT = _KERAS | {"type_vocab_size": "num_segments"}
_KERAS_ALBERT = _KERAS_BERT | {
    "embedding_size": "embedding_dim",
    "num_hidden_groups": "num_groups",
    "inner_group_num": "num_inner_repetitions",
}
_KERAS_ELECTRA = _KERAS_BERT | {"vocab_size": "vocab_size", "embedding_size": "embedding_dim"}
# It counts positions by column, adds no segment, and leaves the pooler to its classifier.
_KERAS_ROBERTA = Dialect(
    {}, _KERAS, {"type_vocab_size": 0, "position_padding_id": None, "pooler": False}
)
_DIALECTS = {
    ("bert", "google"): _dialect(_TANH, type_vocab_size=16),
    ("albert", "google"): _dialect(_TANH, _SHARING),
    ("electra", "google"): _GOOGLE_ELECTRA,
    ("electra_generator", "google"): _GOOGLE_ELECTRA,
    ("bert", "huggingface"): _dialect(
        _ERF_OR_NEW, ("layer_norm_eps",), _DROPOUT, hidden_act="gelu_erf"
    ),
    ("albert", "huggingface"): _dialect(
        _ERF_OR_NEW, (*_SHARING, "layer_norm_eps", "classifier_dropout_prob")
    ),
    ("distilbert", "huggingface"): Dialect(
        _ERF_OR_NEW, _HF_DISTILBERT, {}, ("hidden_size", "num_hidden_layers", "num_attention_heads")
    ),
    ("electra", "huggingface"): _HF_ELECTRA,
    ("electra_generator", "huggingface"): _HF_ELECTRA,
    ("roberta", "huggingface"): _HF_ROBERTA,
    ("xlm_roberta", "huggingface"): _HF_ROBERTA,
    ("bert", "keras_hub"): Dialect({}, _KERAS_BERT, {}),
    ("albert", "keras_hub"): Dialect({}, _KERAS_ALBERT, {"project_embeddings": True}),
    ("distilbert", "keras_hub"): Dialect({}, _KERAS, {"attention_output_dropout_prob": None}),
    ("electra", "keras_hub"): Dialect(
        {}, _KERAS_ELECTRA, {"hidden_act": "gelu_tanh", "pooler": True}
    ),
    ("roberta", "keras_hub"): _KERAS_ROBERTA,
    ("xlm_roberta", "keras_hub"): _KERAS_ROBERTA,
}
# Hugging Face's model_type, and its class for what we write.
_MODEL_TYPES = {
    "bert": ("bert", "BertModel"),
    "albert": ("albert", "AlbertModel"),
    "distilbert": ("distilbert", "DistilBertModel"),
    "electra": ("electra", "ElectraModel"),
    "electra_generator": ("electra", "ElectraForMaskedLM"),
    "roberta": ("roberta", "RobertaModel"),
    "xlm_roberta": ("xlm-roberta", "XLMRobertaModel"),
}
_ALSO_CALLED = {"camembert": "roberta"}  # the same model under another name
# keras-hub's folder, and how its classes begin.
_KERAS_CLASSES = {
    "bert": ("bert", "Bert"),
    "albert": ("albert", "Albert"),
    "distilbert": ("distil_bert", "DistilBert"),
    "electra": ("electra", "Electra"),
    "roberta": ("roberta", "Roberta"),
    "xlm_roberta": ("xlm_roberta", "XLMRoberta"),
}


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


def read(
    values: Mapping, names: Iterable[str], source: str, publisher: str | None = None
) -> tuple[dict, dict[str, str]]:
    """A parsed JSON of any dialect -> our fields, as far as it and its family say them.

    Args:
        values: the parsed JSON. Unknown keys are ignored, as the original readers do.
        names: of our fields; they are understood beside the dialect's own words.
        source: where it came from, for messages.
        publisher: the dialect, where the weights beside it tell.

    Returns:
        our fields, and for each its name in this JSON.

    Raises:
        ValueError: the family or activation is not supported, or a word asks for more.
    """
    family, dialect = recognise(values, source, publisher)
    values = _sayings(values, source) if dialect == "keras_hub" else values
    _check_words(values, source)
    activations, words, left_out, also = _DIALECTS[family, dialect]
    words = {name: words.get(name, name) for name in names}
    words |= {name: name for name in also if words[name] not in values and name in values}
    said = {name: values[word] for name, word in words.items() if word in values}
    if "hidden_act" in said:
        known = {name: name for name in ACTIVATIONS} | activations
        if str(said["hidden_act"]) not in known:
            raise ValueError(
                f"{source}: `{words['hidden_act']}` must be one of {list(known)}. "
                f"Received: {reprlib.repr(said['hidden_act'])}"
            )
        said["hidden_act"] = known[said["hidden_act"]]
    counted = FAMILIES[family].get("position_padding_id") is not None
    if counted and dialect == "huggingface" and said.get("position_padding_id", 1) is None:
        raise ValueError(  # where transformers fails, too
            f"{source}: `{words['position_padding_id']}` must be an integer: positions are counted "
            "from it. Received: None"
        )
    return FAMILIES[family] | left_out | said | {"family": family}, words


def _check_words(values: Mapping, source: str) -> None:
    """Raises ValueError at a word that asks for what no family here computes."""
    for word, (known, why) in _ONLY.items():
        if word in values and values[word] not in known:
            said = reprlib.repr(values[word])
            raise ValueError(f"{source}: {why}. Received: `{word}`: {said}")
    code = values.get("auto_map")
    if isinstance(code, Mapping) and any("Model" in str(name) for name in code):
        raise ValueError(
            f"{source}: `auto_map` says that code of its own computes the model, which nothing "
            f"here runs. Received: {reprlib.repr(code)}"
        )


def write(fields: Mapping, dialect: str) -> dict:
    """Our fields -> the words of "google", "huggingface" or "keras_hub"; some fields have none.

    An activation without a word keeps ours, which their code refuses: better than another one.

    Raises:
        ValueError: the family is not published in this dialect.
    """
    family = fields["family"]
    if (family, dialect) not in _DIALECTS:
        raise ValueError(f"There is no {family} in the {dialect} dialect.")
    activations, words, *_ = _DIALECTS[family, dialect]
    written = {theirs: fields[ours] for ours, theirs in words.items()}
    if dialect == "keras_hub":
        return keras_object(family, "Backbone", written)
    spelled = {ours: theirs for theirs, ours in reversed(activations.items())}
    act = fields["hidden_act"]
    written[words["hidden_act"]] = spelled.get(act, act)
    if dialect == "huggingface":
        model_type, architecture = _MODEL_TYPES[family]
        written |= {"model_type": model_type, "architectures": [architecture]}
    elif family not in ("bert", "albert"):  # Google's code has no word that tells it
        written["family"] = family
    return written


def keras_object(family: str, kind: str, config: Mapping) -> dict:
    """A keras-hub object as Keras writes it, e.g. of `kind` "TextClassifierPreprocessor"."""
    folder, first = _KERAS_CLASSES[family]
    file = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()
    return {
        "module": f"keras_hub.src.models.{folder}.{folder}_{file}",
        "class_name": first + kind,
        "config": {"name": f"{folder}_{file}", "trainable": True} | config,
        "registered_name": f"keras_hub>{first}{kind}",
    }


def _sayings(values: Mapping, source: str) -> dict:
    """What a keras-hub object says, one level deep; what we wrote beside it counts most."""
    config = values.get("config")
    if not isinstance(config, Mapping):
        raise ValueError(f"{source} must have a `config` of the class. Received: {config!r}")
    both = {"attention_probs_dropout_prob": config["dropout"]} if "dropout" in config else {}
    return both | config | values


def words(family: str, dialect: str) -> Mapping[str, str]:
    """Our field -> the word for it that a publisher's own code reads."""
    return _DIALECTS[family, dialect].words


def recognise(values: Mapping, source: str, publisher: str | None = None) -> tuple[str, str]:
    """-> family and dialect of a parsed JSON, from its words and who wrote the weights."""
    if "registered_name" in values:
        said, dialect = values.get("class_name"), "keras_hub"
        found = {f"{first}Backbone": family for family, (_, first) in _KERAS_CLASSES.items()}
        family = found.get(said) if isinstance(said, str) else None
    elif publisher == "huggingface" or "model_type" in values or "architectures" in values:
        said, family = _in_transformers(values)
        dialect = "huggingface"
    else:
        # Google's ALBERT is told from its BERT by these, and its ELECTRA has no config: ours says.
        shared = any(name in values for name in _SHARING)
        said = family = values.get("family", "albert" if shared else "bert")
        dialect = "google"
    if said is None:
        raise ValueError(
            f'{source} must say what the model is, by `model_type`, such as "bert", or '
            '`architectures`, such as ["BertModel"], as Hugging Face\'s do. It says neither.'
        )
    if not isinstance(family, str) or (family, dialect) not in _DIALECTS:
        known = [name for name, theirs in _DIALECTS if theirs == dialect]
        raise ValueError(
            f"{source} describes a model of type {reprlib.repr(said)}; known are {known}."
        )
    return family, dialect


def _in_transformers(values: Mapping) -> tuple[object, str | None]:
    """-> what Hugging Face's config says that the model is, and the family; None: none known."""
    said, classes = values.get("model_type"), values.get("architectures")
    classes = [str(name) for name in (classes if isinstance(classes, list) else [classes])]
    model_type = said
    if said is None:  # then the classes tell
        said = values.get("architectures") or None
        stems = {found[1].lower() for name in classes if (found := re.fullmatch(_CLASS, name))}
        kinds = [*(kind for kind, _ in _MODEL_TYPES.values()), *_ALSO_CALLED]
        model_type = next((kind for kind in kinds if stems == {kind.replace("-", "")}), None)
    model_type = _ALSO_CALLED.get(str(model_type), model_type)
    found = {c: family for family, (kind, c) in _MODEL_TYPES.items() if kind == model_type}
    named = [family for c, family in found.items() if c in classes or f"TF{c}" in classes]
    return said, [*named, *found.values(), None][0]


# transformers' classes: the family's part of the name comes first.
_CLASS = r"(?:TF|Flax)?(\w+?)(?:LMHead|PreTrained)?(?:Model|For\w+)"
