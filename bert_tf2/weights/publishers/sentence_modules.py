"""What one module of sentence-transformers' folders says: followed, or refused by name.

A module has a folder of its own, with a config.json and perhaps weights. Source:
sentence-transformers 2 to 6, models/, base/modules/*.py, sparse_encoder/modules/*.py and
multi_vector_encoder/modules/*.py.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.files import read_json
from bert_tf2.messages import shorten
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.report import CheckpointError

# Their old words for a pooling, in the order in which the vectors of several are joined -> the new.
OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# What else a pooling says, old and new: where it says that alone, it is the mean.
_DIMENSIONS = ("word_embedding_dimension", "embedding_dimension")
ACTIVATIONS = {
    "linear": "torch.nn.modules.linear.Identity",
    "tanh": "torch.nn.modules.activation.Tanh",
    "relu": "torch.nn.modules.activation.ReLU",
    "gelu": "torch.nn.modules.activation.GELU",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
    "silu": "torch.nn.modules.activation.SiLU",
}
# Where the vectors of texts, and those of their tokens, stand among what modules hand on.
TEXT, TOKENS = "sentence_embedding", "token_embeddings"
_FILES = {"model.safetensors": "safetensors", "pytorch_model.bin": "torch"}


class Refused(ValueError):
    """A word that nothing here follows."""

    def __init__(self, place, word, wanted, received):
        super().__init__(f"{place}: {word} must be {wanted}. Received: {shorten(received)}")


def config_of(folder: Path, name: str = "config.json", schema: Mapping | None = None) -> dict:
    """The object in a JSON file; nothing where there is none."""
    file = folder / name
    return read_json(file, schema, error=CheckpointError) if file.is_file() else {}


def needed(folder: Path, schema: Mapping) -> dict:
    """The object in a module's config.json, without which its numbers mean nothing.

    Raises:
        CheckpointError: there is no such file, or not this in it.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise CheckpointError(f"{file} must say how the module computes. Received: no such file")
    return config_of(folder, schema=schema)


def only(folder: Path, values: Mapping, **wanted):
    """Refuses words that say something else than what is computed."""
    for word, value in wanted.items():
        if values.get(word) not in (None, value):
            raise Refused(folder.name, f"`{word}`", repr(value), values[word])


def activation(place: str, word: str, said: str) -> str:
    """Our name of one of torch's classes."""
    names = {theirs.rpartition(".")[2]: ours for ours, theirs in ACTIVATIONS.items()}
    if not str(said).startswith("torch.nn.") or said.rpartition(".")[2] not in names:
        raise Refused(place, word, f"one of {', '.join(ACTIVATIONS.values())}", said)
    return names[said.rpartition(".")[2]]


def pooling(folder: Path) -> dict:
    """What makes one vector of a text's tokens: settings of a `SentenceEncoder`."""
    schema = {"include_prompt?": bool, "pooling_mode?": (str, [str])}
    schema |= {f"{word}?": bool for word in OLD_POOLINGS}
    values = needed(folder, schema)
    if not any(word in values for word in (*_DIMENSIONS, "pooling_mode", *OLD_POOLINGS)):
        raise CheckpointError(
            f"{folder / 'config.json'} must say `pooling_mode`. Received: {shorten([*values])}"
        )
    modes = values.get("pooling_mode")
    for word in values:
        if word.startswith("pooling_mode_") and word not in OLD_POOLINGS and values[word]:
            raise Refused(folder.name, f"`{word}`", "false", values[word])
    if modes is None:
        modes = [new for old, new in OLD_POOLINGS.items() if values.get(old)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    unknown = [mode for mode in modes if mode not in OLD_POOLINGS.values()]
    if unknown or not modes:
        known = ", ".join(OLD_POOLINGS.values())
        raise Refused(folder.name, "`pooling_mode`", f"one or more of {known}", modes)
    return {"pooling": modes, "include_prompt": values.get("include_prompt", True)}


def splade(folder: Path) -> dict:
    """What makes weights of words of the logits of tokens: settings of a `SparseEncoder`."""
    values = needed(folder, {f"{word}?": str for word in _SPLADE})
    for word, known in _SPLADE.items():
        if values.get(word, known[0]) not in known:
            raise Refused(folder.name, f"`{word}`", f"one of {', '.join(known)}", values[word])
    return {word: values.get(word, known[0]) for word, known in _SPLADE.items()}


# Of weights of words, what there may be, the first where nothing is said.
_SPLADE = {"pooling_strategy": ("max", "sum"), "activation_function": ("relu", "log1p_relu")}


def mask(folder: Path) -> dict:
    """What says which tokens count: settings of a `MultiVectorEncoder`."""
    schema = {"skiplist_words?": ([str], None), "skiplist_tasks?": ([str], str, None)}
    values = needed(folder, schema)
    if values.get("keep_only_token_ids"):
        raise Refused(folder.name, "`keep_only_token_ids`", "null", values["keep_only_token_ids"])
    tasks = values.get("skiplist_tasks")
    tasks = [tasks] if isinstance(tasks, str) else tasks
    return {
        "skiplist_words": list(values.get("skiplist_words") or ()),
        "skiplist_tasks": ["document"] if tasks is None else list(tasks),
    }


def prompts(folder: Path, name: str, of_vectors: bool = False) -> dict:
    """`prompts`, where there are any, and `default_prompt_name`, where it is said.

    Args:
        name: of the file. of_vectors: whether "query" and "document" are "" where none is said.
    """
    schema = {"prompts?": ({str: (str, None)}, None), "default_prompt_name?": (str, None)}
    values = config_of(folder, name, schema)
    said = {name: text or "" for name, text in (values.get("prompts") or {}).items()}
    default = values.get("default_prompt_name")
    if of_vectors and default in ("query", "document"):
        said.setdefault(default, "")
    found = {"prompts": said} if said else {}
    return found | ({} if default is None else {"default_prompt_name": default})


# === What may follow ==============================================================================
# A folder, and the vectors that the module is to read, `TEXT` or `TOKENS` -> its settings, and its
# variables as `found` gives them.


def _dense(folder: Path, at: str) -> tuple[dict, dict]:
    schema = {"in_features": int, "out_features": int, "bias?": bool, "activation_function?": str}
    values = needed(folder, schema | {"use_residual?": bool})
    only(folder, values, module_input_name=at, module_output_name=at)
    said = values.get("activation_function", ACTIVATIONS["tanh"])
    act = activation(folder.name, "`activation_function`", said)
    sizes = (values["out_features"], values["in_features"])
    made = {
        "kind": "dense",
        "width": sizes[0],
        "activation": act,
        "bias": values.get("bias", True),
        "residual": values.get("use_residual", False),
    }
    shapes = {"linear.weight": sizes} | ({"linear.bias": sizes[:1]} if made["bias"] else {})
    if made["residual"] and sizes[0] != sizes[1]:
        shapes["residual.weight"] = sizes
    return made, found(folder, shapes)


def _norm(folder: Path, at: str) -> tuple[dict, dict]:
    if at != TEXT:
        raise Refused(folder.name, "a LayerNorm", "of one vector a text", at)
    width = needed(folder, {"dimension": int})["dimension"]
    return {"kind": "norm"}, found(folder, {f"norm.{part}": (width,) for part in _NORM})


_NORM = ("weight", "bias")


def _dropout(folder: Path, at: str) -> tuple[dict, dict]:
    if at != TEXT:
        raise Refused(folder.name, "a Dropout", "of one vector a text", at)
    values = needed(folder, {"dropout?": float})
    return {"kind": "dropout", "rate": values.get("dropout", 0.2)}, {}


def _normalize(folder: Path, at: str) -> tuple[dict, dict]:
    values = config_of(folder)
    if at != TEXT and values.get("module_input_name") != at:  # then it is of none
        raise Refused(folder.name, "`module_input_name`", repr(at), values.get("module_input_name"))
    only(folder, values, module_input_name=at, module_output_name=at)
    return {"kind": "normalize"}, {}


# By the module's class.
READERS = {"Dense": _dense, "LayerNorm": _norm, "Dropout": _dropout, "Normalize": _normalize}


def found(folder: Path, shapes: Mapping[str, tuple]) -> dict[str, tuple]:
    """Their name -> ((shape, dtype), (container, file, their name)).

    Of a pickle the shapes are the config's: it is opened for who reads it, and no one else.

    Raises:
        CheckpointError: there is no such file, or not these variables in it.
    """
    name = next((name for name in _FILES if (folder / name).is_file()), None)
    if name is None:
        raise CheckpointError(f"{folder} must hold one of {', '.join(_FILES)}. Received: neither")
    listed = {theirs: (shape, np.dtype("float32")) for theirs, shape in shapes.items()}
    if name == "model.safetensors":
        there = safetensors.list_variables(folder / name)
        if {theirs: shape for theirs, (shape, _) in there.items()} != dict(shapes):
            got = {theirs: shape for theirs, (shape, _) in there.items()}
            raise CheckpointError(
                f"{folder / name} must hold {shorten(dict(shapes), 200)}, as the config beside it "
                f"says. Received: {shorten(got, 200)}"
            )
        listed = there
    return {n: (about, (_FILES[name], folder / name, n)) for n, about in listed.items()}
