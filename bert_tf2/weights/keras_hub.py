"""What keras-hub's preset folders hold besides the weights, and what its classes cannot compute.

Source: keras-hub 0.32, models/*/ and utils/preset_utils.py.
"""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.dialects import keras_object
from bert_tf2.weights import names
from bert_tf2.weights.finding import read_json
from bert_tf2.weights.tokenizer_source import TokenizerSource

_SETTINGS = "tokenizer.json"
# Our name of a tokenizer's file -> its place in the folder. A model for SentencePiece has one name,
# whatever the family.
TOKENIZER_PLACES = {
    "vocab.txt": "assets/tokenizer/vocabulary.txt",
    "spiece.model": "assets/tokenizer/vocabulary.spm",
    "sentencepiece.bpe.model": "assets/tokenizer/vocabulary.spm",
    "vocab.json": "assets/tokenizer/vocabulary.json",
    "merges.txt": "assets/tokenizer/merges.txt",
}
# The first row whose heads are all there names the task that reads the folder as a whole.
_TASKS = (({"classifier"}, "TextClassifier"), ({"mlm"}, "MaskedLM"))
# Fields that change what is computed. Those that its classes fix differently cannot be said.
_COMPUTED = (
    "hidden_act",
    "mlm_act",
    "layer_norm_eps",
    "embedding_size",
    "type_vocab_size",
    "position_padding_id",
    "num_hidden_groups",
    "inner_group_num",
    "pooler",
    "classifier_act",
)


# --- Reading. -------------------------------------------------------------------------------------


def find_tokenizer(folder: Path, family: str) -> TokenizerSource:
    """A preset's tokenizer.

    Raises:
        CheckpointError: a tokenizer.json that is no JSON object.
    """
    other = "spiece.model" if family == "xlm_roberta" else "sentencepiece.bpe.model"
    places = {name: folder / place for name, place in TOKENIZER_PLACES.items() if name != other}
    source = TokenizerSource({name: file for name, file in places.items() if file.exists()})
    file = folder / _SETTINGS
    config = read_json(file).get("config") if file.exists() else None
    said = config.get("lowercase") if isinstance(config, dict) else None
    return source.with_settings(lowercase=said if isinstance(said, bool) else None)


# --- Writing. -------------------------------------------------------------------------------------


def check(config: EncoderConfig) -> None:
    """Raises ValueError where keras-hub would compute something else than our encoder."""
    names.naming(config, "keras_hub")
    values = config.to_keras_hub()
    unspoken = {name: values[name] for name in _COMPUTED if name in values}
    if config.type_vocab_size == 0 and "num_segments" in values["config"]:
        unspoken["type_vocab_size"] = 0
    if config.family != "albert" and config.project_embeddings:
        unspoken["project_embeddings"] = True
    if unspoken:
        raise ValueError(
            f"keras-hub's {values['class_name']} has no setting for {unspoken}: it would compute "
            "something else. Write this model as bert_tf2 or huggingface."
        )
    if config.num_hidden_groups and config.block_names() != _blocks_of(config):
        raise ValueError(
            f"keras-hub would give {config.num_hidden_layers} layers other ones of "
            f"{config.num_hidden_groups} groups than Google's code does. Write this model as "
            "bert_tf2 or google."
        )


def settings_of(contents) -> dict[str, dict]:
    """The name of every JSON file in the folder -> its content, of `saving.Contents`."""
    backbone = contents.config.to_keras_hub()
    tokenizer = _tokenizer_of(contents) if contents.tokenizer.files else None
    heads = {names.head_of(name) for name in contents.arrays}
    task = next((kind for wanted, kind in _TASKS if wanted <= heads), None)
    files = {"config.json": backbone, "metadata.json": _metadata_of(contents)}
    if tokenizer:
        files[_SETTINGS] = tokenizer
    if task:
        files["task.json"] = _task_of(contents, task, backbone, tokenizer)
    return files


def completed(contents, stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with what keras-hub always has: ALBERT's projection, even between equals."""
    config = contents.config
    if config.family != "albert" or config.has_projection:
        return dict(stored)
    table = names.variables(dataclasses.replace(config, project_embeddings=True), "keras_hub")
    dtype = next(iter(stored.values())).dtype
    return stored | {
        table["embeddings/projection/kernel"].theirs: np.eye(config.hidden_size, dtype=dtype),
        table["embeddings/projection/bias"].theirs: np.zeros(config.hidden_size, dtype),
    }


def _blocks_of(config: EncoderConfig) -> list[str]:
    """The block that each step of an AlbertBackbone applies: equally many of each group."""
    groups, inner = range(config.num_hidden_groups), range(config.inner_group_num)
    calls = range(config.num_hidden_layers // config.num_hidden_groups)
    return [f"group_{g}_inner_{k}" for g in groups for _ in calls for k in inner]


def _metadata_of(contents) -> dict:
    return {
        "keras_version": importlib.metadata.version("keras"),
        "parameter_count": sum(
            int(np.size(array))
            for name, array in contents.arrays.items()
            if names.head_of(name) is None
        ),
    }


def _tokenizer_of(contents) -> dict:
    """The `tokenizer.json`. The vocabulary lies beside it."""
    family, files = contents.config.family, contents.tokenizer.files
    beside = {"config_file": _SETTINGS}
    if "vocab.txt" in files:
        family = "bert" if family in ("albert", "roberta", "xlm_roberta") else family
        lowercase = contents.tokenizer.lowercase
        # Google's lower-casing takes the accents along.
        given = {"vocabulary": None, "lowercase": lowercase, "strip_accents": lowercase}
        return keras_object(family, "Tokenizer", beside | given)
    if "merges.txt" in files:
        prefix = contents.tokenizer.settings.get("add_prefix_space", False)
        given = {"vocabulary": None, "merges": None, "add_prefix_space": prefix}
        return keras_object(family, "Tokenizer", beside | given)
    return keras_object(family, "Tokenizer", beside | {"proto": None})


def _task_of(contents, kind: str, backbone: dict, tokenizer: dict | None) -> dict:
    """The `task.json`, which holds the backbone's and the tokenizer's once more."""
    config, preprocessor = contents.config, None
    if tokenizer:
        given = {"tokenizer": tokenizer, "config_file": "preprocessor.json"}
        given["sequence_length"] = config.max_length
        preprocessor = keras_object(config.family, f"{kind}Preprocessor", given)
    given = {"backbone": backbone, "preprocessor": preprocessor}
    if kind == "TextClassifier":
        (labels,) = np.shape(contents.arrays["classifier/bias"])
        given |= {"num_classes": labels, "dropout": config.classifier_dropout}
    return keras_object(config.family, kind, given)
