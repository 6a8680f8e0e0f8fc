"""Writing checkpoints: the name tables run from our names to theirs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2 import files
from bert_tf2.config import EncoderConfig
from bert_tf2.weights import finding, keras_hub, names
from bert_tf2.weights.containers import bundle, keras_weights, safetensors
from bert_tf2.weights.report import fold
from bert_tf2.weights.tokenizer_source import TokenizerSource

DTYPES = ("float32", "float16", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Contents:
    """What there is to write, in whatever format.

    Attributes:
        config: the encoder's.
        arrays: our name -> array: a whole encoder and any heads; the pooler may be left out, as
            some models have none.
        tokenizer: its files, in memory, and its settings.
        labels: a classifier's class names.
        task: what a preset of ours keeps of a task besides: class name and settings.
        problem_type: what a classifier answers, as in `Checkpoint`.
    """

    config: EncoderConfig
    arrays: Mapping[str, np.ndarray]
    tokenizer: TokenizerSource = dataclasses.field(default_factory=TokenizerSource)
    labels: tuple[str, ...] | None = None
    task: Mapping | None = None
    problem_type: str | None = None


def save(folder: str | Path, contents: Contents, format: str, dtype: str = "float32") -> Path:
    """Writes a folder as the owner of a format publishes them. It appears once it is complete.

    Args:
        folder: a new or empty folder.
        contents: what to write.
        format: a key of `WRITERS`.
        dtype: of the stored numbers; "float16" and "bfloat16" where the format holds safetensors.

    Returns:
        the folder.

    Raises:
        FileExistsError: `folder` exists and is not empty.
        ValueError: the format has no words for this model, or no place for an array; or the
            vocabulary has more entries than the token table rows.
        OSError: the files cannot be written; nothing is left behind.
    """
    folder = Path(folder)
    if format not in WRITERS:
        raise ValueError(f"`format` must be one of {list(WRITERS)}. Received: {format!r}")
    if dtype not in DTYPES or (dtype != "float32" and format not in _IN_SAFETENSORS):
        raise ValueError(
            f"`dtype` must be float32, or for {' and '.join(_IN_SAFETENSORS)} one of {DTYPES}. "
            f"Received: {dtype!r} for {format}"
        )
    files.check_is_new(folder)
    _check_vocabulary(contents)
    contents = dataclasses.replace(contents, tokenizer=contents.tokenizer.with_case())
    if format == "keras_hub":
        keras_hub.check(contents.config)
    stored = to_format(contents.arrays, contents.config, format, dtype)
    with files.new_folder(folder) as partial:
        WRITERS[format](partial, contents, stored)
        for name, content in contents.tokenizer.files.items():
            (partial / _TOKENIZER_PLACES.get(format, {}).get(name, name)).write_bytes(content)
    return folder


def to_format(
    arrays: Mapping[str, np.ndarray], config: EncoderConfig, format: str, dtype: str = "float32"
) -> dict[str, np.ndarray]:
    """Our name -> array becomes their name -> array, laid out as `format` stores it.

    Args:
        arrays: as in `Contents`.
        format: a key of `formats.FORMATS`.
        dtype: one of `DTYPES`.

    Raises:
        ValueError: a name has no place in the format, an encoder variable is missing, or a shape
            is not the config's.
    """
    import ml_dtypes  # noqa: F401 (teaches NumPy the word bfloat16)

    of_tokens = any(name.startswith("token_classifier/") for name in arrays)
    table = names.variables(config, format, of_tokens)
    unknown = [name for name in arrays if name not in table]
    needed = [name for name in names.expected_shapes(config) if not name.startswith("pooler/")]
    missing = [name for name in needed if name not in arrays]
    if unknown or missing:
        raise ValueError(
            f"The arrays are not those of a {config.family} in {format} format. "
            f"Missing: {fold(missing)}. Without a place: {fold(unknown)}."
        )
    for name, array in arrays.items():
        shape = table[name].shape
        if len(shape) != np.ndim(array) or any(
            want not in (None, got) for want, got in zip(shape, np.shape(array), strict=True)
        ):
            raise ValueError(
                f"{name}: the config says {shape} (None: any). Received: {np.shape(array)}"
            )
    theirs = [table[name].theirs for name in arrays]
    if twice := sorted({name for name in theirs if theirs.count(name) > 1}):
        raise ValueError(f"{format} has one name, {', '.join(twice)}, for several arrays of these.")
    return {
        table[name].theirs: np.ascontiguousarray(table[name].theirs_of(_cast(name, array, dtype)))
        for name, array in arrays.items()
    }


def without_a_place(contents: Contents, format: str) -> list[str]:
    """Our names of the heads' arrays that a format has no name for."""
    of_tokens = any(name.startswith("token_classifier/") for name in contents.arrays)
    table = names.variables(contents.config, format, of_tokens)
    return [n for n in contents.arrays if names.head_of(n) is not None and n not in table]


def _cast(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # looked for below, with the name
        cast = np.asarray(array, dtype)
    if dtype == "float16" and np.isinf(cast).sum() > np.isinf(array).sum():
        raise ValueError(
            f"{name} holds values that float16 cannot, above 65504: choose bfloat16 or float32"
        )
    return cast


def write_settings(folder: Path, contents: Contents) -> None:
    """Writes `finding.SETTINGS_FILE`: everything but arrays and tokenizer."""
    settings = {
        "encoder": contents.config.to_dict(),
        "tokenizer": dict(contents.tokenizer.settings),
        "labels": contents.labels,
        "problem_type": contents.problem_type,
        "task": contents.task,
    }
    _write_json(folder / finding.SETTINGS_FILE, settings)


def _check_vocabulary(contents: Contents) -> None:
    entries = contents.tokenizer.entries()
    if entries > contents.config.vocab_size:
        raise ValueError(
            f"The vocabulary must have at most {contents.config.vocab_size} entries, the config's "
            f"vocab_size. Received: {entries}"
        )


# --- One function a format: everything but the tokenizer's files, into a folder nobody sees yet. --


def _write_ours(folder: Path, contents: Contents, stored: Mapping[str, np.ndarray]) -> None:
    write_settings(folder, contents)
    safetensors.write(folder / "model.safetensors", stored)


def _write_google(folder: Path, contents: Contents, stored: Mapping[str, np.ndarray]) -> None:
    family, config = contents.config.family, contents.config
    if config.mlm_act and any(names.head_of(name) == "mlm" for name in contents.arrays):
        raise ValueError(
            f"Google's {family} finds masked words with {config.hidden_act}, this model with "
            f"{config.mlm_act}: it would compute something else. Write it as bert_tf2."
        )
    _write_json(folder / f"{family}_config.json", config.to_google())
    stem = {"bert": "bert_model.ckpt", "albert": "model.ckpt-best"}  # as they are published
    bundle.write(folder / stem.get(family, family), stored)


def _write_huggingface(folder: Path, contents: Contents, stored: Mapping[str, np.ndarray]) -> None:
    from bert_tf2.weights import huggingface

    _write_json(folder / "config.json", huggingface.config_of(contents))
    if contents.tokenizer.files:
        _write_json(folder / "tokenizer_config.json", huggingface.tokenizer_config_of(contents))
    safetensors.write(folder / "model.safetensors", huggingface.completed(contents, stored))


def _write_keras_hub(folder: Path, contents: Contents, stored: Mapping[str, np.ndarray]) -> None:
    for name, values in keras_hub.settings_of(contents).items():
        _write_json(folder / name, values)
    keras_weights.write(folder / "model.weights.h5", keras_hub.completed(contents, stored))
    if contents.tokenizer.files:
        (folder / keras_hub.TOKENIZER_PLACES["vocab.txt"]).parent.mkdir(parents=True)


WRITERS = {
    "bert_tf2": _write_ours,
    "google": _write_google,
    "huggingface": _write_huggingface,
    "keras_hub": _write_keras_hub,
}
# Our name of a tokenizer's file -> its place in the folder, where it is not the folder itself.
_TOKENIZER_PLACES = {"keras_hub": keras_hub.TOKENIZER_PLACES}
_IN_SAFETENSORS = ("bert_tf2", "huggingface")


def _write_json(file: Path, values: dict) -> None:
    files.write_json(file, values, sort_keys=True)
