"""A checkpoint described for people: what `bert_tf2 inspect` prints."""

import math

from bert_tf2.messages import cut
from bert_tf2.weights import names
from bert_tf2.weights.checkpoint import Checkpoint
from bert_tf2.weights.head_kinds import problem_type_of
from bert_tf2.weights.loading import match
from bert_tf2.weights.report import Report, fold

_CASE = {True: "lower-cased", False: "cased", None: "case not stated"}


def summary(checkpoint: Checkpoint) -> str:
    """Format, family, sizes, parameters, heads, what is skipped, and a table of all variables.

    Reads no weights, so that it also describes an index whose data is absent.
    """
    config, matched = checkpoint.config, match(checkpoint)
    inner = [n for ours, n in matched.found.items() if names.head_of(ours) is None]
    vocabulary = ", ".join(f.name for f in checkpoint.tokenizer.files.values()) or "no file"
    rows = [
        ("checkpoint", str(checkpoint.path)),
        ("format", names.FORMATS[checkpoint.format].about),
        *about(config),
        (
            "vocabulary",
            f"{config.vocab_size} entries, {vocabulary}, {_CASE[checkpoint.tokenizer.lowercase]}",
        ),
        (
            "parameters",
            f"{_parameters(checkpoint, inner):,} in the encoder, "
            f"{_parameters(checkpoint, matched.found.values()):,} with the heads",
        ),
        ("heads", ", ".join(heads(checkpoint)) or "none"),
    ]
    if problem := problem_type_of(checkpoint):
        rows.append(("answers", problem))
    if checkpoint.labels:
        rows.append(("labels", cut(", ".join(checkpoint.labels), 200)))
    elif checkpoint.labels_refused:
        rows.append(("labels", f"none: {checkpoint.labels_refused}"))
    rows += [("skipped", text) for text in Report(skipped=matched.skipped).skipped_by_reason()]
    if matched.unused:
        rows.append(("unknown", ", ".join(fold(matched.unused))))
    lines = [f"{title:<12}{text}" for title, text in rows]
    return "\n".join([*lines, "", *_variable_table(checkpoint, matched)])


def heads(checkpoint: Checkpoint) -> list[str]:
    """The names of the heads that a checkpoint has, such as "mlm", sorted."""
    return sorted({names.head_of(ours) for ours in match(checkpoint).found} - {None})


def about(config) -> list[tuple[str, str]]:
    """What people want to know of an encoder's config: rows of a title and a text."""
    return [
        ("family", config.family),
        (
            "sizes",
            f"{config.num_hidden_layers} layers, width {config.hidden_size}, "
            f"{config.num_attention_heads} heads, inner width {config.intermediate_size}, "
            f"{config.max_position_embeddings} positions, {config.type_vocab_size} segments",
        ),
        ("activation", config.hidden_act),
    ]


def _parameters(checkpoint: Checkpoint, chosen) -> int:
    return sum(math.prod(checkpoint.variables[name][0]) for name in {*chosen})


def _variable_table(checkpoint: Checkpoint, matched) -> list[str]:
    ours_of = {}
    for ours, theirs in matched.found.items():
        ours_of[theirs] = f"{ours_of[theirs]}, {ours}" if theirs in ours_of else ours
    why = {name: f"({reason})" for name, reason in matched.skipped}
    cells = [
        (name, str(list(shape)), dtype.name, ours_of.get(name) or why.get(name, "(unknown)"))
        for name, (shape, dtype) in checkpoint.variables.items()
    ]
    cells.insert(0, ("variable", "shape", "dtype", "here"))
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
        for row in cells
    ]
