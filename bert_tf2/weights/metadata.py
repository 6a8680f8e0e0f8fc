"""What lies beside the weights, whoever wrote them: config, tokenizer, class names."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bert_tf2.config import EncoderConfig
from bert_tf2.weights import discovery
from bert_tf2.weights.tokenizer_source import TokenizerSource
from bert_tf2.weights.tokenizer_words import find_tokenizer

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")


class WeightsFile(NamedTuple):
    """A file with weights, of which the names are known; the attributes are `Checkpoint`'s."""

    format: str
    container: str
    path: Path
    variables: Mapping[str, tuple]

    @property
    def folder(self) -> Path:
        """Where the config and the vocabulary lie."""
        return discovery.home(self.path)


class Metadata(NamedTuple):
    """What there is; the attributes are those of `Checkpoint`."""

    config: EncoderConfig
    tokenizer: TokenizerSource
    labels: tuple[str, ...] | None = None
    head: str | None = None
    problem_type: str | None = None
    task: dict | None = None
    notes: tuple[str, ...] = ()
    labels_refused: str = ""


def tokenizer_beside(file: WeightsFile, **settings) -> TokenizerSource:
    """The tokenizer whose files lie there under the usual names, and what they say of it."""
    return find_tokenizer(file.folder).with_settings(**settings)
