"""What Hugging Face's folders hold besides the weights, and what transformers computes otherwise.

Source: the configuration_*.py and modeling_*.py of transformers.
"""

from collections.abc import Mapping

import numpy as np

from bert_tf2 import dialects
from bert_tf2.config import EncoderConfig
from bert_tf2.dialects import FAMILIES
from bert_tf2.weights import names

# The first row whose heads are all there names the class that reads the file as a whole. `{}` is
# the family's part of the name.
_ARCHITECTURES = (
    ({"classifier"}, "{}ForSequenceClassification"),
    ({"token_classifier"}, "{}ForTokenClassification"),
    ({"span"}, "{}ForQuestionAnswering"),
    ({"mlm", "nsp"}, "{}ForPreTraining"),
    ({"mlm", "sop"}, "{}ForPreTraining"),
    ({"rtd"}, "{}ForPreTraining"),
    ({"mlm"}, "{}ForMaskedLM"),
)
_TOKENIZERS = {"albert": "AlbertTokenizer", "roberta": "RobertaTokenizer"}
_TOKENIZERS |= {"xlm_roberta": "XLMRobertaTokenizer"}
# Fields that change what is computed. Where Hugging Face has no word for one, nothing can be said.
_COMPUTED = (
    "layer_norm_eps",
    "embedding_size",
    "type_vocab_size",
    "sinusoidal_positions",
    "position_padding_id",
    "num_hidden_groups",
    "inner_group_num",
)


def config_of(contents) -> dict:
    """The `config.json` of `saving.Contents`.

    Raises:
        ValueError: transformers would compute something else.
    """
    config = contents.config
    values = config.to_huggingface()
    words = dialects.words(config.family, "huggingface").values()
    has_words = any(names.head_of(name) == "mlm" for name in contents.arrays)
    computed = [*_COMPUTED, *(["mlm_act"] if has_words else [])]
    unspoken = [name for name in computed if name in values and name not in words]
    if unspoken:
        said = {name: values[name] for name in unspoken}
        raise ValueError(
            f"transformers' {config.family} has no setting for {said}: it would compute something "
            "else. Write this model as bert_tf2 or google."
        )
    dense = FAMILIES[config.family].get("classifier_act") or "tanh"  # BERT's is the pooler
    if "classifier/bias" in contents.arrays and config.classifier_act not in (None, dense):
        raise ValueError(
            f"transformers' {config.family} classifies with {dense}, this model with "
            f"{config.classifier_act}: it would compute something else. Write it as bert_tf2."
        )
    _check_groups(config)
    if config.family != "electra_generator":  # whose class is what tells it from ELECTRA
        base = values["architectures"][0].removesuffix("Model")
        heads = {names.head_of(name) for name in contents.arrays}
        named = [name.format(base) for wanted, name in _ARCHITECTURES if wanted <= heads]
        values["architectures"] = [*named, values["architectures"][0]][:1]
    if labels := contents.labels or _numbered(contents.arrays):
        values["id2label"] = {str(i): label for i, label in enumerate(labels)}
        values["label2id"] = {label: i for i, label in enumerate(labels)}
    if contents.problem_type:
        values["problem_type"] = contents.problem_type
    return values


def _numbered(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Names for classes without one, as transformers makes them; its own guess is two classes."""
    for head in ("classifier", "token_classifier"):
        if f"{head}/bias" in arrays:
            return [f"LABEL_{i}" for i in range(len(arrays[f"{head}/bias"]))]
    return []


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


def completed(contents, stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with what transformers always has: ALBERT's projection, even between equals."""
    config = contents.config
    if config.family != "albert" or config.has_projection:
        return dict(stored)
    dtype = next(iter(stored.values())).dtype
    projection = names.naming(config, "huggingface").names["embeddings/projection"]
    return stored | {
        f"{projection}.weight": np.eye(config.hidden_size, dtype=dtype),
        f"{projection}.bias": np.zeros(config.hidden_size, dtype),
    }


def tokenizer_config_of(contents) -> dict:
    """The `tokenizer_config.json` of `saving.Contents`."""
    tokenizer = _TOKENIZERS.get(contents.config.family, "BertTokenizer")
    if "vocab.txt" in contents.tokenizer.files:
        tokenizer = "BertTokenizer"  # the Chinese ALBERTs have one, too
    said = {"tokenizer_class": tokenizer, "model_max_length": contents.config.max_length}
    words = {"add_prefix_space": "add_prefix_space", "lowercase": "do_lower_case"}
    settings = contents.tokenizer.settings
    return said | {theirs: settings[ours] for ours, theirs in words.items() if ours in settings}
