"""A small file of an adapter: `adapter_config.json` and `adapter_model.safetensors`.

A LoRA is stored in peft's words and names, wherever these can say it; anything else under the same
two names of files in ours, which begin with `bert_tf2_adapter`.
"""

import dataclasses
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2 import files
from bert_tf2.config import EncoderConfig
from bert_tf2.messages import shorten
from bert_tf2.schema import parse_json
from bert_tf2.weights import names, peft_words
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.report import CheckpointError, fold

CONFIG_FILE, TENSORS_FILE = "adapter_config.json", "adapter_model.safetensors"
FORMATS = ("peft", "bert_tf2")
IN_PRESETS = "adapters"  # there, a folder for each
_OURS = "bert_tf2_adapter"
_SCHEMA = {_OURS: int, "kind": str, "settings": dict, "family?": str}
_PREFIX = "base_model.model."
_INNER = "base_layer."  # what peft puts around a target, in the name of its bias
# With bias="all", of a head: the model's own, and the adapter's once more.
_TWICE = re.compile(r"\.(original_module|modules_to_save)\.bias$")
_THEIRS = {"lora_A.weight": "lora_a", "lora_B.weight": "lora_b"}


@dataclasses.dataclass(frozen=True)
class Stored:
    """What there is of an adapter.

    Attributes:
        kind, settings: of `modeling.adapter_kinds`.
        arrays: our name -> float32 array of what is trained.
        head: our name -> float32 array of the head's variables that are its own.
        base: as `fingerprint`; None where nothing says for which model it is.
        base_name: what that model is called; None where nothing says.
        meaning: what its head answers: "task", a class, "head", a key of `units.HEADS`, and such
            settings as "labels"; None where nothing says.
    """

    kind: str
    settings: Mapping
    arrays: Mapping[str, np.ndarray]
    head: Mapping[str, np.ndarray]
    base: str | None = None
    base_name: str | None = None
    meaning: Mapping | None = None


def fingerprint(config: EncoderConfig, arrays: Mapping[str, np.ndarray]) -> str:
    """What tells an encoder from others: its family and sizes, and a number made of all weights.

    The pooler is left out, as some files have none.
    """
    found = 0
    for name in sorted(arrays):
        if not name.startswith("pooler/"):
            found = zlib.crc32(name.encode(), found)
            found = zlib.crc32(np.ascontiguousarray(arrays[name]).data, found)
    size = f"{config.num_hidden_layers} layers of {config.hidden_size}"
    return f"{config.family}, {size}, {found:08x}"


def write(
    folder: Path, stored: Stored, config: EncoderConfig, head: str | None, format: str | None = None
) -> str:
    """Writes both files into a new or empty folder, which appears once it is complete.

    Args:
        head: what the task's head is for, a key of `units.HEADS`.
        format: "peft", "bert_tf2", or None for the first that can say it.

    Returns:
        the format.

    Raises:
        ValueError: another format, or peft has no words for the adapter.
        FileExistsError, OSError: as `weights.save`.
    """
    if format not in (None, *FORMATS):
        raise ValueError(f"`format` must be one of {FORMATS}. Received: {format!r}")
    why_not = _not_in_peft(stored, config, head)
    if format == "peft" and why_not:
        raise ValueError(f"peft has no words for this adapter: {why_not}. Leave `format` out.")
    files.check_is_new(folder)
    format = format or ("bert_tf2" if why_not else "peft")
    with files.new_folder(folder) as draft:
        _write(draft, stored, config, head, format)
    return format


def _write(draft: Path, stored: Stored, config: EncoderConfig, head: str | None, format: str):
    # Beside the tensors, where peft looks for nothing.
    beside = {} if stored.base is None else {"base": stored.base}
    beside |= {"meaning": json.dumps(dict(stored.meaning))} if stored.meaning else {}
    if format == "peft":
        said, tensors = _in_peft(stored, config, head)
    else:
        said = {_OURS: 1, "kind": stored.kind, "family": config.family}
        said |= {"settings": dict(stored.settings), "base_model_name_or_path": stored.base_name}
        tensors = dict(stored.arrays) | {f"head/{n}": x for n, x in stored.head.items()}
    tensors = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
    safetensors.write(draft / TENSORS_FILE, tensors, beside)
    files.write_json(draft / CONFIG_FILE, said)


def read(folder: Path, config: EncoderConfig, head: str | None) -> Stored:
    """Reads both files, of this project or of peft, for a model of that config.

    Raises:
        CheckpointError: a file is missing or damaged; the adapter is of a kind, or has a setting or
            a tensor, that nothing here computes; it is not for an encoder of these sizes. It names
            file and field or tensor.
    """
    file = folder / CONFIG_FILE
    for each in (file, folder / TENSORS_FILE):
        if not each.is_file():
            raise CheckpointError(f"{each} is missing: an adapter is a folder with both files")
    said = files.read_json(file, error=CheckpointError)
    listed = safetensors.list_variables(folder / TENSORS_FILE)
    arrays = safetensors.read(folder / TENSORS_FILE, listed)
    arrays = {name: np.array(x, "float32") for name, x in arrays.items()}
    beside = safetensors.said(folder / TENSORS_FILE)
    base, meaning = beside.get("base"), beside.get("meaning")
    if meaning:
        where = f"{folder / TENSORS_FILE}: `meaning`"
        meaning = parse_json(meaning.encode(), where, {"task": str}, CheckpointError)
    if _OURS in said:
        said = files.read_json(file, _SCHEMA, error=CheckpointError)
        if said[_OURS] != 1:
            raise CheckpointError(f"{file} is of version {shorten(said[_OURS])}; 1 is read here")
        heads = {n.removeprefix("head/"): x for n, x in arrays.items() if n.startswith("head/")}
        own = {n: x for n, x in arrays.items() if not n.startswith("head/")}
        name = said.get("base_model_name_or_path")
        return Stored(said["kind"], said["settings"], own, heads, base, name, meaning)
    said = files.read_json(file, peft_words.SCHEMA, error=CheckpointError)
    peft_words.check(said, file)
    stored = _of_peft(said, arrays, config, head, file, base)
    if stored.head and not meaning:
        peft_words.check_task(said, head, file)
    return dataclasses.replace(stored, meaning=meaning)


# === peft's names =================================================================================


def modules_of(config: EncoderConfig) -> dict[str, str]:
    """Unit -> transformers' name of the module, for the dense layers of an encoder.

    Raises:
        ValueError: transformers has no such family.
    """
    table = names.variables(config, "huggingface")
    return {
        name.removesuffix("/kernel"): table[name].theirs.removesuffix(".weight")
        for name in names.expected_shapes(config)
        if name.endswith("/kernel")
    }


def _not_in_peft(stored, config, head):
    """Why peft has no words for an adapter; None where it has."""
    if stored.kind != "lora":
        return f"it has no {stored.kind!r}"
    try:
        table = names.variables(config, "huggingface", head)
    except ValueError as error:
        return str(error)
    if lost := [n for n in stored.head if n not in table]:
        return f"transformers has no name for {', '.join(fold(lost, 3))}"
    theirs = {table[n].theirs for n in stored.head}
    if lone := [n for n in theirs if not n.endswith((".weight", ".bias"))]:
        return f"{', '.join(lone)} is no module of its own"
    tied = {name.rpartition(".")[0] for name in names.naming(config, "huggingface").tied}
    parents = {module.rpartition(".")[0] for module in tied}
    if beside := [n for n in theirs if n.rpartition(".")[0] in parents]:
        return f"{', '.join(beside)} is a parameter beside modules"
    return None


def _in_peft(stored, config, head):
    """-> (words, tensors) of a LoRA."""
    table, modules = names.variables(config, "huggingface", head), modules_of(config)
    # A task without a head is a bare encoder there, whose names have no prefix.
    root = names.naming(config, "huggingface").prefix
    bare = root if head == "sentence" else ""

    def spelled(name):
        return _PREFIX + name.removeprefix(bare)

    tensors = {}
    for name, array in stored.arrays.items():
        unit, _, part = name.rpartition("/")
        inner = _INNER if unit in stored.settings["targets"] else ""
        theirs = {ours: t for t, ours in _THEIRS.items()}.get(part, f"{inner}bias")
        module = (
            table[f"{unit}/{part}"].theirs.rpartition(".")[0] if part == "beta" else modules[unit]
        )
        tensors[spelled(f"{module}.{theirs}")] = array.T
    heads = {n: table[n] for n in stored.head}
    tensors |= {spelled(row.theirs): row.theirs_of(stored.head[n]) for n, row in heads.items()}
    # peft has whole heads in mind: `classifier`, not the layers in it.
    whole = (row.theirs.rpartition(".")[0] for row in heads.values())
    whole = sorted({m if m.startswith(root) else m.partition(".")[0] for m in whole})
    said = peft_words.spoken(stored.settings, modules, whole, head, stored.base_name)
    return said, tensors


def _of_peft(said, arrays, config, head, file, base):
    """peft's words and tensors -> a `Stored`."""
    modules, prefix = modules_of(config), names.naming(config, "huggingface").prefix
    table = names.variables(config, "huggingface", head)
    ours_of = {row.theirs: name for name, row in table.items()}
    of_module = {module: unit for unit, module in modules.items()}
    own, heads, unused = {}, {}, []
    for name, array in arrays.items():
        if _TWICE.search(name):
            continue
        module, part = _split(name.removeprefix(_PREFIX))
        unit = of_module.get(module) or of_module.get(prefix + module)
        plain = name.removeprefix(_PREFIX).replace(f".{_INNER}bias", ".bias")
        ours = ours_of.get(plain) or ours_of.get(prefix + plain)
        if part and unit:
            own[f"{unit}/{_THEIRS[part]}"] = array.T
        elif ours and names.head_of(ours) is not None:
            heads[ours] = table[ours].ours_of(array)
        elif ours and ours.endswith(("/bias", "/beta")) and said.get("bias", "none") != "none":
            own[ours] = array
        else:
            unused.append(name)
    settings = _settings(said, own, modules, prefix, file)
    if unused:
        raise CheckpointError(
            f"{file.with_name(TENSORS_FILE)} holds what a {config.family} with this head has no "
            f"place for: {', '.join(fold(unused, 4))}"
        )
    settings["train_head"] = bool(heads)
    return Stored("lora", settings, own, heads, base, said.get("base_model_name_or_path"))


def _split(name):
    """Of a tensor's name the module, and the part of a product; ("", None) for others."""
    for part in _THEIRS:
        if name.endswith(f".{part}"):
            return name.removesuffix(f".{part}"), part
    return "", None


def _settings(said, own, modules, prefix, file):
    """peft's words -> settings of `adapter_kinds.LoRA`; raises where the tensors are not those."""
    try:
        units = peft_words.targets(said, modules, prefix)
    except re.error as error:
        raise CheckpointError(
            f"{file}: `target_modules` is no regular expression: {error}"
        ) from None
    there = {name.rpartition("/")[0] for name in own if name.endswith("/lora_a")}
    if "pooler" not in there:  # which some classes of transformers leave out
        units = [unit for unit in units if unit != "pooler"]
    if {*units} != there:
        missing, more = sorted({*units} - there), sorted(there - {*units})
        raise CheckpointError(
            f"{file} and its tensors disagree. Its targets in this model, of which there are no "
            f"tensors: {', '.join(fold(missing, 4)) or 'none'}; tensors that are no targets: "
            f"{', '.join(fold(more, 4)) or 'none'}"
        )
    rank, alpha = said.get("r", 8), float(said.get("lora_alpha", 8))
    ranks, alphas = {}, {}
    for unit in units:
        module = modules[unit]
        spellings = (module, module.removeprefix(prefix))
        here = peft_words.of_pattern(said.get("rank_pattern"), spellings, rank)
        found = own[f"{unit}/lora_a"].shape[1:]
        if found != (here,):
            raise CheckpointError(f"{file} says rank {here} of {module}. Received: {found}")
        its = float(peft_words.of_pattern(said.get("alpha_pattern"), spellings, alpha))
        ranks |= {unit: here} if here != rank else {}
        alphas |= {unit: its} if its != alpha else {}
    return {
        "rank": rank,
        "alpha": alpha,
        "dropout": float(said.get("lora_dropout", 0.0)),
        "targets": units,
        "bias": said.get("bias", "none"),
        "use_rslora": said.get("use_rslora", False),
        "ranks": ranks,
        "alphas": alphas,
    }
