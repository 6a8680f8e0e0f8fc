"""What lies beside the weights, format by format: config, tokenizer, class names."""

import dataclasses
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bert_tf2.config import EncoderConfig, read_config
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import finding, keras_hub, names
from bert_tf2.weights.containers import objects
from bert_tf2.weights.derived import derive_config
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")


class Beside(NamedTuple):
    """What there is; the attributes are those of `Checkpoint`."""

    config: EncoderConfig
    tokenizer: TokenizerSource
    labels: tuple[str, ...] | None = None
    of_tokens: bool = False
    problem_type: str | None = None
    task: dict | None = None


def look(format: str, container: str, place: Path, variables: Mapping, config_file=None) -> Beside:
    """Collects what lies beside a checkpoint.

    Args:
        format, container, place, variables: of the checkpoint, as `Checkpoint` has them.
        config_file: the config, where it does not lie there.

    Raises:
        CheckpointError: a file is damaged, or there is no config and none can be derived.
        ValueError: the config is not one that `read_config` knows.
    """
    folder = finding.home(place)
    if said := settings_in(folder):
        return Beside(
            read_config(config_file) if config_file else said["encoder"],
            TokenizerSource(finding.find_tokenizer_files(folder), _our_settings(said)),
            labels=tuple(said["labels"]) if said.get("labels") else None,
            problem_type=said.get("problem_type"),
            task=said.get("task"),
        )
    config = None if config_file else _told(folder, format, place, variables)
    if config is None:
        config_file = Path(config_file or finding.find_config(folder, format))
        publisher = "huggingface" if format.startswith("huggingface") else None
        config = read_config(config_file, publisher)
        config = _shared(config, config_file) if container == "factorized" else config
    if format == "keras_hub":
        return Beside(config, keras_hub.find_tokenizer(folder, config.family))
    tokenizer = TokenizerSource(finding.find_tokenizer_files(folder))
    tokenizer = tokenizer.with_settings(**finding.find_tokenizer_settings(folder, tokenizer.files))
    if format == "tfhub":
        tokenizer = tokenizer.with_settings(lowercase=_lowercase_in(place, variables))
    classes = {}
    if format.startswith("huggingface"):
        classes = _classes(Path(config_file), config, format, variables)
    return Beside(config, tokenizer, **classes)


def settings_in(folder: Path) -> dict:
    """What `bert_tf2.json` says, in a preset or a SavedModel of ours; else nothing.

    Raises:
        CheckpointError: it does not say what the encoder is.
    """
    file = folder / finding.SETTINGS_FILE
    file = file if file.exists() else folder / "assets" / finding.SETTINGS_FILE
    if not file.exists():
        return {}
    settings = finding.read_json(file)
    try:
        settings["encoder"] = EncoderConfig(**settings["encoder"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{file} must say what the `encoder` is, in EncoderConfig's words: {error}"
        ) from error
    task, labels = settings.get("task"), settings.get("labels")
    parts = [task.get(name, {}) for name in _TASK] if isinstance(task, dict) else [task or {}]
    if not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(
            f"{file}: `task` must have objects {_TASK}. Received: {reprlib.repr(task)}"
        )
    if not isinstance(settings.get("tokenizer", {}), dict):
        said = reprlib.repr(settings["tokenizer"])
        raise CheckpointError(f"{file}: `tokenizer` must be an object. Received: {said}")
    if settings.get("problem_type") not in (None, *PROBLEM_TYPES):
        raise CheckpointError(
            f"{file}: `problem_type` must be one of {PROBLEM_TYPES}. Received: "
            f"{reprlib.repr(settings['problem_type'])}"
        )
    if labels is not None and not (isinstance(labels, list) and all(map(_is_text, labels))):
        raise CheckpointError(
            f"{file}: `labels` must be a list of strings. Received: {reprlib.repr(labels)}"
        )
    return settings


_TASK = ("settings", "preprocessor", "tokenizer")


def _our_settings(said: dict) -> dict:
    """A tokenizer's settings, which 0.1.0 kept in three places."""
    old = {name: said[name] for name in ("lowercase", "add_prefix_space") if name in said}
    old |= (said.get("task") or {}).get("tokenizer") or {}
    return {n: value for n, value in said.get("tokenizer", old).items() if value is not None}


def _is_text(value) -> bool:
    return isinstance(value, str)


def _told(folder: Path, format: str, place: Path, variables: Mapping) -> EncoderConfig | None:
    """What names and shapes tell, where there is no JSON; None where one must be found."""
    if finding.has_config(folder):
        return None
    if format == "tfhub" or folder != place.parent:  # the Model Garden's, or a SavedModel
        return derive_config(variables, format, folder)
    return _published_electra(variables) if format == "google" else None


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


def _published_electra(variables: Mapping) -> EncoderConfig | None:
    """That of the published size whose shapes agree."""
    for config in VARIANTS.values():
        if config.family == "electra":
            rows = names.variables(config, "google").items()
            wanted = [row for ours, row in rows if names.head_of(ours) is None]
            if all(variables.get(row.theirs, (None,))[0] == row.shape for row in wanted):
                return config
    return None


def _lowercase_in(place: Path, variables: Mapping) -> bool | None:
    """The variable `do_lower_case` of a TF-Hub module, the only one that is no number."""
    said = [name for name, (shape, dtype) in variables.items() if (shape, dtype.kind) == ((), "b")]
    if len(said) != 1 or not any(place.parent.glob(f"{place.name}.data-*")):
        return None
    return bool(objects.read(place, said)[said[0]])


def _classes(file: Path, config: EncoderConfig, format: str, variables: Mapping) -> dict:
    """`labels`, `of_tokens` and `problem_type`, as Hugging Face's config says them.

    Raises:
        CheckpointError: classes without a number each from 0, an unknown kind of problem, or
            masked words told by another table than the encoder's, which is not there.
    """
    values, heads = finding.read_json(file), _heads(config, format, variables)
    by_number = values.get("id2label") or {}
    try:
        labels = {int(number): str(label) for number, label in by_number.items()}
        labels = [labels[i] for i in range(len(by_number))]
    except (KeyError, AttributeError, ValueError):
        if "classifier" in heads:
            raise CheckpointError(
                f"{file}: `id2label` must name the classes by their numbers, 0, 1, 2, … without a "
                f"gap. Received: {reprlib.repr(by_number)}"
            ) from None
        labels = []
    problem_type = values.get("problem_type")
    if problem_type not in (None, *PROBLEM_TYPES):
        raise CheckpointError(
            f"{file}: `problem_type` must be one of {PROBLEM_TYPES}. Received: "
            f"{reprlib.repr(problem_type)}"
        )
    if values.get("tie_word_embeddings") is False and "mlm" in heads and "decoder" not in heads:
        raise CheckpointError(
            f"{file}: `tie_word_embeddings` must be true where no table of the masked-word head's "
            "own is in the file. Received: False"
        )
    return {
        "labels": tuple(labels) or None,
        "of_tokens": "ForTokenClassification" in str(values.get("architectures")),
        "problem_type": problem_type,
    }


def _heads(config: EncoderConfig, format: str, variables: Mapping) -> set[str]:
    """The heads that a file has, and "decoder" where masked words have a table of their own."""
    spelled = tuple(f".{names.respelled(name, format)}" for name in variables)
    table, tied = names.variables(config, format), names.naming(config, format).tied
    table_name = table["embeddings/token"].theirs
    wanted = [(names.head_of(ours), row.theirs) for ours, row in table.items()]
    wanted += [("decoder", theirs) for theirs, same in tied.items() if same == table_name]
    return {
        head.removeprefix("token_")
        for head, theirs in wanted
        if head and any(name.endswith(f".{theirs}") for name in spelled)
    }
