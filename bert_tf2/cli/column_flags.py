"""Which flags say something of a file, by how it is read: others are refused, and not left out."""

from pathlib import Path

from bert_tf2.cli.flags import UsageError

TABLE = ("text_column", "text_pair_column", "label_column", "label_separator", "name_column")
TABLE += ("header", "delimiter", "encoding")
BESIDE = ("calibration_file", "corpus_file")  # read by the flags of --input_file
USED = {  # what is read -> the flags that its reader follows
    "a table of texts": TABLE,
    "JSON Lines of texts": tuple(name for name in TABLE if name not in ("header", "delimiter")),
    "lines of text": ("encoding",),
    "whole texts": ("encoding",),
    "a task of GLUE": ("glue",),
    "STS-B's own file": ("encoding",),
    "BEIR's folder": (),
    "columns of words": ("text_column", "label_column", "scheme", "strict", "comment", "encoding"),
    "JSON Lines of words": ("text_column", "label_column", "scheme", "strict", "encoding"),
    "JSON Lines of entities": ("text_column", "label_column", "encoding"),
    "questions": ("encoding",),
    "choices": ("encoding",),
}
KNOWN = ("glue", *TABLE, "scheme", "strict", "comment")


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
    read, beside = [what], [flags[n].value for n in BESIDE if n in flags and flags[n].value]
    if beside:  # a flag may be for one of both
        read += map(_kind, (flags.input_file, *beside))
    _check(flags, path, what, read, without)


def check_documents(flags, paths):
    """`check_used` of files and folders that are indexed: a flag may be for one of them."""
    read = [_kind(path, "whole texts") for path in paths]
    _check(flags, paths[0], read[0], read)


def _check(flags, path, what, read, without=()):
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


def _kind(path, other=None):
    """How a file of texts is read, by its suffix: a key of `USED`; `other` if by none."""
    path = Path(path)
    kinds = {".csv": "a table of texts", ".tsv": "a table of texts"}
    kinds |= {".jsonl": "JSON Lines of texts", ".txt": other or "lines of text"}
    return kinds.get(path.suffix.lower() * (not path.is_dir()), other or "a table of texts")


def delimiter_of(flags, path):
    """--delimiter, of which JSON Lines have none beside a table that has one."""
    return None if _kind(path) == "JSON Lines of texts" else flags.delimiter
