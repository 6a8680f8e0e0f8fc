"""Hugging Face's config.json: its words, what silence means, and what is refused.

Source: the configuration_*.py and modeling_*.py of transformers 4 and 5.
"""

import re
from collections.abc import Mapping

from bert_tf2.messages import shorten
from bert_tf2.weights.config_words import ALIKE, ConfigWords, Dialect, Word, activation

# transformers' activations.py: the forms of one function, and nothing else that is called GELU.
_TANH_FORMS = ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate")
_ACTIVATIONS = {
    "gelu": "gelu_erf",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
    **dict.fromkeys(_TANH_FORMS, "gelu_tanh"),
    "gelu_python": "gelu_erf",
}
_DROPOUT = {"classifier_dropout_prob": "classifier_dropout"}
_SHARING = ("embedding_size", "num_hidden_groups", "inner_group_num")


def _words(more=(), renamed: Mapping = _DROPOUT, needed=(), without=(), **left_out) -> ConfigWords:
    alike = {*ALIKE, "layer_norm_eps", *more} - {*without}
    words = {name: name for name in sorted(alike)} | renamed
    words["hidden_act"] = activation("hidden_act", _ACTIVATIONS)
    return _only_these(ConfigWords(words, left_out, needed=needed))


def _only_these(theirs: ConfigWords) -> ConfigWords:
    """The same where words of other families count for nothing, as in transformers."""
    others = {*ALIKE, "layer_norm_eps", *_SHARING}
    return theirs._replace(unread=tuple(sorted(others - {*theirs.words})))


# The masked-word heads of these have the erf form of GELU, whatever `hidden_act` is.
_ELECTRA = _words(("embedding_size",), embedding_size=128, mlm_act="gelu_erf")
_ROBERTA = _words(
    renamed=_DROPOUT | {"position_padding_id": "pad_token_id"},
    needed=("position_padding_id",),  # positions are counted from it
    max_position_embeddings=512,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
    mlm_act="gelu_erf",
)


def _thirty_two(value):
    if value != 32:
        raise ValueError(f"must be 32, which transformers' code counts. Received: {shorten(value)}")
    return value


_MPNET = _words(
    renamed={"relative_buckets": Word("relative_attention_num_buckets", _thirty_two)},
    without=("type_vocab_size",),
    max_position_embeddings=512,
    mlm_act="gelu_erf",
)
_DISTILBERT = _only_these(
    ConfigWords(
        {
            "vocab_size": "vocab_size",
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": activation("activation", _ACTIVATIONS),
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
            "max_position_embeddings": "max_position_embeddings",
            "initializer_range": "initializer_range",
            "sinusoidal_positions": "sinusoidal_pos_embds",
            "classifier_dropout_prob": "seq_classif_dropout",
        },
        also=("hidden_size", "num_hidden_layers", "num_attention_heads"),  # its attribute_map
    )
)
# model_type, and the class for what we write.
_MODEL_TYPES = {
    "bert": ("bert", "BertModel"),
    "albert": ("albert", "AlbertModel"),
    "distilbert": ("distilbert", "DistilBertModel"),
    "electra": ("electra", "ElectraModel"),
    "electra_generator": ("electra", "ElectraForMaskedLM"),
    "roberta": ("roberta", "RobertaModel"),
    "xlm_roberta": ("xlm-roberta", "XLMRobertaModel"),
    "mpnet": ("mpnet", "MPNetModel"),
}
_ALSO_CALLED = {"camembert": "roberta"}  # the same model under another name
# transformers' classes: the family's part of the name comes first.
_CLASS = r"(?:TF|Flax)?(\w+?)(?:LMHead|PreTrained)?(?:Model|For\w+)"


def _family_of(values: Mapping, source: str) -> tuple[object, str | None]:
    """From `model_type`, or else the class."""
    said, classes = values.get("model_type"), values.get("architectures")
    classes = [str(name) for name in (classes if isinstance(classes, list) else [classes])]
    model_type = said
    if said is None:
        said = values.get("architectures") or None
        stems = {found[1].lower() for name in classes if (found := re.fullmatch(_CLASS, name))}
        kinds = [*(kind for kind, _ in _MODEL_TYPES.values()), *_ALSO_CALLED]
        model_type = next((kind for kind in kinds if stems == {kind.replace("-", "")}), None)
    if said is None:
        raise ValueError(
            f'{source} must say what the model is, by `model_type`, such as "bert", or '
            '`architectures`, such as ["BertModel"], as Hugging Face\'s do. It says neither.'
        )
    model_type = _ALSO_CALLED.get(str(model_type), model_type)
    found = {c: family for family, (kind, c) in _MODEL_TYPES.items() if kind == model_type}
    named = [family for c, family in found.items() if c in classes or f"TF{c}" in classes]
    return said, [*named, *found.values(), None][0]


def _pack(family: str, written: Mapping) -> dict:
    model_type, architecture = _MODEL_TYPES[family]
    return dict(written) | {"model_type": model_type, "architectures": [architecture]}


def _unpack(values: Mapping, source: str) -> Mapping:
    code = values.get("auto_map")
    if isinstance(code, Mapping) and any("Model" in str(name) for name in code):
        raise ValueError(
            f"{source}: `auto_map` says that code of its own computes the model, which nothing "
            f"here runs. Received: {shorten(code)}"
        )
    return values


CONFIG = Dialect(
    {
        "bert": _words(hidden_act="gelu_erf"),
        "albert": _words((*_SHARING, "classifier_dropout_prob"), {}),
        "distilbert": _DISTILBERT,
        "electra": _ELECTRA,
        "electra_generator": _ELECTRA,
        "roberta": _ROBERTA,
        "xlm_roberta": _ROBERTA,
        "mpnet": _MPNET,
    },
    _family_of,
    _pack,
    _unpack,
)
