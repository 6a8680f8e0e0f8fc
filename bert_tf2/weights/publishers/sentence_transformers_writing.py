"""Writing sentence-transformers' folders: what stands there beside Hugging Face's files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.files import write_json
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.publishers.sentence_transformers import (
    ACTIVATIONS,
    CLASS,
    LENGTHS,
    LIST,
    OLD_POOLINGS,
    PACKAGE,
    RERANKER,
    SETTINGS,
)

_CLASSES = {"dense": "Dense", "norm": "LayerNorm", "dropout": "Dropout", "normalize": "Normalize"}


def settings_of(contents) -> dict | None:
    """The settings of a `SentenceEncoder`'s `Contents`; None for other ones."""
    task = contents.task or {}
    return dict(task.get("settings", {})) if task.get("class") == CLASS else None


def write_modules(folder: Path, contents, stored: Mapping[str, np.ndarray]) -> dict:
    """Writes what stands beside the encoder. -> the arrays that are left for the encoder's file.

    Args:
        folder: to write into.
        contents: `weights.Contents`; of other tasks nothing is written.
        stored: their name -> array, the modules' under the names of `Sentences.variables`.
    """
    settings = settings_of(contents)
    if settings is None:
        return dict(stored)
    modes, width = list(settings["pooling"]), contents.config.hidden_size
    listed = [("", "Transformer", None), ("1_Pooling", "Pooling", _pooling_words(settings, width))]
    width *= len(modes)
    for place, module in enumerate(settings["modules"]):
        name = _CLASSES[module["kind"]]
        listed.append((f"{place + 2}_{name}", name, _words_of(module, width)))
        width = module.get("width", width)
    for place, (path, _, words) in enumerate(listed):
        (folder / path).mkdir(exist_ok=True)
        if words is not None:
            write_json(folder / path / "config.json", words)
        start = f"modules.{place - 2}."
        own = {n.removeprefix(start): x for n, x in stored.items() if n.startswith(start)}
        if own:
            safetensors.write(folder / path / "model.safetensors", own)
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"{PACKAGE}.models.{name}"}
        for i, (path, name, _) in enumerate(listed)
    ]
    write_json(folder / LIST, modules)
    length = (contents.task.get("preprocessor") or {}).get("max_length")
    write_json(folder / LENGTHS[0], {"max_seq_length": length, "do_lower_case": False})
    words = ("prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim")
    said = {word: settings.get(word) for word in words}
    write_json(folder / SETTINGS, {n: x for n, x in said.items() if n != words[3] or x is not None})
    return {name: x for name, x in stored.items() if not name.startswith("modules.")}


def words_of_reranker(contents) -> dict:
    """What the config of a `Reranker`'s `Contents` says besides; of others nothing."""
    task = contents.task or {}
    if task.get("class") != RERANKER:
        return {}
    return {"sentence_transformers": {"activation_fn": ACTIVATIONS[task["settings"]["activation"]]}}


def _pooling_words(settings: Mapping, width: int) -> dict:
    """In the old words, which all versions read, where these have the order."""
    modes = list(settings["pooling"])
    if modes != [mode for mode in OLD_POOLINGS.values() if mode in modes]:
        said = {"embedding_dimension": width, "pooling_mode": modes}
    else:
        said = {"word_embedding_dimension": width}
        said |= {old: new in modes for old, new in OLD_POOLINGS.items()}
    return said | {"include_prompt": settings["include_prompt"]}


def _words_of(module: Mapping, width: int) -> dict:
    """The config of what follows the pooling, of vectors of that width."""
    if module["kind"] == "dense":
        said = {"in_features": width, "out_features": module["width"], "bias": module["bias"]}
        said["activation_function"] = ACTIVATIONS[module["activation"]]
        return said | ({"use_residual": True} if module["residual"] else {})
    words = {"norm": {"dimension": width}, "dropout": {"dropout": module.get("rate")}}
    return words.get(module["kind"], {})
