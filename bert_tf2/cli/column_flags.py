"""Which flags say something of a file, by how it is read: others are refused, and not left out."""

from pathlib import Path

from bert_tf2.cli.flags import UsageError

TABLE = ("text_column", "text_pair_column", "label_column", "label_separator")
TABLE += ("header", "delimiter", "encoding")
USED = {  # what is read -> the flags that its reader follows
    "a table of texts": TABLE,
    "JSON Lines of texts": tuple(name for name in TABLE if name not in ("header", "delimiter")),
    "lines of text": ("encoding",),
    "a task of GLUE": ("glue",),
    "STS-B's own file": ("encoding",),
    "BEIR's folder": (),
    "columns of words": ("text_column", "label_column", "scheme", "comment", "encoding"),
    "JSON Lines of words": ("text_column", "label_column", "scheme", "encoding"),
    "JSON Lines of entities": ("text_column", "label_column", "encoding"),
    "questions": ("encoding",),
    "choices": ("encoding",),
}
KNOWN = ("glue", *TABLE, "scheme", "comment")


def given(flags, name):
    """Whether a flag is on the command line, or was on that of the run that goes on."""
    return flags[name].present or changed(flags, name)


def changed(flags, name):
    """Whether a flag says something else than its default."""
    return flags[name].value != flags[name].default


def check_used(flags, path, what, without=()):
    """Raises a UsageError for a flag that says what its reader would not follow.

    Args:
        what: a key of `USED`. without: flags of these that mean nothing here.
    """
    if "train_file" in flags and "input_file" in flags and flags.input_file:
        return  # of `distill`: texts alone beside rows of another form, with the flags of both
    read = [what]
    if "calibration_file" in flags and flags.calibration_file:  # a flag may be for one of both
        read += map(_kind, (flags.input_file, flags.calibration_file))
    used = dict.fromkeys(name for what in read for name in USED[what] if name not in without)
    for name in KNOWN:
        if name in flags and name not in used and changed(flags, name):
            own = ", ".join(f"--{n}" for n in used if n in flags) or "none"
            raise UsageError(
                f"--{name} is not for {what}, as {path} is read, which takes {own}", flags.command
            )


def check_table(flags, path, without=()):
    """`check_used` of texts by their file's suffix."""
    is_json = str(path).lower().endswith(".jsonl")
    check_used(flags, path, "JSON Lines of texts" if is_json else "a table of texts", without)


def _kind(path):
    """How a file of texts is read, by its suffix: a key of `USED`."""
    kinds = {".txt": "lines of text", ".jsonl": "JSON Lines of texts"}
    return kinds.get(Path(path).suffix.lower(), "a table of texts")
