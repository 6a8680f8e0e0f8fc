"""Configs in the JSON of any publisher: read, and written."""

from collections.abc import Mapping
from pathlib import Path

from bert_tf2.config import EncoderConfig
from bert_tf2.files import read_json
from bert_tf2.weights import config_words
from bert_tf2.weights.publishers import PUBLISHERS


def parse_config(
    values: Mapping, source: str = "config", publisher: str | None = None
) -> EncoderConfig:
    """Reads the JSON of Google, Hugging Face or keras-hub.

    `model_type` and `architectures` are written by Hugging Face alone, `registered_name` by
    keras-hub.

    Args:
        values: the parsed JSON. Unknown keys are ignored, as the original readers do, but for those
            that change what is computed.
        source: where it came from, for messages.
        publisher: of the weights that it lies beside: Hugging Face's have Hugging Face's words.
            None: as the JSON looks.

    Raises:
        ValueError: the family is not supported or not said, a size is missing, a value is out of
            range, or a word asks for what is not computed here.
    """
    if "registered_name" in values:
        publisher = "keras_hub"
    elif publisher != "huggingface":
        told = "model_type" in values or "architectures" in values
        publisher = "huggingface" if told else "google"
    return config_words.parse(PUBLISHERS[publisher].CONFIG, values, source)


def read_config(path: str | Path, publisher: str | None = None) -> EncoderConfig:
    """Reads a `bert_config.json`, an `albert_config.json` or a `config.json`.

    Args:
        path: of the file.
        publisher: as in `parse_config`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or `parse_config` refuses it.
    """
    return parse_config(read_json(path), str(path), publisher)


def write_config(config: EncoderConfig, publisher: str) -> dict:
    """The content of a publisher's JSON, which `parse_config` reads back to the same.

    Google's code has no word for the erf form of GELU. It is written as "gelu_erf", which Google's
    code refuses: better than computing something else. What else a publisher has no word for, such
    as an epsilon other than Google's 1e-12, is added for us, under our names.

    Args:
        publisher: "google", "huggingface" or "keras_hub".

    Raises:
        ValueError: it has published no such family, or it computes with another value than a
            config's and has no word for that.
    """
    dialect = PUBLISHERS[publisher].CONFIG
    if config.family not in dialect.families:
        raise ValueError(f"There is no {config.family} in the {publisher} dialect.")
    return config_words.write(dialect, config)
