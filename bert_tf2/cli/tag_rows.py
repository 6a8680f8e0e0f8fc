"""Files of words with tags, and of texts with entities -> rows of the shell, whole or in turn."""

from pathlib import Path

from bert_tf2.cli import row_streams, rows
from bert_tf2.cli.column_flags import changed, check_used, given
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.row_set import Rows
from bert_tf2.cli.tag_files import check_kinds, kind_of, kinds_of, scheme_of_file
from bert_tf2.data import json_lines
from bert_tf2.data.class_names import some
from bert_tf2.data.spans import LISTS
from bert_tf2.data.text_files import TextFile
from bert_tf2.data.word_rows import TAGS, WORDS


def tagged(flags, path, labelled, names=None):
    """Words with tags, in CoNLL's columns or JSON Lines; or JSON Lines of texts with entities.

    Without labels also texts, as for classes: a .txt file has columns if all its lines have as many
    words, and some are blank; or if a flag speaks of columns of words.
    """
    form = form_of_tags(flags, path, labelled)
    if form == "texts":
        return rows.texts(None)(flags, path, False)
    if form == "entities":
        from bert_tf2.data.spans import read_spans

        check_used(flags, path, "JSON Lines of entities")
        key = flags.label_column if given(flags, "label_column") else None
        found = read_spans(path, flags.text_column, key, flags.encoding)
        known = names and kinds_of(names)
        check_kinds(path, found, known)
        labels, columns = found.spans, {"text": found.texts}
        kinds = [[label for _, _, label in row] for row in labels]
    else:
        found, scheme = _words(flags, path, labelled, names)
        labels, columns = found.tags, {"words": found.words}
        tell = kind_of if scheme else str
        kinds = [[tell(tag) for tag in row if tag != "O"] for row in labels or ()]
        known = names and (kinds_of(names) if scheme else {*names})
    for line, row in zip(found.lines, kinds, strict=False):
        if known and (strange := [kind for kind in row if kind not in known]):
            raise ValueError(
                f"{path}, line {line} and on: the labels must be of {some(sorted(known - {'O'}))}. "
                f"Received: {strange[0]!r}"
            )
    places = [f"{path}, line {line}" for line in found.lines]
    about = f"{len(found)} texts{rows.counted(kinds)}"
    return Rows(columns, labels if labelled else None, about, found, None, places)


def _words(flags, path, labelled, names):
    """(`TaggedWords` of a file, the scheme that it is read by)."""
    from bert_tf2.data.conll import read_conll

    where = _places(flags, path, labelled) | {"encoding": flags.encoding}
    told = flags.labels if "labels" in flags else None
    where |= {"names": told or names}  # numbers mean those of the training: the model's order
    if not labelled:
        return read_conll(path, **where), None
    scheme = scheme_of_file(flags, names)
    strict = "strict" in flags and flags.strict
    found = read_conll(path, **where, scheme=scheme, strict=strict)
    if scheme is None and flags.scheme == "any" and _are_entities(found.tags, names):
        return read_conll(path, **where), "any"
    return found, scheme


def _are_entities(tags, names):
    """Whether tags, some of which a model has not, are letters with kinds as models of IO have."""
    found = {tag for row in tags for tag in row}
    return not found <= {*names} and all(tag == "O" or kind_of(tag) != tag for tag in found)


def _places(flags, path, labelled):
    """Where words and tags stand, as `read_conll` takes them: columns by number, or keys."""
    is_json = Path(path).suffix.lower() == ".jsonl"
    check_used(flags, path, "JSON Lines of words" if is_json else "columns of words")
    found = {"comment": flags.comment}
    for name, flag in (("word", "text_column"), ("tag", "label_column")):
        if given(flags, flag) if is_json else changed(flags, flag):
            found[name] = flags[flag].value if is_json else _number(flags, flag)
    return found | ({} if labelled else {"tag": None})


def _number(flags, flag):
    try:
        return int(flags[flag].value)
    except ValueError as error:
        raise UsageError(
            f"--{flag} is the number of a column of words, from 0 or, below, from the end. "
            f"Received: {flags[flag].value}",
            flags.command,
        ) from error


def stream(flags, path):
    """Words, or texts, one after another, see `tagged`."""
    from bert_tf2.data.word_rows import sequences

    if form_of_tags(flags, path, False) == "texts":
        yield from row_streams.texts(flags, path)
    else:
        for _, words, _ in sequences(path, **_places(flags, path, False), encoding=flags.encoding):
            yield {"words": words}


def form_of_tags(flags, path, labelled):
    """What is in a file: "words", "entities" or, only without labels, "texts"."""
    suffix = Path(path).suffix.lower()
    content = TextFile(path, flags.encoding)
    if suffix == ".jsonl":
        _, first = next(json_lines.rows(path, content))
        both = all(any(key in first for key in keys) for keys in (WORDS, TAGS))
        chosen = first.get(flags.text_column, [])
        if isinstance(chosen, list) or (chosen is None and any(key in first for key in WORDS)):
            return "words"
        spans = (flags.label_column,) if given(flags, "label_column") else LISTS
        if labelled and both and not given(flags, "text_column") and not _has_spans(first, spans):
            return "words"
        return "entities" if labelled else "texts"
    ours = ("scheme", "comment", *(("text_column", "label_column") if suffix == ".txt" else ()))
    if labelled or suffix not in (".txt", ".csv", ".tsv") or any(changed(flags, n) for n in ours):
        return "words"
    return "words" if suffix != ".csv" and _has_columns(content, flags.comment) else "texts"


def _has_spans(row, keys):
    """Whether a list under one of the keys may be of entities, and is none of tags."""
    found = [row[key] for key in keys if isinstance(row.get(key), list)]
    return any(all(isinstance(item, list | dict) for item in items) for items in found)


def _has_columns(lines, comment):
    """Whether all lines have as many words, and some between them are blank."""
    widths, blank, between = set(), False, False
    for line in lines:
        if comment and line.startswith(comment):
            continue
        if width := len(line.split()):
            between = between or (blank and bool(widths))
            widths.add(width)
        if len(widths) > 1:
            return False
        blank = not width
    return between
