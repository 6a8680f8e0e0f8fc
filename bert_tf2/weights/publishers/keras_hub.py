"""keras-hub's preset folders: configs, tokenizers, tasks, and what its classes cannot compute.

Its names are in keras_hub_names.py. Source: keras-hub 0.32, models/*/ and utils/preset_utils.py.
"""

import dataclasses
import importlib.metadata
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.files import read_json, write_json
from bert_tf2.messages import shorten
from bert_tf2.weights.config_words import ConfigWords, Dialect, write
from bert_tf2.weights.containers import keras_weights
from bert_tf2.weights.metadata import Metadata, WeightsFile
from bert_tf2.weights.name_tables import written_out
from bert_tf2.weights.publishers.keras_hub_names import FORMAT, NAMES
from bert_tf2.weights.publishers.keras_hub_tokenizers import SETTINGS, settings_of, words_of
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource
from bert_tf2.weights.tokenizer_words import Unfollowed, refusal
from bert_tf2.weights.units import head_of

FORMATS = {"keras_hub": (FORMAT, NAMES)}

# --- Config: a backbone as Keras serialises it. ---------------------------------------------------

# It has one rate for every dropout (see `_unpack`); activation and epsilon are fixed by the class.
_WORDS = {
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_dim",
    "hidden_dropout_prob": "dropout",
    "max_position_embeddings": "max_sequence_length",
}
_WITH_SEGMENTS = _WORDS | {"type_vocab_size": "num_segments"}
_SHARING = {
    "embedding_size": "embedding_dim",
    "num_hidden_groups": "num_groups",
    "inner_group_num": "num_inner_repetitions",
}
# It counts positions by column, adds no segment, and leaves the pooler to its classifier.
_ROBERTA_WORDS = ConfigWords(
    _WORDS, {"type_vocab_size": 0, "position_padding_id": None, "pooler": False}
)
# Its folder, and how its classes begin.
_CLASSES = {
    "bert": ("bert", "Bert"),
    "albert": ("albert", "Albert"),
    "distilbert": ("distil_bert", "DistilBert"),
    "electra": ("electra", "Electra"),
    "roberta": ("roberta", "Roberta"),
    "xlm_roberta": ("xlm_roberta", "XLMRoberta"),
}


def _family_of(values: Mapping, source: str) -> tuple[object, str | None]:
    said = values.get("class_name")
    found = {f"{first}Backbone": family for family, (_, first) in _CLASSES.items()}
    return said, found.get(said) if isinstance(said, str) else None


def _object(family: str, kind: str, config: Mapping) -> dict:
    """An object as Keras writes it, e.g. of `kind` "TextClassifierPreprocessor"."""
    folder, first = _CLASSES[family]
    file = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()
    return {
        "module": f"keras_hub.src.models.{folder}.{folder}_{file}",
        "class_name": first + kind,
        "config": {"name": f"{folder}_{file}", "trainable": True} | config,
        "registered_name": f"keras_hub>{first}{kind}",
    }


def _unpack(values: Mapping, source: str) -> dict:
    """What an object says, one level deep; what we wrote beside it counts most."""
    config = values.get("config")
    if not isinstance(config, Mapping):
        raise ValueError(f"{source} must have a `config` of the class. Received: {shorten(config)}")
    both = {"attention_probs_dropout_prob": config["dropout"]} if "dropout" in config else {}
    return both | config | values


CONFIG = Dialect(
    {
        "bert": ConfigWords(_WITH_SEGMENTS),
        "albert": ConfigWords(_WITH_SEGMENTS | _SHARING, {"project_embeddings": True}),
        "distilbert": ConfigWords(_WORDS, {"attention_output_dropout_prob": None}),
        "electra": ConfigWords(
            _WITH_SEGMENTS | {"vocab_size": "vocab_size", "embedding_size": "embedding_dim"},
            {"hidden_act": "gelu_tanh", "pooler": True},
        ),
        "roberta": _ROBERTA_WORDS,
        "xlm_roberta": _ROBERTA_WORDS,
    },
    _family_of,
    lambda family, written: _object(family, "Backbone", written),
    _unpack,
)


# --- Folders. -------------------------------------------------------------------------------------

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


def infer(file: WeightsFile) -> None:
    """Nothing but the config tells."""


def metadata(file: WeightsFile, config: EncoderConfig, config_file: Path) -> Metadata:
    """The preset's tokenizer.

    Raises:
        CheckpointError: a tokenizer.json that is no JSON object.
    """
    other = "spiece.model" if config.family == "xlm_roberta" else "sentencepiece.bpe.model"
    places = {n: file.folder / place for n, place in TOKENIZER_PLACES.items() if n != other}
    source = TokenizerSource({name: path for name, path in places.items() if path.exists()})
    settings = file.folder / SETTINGS
    values = read_json(settings, error=CheckpointError) if settings.exists() else {}
    try:
        said = settings_of(values.get("config"), "vocab.txt" in source.files)
    except Unfollowed as error:
        return Metadata(config, dataclasses.replace(source, refused=refusal(file.folder, error)))
    return Metadata(config, source.with_settings(**said))


def check(contents) -> None:
    """Raises ValueError where keras-hub would compute something else than our encoder."""
    config = contents.config
    values = write(CONFIG, config)
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


def _settings_of(contents) -> dict[str, dict]:
    """The name of every JSON file in the folder -> its content, of `Contents`."""
    backbone = write(CONFIG, contents.config)
    tokenizer = _tokenizer_of(contents) if contents.tokenizer.files else None
    heads = {head_of(name) for name in contents.arrays}
    task = next((kind for wanted, kind in _TASKS if wanted <= heads), None)
    files = {"config.json": backbone, "metadata.json": _metadata_of(contents)}
    if tokenizer:
        files[SETTINGS] = tokenizer
    if task:
        files["task.json"] = _task_of(contents, task, backbone, tokenizer)
    return files


def _completed(contents, stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with what keras-hub always has: ALBERT's projection, even between equals."""
    config = contents.config
    if config.family != "albert" or config.has_projection:
        return dict(stored)
    table = written_out(
        dataclasses.replace(config, project_embeddings=True), FORMAT, NAMES["albert"]
    )
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
            int(np.size(array)) for name, array in contents.arrays.items() if head_of(name) is None
        ),
    }


def _tokenizer_of(contents) -> dict:
    """The `tokenizer.json`. The vocabulary lies beside it."""
    family, files = contents.config.family, contents.tokenizer.files
    if "vocab.txt" in files and family in ("albert", "roberta", "xlm_roberta"):
        family = "bert"
    return _object(family, "Tokenizer", {"config_file": SETTINGS} | words_of(contents.tokenizer))


def _task_of(contents, kind: str, backbone: dict, tokenizer: dict | None) -> dict:
    """The `task.json`, which holds the backbone's and the tokenizer's once more."""
    config, preprocessor = contents.config, None
    if tokenizer:
        given = {"tokenizer": tokenizer, "config_file": "preprocessor.json"}
        given["sequence_length"] = config.max_length
        preprocessor = _object(config.family, f"{kind}Preprocessor", given)
    given = {"backbone": backbone, "preprocessor": preprocessor}
    if kind == "TextClassifier":
        (labels,) = np.shape(contents.arrays["classifier/bias"])
        given |= {"num_classes": labels, "dropout": config.classifier_dropout}
    return _object(config.family, kind, given)


def write_folder(folder: Path, contents, stored: Mapping[str, np.ndarray]) -> None:
    """Everything but the tokenizer's files."""
    for name, values in _settings_of(contents).items():
        write_json(folder / name, values, sort_keys=True)
    keras_weights.write(folder / "model.weights.h5", _completed(contents, stored))
    if contents.tokenizer.files:
        (folder / TOKENIZER_PLACES["vocab.txt"]).parent.mkdir(parents=True)
