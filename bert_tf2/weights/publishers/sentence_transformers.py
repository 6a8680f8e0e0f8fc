"""sentence-transformers' folders: Hugging Face's, and modules that make one vector of a text.

`modules.json` lists the modules: a Transformer, a Pooling, and what may follow, each with a folder
of its own. What they say becomes the settings of a `SentenceEncoder`; what nothing here computes is
refused by name, for who wants that. Source: sentence-transformers 2 to 6, models/ and
base/modules/*.py.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.files import read_bytes, read_json
from bert_tf2.messages import cut, shorten
from bert_tf2.schema import parse_json
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource
from bert_tf2.weights.units import MODULES

CLASS = "SentenceEncoder"  # the task that these folders are of
RERANKER, CROSS = "Reranker", "CrossEncoder"
LIST, SETTINGS = "modules.json", "config_sentence_transformers.json"
PACKAGE = "sentence_transformers"
LENGTHS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta")
)
# Their old words for a pooling, in the order in which the vectors of several are joined -> the new.
OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = {
    "linear": "torch.nn.modules.linear.Identity",
    "tanh": "torch.nn.modules.activation.Tanh",
    "relu": "torch.nn.modules.activation.ReLU",
    "gelu": "torch.nn.modules.activation.GELU",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
    "silu": "torch.nn.modules.activation.SiLU",
}
_FILES = {"model.safetensors": "safetensors", "pytorch_model.bin": "torch"}
_VECTOR = "sentence_embedding"


class _Refused(ValueError):
    """A word that nothing here follows."""

    def __init__(self, place, word, wanted, received):
        super().__init__(f"{place}: {word} must be {wanted}. Received: {shorten(received)}")


@dataclasses.dataclass(frozen=True)
class Sentences:
    """What a folder says besides its encoder.

    Attributes:
        encoder: where the encoder's files lie.
        settings: of a `SentenceEncoder`.
        length: the longest text, in tokens; None: as the tokenizer says.
        lowercase: whether texts must be lower-cased.
        variables: "modules.0.linear.weight", with the place among what follows the pooling ->
            (shape, dtype), as in `Checkpoint`.
        places: the same name -> (container, file, the name there).
        refused: what is said and nothing here follows, as a text; "" for nothing.
    """

    encoder: Path
    settings: Mapping = dataclasses.field(default_factory=dict)
    length: int | None = None
    lowercase: bool = False
    variables: Mapping[str, tuple] = dataclasses.field(default_factory=dict)
    places: Mapping[str, tuple] = dataclasses.field(default_factory=dict)
    refused: str = ""

    def task(self, tokenizer: TokenizerSource) -> dict:
        """What a checkpoint says of its task."""
        why = self.refused
        if self.lowercase and not tokenizer.with_case().lowercase:
            why = "`do_lower_case` must be false, or as the tokenizer's files have it"
        if why:
            why = (
                f"The folder's modules ask for what nothing here computes: {cut(why, 300)}. Its "
                "encoder can be used without them (`Encoder.from_preset`)."
            )
        lengths = {"max_length": self.length} if self.length else {}
        said = {"class": CLASS, "settings": dict(self.settings), "preprocessor": lengths}
        return said | ({"refused": why} if why else {})


def find(folder: Path) -> Sentences | None:
    """What a folder with a `modules.json` says; None for others.

    Raises:
        CheckpointError: a file that is no JSON, or holds something else than it should.
    """
    file = folder / LIST
    if not file.is_file() or _config(folder, SETTINGS).get("model_type") == CROSS:
        return None
    # A list, and what is read here are objects.
    content = b'{"modules": ' + read_bytes(file, error=CheckpointError).strip() + b"}"
    schema = {"modules": [{"path": str, "type": str}]}
    modules = parse_json(content, file, schema, CheckpointError)["modules"]
    encoder = _inside(folder, modules[0]["path"]) if modules else folder
    try:
        kinds = [_kind(module) for module in modules]
        if kinds[:2] != ["Transformer", "Pooling"]:
            raise _Refused(LIST, "the first modules", "Transformer and Pooling", kinds)
        settings, variables, places = _pooling(folder, modules[1]), {}, {}
        settings |= _settings(folder)
        following = list(zip(kinds, modules, strict=True))[2:]
        if len(following) > MODULES:
            raise _Refused(LIST, "modules", f"at most {MODULES} after the Pooling", kinds)
        settings["modules"] = []
        for place, (kind, module) in enumerate(following):
            made, found = _READERS[kind](_inside(folder, module["path"]))
            settings["modules"].append(made)
            for name, (about, there) in found.items():
                variables[f"modules.{place}.{name}"] = about
                places[f"modules.{place}.{name}"] = there
        length, lowercase = _length(encoder)
    except _Refused as error:
        return Sentences(encoder, refused=str(error))
    return Sentences(encoder, settings, length, lowercase, variables, places)


def _inside(folder: Path, path: str) -> Path:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise CheckpointError(f"{folder / LIST}: `path` must be a folder below. Received: {path}")
    return folder / path


def _kind(module: Mapping) -> str:
    """The class of a module; of what is not sentence-transformers' own the whole name."""
    package, _, name = module["type"].rpartition(".")
    known = ("Transformer", "Pooling", *_READERS)
    if package.partition(".")[0] != PACKAGE or name not in known:
        raise _Refused(LIST, "`type`", f"one of {', '.join(known)}", module["type"])
    return name


def _config(folder: Path, name: str = "config.json", schema: Mapping | None = None) -> dict:
    file = folder / name
    return read_json(file, schema, error=CheckpointError) if file.is_file() else {}


def _only(folder: Path, values: Mapping, **only):
    """Refuses words that say something else than what is computed."""
    for word, wanted in only.items():
        if values.get(word) not in (None, wanted):
            raise _Refused(folder.name, f"`{word}`", repr(wanted), values[word])


def _pooling(folder: Path, module: Mapping) -> dict:
    schema = {"include_prompt?": bool, "pooling_mode?": (str, [str])}
    schema |= {f"{word}?": bool for word in OLD_POOLINGS}
    values = _config(_inside(folder, module["path"]), schema=schema)
    modes = values.get("pooling_mode")
    for word in values:
        if word.startswith("pooling_mode_") and word not in OLD_POOLINGS and values[word]:
            raise _Refused(module["path"], f"`{word}`", "false", values[word])
    if modes is None:
        modes = [new for old, new in OLD_POOLINGS.items() if values.get(old)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    unknown = [mode for mode in modes if mode not in OLD_POOLINGS.values()]
    if unknown or not modes:
        known = ", ".join(OLD_POOLINGS.values())
        raise _Refused(module["path"], "`pooling_mode`", f"one or more of {known}", modes)
    return {"pooling": modes, "include_prompt": values.get("include_prompt", True)}


def _settings(folder: Path) -> dict:
    schema = {
        "prompts?": {str: (str, None)},
        "default_prompt_name?": (str, None),
        "similarity_fn_name?": (str, None),
        "truncate_dim?": (int, None),
        "model_type?": str,
    }
    values = _config(folder, SETTINGS, schema)
    _only(folder / SETTINGS, values, model_type="SentenceTransformer")
    words = ("default_prompt_name", "similarity_fn_name", "truncate_dim")
    said = {word: values[word] for word in words if values.get(word) is not None}
    prompts = {n: text for n, text in values.get("prompts", {}).items() if text is not None}
    return said | {"prompts": prompts}


def _length(folder: Path) -> tuple[int | None, bool]:
    """The longest text, and whether it is lower-cased."""
    schema = {"max_seq_length?": (int, None), "do_lower_case?": (bool, None)}
    name = next((name for name in LENGTHS if (folder / name).is_file()), LENGTHS[0])
    values = _config(folder, name, schema)
    task = values.get("transformer_task")
    if task not in (None, "feature-extraction"):
        raise _Refused(name, "`transformer_task`", "feature-extraction", task)
    _only(folder / name, values, module_output_name="token_embeddings", processing_kwargs={})
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    if (values.get("modality_config") or {}).get("text", forward) != forward:
        raise _Refused(name, "`modality_config`", f"text: {forward}", values["modality_config"])
    return values.get("max_seq_length"), bool(values.get("do_lower_case"))


def _activation(place: str, word: str, said: str) -> str:
    """Our name of one of torch's classes."""
    names = {theirs.rpartition(".")[2]: ours for ours, theirs in ACTIVATIONS.items()}
    if not str(said).startswith("torch.nn.") or said.rpartition(".")[2] not in names:
        raise _Refused(place, word, f"one of {', '.join(ACTIVATIONS.values())}", said)
    return names[said.rpartition(".")[2]]


def reranker(values: Mapping, folder: Path) -> dict | None:
    """What a checkpoint says of its task where it is one of their cross-encoders; else None.

    Args:
        values: of its config.json. folder: where that lies.
    """
    said = values.get("sentence_transformers")
    said = said.get("activation_fn") if isinstance(said, Mapping) else None
    said = said or values.get("sbert_ce_default_activation_function")
    beside = _config(folder, SETTINGS)
    if beside.get("model_type") == CROSS:
        said = beside.get("activation_fn") or said
    if said is None:
        return None
    try:
        settings = {"activation": _activation("config.json", "`activation_fn`", said)}
    except _Refused as error:
        return {"class": RERANKER, "refused": cut(str(error), 400)}
    return {"class": RERANKER, "settings": settings}


def _dense(folder: Path) -> tuple[dict, dict]:
    schema = {"in_features": int, "out_features": int, "bias?": bool, "activation_function?": str}
    values = _config(folder, schema=schema | {"use_residual?": bool})
    _only(folder, values, module_input_name=_VECTOR, module_output_name=_VECTOR)
    said = values.get("activation_function", ACTIVATIONS["tanh"])
    act = _activation(folder.name, "`activation_function`", said)
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
    return made, _found(folder, shapes)


def _norm(folder: Path) -> tuple[dict, dict]:
    width = _config(folder, schema={"dimension": int}).get("dimension")
    return {"kind": "norm"}, _found(folder, {f"norm.{part}": (width,) for part in _NORM})


_NORM = ("weight", "bias")


def _dropout(folder: Path) -> tuple[dict, dict]:
    values = _config(folder, schema={"dropout?": float})
    return {"kind": "dropout", "rate": values.get("dropout", 0.2)}, {}


def _normalize(folder: Path) -> tuple[dict, dict]:
    _only(folder, _config(folder), module_input_name=_VECTOR, module_output_name=_VECTOR)
    return {"kind": "normalize"}, {}


# A module's class -> (its folder -> its settings; and its variables, as `_found` gives them).
_READERS = {"Dense": _dense, "LayerNorm": _norm, "Dropout": _dropout, "Normalize": _normalize}


def _found(folder: Path, shapes: Mapping[str, tuple]) -> dict[str, tuple]:
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
