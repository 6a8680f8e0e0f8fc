"""Which file on disk holds a checkpoint, and which config lies beside it."""

import re
from pathlib import Path
from typing import NamedTuple

from bert_tf2 import files
from bert_tf2.weights.report import CheckpointError

_NOT_A_MODEL_CONFIG = (
    "tokenizer_config.json",
    "generation_config.json",
    "preprocessor_config.json",
)


class Source(NamedTuple):
    """A kind of file that holds weights.

    Attributes:
        pattern: its name; the first row that fits a file counts.
        container: the module of containers/ that reads it.
        instead: the patterns that, in the same folder, hold the same model in a better form.
    """

    pattern: str
    container: str
    instead: tuple[str, ...] = ()


# Hugging Face's own folders hold one model several times over; safetensors is the plainest copy,
# a pickle the last.
_SAFE = ("*.safetensors.index.json", "*.safetensors")
_PICKLED = ("pytorch_model*.bin.index.json", "pytorch_model*.bin")
SOURCES = (
    Source(_SAFE[0], "safetensors"),
    Source(_SAFE[1], "safetensors", _SAFE[:1]),
    Source("tf_model.h5", "hdf5", _SAFE),
    Source(_PICKLED[0], "torch", (*_SAFE, "tf_model.h5")),
    Source(_PICKLED[1], "torch", (*_SAFE, "tf_model.h5", _PICKLED[0])),
    Source("variables/variables.index", "bundle"),  # of a SavedModel
    Source("model.weights.json", "keras_weights"),
    Source("model.weights.h5", "keras_weights", ("model.weights.json",)),
    Source("*.index", "bundle"),
)


def locate(path: Path) -> tuple[str, Path]:
    """-> (container, place) of the one checkpoint at `path`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        CheckpointError: a folder has no checkpoint or several, or the file is none, or
            either is a whole model.
    """
    path = path.parent if path.name == "saved_model.pb" else path
    refuse_whole_models(path)
    if path.is_dir():
        return _the_one_in(path)
    # Of a TensorFlow checkpoint, its prefix or any of its files may be named.
    index = Path(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", str(path)) + ".index")
    file = index if index.exists() else path
    source = next((source for source in SOURCES if file.match(source.pattern)), None)
    if source and file.exists():
        return _place(source, file)
    if path.exists():
        raise CheckpointError(f"{path} holds no weights that can be read. {_known()}")
    raise FileNotFoundError(
        f"No checkpoint at {path}. Looked for a folder, for that file and for {index}."
    )


def exported(folder: Path) -> Path | None:
    """The SavedModel for serving that is `folder`, or its newest version; None where there is none.

    Told by the folder that `export_saved_model` puts beside the graph.
    """
    numbered = [path for path in folder.glob("*") if path.name.isdecimal()]
    for path in (folder, *sorted(numbered, key=lambda path: -int(path.name))):
        if (path / "saved_model.pb").is_file() and (path / "assets.extra").is_dir():
            return path
    return None


def refuse_whole_models(path: Path):
    """Raises for what is no checkpoint but a whole model, and says what opens it."""
    if path.suffix == ".keras" and path.is_file():
        raise CheckpointError(
            f"{path} is a whole model: keras.saving.load_model opens it, and its method "
            "save_to_preset makes a folder that can be opened here. In a shell: bert_tf2 convert "
            f"--model={path} --to=bert_tf2 --output_dir=FOLDER"
        )
    if found := exported(path):
        raise CheckpointError(
            f"{found} is a SavedModel for serving: tf.saved_model.load opens it (in a shell: "
            "bert_tf2 predict --saved_model). Open the model that it was exported from instead."
        )


def home(place: Path) -> Path:
    """The folder of a checkpoint's config and vocabulary: a SavedModel's is above its variables."""
    inside = place.parts[-2:] == ("variables", "variables")
    return place.parent.parent if inside else place.parent


def _place(source: Source, file: Path) -> tuple[str, Path]:
    return source.container, file.with_suffix("") if source.container == "bundle" else file


def _known() -> str:
    return f"Known are {', '.join(source.pattern for source in SOURCES)}."


def _the_one_in(folder: Path) -> tuple[str, Path]:
    found = [
        _place(source, file)
        for source in SOURCES
        if not any(any(folder.glob(pattern)) for pattern in source.instead)
        for file in sorted(folder.glob(source.pattern))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(
            f"{folder} holds {len(found)} checkpoints: {', '.join(p.name for _, p in found)}. "
            f"Name the one you want, such as {found[0][1]}."
        )
    raise CheckpointError(f"{folder} holds no checkpoint. {_known()} Found {listing(folder)}.")


def has_config(folder: Path) -> bool:
    """Whether a config of a model lies there."""
    return (folder / "config.json").exists() or bool(_other_configs(folder))


def _other_configs(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.glob("*_config*.json")) if p.name not in _NOT_A_MODEL_CONFIG]


def find_config(folder: Path, format: str) -> Path:
    """The config beside a checkpoint.

    Raises:
        CheckpointError: there is none, or several.
    """
    # The format's own dialect first: the two mean different functions by "gelu".
    dialects = ("bert_config.json", "config.json")
    for name in dialects if format == "google" else dialects[::-1]:
        if (folder / name).exists():
            return folder / name
    found = _other_configs(folder)
    if len(found) == 1:
        return found[0]
    raise CheckpointError(
        f"{folder} has {'several configs' if found else 'no config'}. Expected bert_config.json or "
        f"config.json; found {listing(folder)}. Name one with `config_file`."
    )


def read_json(file: Path) -> dict:
    """The object in a JSON file.

    Raises:
        CheckpointError: it is none.
    """
    return files.read_json(file, at_most=files.LARGE, error=CheckpointError)


def listing(folder: Path) -> str:
    """The first names in a folder, for a message."""
    names = sorted(file.name for file in folder.iterdir())
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(names[:8]) or "nothing") + more
