"""Hugging Face's folders: what they hold besides weights, and what transformers computes otherwise.

Its config's words are in huggingface_config.py and huggingface_heads.py, its names in
huggingface_names.py.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import FAMILIES, EncoderConfig
from bert_tf2.files import read_json, write_json
from bert_tf2.weights.config_words import names_of, write
from bert_tf2.weights.containers import safetensors
from bert_tf2.weights.metadata import Metadata, WeightsFile, tokenizer_beside
from bert_tf2.weights.name_tables import respelled, written_out
from bert_tf2.weights.publishers import (
    huggingface_heads,
    sentence_transformers,
    sentence_transformers_writing,
)
from bert_tf2.weights.publishers.huggingface_config import CONFIG
from bert_tf2.weights.publishers.huggingface_names import FORMAT, NAMES, TF_FORMAT, TF_NAMES
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_words import config_of
from bert_tf2.weights.units import head_of

FORMATS = {"huggingface": (FORMAT, NAMES), "huggingface_tf": (TF_FORMAT, TF_NAMES)}

# --- Reading. -------------------------------------------------------------------------------------


def infer(file: WeightsFile) -> None:
    """Nothing but the config tells."""


def metadata(file: WeightsFile, config: EncoderConfig, config_file: Path) -> Metadata:
    """The tokenizer, and what the config says of a classifier.

    Raises:
        CheckpointError: an unknown kind of problem, a choice by what nothing here computes, or
            masked words told by another table than the encoder's, which is not there.
    """
    values = read_json(config_file, error=CheckpointError)
    said = huggingface_heads.said_head(values)
    heads = _heads(file, config, said)
    huggingface_heads.check(values, config, said, config_file)
    logits = heads.get("token_classifier", heads.get("classifier"))
    try:
        labels, notes, refused = *huggingface_heads.labels(values, logits, said, config_file), ""
    except CheckpointError as error:
        labels, notes, refused = None, (), str(error)
    if values.get("tie_word_embeddings") is False and "mlm" in heads and "decoder" not in heads:
        raise CheckpointError(
            f"{config_file}: `tie_word_embeddings` must be true where no table of the masked-word "
            "head's own is in the file. Received: False"
        )
    tokenizer = tokenizer_beside(file)
    if "camembert" in str([values.get("model_type"), values.get("architectures")]).lower():
        # Its pieces are numbered in a way of its own, which only some files of a tokenizer say.
        tokenizer = tokenizer.with_settings(family=tokenizer.settings.get("family", "camembert"))
    problem, task = values.get("problem_type"), sentence_transformers.reranker(values, file.folder)
    found = Metadata(config, tokenizer, labels, head=said, problem_type=problem, task=task)
    return found._replace(notes=notes, labels_refused=refused)


def _heads(file: WeightsFile, config: EncoderConfig, head: str | None) -> dict[str, int]:
    """The heads that a file has, and "decoder" where masked words have a table of their own.

    -> name -> the first size of its last variable, which of a bias is how many logits there are.
    """
    stored, names = FORMATS[file.format]
    table, tied = written_out(config, stored, names[config.family], head), names[config.family].tied
    wanted = [(head_of(ours), row.theirs) for ours, row in table.items()]
    same = table["embeddings/token"].theirs
    wanted += [("decoder", theirs) for theirs, copied in tied.items() if copied == same]
    sizes = {respelled(name, stored): shape for name, (shape, _) in file.variables.items()}
    outer = next((name.removesuffix(same) for name in sizes if name.endswith(same)), "")
    return {
        unit: sizes[name][0]
        for unit, theirs in wanted
        for name in (theirs, outer + theirs)
        if unit and sizes.get(name)
    }


# --- Writing. -------------------------------------------------------------------------------------

# Fields that change what is computed. Where Hugging Face has no word for one, nothing can be said.
_COMPUTED = (
    "layer_norm_eps",
    "embedding_size",
    "type_vocab_size",
    "sinusoidal_positions",
    "position_padding_id",
    "relative_buckets",
    "num_hidden_groups",
    "inner_group_num",
)


TOKENIZER_PLACES = {}


def check(contents) -> None:
    """Raises ValueError where transformers would compute something else."""
    _config_of(contents)


def write_folder(folder: Path, contents, stored: Mapping[str, np.ndarray]) -> None:
    """Everything but the tokenizer's files."""
    write_json(folder / "config.json", _config_of(contents), sort_keys=True)
    if contents.tokenizer.files:
        said = _tokenizer_config_of(contents)
        write_json(folder / "tokenizer_config.json", said, sort_keys=True)
    stored = sentence_transformers_writing.write_modules(folder, contents, stored)
    safetensors.write(folder / "model.safetensors", _completed(contents, stored))


def _config_of(contents) -> dict:
    """The `config.json` of `Contents`.

    Raises:
        ValueError: transformers would compute something else.
    """
    config = contents.config
    values = write(CONFIG, config)
    words = names_of(CONFIG, config.family)
    has_words = any(head_of(name) == "mlm" for name in contents.arrays)
    computed = [*_COMPUTED, *(["mlm_act"] if has_words else [])]
    unspoken = [name for name in computed if name in values and name not in words]
    if unspoken:
        said = {name: values[name] for name in unspoken}
        raise ValueError(
            f"transformers' {config.family} has no setting for {said}: it would compute something "
            "else. Write this model as bert_tf2 or google."
        )
    dense = FAMILIES[config.family].get("classifier_act") or "tanh"  # BERT's is the pooler
    pooler = "tanh" if config.pooler else None
    acts = {
        "classifier/bias": config.classifier_act or pooler or "nothing",
        "choice/bias": pooler or config.classifier_act or "tanh",
    }
    for head, act in acts.items():
        if head in contents.arrays and act != dense:
            raise ValueError(
                f"transformers' {config.family} has {dense} before a head's logits, this model "
                f"{act}: it would compute something else. Write it as bert_tf2."
            )
    _check_groups(config)
    if config.family != "electra_generator":  # whose class is what tells it from ELECTRA
        names = huggingface_heads.classes(contents.arrays, values["architectures"][0])
        values["architectures"] = names[:1]
    if labels := contents.labels or huggingface_heads.numbered(contents.arrays):
        values["id2label"] = {str(i): label for i, label in enumerate(labels)}
        values["label2id"] = {label: i for i, label in enumerate(labels)}
    if contents.problem_type:
        values["problem_type"] = contents.problem_type
    return values | sentence_transformers_writing.words_of_reranker(contents)


def _check_groups(config: EncoderConfig) -> None:
    """transformers divides layers into groups in another order of operations than Google."""
    layers, groups = config.num_hidden_layers, config.num_hidden_groups
    if groups is None:
        return
    google = [int(i / layers * groups) for i in range(layers)]
    if google != [int(i / (layers / groups)) for i in range(layers)]:
        raise ValueError(
            f"transformers would give {layers} layers other ones of {groups} groups than Google's "
            "code does. Write this model as bert_tf2 or google."
        )


def _completed(contents, stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with what transformers always has: ALBERT's projection, even between equals."""
    config = contents.config
    if config.family != "albert" or config.has_projection:
        return dict(stored)
    dtype = next(iter(stored.values())).dtype
    projection = NAMES[config.family].names["embeddings/projection"]
    return stored | {
        f"{projection}.weight": np.eye(config.hidden_size, dtype=dtype),
        f"{projection}.bias": np.zeros(config.hidden_size, dtype),
    }


def _tokenizer_config_of(contents) -> dict:
    """The `tokenizer_config.json` of `Contents`."""
    lengths = (contents.task or {}).get("preprocessor", {})
    length = lengths.get("max_length", contents.config.max_length)
    said = {"model_max_length": length, **config_of(contents.tokenizer)}
    return said | (
        {"tokenizer_class": "MPNetTokenizer"} if contents.config.family == "mpnet" else {}
    )
