"""Our own presets: our names, as they are, in safetensors, and `bert_tf2.json` beside them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import FAMILIES, EncoderConfig
from bert_tf2.files import read_json, write_json
from bert_tf2.messages import shorten
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.metadata import PROBLEM_TYPES, Metadata, WeightsFile
from bert_tf2.weights.name_tables import Format, Naming
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource, find_tokenizer_files
from bert_tf2.weights.units import KINDS, UNITS

CONFIG = None  # ours is in the settings
SETTINGS_FILE = "bert_tf2.json"
FORMAT = Format(
    about="bert_tf2 preset (safetensors)",
    separator="/",
    parts={kind: {part: part for part in parts} for kind, parts in KINDS.items()},
)
NAMES = {family: Naming({unit: unit for unit in UNITS}) for family in FAMILIES}
FORMATS = {"bert_tf2": (FORMAT, NAMES)}

_SCHEMA = {
    "encoder": dict,
    "tokenizer?": (dict, None),
    "lowercase?": (bool, None),  # these two as 0.1.0 wrote them
    "add_prefix_space?": (bool, None),
    "labels?": ([str], None),
    "problem_type?": (str, None),
    "task?": (
        {
            "class?": str,
            "settings?": dict,
            "preprocessor?": dict,
            "tokenizer?": (dict, None),
            "refused?": str,
            "adapters?": ({"active": (str, None), "made": {str: dict}}, None),
        },
        None,
    ),
}


def settings_in(folder: Path) -> dict:
    """What `bert_tf2.json` says, in a preset or a SavedModel of ours; else nothing.

    Raises:
        CheckpointError: it is damaged, or does not say what the encoder is.
    """
    file = folder / SETTINGS_FILE
    file = file if file.exists() else folder / "assets" / SETTINGS_FILE
    if not file.exists():
        return {}
    settings = read_json(file, _SCHEMA, error=CheckpointError)
    if settings.get("problem_type") not in (None, *PROBLEM_TYPES):
        raise CheckpointError(
            f"{file}: `problem_type` must be one of {PROBLEM_TYPES}. Received: "
            f"{shorten(settings['problem_type'])}"
        )
    fields = {field.name: field for field in dataclasses.fields(EncoderConfig)}
    needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if wrong := needed - {*settings["encoder"]} or {*settings["encoder"]} - {*fields}:
        raise CheckpointError(
            f"{file}: `encoder` must have {', '.join(sorted(needed))} and no fields but "
            f"EncoderConfig's. Missing or unknown: {shorten(sorted(wrong))}"
        )
    try:
        settings["encoder"] = EncoderConfig(**settings["encoder"])
    except ValueError as error:
        raise CheckpointError(
            f"{file} must say what the `encoder` is, in EncoderConfig's words: {error}"
        ) from error
    return settings


def infer(file: WeightsFile) -> EncoderConfig:
    """The encoder that the settings say."""
    return settings_in(file.folder)["encoder"]


def metadata(file: WeightsFile, config: EncoderConfig, config_file: Path | None) -> Metadata:
    """What the settings say, and the tokenizer's files.

    Raises:
        CheckpointError: as `settings_in`.
    """
    said = settings_in(file.folder)
    return Metadata(
        config,
        TokenizerSource(find_tokenizer_files(file.folder), _tokenizer_settings(said)),
        labels=tuple(said["labels"]) if said.get("labels") else None,
        problem_type=said.get("problem_type"),
        task=said.get("task"),
    )


def _tokenizer_settings(said: dict) -> dict:
    """A tokenizer's settings, which 0.1.0 kept in three places."""
    old = {name: said[name] for name in ("lowercase", "add_prefix_space") if name in said}
    old |= (said.get("task") or {}).get("tokenizer") or {}
    return {n: value for n, value in (said.get("tokenizer") or old).items() if value is not None}


def write_settings(folder: Path, contents) -> None:
    """Writes `SETTINGS_FILE`: everything but arrays and the tokenizer's files."""
    settings = {
        "encoder": contents.config.to_dict(),
        "tokenizer": dict(contents.tokenizer.settings),
        "labels": contents.labels,
        "problem_type": contents.problem_type,
        "task": contents.task,
    }
    write_json(folder / SETTINGS_FILE, settings, sort_keys=True)


TOKENIZER_PLACES = {}


def check(contents) -> None:
    """Ours can say everything."""


def write_folder(folder: Path, contents, stored: Mapping[str, np.ndarray]) -> None:
    """Everything but the tokenizer's files."""
    write_settings(folder, contents)
    safetensors.write(folder / "model.safetensors", stored)
