"""The publishers of checkpoints: all that one of them writes is in the modules of its name.

Each module has:
    FORMATS: name of a format -> how it stores things, and its tables of names by family.
    CONFIG: the `Dialect` of its JSON; None: it has none.
    infer: what a file with weights tells of its config by itself, if anything.
    metadata: what lies beside the weights.
and, where we write what it publishes:
    check: raises ValueError where its code would compute something else.
    write_folder: weights, config and whatever else, apart from the tokenizer's files.
    TOKENIZER_PLACES: our name of a tokenizer's file -> its place, where the two differ.
"""

from bert_tf2.weights.name_tables import Format, Naming
from bert_tf2.weights.publishers import google, huggingface, keras_hub, ours, tfhub

PUBLISHERS = {
    "bert_tf2": ours,
    "google": google,
    "huggingface": huggingface,
    "keras_hub": keras_hub,
    "tfhub": tfhub,
}
_ALL = [
    (name, format, stored, tables)
    for name, module in PUBLISHERS.items()
    for format, (stored, tables) in module.FORMATS.items()
]
PUBLISHER_OF: dict[str, str] = {format: name for name, format, _, _ in _ALL}
FORMATS: dict[str, Format] = {format: stored for _, format, stored, _ in _ALL}
NAMES: dict[tuple[str, str], Naming] = {
    (family, format): naming for _, format, _, tables in _ALL for family, naming in tables.items()
}
