"""Finding a checkpoint on disk: what format it is, and the config and vocabulary beside it."""

import dataclasses
import json
import re
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig, read_config
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import huggingface, names, tf1
from bert_tf2.weights.report import CheckpointError

_READERS = {"google": tf1, "huggingface": huggingface}
_NOT_A_MODEL_CONFIG = ("tokenizer_config.json", "generation_config.json")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint. Its values are read by `read`, and not before.

    Attributes:
        format: "google" (TensorFlow checkpoint) or "huggingface" (safetensors).
        path: the checkpoint's prefix, the safetensors file or the shards' index.
        config: the encoder's sizes, from the JSON beside it.
        vocab_file: the vocabulary beside it, if there is one.
        lowercase: whether its text is lower-cased; None where nothing says so.
        variables: their name -> (shape, dtype).
        ahead: what `loading.read_ahead` is reading, if anything: our name -> array.
    """

    format: str
    path: Path
    config: EncoderConfig
    vocab_file: Path | None
    lowercase: bool | None
    variables: dict[str, tuple[tuple[int, ...], np.dtype]]
    ahead: Future | None = dataclasses.field(default=None, repr=False, compare=False)

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Their names -> arrays as stored (16-bit floats of safetensors as float32).

        Raises:
            CheckpointError: a name is not in the file, or the data is missing or damaged.
        """
        names = list(names)
        unknown = [name for name in names if name not in self.variables]
        if unknown:
            raise CheckpointError(f"{self.path} has no variables {', '.join(unknown)}.")
        return _READERS[self.format].read(self.path, names)


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
    format, place = _locate(Path(path))
    folder = place.parent
    variables = _READERS[format].list_variables(place)
    config = None if config_file else _published_electra(folder, format, variables)
    if config is None:
        config = read_config(config_file or _find_config(folder, format))
    return Checkpoint(
        format=format,
        path=place,
        config=names.as_found(config, format, variables),
        vocab_file=_find_vocabulary(folder),
        lowercase=_find_lowercase(folder),
        variables=variables,
    )


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


# --- Finding things -------------------------------------------------------------------------------


def _locate(path: Path) -> tuple[str, Path]:
    """-> (format, place) of the one checkpoint at `path`."""
    if path.is_dir():
        return _the_one_in(path)
    if path.is_file() and path.name.endswith((".safetensors", ".safetensors.index.json")):
        return "huggingface", path
    prefix = path.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name))
    if Path(f"{prefix}.index").is_file():
        return "google", prefix
    if path.is_file():
        raise CheckpointError(
            f"{path} is neither a .safetensors file nor part of a TensorFlow checkpoint with an "
            f"index. {_OTHERS}"
        )
    raise FileNotFoundError(
        f"No checkpoint at {path}. Looked for a folder, a .safetensors file and {prefix}.index."
    )


_OTHERS = (
    "Pickled weights (pytorch_model.bin) are never opened, as they can run code: convert them to "
    "safetensors first, with `save_pretrained(..., safe_serialization=True)` of transformers."
)


def _the_one_in(folder: Path) -> tuple[str, Path]:
    indexes = sorted(folder.glob("*.safetensors.index.json"))
    files = [] if indexes else sorted(folder.glob("*.safetensors"))
    found = [("huggingface", file) for file in indexes + files]
    found += [("google", file.with_suffix("")) for file in sorted(folder.glob("*.index"))]
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(
            f"{folder} holds {len(found)} checkpoints: {', '.join(p.name for _, p in found)}. "
            f"Name the one you want, such as {found[0][1]}."
        )
    pickles = [file.name for file in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))]
    raise CheckpointError(
        f"{folder} holds no checkpoint. Looked for *.index (TensorFlow) and *.safetensors. "
        + (f"Found {', '.join(pickles)}. {_OTHERS}" if pickles else f"Found {_listing(folder)}.")
    )


def _find_config(folder: Path, format: str) -> Path:
    # The format's own dialect first: the two mean different functions by "gelu".
    dialects = ("bert_config.json", "config.json")
    for name in dialects if format == "google" else dialects[::-1]:
        if (folder / name).is_file():
            return folder / name
    found = [p for p in sorted(folder.glob("*_config*.json")) if p.name not in _NOT_A_MODEL_CONFIG]
    if len(found) == 1:
        return found[0]
    raise CheckpointError(
        f"{folder} has {'several configs' if found else 'no config'}. Expected bert_config.json or "
        f"config.json; found {_listing(folder)}. Name one with `config_file`."
    )


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


def _find_vocabulary(folder: Path) -> Path | None:
    found = {file.name: file for file in sorted(folder.glob("*vocab*.txt"))}
    for name in ("vocab.txt", "vocab_chinese.txt"):
        if name in found:
            return found[name]
    return next(iter(found.values())) if len(found) == 1 else None


def _find_lowercase(folder: Path) -> bool | None:
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        try:
            says = json.loads(settings.read_text(encoding="utf-8")).get("do_lower_case")
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{settings} is not a JSON object: {error}") from error
        if says is not None:
            return bool(says)
    # Google says it in the folder's name alone: google-research/bert `tokenization.py`,
    # validate_case_matches_checkpoint.
    name = folder.resolve().name
    for words, lowercase in (("uncased", True), ("cased", False), ("chinese|multilingual", True)):
        if re.search(words, name, re.IGNORECASE):
            return lowercase
    return None


def _listing(folder: Path) -> str:
    names = sorted(file.name for file in folder.iterdir())
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(names[:8]) or "nothing") + more
