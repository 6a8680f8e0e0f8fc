"""An opened checkpoint: what format it is, its config and variables, and a way to read them."""

import dataclasses
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig, read_config
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import finding, keras_hub, names
from bert_tf2.weights.containers import CONTAINERS
from bert_tf2.weights.report import CheckpointError


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint. Its values are read by `read`, and not before.

    Attributes:
        format: what its variables are called: a key of `formats.FORMATS`.
        container: what its file is: a key of `containers.CONTAINERS`.
        path: the checkpoint's prefix, the file with the weights, or the shards' index.
        config: the encoder's sizes, from the JSON beside it.
        tokenizer_files: what lies beside it of its tokenizer, by the names of
            `finding.TOKENIZER_FILES`.
        lowercase: whether its text is lower-cased; None where nothing says so.
        variables: their name -> (shape, dtype).
        labels: the class names of its classifier, where something says them.
        task: what a preset of ours says of its task: class name and settings.
        ahead: what `loading.read_ahead` is reading, if anything: our name -> array.
    """

    format: str
    container: str
    path: Path
    config: EncoderConfig
    tokenizer_files: dict[str, Path]
    lowercase: bool | None
    variables: dict[str, tuple[tuple[int, ...], np.dtype]]
    labels: tuple[str, ...] | None = None
    task: dict | None = None
    ahead: Future | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def vocab_file(self) -> Path | None:
        """The WordPiece vocabulary, if there is one."""
        return self.tokenizer_files.get("vocab.txt")

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Their names -> arrays as stored (16-bit floats of safetensors as float32).

        Raises:
            CheckpointError: a name is not in the file, or the data is missing or damaged.
        """
        names = list(names)
        unknown = [name for name in names if name not in self.variables]
        if unknown:
            raise CheckpointError(f"{self.path} has no variables {', '.join(unknown)}.")
        return CONTAINERS[self.container].read(self.path, names)


def open_checkpoint(path: str | Path, config_file: str | Path | None = None) -> Checkpoint:
    """Opens a checkpoint, recognised by the files that are there.

    Args:
        path: a folder, a TensorFlow checkpoint's prefix or `.index`, or a `.safetensors` file.
        config_file: the config, where it does not lie beside the checkpoint.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        CheckpointError: a folder has no checkpoint or several, the config is missing, or an index
            or header is damaged.
        ValueError: the config is not one that `read_config` knows.
    """
    container, place = finding.locate(Path(path))
    variables = CONTAINERS[container].list_variables(place)
    folder = place.parent
    settings = _settings(folder)
    format = "bert_tf2" if settings else _FORMAT_IN[container]
    if config_file:
        config = read_config(config_file)
    elif settings:
        config = EncoderConfig(**settings["encoder"])
    else:
        config = _published_electra(folder, format, variables)
        config = config or read_config(finding.find_config(folder, format))
    return Checkpoint(
        format=format,
        container=container,
        path=place,
        config=names.as_found(config, format, variables),
        tokenizer_files=_tokenizer_files(folder, format, config),
        lowercase=_lowercase(folder, format, settings),
        variables=variables,
        labels=_labels(folder, format, settings),
        task=settings.get("task"),
    )


_FORMAT_IN = {
    "bundle": "google",
    "hdf5": "huggingface_tf",
    "keras_weights": "keras_hub",
    "safetensors": "huggingface",
}


def _settings(folder: Path) -> dict:
    """What `bert_tf2.json` says, in a preset of ours; else nothing."""
    file = folder / finding.SETTINGS_FILE
    if not file.is_file():
        return {}
    settings = finding.read_json(file)
    if not isinstance(settings.get("encoder"), dict):
        raise CheckpointError(f"{file} must say what the `encoder` is. It has: {sorted(settings)}")
    return settings


def _tokenizer_files(folder: Path, format: str, config: EncoderConfig) -> dict[str, Path]:
    if format == "keras_hub":
        return keras_hub.find_tokenizer_files(folder, config.family)
    return finding.find_tokenizer_files(folder)


def _lowercase(folder: Path, format: str, settings: dict) -> bool | None:
    if format == "keras_hub":
        return keras_hub.find_lowercase(folder)
    return settings.get("lowercase", finding.find_lowercase(folder))


def _labels(folder: Path, format: str, settings: dict) -> tuple[str, ...] | None:
    """The class names, from our settings or Hugging Face's `id2label`."""
    if said := settings.get("labels"):
        return tuple(said)
    file = folder / "config.json"
    if format not in ("huggingface", "huggingface_tf") or not file.is_file():
        return None
    named = finding.read_json(file).get("id2label") or {}
    by_number = sorted((int(number), str(label)) for number, label in named.items())
    return tuple(label for _, label in by_number) or None


def check_vocabulary(checkpoint: Checkpoint) -> list[str]:
    """Compares the vocabulary's length with the token table's. -> warnings, none if they agree.

    A vocabulary shorter than the table leaves rows unused, as some publishers intend.

    Raises:
        CheckpointError: it is longer, so that some ids would have no row.
    """
    if checkpoint.vocab_file is None:
        return []
    # Only "\n" ends an entry: Chinese vocabularies hold U+2028 inside one.
    content = checkpoint.vocab_file.read_bytes()
    entries = content.count(b"\n") + (not content.endswith(b"\n"))
    rows = checkpoint.config.vocab_size
    lengths = (
        f"{checkpoint.vocab_file} has {entries} entries, and the config's vocab_size is {rows}"
    )
    if entries > rows:
        raise CheckpointError(
            f"{lengths}: ids from {rows} on would have no row. Use the checkpoint's own vocabulary."
        )
    return [f"{lengths}: the last {rows - entries} rows are unused"] if entries < rows else []


def _published_electra(folder: Path, format: str, variables: dict) -> EncoderConfig | None:
    """Google's ELECTRA comes without a config: that of the published size whose shapes agree."""
    if format != "google" or any(folder.glob("*config*.json")):
        return None
    for config in VARIANTS.values():
        if config.family == "electra":
            rows = names.variables(config, format).items()
            wanted = [row for ours, row in rows if names.head_of(ours) is None]
            if all(variables.get(row.theirs, (None,))[0] == row.shape for row in wanted):
                return config
    return None
