"""Files -> rows as the verbs hand them on: a reader for each kind of file, told by flags or form.

A reader takes flags, a path, whether labels are wanted, and the names that labels may have.
"""

from collections import Counter
from pathlib import Path

from bert_tf2.cli.column_flags import TABLE, changed, check_table, check_used
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.label_columns import check_glue, label_columns, orders
from bert_tf2.cli.row_set import Rows
from bert_tf2.cli.vector_losses import label_kind
from bert_tf2.data import json_lines, tables
from bert_tf2.data.examples import read_examples
from bert_tf2.data.examples import rows as rows_of
from bert_tf2.data.label_cells import LabelReader
from bert_tf2.data.sts import is_sts, read_sts
from bert_tf2.data.text_files import TextFile


def texts(kind, follows=False):
    """The reader of texts and pairs, from CSV, TSV, JSON Lines or GLUE's files.

    Args:
        kind: of the labels: "class", "number", "several" (see `LabelReader`), or None for files of
            texts alone, which may be .txt, a text a line.
        follows: whether classes are those of next sentences, or their numbers.
    """

    def read(flags, path, labelled, names=None):
        if "glue" in flags and flags.glue:
            check_used(flags, path, "a task of GLUE")
            if labelled:
                check_glue(path, flags, kind, names)
            return _glue(flags, path, labelled)
        if not labelled and str(path).lower().endswith(".txt"):
            check_used(flags, path, "lines of text")
            lines = tables.lines(TextFile(path, flags.encoding))
            return of_texts([line for _, line in lines if line.strip()])
        if labelled and kind == "number" and len(names or "1") == 1 and _is_sts(flags, path):
            return _sts(flags, path)
        check_table(flags, path, () if kind else ("label_column",))
        label = None
        if labelled and follows and names is None:
            names = orders(flags)
        if labelled:
            label, names = label_columns(path, kind or "class", flags.label_column, names)
        found = read_examples(
            path,
            text=flags.text_column,
            text_pair=flags.text_pair_column,
            label=label,
            header=flags.header,
            delimiter=flags.delimiter,
            encoding=flags.encoding,
            kind=kind or "class",
            names=names if labelled else None,
            separator=flags.label_separator,
            numbered=follows,
        )
        return _of_examples(found)

    return read


def alike(flags, path, labelled, names=None):
    """Pairs with a number, how alike they are, STS-B's own files, too; or BEIR's folder.

    To train on also what a loss asks for: texts alone, in --text_column=a,b,c, or classes.
    """
    from bert_tf2.data.beir import is_beir, read_beir

    if labelled and Path(path).is_dir() and is_beir(path):
        check_used(flags, path, "BEIR's folder")
        found = read_beir(path)
        about = f"{len(found.queries)} queries, {len(found.corpus)} texts"
        return Rows({"text": list(found.queries.values())}, None, about, found)
    if labelled and _is_sts(flags, path):
        return _sts(flags, path)
    sides = flags.text_column.split(",")
    sides += [flags.text_pair_column] * (flags.text_pair_column is not None)
    if ("loss" in flags and not flags.glue) or len(sides) > 2:
        return _to_learn_from(flags, path, sides, label_kind(flags, len(sides)))
    found = texts("number" if labelled else None)(flags, path, labelled, names)
    if labelled and "text_pair" not in found.columns:
        raise ValueError(
            f"{path}: expected pairs of texts, whose second column --text_pair_column names, or "
            "BEIR's folder. Received: single texts"
        )
    return found


def _is_sts(flags, path):
    """Whether a file is STS-B's own, and no flag says how to read it as any table."""
    told = [n for n in TABLE if n != "encoding" and n in flags and changed(flags, n)]
    return not told and is_sts(path, flags.encoding)


def _sts(flags, path):
    check_used(flags, path, "STS-B's own file")
    return _of_examples(read_sts(path, flags.encoding))


def _to_learn_from(flags, path, sides, kind):
    """Rows of any number of texts, with labels of that kind or without."""
    check_table(flags, path, () if kind else ("label_column",))
    labels = None if kind is None else LabelReader(kind, flags.label_column, None, ",")
    columns, found = {side: [] for side in sides}, []
    wanted = [*sides, *(labels.columns if labels else ())]
    for number, row in rows_of(path, wanted, flags.header, flags.delimiter, flags.encoding):
        where = f"{path}, line {number}"
        for side in sides:
            columns[side].append(json_lines.text(where, side, row[side]))
        if labels:
            found.append(labels(where, row))
    names = ["text", "text_pair", *(f"text_{i}" for i in range(3, len(sides) + 1))]
    columns = dict(zip(names, columns.values(), strict=False))
    about = f"{len(columns['text'])} rows of {len(sides)} text{'s'[: len(sides) - 1]}"
    return Rows(columns, found if labels else None, about + counted(found))


def label_names(given):
    """--labels: the names themselves, or the one file that has them, a line each; or None."""
    if given and len(given) == 1 and Path(given[0]).is_file():
        return [line for _, line in tables.lines(TextFile(given[0]))]
    return given


def of_texts(given):
    """Rows of texts without labels."""
    return Rows({"text": list(given)}, None, f"{len(given)} texts")


def of_arguments(model, given):
    """Texts of a command line as the rows that a model reads: a text each, or one row of several.

    Of a model of pairs two texts are a pair; of one of questions the second is the context; of one
    of choices all but the first are its choices.
    """
    first, *others = model.columns
    if not others:
        return of_texts(given)
    if "choices" in others and given[2:]:
        return Rows({first: given[:1], "choices": [given[1:]]}, None, "1 text with choices")
    if "choices" not in others and len(given) == 2:
        return Rows({first: given[:1], others[0]: given[1:]}, None, "1 pair")
    kind = " (pairs of texts)" if "text_pair" in others else ""
    wanted = "a text and two choices or more" if "choices" in others else f"{first} {others[0]}"
    raise ValueError(
        f"{model.name} reads {', '.join(model.columns)}{kind}: give {wanted} as arguments, or "
        f"--input_file (with --text_pair_column for pairs). Received: {len(given)} arguments"
    )


def _of_examples(found):
    pairs = {} if found.pairs is None else {"text_pair": found.pairs}
    about = f"{len(found)} {'pairs' if pairs else 'texts'}{counted(found.labels)}"
    return Rows({"text": found.texts} | pairs, found.labels, about, found)


def _glue(flags, path, labelled):
    from bert_tf2.data import glue

    path = Path(path)
    if path.suffix != ".tsv":
        raise UsageError(
            f"--glue reads files of GLUE by their names, such as dev.tsv. Received: {path}",
            flags.command,
        )
    found = _of_examples(glue.read_glue(path.parent, flags.glue, path.stem))
    if labelled and found.labels is None:
        raise ValueError(f"{path}: GLUE's test files have no labels: predict them, --output_dir=…")
    return found


def choices(flags, path, labelled, names=None):
    """Contexts with several endings: SWAG, RACE, CommonsenseQA, JSON Lines (`read_choices`)."""
    from bert_tf2.data.choices import check_count, read_choices

    check_used(flags, path, "choices")
    found = read_choices(path, labelled, flags.encoding)
    for where, options in zip(found.places, found.choices, strict=True):
        check_count(where, options, len(found.choices[0]))
    columns = {"text": found.contexts, "choices": found.choices}
    about = f"{len(found)} texts with choices"
    return Rows(columns, found.labels, about, found, found.contexts, found.places)


def questions(flags, path, labelled, names=None):
    """Questions to texts: SQuAD 1.1 or 2.0, or the same in JSON Lines (`read_squad`)."""
    from bert_tf2.data.squad import read_squad

    check_used(flags, path, "questions")
    found = read_squad(path, labelled, flags.encoding)
    columns = {"question": found.questions, "context": found.contexts}
    about, labels = f"{len(found)} questions", None
    if labelled:
        pairs = zip(found.answers, found.starts, strict=True)
        labels = [{"text": texts, "answer_start": starts} for texts, starts in pairs]
        about += f", {sum(found.impossible)} without an answer"
    return Rows(columns, labels, about, found, found.articles, found.places)


def counted(labels):
    """How often each label is there, for people."""
    flat = [name for row in labels or () for name in (row if isinstance(row, list) else [row])]
    if not flat or any(isinstance(value, float) for value in flat):
        return ""
    counts = Counter(flat)
    classes = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())[:12])
    return f" ({classes}{', …' if len(counts) > 12 else ''})"
