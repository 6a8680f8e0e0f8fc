"""The formats: one table of how each stores things, one of what it calls them, family by family."""

from bert_tf2.weights.formats import google, huggingface, huggingface_tf, keras_hub, ours, tfhub
from bert_tf2.weights.formats.format import Format, Naming

_ALL = {
    "bert_tf2": ours,
    "google": google,
    "huggingface": huggingface,
    "huggingface_tf": huggingface_tf,
    "keras_hub": keras_hub,
    "tfhub": tfhub,
}

FORMATS: dict[str, Format] = {name: module.FORMAT for name, module in _ALL.items()}
NAMES: dict[tuple[str, str], Naming] = {
    (family, name): naming
    for name, module in _ALL.items()
    for family, naming in module.NAMES.items()
}
