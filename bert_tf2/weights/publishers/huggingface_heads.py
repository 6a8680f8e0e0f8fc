"""What Hugging Face's config.json says of a model's head, in both directions.

Source: the modeling_*.py of transformers 4 and 5, and configuration_utils.py.
"""

import collections
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.messages import shorten
from bert_tf2.weights.metadata import PROBLEM_TYPES
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.units import head_of

# The first row whose heads are all there names the class that reads the file as a whole, and what
# that class is for: a key of `units.HEADS`. `{}` is the family's part of the name.
_CLASSES = (
    ({"classifier"}, "{}ForSequenceClassification", "classes"),
    ({"token_classifier"}, "{}ForTokenClassification", "tokens"),
    ({"span"}, "{}ForQuestionAnswering", "spans"),
    ({"choice"}, "{}ForMultipleChoice", "choice"),
    ({"mlm", "nsp"}, "{}ForPreTraining", "masked_lm"),
    ({"mlm", "sop"}, "{}ForPreTraining", "masked_lm"),
    ({"rtd"}, "{}ForPreTraining", "replaced_tokens"),
    ({"mlm"}, "{}ForMaskedLM", "masked_lm"),
    ({"nsp"}, "{}ForNextSentencePrediction", "next_sentence"),
    ({"sop"}, "{}ForPreTraining", "sentence_order"),
)
# What ELECTRA's multiple choice makes of a text, in the words that might say something else.
_SUMMARY = {
    "summary_type": "first",
    "summary_use_proj": True,
    "summary_activation": "gelu",
    "summary_proj_to_labels": False,
}


def said_head(values: Mapping) -> str | None:
    """What the class that a config names is for, as far as that is one thing."""
    classes = str(values.get("architectures"))
    named = ((name.format(""), kind) for _, name, kind in _CLASSES)
    return next((k for name, k in named if name in classes and name != "ForPreTraining"), None)


def check(values: Mapping, config: EncoderConfig, head: str | None, config_file: Path) -> None:
    """Raises CheckpointError for an unknown kind of problem, or a choice of another make."""
    problem_type = values.get("problem_type")
    if problem_type not in (None, *PROBLEM_TYPES):
        raise CheckpointError(
            f"{config_file}: `problem_type` must be one of {PROBLEM_TYPES}. Received: "
            f"{shorten(problem_type)}"
        )
    if head != "choice" or config.family != "electra":
        return
    for word, wanted in _SUMMARY.items():
        if values.get(word, wanted) != wanted:
            raise CheckpointError(
                f"{config_file}: `{word}` must be {wanted!r} for a choice, as ElectraConfig has it "
                f"by default; nothing here computes another. Received: {shorten(values[word])}"
            )


def labels(values: Mapping, logits: int | None, head: str | None, config_file: Path):
    """-> the classes' names in the order of the logits, or None; and what is odd about them.

    They are those of `id2label`; where it is not there, of `label2id`. A class without a name gets
    the one that transformers' own configs give to it.

    Args:
        values: the config's.
        logits: how many the classifier in the file has; None: there is none.
        head: as from `said_head`.
        config_file: for messages.

    Raises:
        CheckpointError: `id2label` is no such thing, or of another number of classes, has a name
            twice or an empty one; or `label2id` says other numbers of its names.
    """
    if logits is None:
        return None, ()
    word = "id2label" if values.get("id2label") or not values.get("label2id") else "label2id"
    said = values.get(word) or {}
    names = _by_number(said if word == "id2label" else _turned(said))
    is_known = head in ("classes", "tokens")
    if names is None or (said and is_known and len(names) != logits):
        wanted = "by their numbers" if word == "id2label" else "with their numbers"
        raise CheckpointError(
            f"{config_file}: `{word}` must name the {logits} classes {wanted}, 0, 1, 2, … "
            f"Received: {shorten(said)}"
        )
    if said and len(names) != logits:
        return None, ()
    if is_known:
        _check_names(names, values.get("label2id"), word, config_file)
    unnamed = [f"LABEL_{i}" for i in range(logits) if said and i not in names]
    notes = (
        f"{config_file}: `{word}` has gaps, {shorten(said)}: the {logits} logits are numbered "
        f"from 0, and those without a name are called {', '.join(unnamed)}",
    )
    found = tuple(names.get(i, f"LABEL_{i}") for i in range(logits))
    return found, notes if unnamed else ()


def _by_number(said) -> dict[int, str] | None:
    """`id2label` with numbers as keys; None for what is no such thing."""
    try:
        names = {int(n): str(label) for n, label in said.items() if label is not None}
    except (AttributeError, TypeError, ValueError):
        return None
    return names if len(names) == len(said) else None


def _turned(said):
    """`label2id` as `id2label`; where that cannot be, as it is."""
    if not isinstance(said, Mapping) or not all(isinstance(n, int) for n in said.values()):
        return None
    turned = {number: name for name, number in said.items()}
    return turned if len(turned) == len(said) else None


def _check_names(names: Mapping[int, str], numbers, word: str, config_file: Path) -> None:
    """Raises CheckpointError for an empty name, one twice, or one of another number elsewhere."""
    count = collections.Counter(names.values())
    if wrong := [name for name in count if count[name] > 1 or not name.strip()]:
        why = "is there more than once" if wrong[0].strip() else "is empty"
        raise CheckpointError(
            f"{config_file}: `{word}` must name each class differently: {shorten(wrong[0])} {why}. "
            f"Received: {shorten(names)}"
        )
    other = numbers if isinstance(numbers, Mapping) else {}
    for number, name in names.items():
        if name in other and str(other[name]) != str(number):
            raise CheckpointError(
                f"{config_file}: `label2id` must say what `id2label` says: {shorten(name)} is "
                f"{number} there. Received: {shorten(other[name])}"
            )


def classes(arrays: Mapping[str, np.ndarray], bare: str) -> list[str]:
    """The classes that read these arrays of ours, the one that reads most first.

    Args:
        arrays: as in `Contents`.
        bare: the class of the encoder alone, such as "BertModel".
    """
    heads, base = {head_of(name) for name in arrays}, bare.removesuffix("Model")
    return [*(name.format(base) for wanted, name, _ in _CLASSES if wanted <= heads), bare]


def numbered(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Names for classes without one, as transformers makes them; its own guess is two classes."""
    for head in ("classifier", "token_classifier"):
        if f"{head}/bias" in arrays:
            return [f"LABEL_{i}" for i in range(len(arrays[f"{head}/bias"]))]
    return []
