"""Writing checkpoints: the name tables run from our names to theirs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2 import files
from bert_tf2.config import EncoderConfig
from bert_tf2.weights import adapter_files, names
from bert_tf2.weights.contents import GENERATOR, Contents
from bert_tf2.weights.publishers import PUBLISHERS, sentence_transformers_writing
from bert_tf2.weights.report import fold
from bert_tf2.weights.tokenizer_words import unsaid

DTYPES = ("float32", "float16", "bfloat16")
_IN_SAFETENSORS = ("bert_tf2", "huggingface")
WRITERS = {name: p for name, p in PUBLISHERS.items() if hasattr(p, "write_folder")}


def save(folder: str | Path, contents: Contents, format: str, dtype: str = "float32") -> Path:
    """Writes a folder as the owner of a format publishes them. It appears once it is complete.

    Args:
        folder: a new or empty folder.
        contents: what to write.
        format: "bert_tf2", "google", "huggingface" or "keras_hub".
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
    contents = dataclasses.replace(contents, tokenizer=contents.tokenizer.with_case())
    check_writable(contents, format)
    publisher = WRITERS[format]
    stored = to_format(contents.arrays, contents.config, format, dtype)
    other = contents.generator
    if format == "google":
        stored |= _slots(contents)
    if other is not None and format == "google":
        stored |= to_format(other.arrays, other.config, format, dtype) | _slots(other)
    with files.new_folder(folder) as partial:
        publisher.write_folder(partial, contents, stored)
        for name, adapter in contents.adapters.items() if format == "bert_tf2" else ():
            place = partial / adapter_files.IN_PRESETS / name
            adapter_files.write(place, adapter, contents.config, None, "bert_tf2")
        for name, content in contents.tokenizer.files.items():
            (partial / publisher.TOKENIZER_PLACES.get(name, name)).write_bytes(content)
        if other is not None and format != "google":
            save(partial / GENERATOR, other, format, dtype)
    return folder


def check_writable(contents: Contents, format: str) -> None:
    """Raises what `save` would of contents that a format has no words for, or no place.

    Args:
        contents: whose values are not looked at.
        format: "bert_tf2", "google", "huggingface" or "keras_hub".

    Raises:
        ValueError: as `save`.
    """
    _check_vocabulary(contents)
    names.naming(contents.config, format)  # there may be none of the family
    WRITERS[format].check(contents)
    if unknown := without_a_place(contents, format):
        raise ValueError(
            f"The arrays are not those of a {contents.config.family} in {format} format. "
            f"Without a place: {fold(unknown)}."
        )


def _slots(contents: Contents) -> dict[str, np.ndarray]:
    """Google's names of an optimizer's slots and steps; nothing where there are none."""
    found = {
        f"{name}/{slot}": array
        for slot, arrays in contents.slots.items()
        for name, array in to_format(arrays, contents.config, "google").items()
    }
    return found | ({"global_step": np.int64(contents.steps)} if contents.steps else {})


def to_format(
    arrays: Mapping[str, np.ndarray], config: EncoderConfig, format: str, dtype: str = "float32"
) -> dict[str, np.ndarray]:
    """Our name -> array becomes their name -> array, laid out as `format` stores it.

    Args:
        arrays: as in `Contents`.
        format: a key of `publishers.FORMATS`.
        dtype: one of `DTYPES`.

    Raises:
        ValueError: a name has no place in the format, an encoder variable is missing, or a shape
            is not the config's.
    """
    import ml_dtypes  # noqa: F401 (teaches NumPy the word bfloat16)

    table = names.variables(config, format, names.kind_of(arrays))
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
    places = [(table[name].theirs, table[name].slice) for name in arrays]
    stored = {theirs: [None] * count for theirs, (_, count) in places}
    for (theirs, (index, _)), (name, array) in zip(places, arrays.items(), strict=True):
        stored[theirs][index] = table[name].theirs_of(_cast(name, array, dtype))
    axes = {row.theirs: row.axis for row in table.values()}
    return {
        theirs: np.ascontiguousarray(x[0] if len(x) == 1 else np.concatenate(x, axes[theirs]))
        for theirs, x in stored.items()
    }


def without_a_place(contents: Contents, format: str) -> list[str]:
    """Our names of the heads' arrays that a format has no name for."""
    table = names.variables(contents.config, format, names.kind_of(contents.arrays))
    return [n for n in contents.arrays if names.head_of(n) is not None and n not in table]


def lost(contents: Contents, to: str) -> list[str]:
    """What a folder in a format will not say, a sentence each."""
    said = []
    if contents.labels and to not in ("bert_tf2", "huggingface"):
        said.append(f"{to} has no place for class names: {', '.join(contents.labels)}")
    if contents.problem_type and to not in ("bert_tf2", "huggingface"):
        said.append(f"{to} has no place for the kind of answer, {contents.problem_type}")
    kind = names.kind_of(contents.arrays)
    if kind in ("tokens", "choice") and to == "google":
        said.append(f"google has one name for every classifier, and no word for one of {kind}")
    pooling = (contents.task or {}).get("settings", {}).get("pooling", "first")
    if pooling != "first" and to != "bert_tf2" and kind in ("classes", "choice"):
        said.append(
            f"{to} has no word for the head's pooling={pooling!r}: whoever opens it must "
            "give it again, or its answers are wrong"
        )
    if sentence_transformers_writing.settings_of(contents) and to not in (
        "bert_tf2",
        "huggingface",
    ):
        said.append(f"{to} has no word for how vectors of texts are made: pooling, prompts and all")
    if to != "bert_tf2" and (why := (contents.task or {}).get("refused")):
        said.append(f"what the checkpoint says of its task was left out. {why}")
    words = unsaid(contents.tokenizer, to)
    if words:
        said.append(f"{to} has no place for these settings of the tokenizer: {', '.join(words)}")
    if contents.adapters and to != "bert_tf2":
        said += [f"{to} has no place for {told}" for told in lost_adapters(contents)]
    if not contents.tokenizer.files:
        said.append("no vocabulary lies beside the weights, so none was written")
    return said


def lost_adapters(contents: Contents) -> list[str]:
    """What becomes of adapters where one is merged: a sentence, of their names."""
    active = ((contents.task or {}).get("adapters") or {}).get("active")
    merged = f"{active} was merged into the weights" if active else "none of them is active"
    return [f"adapters ({', '.join(contents.adapters)}): {merged}, others were left out"]


def _cast(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # looked for below, with the name
        cast = np.asarray(array, dtype)
    if dtype == "float16" and np.isinf(cast).sum() > np.isinf(array).sum():
        raise ValueError(
            f"{name} holds values that float16 cannot, above 65504: choose bfloat16 or float32"
        )
    return cast


def _check_vocabulary(contents: Contents) -> None:
    entries = contents.tokenizer.entries()
    if entries > contents.config.vocab_size:
        raise ValueError(
            f"The vocabulary must have at most {contents.config.vocab_size} entries, the config's "
            f"vocab_size. Received: {entries}"
        )
