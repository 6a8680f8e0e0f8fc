"""An opened checkpoint: what format it is, its config and variables, and a way to read them."""

import dataclasses
import fnmatch
import functools
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.messages import shorten
from bert_tf2.weights import discovery, names
from bert_tf2.weights.configs import read_config
from bert_tf2.weights.containers import CONTAINERS, factorized, objects
from bert_tf2.weights.metadata import Metadata, WeightsFile
from bert_tf2.weights.publishers import (
    PUBLISHER_OF,
    PUBLISHERS,
    colbert,
    ours,
    sentence_transformers,
)
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint. Its values are read by `read`, and not before.

    Attributes:
        format: what its variables are called: a key of `publishers.FORMATS`.
        container: what its file is: a key of `containers.CONTAINERS`.
        path: the checkpoint's prefix, the file with the weights, or the shards' index.
        variables: their name -> (shape, dtype).
        config: the encoder's sizes, from the JSON beside it or as the names and shapes tell.
        tokenizer: what lies beside it of its tokenizer: files and settings.
        labels: the class names of its classifier, where something says them.
        head: what it is said to be for, a key of `units.HEADS`; None: nothing says.
        problem_type: what it is said to answer: one of `PROBLEM_TYPES`, Hugging Face's words; None:
            nothing says, which means one label of several.
        task: what a preset of ours says of its task: class name and settings.
        notes: what is odd about all this, a sentence each, for the report.
        labels_refused: what is wrong with the class names that are said, as a text for who would
            take them; "" for nothing.
        prefix: what stands before all names of a model that was saved inside of another one.
        ignored: the names in the file that are to be left out.
        beside: of variables in other files than `path` (container, file, the name there).
        ahead: what `loading.read_ahead` is reading, if anything: our name -> array.
    """

    format: str
    container: str
    path: Path
    variables: dict[str, tuple[tuple[int, ...], np.dtype]]
    config: EncoderConfig
    tokenizer: TokenizerSource
    labels: tuple[str, ...] | None = None
    head: str | None = None
    problem_type: str | None = None
    task: dict | None = None
    notes: tuple[str, ...] = ()
    labels_refused: str = ""
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    beside: Mapping[str, tuple[str, Path, str]] = dataclasses.field(default_factory=dict)
    ahead: Future | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def vocab_file(self) -> Path | bytes | None:
        """The WordPiece vocabulary, if there is one; the content of one that is in another file."""
        return self.tokenizer.files.get("vocab.txt")

    @functools.cached_property
    def table(self) -> dict[str, names.Variable]:
        """Our name -> what the format calls it and how it stores it."""
        return names.variables(self.config, self.format, self.head)

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Their names -> arrays as stored (16-bit floats of safetensors as float32).

        Raises:
            CheckpointError: a name is not in the file, or the data is missing or damaged.
        """
        names = list(names)
        unknown = [name for name in names if name not in self.variables]
        if unknown:
            raise CheckpointError(f"{self.path} has no variables {', '.join(unknown)}.")
        found = CONTAINERS[self.container].read(
            self.path, [name for name in names if name not in self.beside]
        )
        for name in names:
            if name in self.beside:
                container, file, theirs = self.beside[name]
                found |= {name: CONTAINERS[container].read(file, [theirs])[theirs]}
                if found[name].shape != self.variables[name][0]:
                    raise CheckpointError(
                        f"{file}: {theirs} must have the shape {self.variables[name][0]}. "
                        f"Received: {found[name].shape}"
                    )
        return found


def open_checkpoint(
    path: str | Path, config_file: str | Path | None = None, ignore: Iterable[str] = ()
) -> Checkpoint:
    """Opens a checkpoint, recognised by the files that are there.

    Args:
        path: a folder (a SavedModel's, too), a TensorFlow checkpoint's prefix or `.index`, or a
            file that `discovery.SOURCES` lists.
        config_file: the config, where it does not lie beside the checkpoint.
        ignore: patterns of variables in the file that are left out, such as "my_head/*"; a name
            stands for all below it, too.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        CheckpointError: a folder has no checkpoint or several, the config is missing, or an index
            or header is damaged.
        ValueError: the config is not one that `read_config` knows.
    """
    path = Path(path)
    sentences = None if ours.settings_in(path) else sentence_transformers.find(path)
    container, place = discovery.locate(sentences.encoder if sentences else path)
    container, variables = _listed(container, place)
    if sentences:
        sentences = sentences.read_from(container, place, variables)
        variables = {n: said for n, said in variables.items() if n not in sentences.inner}
    ignored = _ignored(variables, ignore)
    variables = {name: said for name, said in variables.items() if name not in ignored}
    format = _FORMAT_IN[container]
    if container == "safetensors" and ours.settings_in(place.parent):
        format = "bert_tf2"
    found = _metadata(WeightsFile(format, container, place, variables), config_file)
    prefix = ""
    if format in ("google", "huggingface"):
        prefix = names.outer_prefix(found.config, format, variables)
    inner = [name.removeprefix(prefix) for name in variables]
    found = found._replace(config=names.as_found(found.config, format, inner))
    beside = {}
    if sentences:
        tokenizer = colbert.with_markers(found.tokenizer, sentences.markers)
        found = found._replace(task=sentences.said(tokenizer), tokenizer=tokenizer)
        variables, beside = variables | sentences.variables, sentences.places
    return Checkpoint(
        *(format, container, place, variables),
        **found._asdict(),
        prefix=prefix,
        ignored=ignored,
        beside=beside,
    )


def _metadata(file: WeightsFile, config_file: str | Path | None) -> Metadata:
    """What lies beside the weights; of whatever format, our own settings count most."""
    publisher = PUBLISHER_OF[file.format]
    publisher = "bert_tf2" if ours.settings_in(file.folder) else publisher
    config = None if config_file else PUBLISHERS[publisher].infer(file)
    if config is None:
        config_file = Path(config_file or discovery.find_config(file.folder, file.format))
        config = read_config(config_file, publisher)
    return PUBLISHERS[publisher].metadata(file, config, config_file)


def _ignored(variables: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """The names that a pattern fits, or a part of the name at its start.

    Raises:
        TypeError: the patterns are not a list of strings.
    """
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"`ignore` must be a list of patterns. Received: {shorten(patterns)}")
    every = [form for p in patterns for form in (p, f"{p}/*", f"{p}.*")]
    return tuple(n for n in variables if any(fnmatch.fnmatchcase(n, form) for form in every))


_FORMAT_IN = {
    "bundle": "google",
    "factorized": "google",
    "hdf5": "huggingface_tf",
    "keras_weights": "keras_hub",
    "objects": "tfhub",
    "safetensors": "huggingface",
    "torch": "huggingface",
}
# What a bundle is, where it has a variable of this name.
_BUNDLES = {objects.GRAPH: "objects", factorized.SECOND: "factorized"}


def _listed(container: str, place: Path) -> tuple[str, dict]:
    """-> the container, now that its variables are known, and these."""
    variables = CONTAINERS[container].list_variables(place)
    kind = next((kind for name, kind in _BUNDLES.items() if name in variables), container)
    if container != "bundle" or kind == container:
        return container, variables
    return kind, CONTAINERS[kind].list_variables(place)


def check_vocabulary(checkpoint: Checkpoint) -> list[str]:
    """Compares the vocabulary's length with the token table's. -> warnings, none if they agree.

    A vocabulary shorter than the table leaves rows unused, as some publishers intend.

    Raises:
        CheckpointError: it is longer, so that some ids would have no row.
    """
    if checkpoint.vocab_file is None:
        return []
    entries = checkpoint.tokenizer.entries()
    rows = checkpoint.config.vocab_size
    file = checkpoint.vocab_file
    file = "The vocabulary in tokenizer.json" if isinstance(file, bytes) else file
    lengths = f"{file} has {entries} entries, and the config's vocab_size is {rows}"
    if entries > rows:
        raise CheckpointError(
            f"{lengths}: ids from {rows} on would have no row. Use the checkpoint's own vocabulary."
        )
    return [f"{lengths}: the last {rows - entries} rows are unused"] if entries < rows else []
