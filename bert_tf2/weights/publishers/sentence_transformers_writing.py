"""Writing sentence-transformers' folders: what stands there beside Hugging Face's files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.files import write_json
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.publishers.sentence_modules import ACTIVATIONS, OLD_POOLINGS, TEXT, TOKENS
from bert_tf2.weights.publishers.sentence_transformers import (
    CROSS,
    DENSE,
    KINDS,
    LATE,
    LENGTHS,
    LIST,
    PACKAGE,
    RERANKER,
    SETTINGS,
    SPARSE,
    VECTORS,
)

_CLASSES = {"dense": "Dense", "norm": "LayerNorm", "dropout": "Dropout", "normalize": "Normalize"}
_TYPES = {
    "SpladePooling": "sparse_encoder.models",
    "MultiVectorMask": "multi_vector_encoder.modules",
}
# Settings of a task -> the file that says them: of the folder, and of its Transformer.
_SAID = ("prompts", "default_prompt_name", "similarity_fn_name")
_SAID_IF_ANY = ("truncate_dim", "max_active_dims")
_OF_MASK = ("skiplist_words", "skiplist_tasks")
_OF_TRANSFORMER = ("query_length", "document_length", "query_expansion")


def settings_of(contents) -> dict | None:
    """The settings of the `Contents` of a task that gives vectors; None for other ones, and where
    they say what nothing here computes."""
    task = contents.task or {}
    known = task.get("class") in VECTORS and not task.get("refused")
    return dict(task.get("settings", {})) if known else None


def write_modules(folder: Path, contents, stored: Mapping[str, np.ndarray]) -> dict:
    """Writes what stands beside the encoder. -> the arrays that are left for the encoder's file.

    Args:
        folder: to write into.
        contents: `weights.Contents`; of other tasks nothing is written.
        stored: their name -> array, the modules' under the names of `Sentences.variables`.
    """
    settings = settings_of(contents)
    if settings is None:
        _write_prompts_of_reranker(folder, contents)
        return dict(stored)
    listed = [("Transformer", None, None), *_modules(contents, settings)]
    modules = []
    for index, (name, words, place) in enumerate(listed):
        path = f"{index}_{name}" if index else ""
        (folder / path).mkdir(exist_ok=True)
        if words is not None:
            write_json(folder / path / "config.json", words)
        start = f"modules.{place}."
        own = {n.removeprefix(start): x for n, x in stored.items() if n.startswith(start)}
        if own:
            safetensors.write(folder / path / "model.safetensors", own)
        type = f"{PACKAGE}.{_TYPES.get(name, 'models')}.{name}"
        modules.append({"idx": index, "name": str(index), "path": path, "type": type})
    write_json(folder / LIST, modules)
    _write_settings(folder, contents, settings)
    return {name: x for name, x in stored.items() if not name.startswith("modules.")}


def _write_settings(folder: Path, contents, settings: Mapping) -> None:
    """How long texts are, and the prompts and the like."""
    task = contents.task["class"]
    length = (contents.task.get("preprocessor") or {}).get("max_length")
    own = {word: settings[word] for word in _OF_TRANSFORMER if settings.get(word) is not None}
    own |= {"transformer_task": "fill-mask"} if task == SPARSE else {}
    said = {"max_seq_length": length, "do_lower_case": False}
    write_json(folder / LENGTHS[0], said | own)
    said = {word: settings.get(word) for word in _SAID}
    said |= {word: settings[word] for word in _SAID_IF_ANY if settings.get(word) is not None}
    if task != DENSE:  # which all versions take it for
        said["model_type"] = next(theirs for theirs, ours in KINDS.items() if ours == task)
    write_json(folder / SETTINGS, said)


def _modules(contents, settings: Mapping) -> list[tuple]:
    """(class, config, the place among what follows) of each module but the Transformer."""
    width, task = contents.config.hidden_size, contents.task["class"]
    if task == SPARSE:
        words = {word: settings[word] for word in ("pooling_strategy", "activation_function")}
        return [
            ("SpladePooling", words | {"embedding_dimension": contents.config.vocab_size}, None)
        ]
    at, listed = TOKENS, []
    if task == DENSE:
        at, listed = TEXT, [("Pooling", _pooling_words(settings, width), None)]
        width *= len(settings["pooling"])
    for place, module in enumerate(settings["modules"]):
        words = _words_of(module, width)
        if at == TOKENS:
            words |= {"module_input_name": at, "module_output_name": at}
        listed.append((_CLASSES[module["kind"]], words, place))
        width = module.get("width", width)
    if task == LATE:
        words = {"skiplist_tasks": ["document"], "keep_only_token_ids": None}
        words |= {word: settings[word] for word in _OF_MASK if word in settings}
        listed.append(("MultiVectorMask", words, None))
    return listed


def words_of_reranker(contents) -> dict:
    """What the config of a `Reranker`'s `Contents` says besides; of others nothing."""
    said = _activation(_settings_of_reranker(contents))
    return {"sentence_transformers": said} if said else {}


def _settings_of_reranker(contents) -> dict:
    """What is said of a `Reranker`, all or what its folder has; of other tasks nothing."""
    task = contents.task or {}
    return task.get("settings", {}) if task.get("class") == RERANKER else {}


def _activation(settings: Mapping) -> dict:
    """Where nothing is said, nothing: readers choose by the number of logits."""
    said = settings.get("activation")
    return {"activation_fn": ACTIVATIONS[said]} if said else {}


def _write_prompts_of_reranker(folder: Path, contents) -> None:
    """Of a `Reranker` with prompts what says them; such folders have modules, too, of one alone."""
    settings = _settings_of_reranker(contents)
    if not settings.get("prompts"):
        return
    said = {word: settings.get(word) for word in ("prompts", "default_prompt_name")}
    said |= {"model_type": CROSS} | _activation(settings)
    write_json(folder / SETTINGS, said)
    kind = f"{PACKAGE}.models.Transformer"
    write_json(folder / LIST, [{"idx": 0, "name": "0", "path": "", "type": kind}])
    forward = {"method": "forward", "method_output_name": "logits"}
    said = {"transformer_task": "sequence-classification", "module_output_name": "scores"}
    write_json(folder / LENGTHS[0], said | {"modality_config": {"text": forward}})


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
