"""An opened checkpoint: what format it is, its config and variables, and a way to read them."""

import dataclasses
import functools
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig, read_config
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import finding, names
from bert_tf2.weights.containers import CONTAINERS, objects
from bert_tf2.weights.derived import derive_config
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
        of_tokens: whether that classifier is said to be one of tokens.
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
    of_tokens: bool = False
    task: dict | None = None
    ahead: Future | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def vocab_file(self) -> Path | None:
        """The WordPiece vocabulary, if there is one."""
        return self.tokenizer_files.get("vocab.txt")

    @functools.cached_property
    def table(self) -> dict[str, names.Variable]:
        """Our name -> what the format calls it and how it stores it."""
        return names.variables(self.config, self.format, self.of_tokens)

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
    if container == "bundle" and objects.GRAPH in variables:
        container, variables = "objects", objects.list_variables(place)
    folder = finding.home(place)
    settings = _settings(folder)
    format = "bert_tf2" if settings and container == "safetensors" else _FORMAT_IN[container]
    if config_file:
        config = read_config(config_file)
    elif settings:
        config = settings["encoder"]
    else:
        config = _published_electra(folder, format, variables)
        config = config or _derived(folder, place, format, variables)
        config = config or read_config(finding.find_config(folder, format))
    lowercase = finding.find_lowercase(folder)
    if container == "objects":
        lowercase = _lowercase_in(place, variables, lowercase)
    return Checkpoint(
        format=format,
        container=container,
        path=place,
        config=names.as_found(config, format, variables),
        tokenizer_files=finding.find_tokenizer_files(folder),
        lowercase=settings.get("lowercase", lowercase),
        variables=variables,
        task=settings.get("task"),
        **_classes(folder, format, settings),
    )


_FORMAT_IN = {
    "bundle": "google",
    "objects": "tfhub",
    "safetensors": "huggingface",
    "torch": "huggingface",
}


def _derived(folder: Path, place: Path, format: str, variables: dict) -> EncoderConfig | None:
    """SavedModels and the Model Garden's checkpoints tell their config by themselves."""
    if (format != "tfhub" and folder == place.parent) or any(folder.glob("*config*.json")):
        return None
    return derive_config(variables, format, folder)


def _lowercase_in(place: Path, variables: dict, otherwise: bool | None) -> bool | None:
    """The variable `do_lower_case` of a TF-Hub module, the only one that is no number."""
    said = [name for name, (shape, dtype) in variables.items() if (shape, dtype.kind) == ((), "b")]
    if len(said) != 1 or not any(place.parent.glob(f"{place.name}.data-*")):
        return otherwise
    return bool(objects.read(place, said)[said[0]])


def _settings(folder: Path) -> dict:
    """What `bert_tf2.json` says, in a preset or a SavedModel of ours; else nothing."""
    file = folder / finding.SETTINGS_FILE
    file = file if file.is_file() else folder / "assets" / finding.SETTINGS_FILE
    if not file.is_file():
        return {}
    settings = finding.read_json(file)
    try:
        return settings | {"encoder": EncoderConfig(**settings["encoder"])}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{file} must say what the `encoder` is, in EncoderConfig's words: {error}"
        ) from error


def _classes(folder: Path, format: str, settings: dict) -> dict:
    """What is said of the classes: `labels` and `of_tokens` of the checkpoint."""
    if said := settings.get("labels"):
        return {"labels": tuple(said)}
    file = folder / "config.json"
    if format != "huggingface" or not file.is_file():
        return {}
    values = finding.read_json(file)
    by_number = sorted((int(number), label) for number, label in values.get("id2label", {}).items())
    return {
        "labels": tuple(str(label) for _, label in by_number) or None,
        "of_tokens": "ForTokenClassification" in str(values.get("architectures")),
    }


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
