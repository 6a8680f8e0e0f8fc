"""Settings of tasks that flags say: of one to be trained or opened, or of one in memory."""

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.task_table import TASKS

SETTINGS = {  # flags, mostly of run_squad.py -> arguments of tasks that have them
    "doc_stride": "doc_stride",
    "max_query_length": "max_question_len",
    "max_answer_length": "max_answer_len",
    "version_2_with_negative": "handle_impossible_answer",
    "null_score_diff_threshold": "null_score_diff_threshold",
    "top_k": "top_k",
    "thresholds": "thresholds",
    "aggregation_strategy": "aggregation_strategy",
    "crf": "crf",
}


SOFTER = ("label_smoothing", "focal_gamma")  # flags of the losses that soften


def own_settings(flags, cls):
    """The arguments of a task's class that flags give; UsageError for one that it has not."""
    given = {f: s for f, s in SETTINGS.items() if f in flags and flags[f].value is not None}
    for flag, setting in given.items():
        if setting not in cls.settings:
            raise UsageError(f"--{flag} is not for a {cls.__name__}", flags.command)
    found = {setting: flags[flag].value for flag, setting in given.items()}
    return found | ({"thresholds": _thresholds(flags)} if "thresholds" in found else {})


def _thresholds(flags):
    """--thresholds as `set_thresholds` takes them: a number, one a label, or a dict by label."""
    given = flags.thresholds
    try:
        if all("=" in word for word in given):
            return {x.rpartition("=")[0]: float(x.rpartition("=")[2]) for x in given}
        found = [float(word) for word in given]
    except ValueError as error:
        raise UsageError(
            "--thresholds takes probabilities: one for all, a,b,c in the order of the labels, or "
            f"LABEL=a,…. Received: {','.join(given)}",
            flags.command,
        ) from error
    return found if found[1:] else found[0]


def set_on(task, flags, given):
    """Sets what flags say on a task in memory that can be told later; UsageError for the rest.

    Args:
        given: what the user called it.
    """
    settings = own_settings(flags, type(task))
    if "thresholds" in settings:
        task.set_thresholds(settings.pop("thresholds"))
    for flag, setting in SETTINGS.items():
        if setting in settings and setting not in getattr(task, "asked_settings", ()):
            raise UsageError(
                f"--{flag} is for checkpoints: {given} has its own setting", flags.command
            )
    if settings:
        task.set_asking(**settings)


def check_settings(flags):
    """Raises a UsageError for a flag of another task, or one that is not trained, before any file
    is read."""
    if trained := TASKS[flags.task].trained:
        raise UsageError(
            f"--task={flags.task} is for predict, evaluate and export; {trained}", flags.command
        )
    softer = [name for name in SOFTER if flags[name].value]
    if softer or any(name in flags and flags[name].value is not None for name in SETTINGS):
        console.import_tensorflow()
        cls = TASKS[flags.task].load()
        own_settings(flags, cls)
        if softer and (flags.crf or not cls.softens):
            what = f"a {cls.__name__}{' with --crf' if flags.crf else ''}"
            raise UsageError(f"--{softer[0]} is not for {what}", flags.command)
