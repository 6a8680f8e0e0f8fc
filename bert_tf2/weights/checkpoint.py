"""An opened checkpoint: what format it is, its config and variables, and a way to read them."""

import dataclasses
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig, read_config
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import finding, names
from bert_tf2.weights.containers import CONTAINERS, factorized, objects
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
        path: a folder (a SavedModel's, too), a TensorFlow checkpoint's prefix or `.index`, or a
            `.safetensors` file.
        config_file: the config, where it does not lie beside the checkpoint.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        CheckpointError: a folder has no checkpoint or several, the config is missing, or an index
            or header is damaged.
        ValueError: the config is not one that `read_config` knows.
    """
    container, place = finding.locate(Path(path))
    container, variables = _listed(container, place)
    folder = finding.home(place)
    settings = _settings(folder)
    format = "bert_tf2" if settings and container == "safetensors" else _FORMAT_IN[container]
    config = None if config_file else _config_said(folder, place, format, variables, settings)
    if config is None:
        config_file = Path(config_file or finding.find_config(folder, format))
        config = read_config(config_file)
        config = _shared(config, config_file) if container == "factorized" else config
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
        labels=_labels(folder, format, settings),
        task=settings.get("task"),
    )


_FORMAT_IN = {
    "bundle": "google",
    "factorized": "google",
    "objects": "tfhub",
    "safetensors": "huggingface",
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


def _config_said(folder, place, format, variables, settings) -> EncoderConfig | None:
    """What our settings or the checkpoint itself say; None where a JSON must say it."""
    if settings:
        return EncoderConfig(**settings["encoder"])
    if any(folder.glob("*config*.json")):
        return None
    if format == "tfhub" or folder != place.parent:  # the Model Garden's, or a SavedModel
        return derive_config(variables, format, folder)
    return _published_electra(format, variables)


def _shared(config: EncoderConfig, file: Path) -> EncoderConfig:
    """The config of brightmart's ALBERT, which is one of equal widths.

    Raises:
        CheckpointError: it says that norms come before what they are added to.
    """
    order = finding.read_json(file).get("ln_type", "postln")
    if order != "postln":
        raise CheckpointError(
            f"{file}: `ln_type` must be 'postln', as in brightmart's modeling.py. Received: "
            f"{order!r}, a model with its norms elsewhere, which nothing here computes."
        )
    return dataclasses.replace(
        config, family="albert", embedding_size=None, project_embeddings=None, num_hidden_groups=1
    )


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
    if not isinstance(settings.get("encoder"), dict):
        raise CheckpointError(f"{file} must say what the `encoder` is. It has: {sorted(settings)}")
    return settings


def _labels(folder: Path, format: str, settings: dict) -> tuple[str, ...] | None:
    """The class names, from our settings or Hugging Face's `id2label`."""
    if said := settings.get("labels"):
        return tuple(said)
    file = folder / "config.json"
    if format != "huggingface" or not file.is_file():
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


def _published_electra(format: str, variables: dict) -> EncoderConfig | None:
    """Google's ELECTRA comes without a config: that of the published size whose shapes agree."""
    if format != "google":
        return None
    for config in VARIANTS.values():
        if config.family == "electra":
            rows = names.variables(config, format).items()
            wanted = [row for ours, row in rows if names.head_of(ours) is None]
            if all(variables.get(row.theirs, (None,))[0] == row.shape for row in wanted):
                return config
    return None
