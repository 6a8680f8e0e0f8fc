"""A model's figures on rows: those of its task, and GLUE's own."""

import math

from bert_tf2.cli.task_arguments import glue_task


def score(flags, model, rows, answers):
    """dict of what JSON can say: "rows", GLUE's figures where --glue is given, the task's.

    Args:
        model: an `Opened`.
        rows: with labels, if the task has some.
        answers: to each row, a list; empty for a task without labels.
    """
    figures = model.row.kind.score(model, rows, answers)
    if glue_task(flags):
        from bert_tf2.data import glue

        given = [model.row.kind.given(model, found) for found in answers]
        official = glue.score(flags.glue, rows.labels, given)
        figures = official | {n: v for n, v in figures.items() if n not in official}
    return plain({"rows": len(rows)} | figures)


def figure(flags, row, figures=None):
    """The name of the one figure that stands for all: GLUE's first, or the task's.

    `figures`, where they are known: tags that are no entities have their accuracy instead, and
    texts that are found for queries their nDCG.
    """
    task = None if row.figure == "spearman" else glue_task(flags)
    name = task.metrics[0] if task else row.figure
    return next((x for x in (name, "accuracy", "ndcg@10") if x in (figures or {})), name)


def plain(value):
    """A value as JSON can say it, which knows no NaN: what is not defined is null."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
