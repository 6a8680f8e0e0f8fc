"""What an encoder is made of: one frozen record of values, read from two JSON dialects.

Google writes `bert_config.json`, Hugging Face writes `config.json`. They share most names and
differ in one meaning that costs 6e-4 when missed: Google's "gelu" is the tanh approximation,
Hugging Face's is the exact erf form. Here the activation is always spelled out.

Sources: google-research/bert `modeling.py` (BertConfig), transformers `configuration_bert.py`.
"""

import dataclasses
import json
from pathlib import Path

ACTIVATIONS = ("gelu_tanh", "gelu_erf", "relu", "tanh", "linear")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The sizes and choices of one encoder.

    Args:
        vocab_size: number of rows V of the token table.
        hidden_size: width D of every token vector.
        num_hidden_layers: number of transformer blocks.
        num_attention_heads: heads N; `hidden_size` is a multiple of it.
        intermediate_size: width of the feed-forward layer.
        family: "bert" (the table is open for others).
        hidden_act: one of "gelu_tanh", "gelu_erf", "relu", "tanh", "linear".
        hidden_dropout_prob: dropout after each dense layer and the embeddings, in training only.
        attention_probs_dropout_prob: dropout on the attention weights, in training only.
        max_position_embeddings: the longest sequence.
        type_vocab_size: number of segments.
        initializer_range: standard deviation of the truncated normal initialiser.
        layer_norm_eps: epsilon inside LayerNorm's square root.

    Raises:
        ValueError: a size is not a positive integer, a probability is outside [0, 1), the heads do
            not divide the width, or the activation or family is unknown.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    family: str = "bert"
    hidden_act: str = "gelu_tanh"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"`{field.name}` must be an integer. Received: {value!r}")
            if field.type is int and value < 1:
                raise ValueError(f"`{field.name}` must be at least 1. Received: {value}")
            if field.name.endswith("_prob") and not 0 <= value < 1:
                raise ValueError(f"`{field.name}` must be in [0, 1). Received: {value}")
        if self.layer_norm_eps <= 0:
            raise ValueError(f"`layer_norm_eps` must be above 0. Received: {self.layer_norm_eps}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                "`hidden_size` must be a multiple of `num_attention_heads`. "
                f"Received: {self.hidden_size} and {self.num_attention_heads}"
            )
        if self.family not in _DIALECTS:
            raise ValueError(f"`family` must be one of {list(_DIALECTS)}. Received: {self.family}")
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(
                f"`hidden_act` must be one of {list(ACTIVATIONS)}. Received: {self.hidden_act!r}"
            )

    def to_dict(self) -> dict:
        """Every field by name; `EncoderConfig(**cfg.to_dict()) == cfg`."""
        return dataclasses.asdict(self)

    def to_google(self) -> dict:
        """The content of a `bert_config.json`.

        Google's code has no word for the erf form of GELU. It is written as "gelu_erf", which
        `read_config` understands and Google's code refuses: better than computing something else.
        Nor has it one for an epsilon other than 1e-12; `layer_norm_eps` is then added for us.
        """
        extra = {"layer_norm_eps": self.layer_norm_eps} if self.layer_norm_eps != 1e-12 else {}
        return _write(self, "google") | extra

    def to_huggingface(self) -> dict:
        """The content of a Hugging Face `config.json`."""
        words = {"model_type": self.family, "architectures": ["BertModel"]}
        return words | _write(self, "huggingface") | {"layer_norm_eps": self.layer_norm_eps}


# --- The dialects: what each says for our activations, and what it means by leaving a word out. --

_ACTIVATION_WORDS = {
    "google": {"gelu": "gelu_tanh", "relu": "relu", "tanh": "tanh", "linear": "linear"},
    "huggingface": {
        "gelu": "gelu_erf",
        "gelu_new": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "relu": "relu",
        "tanh": "tanh",
        "linear": "linear",
    },
}
_LEFT_OUT = {
    "google": {"type_vocab_size": 16, "hidden_act": "gelu"},  # BertConfig's own defaults
    "huggingface": {"type_vocab_size": 2, "hidden_act": "gelu"},
}
# Family -> the fields both dialects spell alike. A family with other words gets a row here.
_DIALECTS = {
    "bert": (
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
}


def parse_config(values: dict, source: str = "config") -> EncoderConfig:
    """Reads one of the two dialects, told apart by `model_type`, which only Hugging Face writes.

    Args:
        values: the parsed JSON. Unknown keys are ignored, as the original readers do.
        source: where it came from, for messages.

    Raises:
        ValueError: the family is not supported, a size is missing, or a value is out of range.
    """
    dialect = "huggingface" if "model_type" in values or "architectures" in values else "google"
    family = values.get("model_type", "bert")
    if family not in _DIALECTS:
        raise ValueError(
            f"{source} describes a model of type {family!r}; known are {list(_DIALECTS)}."
        )
    if values.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError(
            f"{source}: only absolute position embeddings are known. "
            f"Received: {values['position_embedding_type']!r}"
        )
    values = _LEFT_OUT[dialect] | values
    words = {name: name for name in ACTIVATIONS} | _ACTIVATION_WORDS[dialect]
    if values["hidden_act"] not in words:
        raise ValueError(
            f"{source}: `hidden_act` must be one of {list(words)}. "
            f"Received: {values['hidden_act']!r}"
        )
    fields = {name: values[name] for name in _DIALECTS[family] if name in values}
    if "layer_norm_eps" in values:
        fields["layer_norm_eps"] = values["layer_norm_eps"]
    required = [f.name for f in dataclasses.fields(EncoderConfig) if f.default is f.default_factory]
    missing = [name for name in required if name not in fields]
    if missing:
        raise ValueError(f"{source} lacks {', '.join(missing)}. It has: {sorted(values)}")
    try:
        return EncoderConfig(family=family, hidden_act=words[values["hidden_act"]], **fields)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{source}: {error}") from error


def read_config(path: str | Path) -> EncoderConfig:
    """Reads a `bert_config.json` or a Hugging Face `config.json`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or `parse_config` refuses it.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # covers bad JSON and bad UTF-8
        raise ValueError(f"{path} is not a JSON file: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a JSON object. Received: {type(values).__name__}")
    return parse_config(values, str(path))


def _write(config: EncoderConfig, dialect: str) -> dict:
    words = {ours: theirs for theirs, ours in reversed(_ACTIVATION_WORDS[dialect].items())}
    fields = {name: getattr(config, name) for name in _DIALECTS[config.family]}
    return fields | {"hidden_act": words.get(config.hidden_act, config.hidden_act)}


# --- Google's published BERT models: name -> layers, width, heads, vocabulary. --
# https://github.com/google-research/bert, "Pre-trained models"; the inner width is always 4 D.

_UNCASED, _CASED, _MULTI_CASED, _MULTI_UNCASED, _CHINESE = 30522, 28996, 119547, 105879, 21128
_SIZES = {
    "uncased_L-12_H-768_A-12": (12, 768, 12, _UNCASED),
    "uncased_L-24_H-1024_A-16": (24, 1024, 16, _UNCASED),
    "cased_L-12_H-768_A-12": (12, 768, 12, _CASED),
    "cased_L-24_H-1024_A-16": (24, 1024, 16, _CASED),
    "wwm_uncased_L-24_H-1024_A-16": (24, 1024, 16, _UNCASED),
    "wwm_cased_L-24_H-1024_A-16": (24, 1024, 16, _CASED),
    "multi_cased_L-12_H-768_A-12": (12, 768, 12, _MULTI_CASED),
    "multilingual_L-12_H-768_A-12": (12, 768, 12, _MULTI_UNCASED),
    "chinese_L-12_H-768_A-12": (12, 768, 12, _CHINESE),
    **{
        f"uncased_L-{layers}_H-{width}_A-{width // 64}": (layers, width, width // 64, _UNCASED)
        for layers in (2, 4, 6, 8, 10, 12)
        for width in (128, 256, 512, 768)
    },
}

VARIANTS = {
    name: EncoderConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    for name, (layers, width, heads, vocabulary) in _SIZES.items()
}
