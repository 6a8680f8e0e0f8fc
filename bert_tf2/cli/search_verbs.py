"""`bert_tf2 index` and `bert_tf2 search`: files and folders, asked in words."""

import json
import os
import shutil
import sys
import textwrap
from pathlib import Path

from bert_tf2 import files
from bert_tf2.cli import console, task_files, task_table
from bert_tf2.cli.column_flags import check_documents
from bert_tf2.cli.flags import UsageError

TASK = task_table.TASKS["sentence_similarity"]  # of what is indexed with
HOW = {  # what became of files -> what to do
    "changed": "bert_tf2 index --append reads them again",
    "gone": "bert_tf2 index --append of them, or of a folder above, takes them out; where they "
    "have other names now, --overwrite the index",
}
OPENED = ("init_checkpoint", "bert_config_file", "max_seq_length")  # noted in an index


def index(flags):
    """Writes an index of all that the arguments name to --index_dir, or adds to the one there."""
    if not flags.arguments:
        raise UsageError("give files and folders to index", flags.command)
    for name in ("passage_length", "similarity_fn_name", "dtype"):
        if flags.append and flags[name].present:
            raise UsageError(f"--{name} is for a new index: leave it out", flags.command)
    folder = Path(flags.index_dir)
    there = (folder / "index.json").is_file()
    _check_place(flags, folder, there)
    if not flags.append:
        files.check_not_read([folder], flags.arguments)
    paths = _there(flags, folder)
    check_documents(flags, flags.arguments)
    from bert_tf2.data.documents import read_documents

    how = (flags.text_column, flags.name_column, flags.header, flags.delimiter, flags.encoding)
    found = read_documents(paths, *how, least=0 if flags.append else 1)
    made = _begun(flags, folder)
    with_graph = flags.graph or made.graph is not None
    if with_graph:  # before all the work
        from bert_tf2.search import approximate

        approximate.checked_library(made.similarity_fn_name)
    said = _put_in(flags, made, found)
    if not len(made):
        raise ValueError(f"{folder}: no text would be left. Remove it, or --overwrite it")
    if with_graph and made.graph is None:
        made.approximate()
    _save(made, folder, flags.append)
    left = f" ({found.blank} empty left out)" if found.blank else ""
    print(f"{folder}: {said}{left}" + (f", {len(made)} passages in all" if flags.append else ""))


def _there(flags, folder):
    """The arguments that are there; --append takes out those that the index has and are not."""
    there, known = [], None
    for path in flags.arguments:
        if flags.append and not os.path.exists(path):
            from bert_tf2.search import folders

            known = {*folders.sources_of(folder).paths()} if known is None else known
            if os.path.abspath(path) in known:
                continue
        task_files.check_input(path)
        there.append(path)
    return there


def _put_in(flags, index, found):
    """Puts documents into an index, in the place of what they stand in for; says what was done."""
    from bert_tf2.data.documents import no_documents
    from bert_tf2.search import updates
    from bert_tf2.search.sources import Source

    kept = [(Source.of(path), count) for path, count in found.files]
    new, sources = [*range(len(found.texts))], [s for s, count in kept for _ in range(count)]
    done = updates.Update([], new, 0, [])
    if flags.append:
        every, named = [source for source, _ in kept], flags.name_column is not None
        done = updates.update(index.rows, found.names, found.texts, every, named, flags.arguments)
        if not (found.texts or done.gone):
            raise no_documents(flags.arguments)
        index.rows.sources = index.rows.sources.renewed(every)
        updates.drop(index, done.gone)
        _say_what_is_gone(index)
    if done.twice:
        print(
            f"{len(done.twice)} of these names are of texts of other files, too, such as "
            f"{done.twice[0]}: both are found",
            file=sys.stderr,
        )
    texts, names, sources = ([x[i] for i in done.new] for x in (found.texts, found.names, sources))
    how = {"batch_size": flags.predict_batch_size, "show_progress_bar": sys.stderr.isatty()}
    count = index.add(texts, names, sources=sources, **how) if texts else 0
    return (
        f"{len(texts)} texts in {count} passages of {index.width} numbers"
        + (f" in the place of {len(done.gone)}" if done.gone else "")
        + (f", {done.same} that have not changed" if done.same else "")
    )


def _say_what_is_gone(index):
    """Of an index that is added to: that it keeps texts of files that are gone, or elsewhere."""
    paths = index.rows.sources.paths()
    if gone := [path for path in paths if not os.path.exists(path)]:
        print(
            f"{len(gone)} of the {len(paths)} files of what was there are gone, such as {gone[0]}, "
            f"and their texts stay: {HOW['gone']}",
            file=sys.stderr,
        )


def _check_place(flags, folder, there):
    """Raises, before any work, where the index could not be written."""
    if flags.append and not there:
        raise FileNotFoundError(f"There is no index in {folder} to append to")
    if there and not (flags.append or flags.overwrite):
        raise FileExistsError(f"{folder} is an index: --append to it, or --overwrite it")
    if flags.append:
        task_files.check_output(folder / "index.json", overwrite=True)
    else:
        task_files.check_output(folder, overwrite=there)


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
    how = (flags.similarity_fn_name, flags.passage_length, flags.dtype)
    made = Index(_encoder(given), *how)
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
    if flags.output_file and flags.json_lines:
        raise UsageError("give --output_file or --json_lines, one of them", flags.command)
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
        prompt_name=flags.prompt_name,
        prompt=flags.prompt,
        batch_size=flags.predict_batch_size,
    )
    _say_what_changed(found, hits)
    if flags.output_file:
        _write(flags, queries, hits)
    elif flags.json_lines:
        for row in _rows(queries, hits):
            print(json.dumps(row, ensure_ascii=False))
    else:
        print("\n\n".join(_page(found, *answered) for answered in zip(queries, hits, strict=True)))


def _say_what_changed(index, hits):
    """Of the files of what was found: that they have changed, or gone, since they were read."""
    documents = sorted({hit["document"] for some in hits for hit in some if "document" in hit})
    sources = {*index.rows.sources.of(documents)} - {None}
    if not index.rows.sources.here():
        return
    states = {source.path: source.state() for source in sorted(sources)}
    for state, what in (("changed", "have changed"), ("gone", "are gone")):
        if paths := [path for path, found in states.items() if found == state]:
            print(
                f"{len(paths)} of the {len(states)} files of these passages {what} since they "
                f"were indexed, such as {paths[0]}: what is shown is as it was then. "
                f"{HOW[state]}",
                file=sys.stderr,
            )


def _queries(flags):
    given = list(flags.arguments)
    if flags.input_file:
        from bert_tf2.data import tables
        from bert_tf2.data.examples import SUFFIXES
        from bert_tf2.data.text_files import TextFile

        if Path(flags.input_file).suffix.lower() in SUFFIXES:
            raise ValueError(
                f"{flags.input_file} must be lines of text, a question each, as .txt. Received: a "
                "table, whose lines are no questions"
            )
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
