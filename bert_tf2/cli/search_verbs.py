"""`bert_tf2 index` and `bert_tf2 search`: files and folders, asked in words."""

import json
import os
import shutil
import sys
import textwrap
from pathlib import Path

from bert_tf2 import files
from bert_tf2.cli import console, task_files, task_table
from bert_tf2.cli.flags import UsageError

TASK = task_table.TASKS["sentence_similarity"]  # of what is indexed with
OPENED = ("init_checkpoint", "bert_config_file", "max_seq_length")  # noted in an index


def index(flags):
    """Writes an index of all that the arguments name to --index_dir, or adds to the one there."""
    if not flags.arguments:
        raise UsageError("give files and folders to index", flags.command)
    if flags.append and flags.passage_length:
        raise UsageError("--passage_length is for a new index: leave it out", flags.command)
    folder = Path(flags.index_dir)
    there = (folder / "index.json").is_file()
    if flags.append and not there:
        raise FileNotFoundError(f"There is no index in {folder} to append to")
    if not flags.append and not (there and flags.overwrite):
        _check_is_new(folder, there)
    if not flags.append:
        files.check_not_read([folder], flags.arguments)
    for path in flags.arguments:
        task_files.check_input(path)
    from bert_tf2.data.documents import read_documents

    how = (flags.text_column, flags.name_column, flags.header, flags.delimiter, flags.encoding)
    found = read_documents(flags.arguments, *how)
    made = _begun(flags, folder)
    if flags.append:
        _say_what_is_there(folder, made, found.names)
    count = made.add(
        found.texts,
        found.names,
        batch_size=flags.predict_batch_size,
        show_progress_bar=sys.stderr.isatty(),
    )
    if flags.graph:
        made.approximate()
    _save(made, folder, flags.append)
    left = f" ({found.blank} empty left out)" if found.blank else ""
    print(
        f"{folder}: {len(found.texts)} texts in {count} passages of {made.width} numbers{left}"
        + (f", {len(made)} passages in all" if flags.append else "")
    )


def _say_what_is_there(folder, index, names):
    """Of names that are to be added, that some are there already."""
    if known := {*index.rows.names()} & {*names}:
        print(
            f"{folder} has {len(known)} of these {len(names)} texts already, by their names, such "
            f"as {min(known)}: they are found twice. --overwrite, without --append, begins anew",
            file=sys.stderr,
        )


def _check_is_new(folder, there):
    if there:
        raise FileExistsError(f"{folder} is an index: --append to it, or --overwrite it")
    task_files.check_output(folder)


def _begun(flags, folder):
    """The index that texts go into."""
    console.import_tensorflow()
    from bert_tf2.search.index import Index

    if flags.append:
        return _opened(flags, folder)
    if flags.init_checkpoint is None:
        raise UsageError("--init_checkpoint must be given", flags.command)
    given = {name: flags[name].value for name in OPENED}
    for name in ("init_checkpoint", "bert_config_file"):
        if given[name] and Path(given[name]).exists():
            given[name] = str(Path(given[name]).resolve())
    made = Index(_encoder(given), passage_length=flags.passage_length)
    made.notes = given
    return made


def _encoder(given):
    checkpoint, config, length = (given.get(name) for name in OPENED)
    return TASK.load().from_preset(checkpoint, config_file=config, max_length=length)


def _opened(flags, folder):
    """The index in a folder, with the model that made it, or the one that is given."""
    from bert_tf2.search import folders
    from bert_tf2.search.index import Index

    noted = folders.said(folder)["notes"]
    given = {name: flags[name].value or noted.get(name) for name in OPENED}
    if given["init_checkpoint"] is None:
        raise UsageError("--init_checkpoint must be given: the index names none", flags.command)
    return Index.load(folder, _encoder(given))


def _save(made, folder, append):
    """Into its folder; one that is there is replaced once the new one is whole."""
    if append or not folder.exists() or not any(folder.iterdir()):
        made.save(folder)
        return
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    try:
        made.save(new)
        folder.rename(old)
        new.rename(folder)
    finally:
        for place in (new, old if folder.exists() else new):
            shutil.rmtree(place, ignore_errors=True)


# === Asking =======================================================================================


def search(flags):
    """Answers the arguments, or the lines of --input_file, from the index in --index_dir."""
    queries = _queries(flags)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite, (".csv", ".tsv", ".jsonl"))
    folder = Path(flags.index_dir)
    task_files.check_input(folder / "index.json")
    console.import_tensorflow()
    found = _opened(flags, folder)
    reranker = None
    if flags.reranker:
        from bert_tf2.tasks.reranker import Reranker

        reranker = Reranker.from_preset(flags.reranker)
    hits = found.search(
        queries,
        flags.top_k,
        hybrid=flags.hybrid,
        reranker=reranker,
        candidates=flags.candidates,
        exactly=flags.exactly,
        batch_size=flags.predict_batch_size,
    )
    if flags.output_file:
        _write(flags, queries, hits)
    elif flags.json_lines:
        for row in _rows(queries, hits):
            print(json.dumps(row, ensure_ascii=False))
    else:
        print("\n\n".join(_page(found, *answered) for answered in zip(queries, hits, strict=True)))


def _queries(flags):
    given = list(flags.arguments)
    if flags.input_file:
        from bert_tf2.data import tables
        from bert_tf2.data.text_files import TextFile

        task_files.check_input(flags.input_file)
        lines = tables.lines(TextFile(flags.input_file, flags.encoding))
        given += [line for _, line in lines if line.strip()]
    if not given or not all(query.strip() for query in given):
        raise UsageError(
            'give questions: "…" as arguments, or a line each in --input_file', flags.command
        )
    return given


def _rows(queries, hits):
    for query, found in zip(queries, hits, strict=True):
        for rank, hit in enumerate(found, 1):
            yield {"query": query, "rank": rank} | hit


def _write(flags, queries, hits):
    from bert_tf2.data.examples import write_predictions

    rows = list(_rows(queries, hits))
    write_predictions(flags.output_file, rows, flags.overwrite)
    print(f"{flags.output_file}: {len(rows)} hits of {len(queries)} questions")


def _page(index, query, hits):
    """The hits of a query, for people: where each stands, and its part that answers best."""
    from bert_tf2.search.snippets import excerpt, marked

    width = max(40, min(100, shutil.get_terminal_size().columns))
    lines = [_bold(query)]
    for rank, hit in enumerate(hits, 1):
        start, end = excerpt(hit["text"], query)
        where = f"{hit['name']}  characters {hit['start'] + start}–{hit['start'] + end}"
        lines.append(f"{rank:3}  {hit['score']:.3f}  {where}")
        told = " ".join(hit["text"][start:end].split())
        told = ("… " if start else "") + told + (" …" if end < len(hit["text"]) else "")
        rows = textwrap.wrap(told, width - 5)
        lines += [" " * 5 + marked(row, query, _bold) for row in rows]
    return "\n".join(lines)


def _bold(text):
    shown = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\033[1m{text}\033[0m" if shown else text
