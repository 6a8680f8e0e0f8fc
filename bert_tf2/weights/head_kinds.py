"""What the head of a checkpoint is for, by what its config says and by its variables.

A kind of head is a key of `units.HEADS`: "classes", "tokens", "crf" (beside tokens), "spans",
"answerable_spans" (those of ALBERT's run_squad_v2.py), "joint_spans" (of ELECTRA's
run_finetuning.py), "choice", "next_sentence", "sentence_order", "masked_lm", "replaced_tokens".
"""

import dataclasses

from bert_tf2.weights import names
from bert_tf2.weights.checkpoint import Checkpoint
from bert_tf2.weights.loading import match
from bert_tf2.weights.publishers import PUBLISHER_OF
from bert_tf2.weights.units import HEADS

# Those that a model was fine-tuned for: the others it may have kept, or have beside them.
FINE_TUNED = ("classes", "tokens", "spans", "answerable_spans", "joint_spans", "choice")


def head_kinds(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The kinds of head that are in the file, the one that its config names first."""
    found = {names.head_of(ours) for ours in match(checkpoint).found}
    kinds = [kind for kind, parts in HEADS.items() if parts[-1] in found]
    return tuple(sorted(kinds, key=lambda kind: kind != checkpoint.head))


def other_head(checkpoint: Checkpoint, kind: str | None) -> str | None:
    """The kind of what the file was fine-tuned for, where it is not `kind`; None if it was not."""
    kinds = head_kinds(checkpoint)
    others = [other for other in kinds if other in FINE_TUNED]
    return others[0] if others and kind not in kinds else None


def problem_type_of(checkpoint: Checkpoint) -> str | None:
    """What a head of classes answers, one of `PROBLEM_TYPES`; None: nothing says, or there is none.

    Where a Hugging Face config does not say, one logit is a number and several are classes of which
    one is right, as in transformers (`…ForSequenceClassification.forward`).
    """
    bias = match(checkpoint).found.get("classifier/bias")
    if bias is None:
        return None
    if PUBLISHER_OF[checkpoint.format] != "huggingface":
        settings = (checkpoint.task or {}).get("settings") or {}  # of a task of ours
        return checkpoint.problem_type or settings.get("problem_type")
    guessed = (
        "regression" if checkpoint.variables[bias][0] == (1,) else "single_label_classification"
    )
    return checkpoint.problem_type or guessed


def read_as(checkpoint: Checkpoint, kind: str | None) -> Checkpoint:
    """The checkpoint with its head taken for one of `kind`, if it may be one.

    Google's classifier of one logit may be a choice, and Hugging Face's `classifier` one of tokens:
    only a config tells, so the report will say what was taken for granted. What a file says stays
    so, and so does a head whose sizes are not of the kind, or None: -> the same checkpoint.
    """
    kinds = head_kinds(checkpoint)
    if kind is None or kind in kinds or checkpoint.head in kinds:
        return checkpoint
    other = dataclasses.replace(checkpoint, head=kind)
    found = match(other).found
    rows = {o: row for o, row in other.table.items() if names.head_of(o) in HEADS[kind]}
    fits = [o in found and row.holds(other.variables[found[o]][0]) for o, row in rows.items()]
    if not fits or not all(fits):
        return checkpoint
    said = f"{checkpoint.path}: nothing says what {', '.join(found[o] for o in rows)} are for"
    note = f"{said}; here they are taken for a head of {kind}"
    return dataclasses.replace(other, notes=(*checkpoint.notes, note))
