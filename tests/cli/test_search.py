"""`bert_tf2 index` and `bert_tf2 search`: files and folders in, passages and their places out."""

import csv
import json
import os
import shutil

import pytest
import shell

import bert_tf2
from bert_tf2.cli import search_verbs
from bert_tf2.search import snippets

NOTE = "# Tea\n\nThe kettle hums.\n\n# Stone\n\nRain on stone, late letters.\n"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, reference):
    return shell.tiny_checkpoint(tmp_path_factory.mktemp("search") / "tiny", reference)


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    (folder / "sub" / ".hidden").mkdir(parents=True)
    written = {
        "a.md": NOTE,
        "sub/b.txt": "rain",
        "sub/c.txt": "",
        "sub/.hidden/d.txt": "hidden",
        "sub/e.bin": "\0",
        "rows.csv": "id,text\nx,the kettle\ny,tea\n",
        "rows.jsonl": json.dumps({"text": "late letter"}) + "\n",
        "questions.txt": "tea?\n\nthe kettle\n",
    }
    for name, text in written.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def made(checkpoint, notes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "index"
    how = [f"--preset={checkpoint}", f"--index_dir={folder}", "--passage_length=14"]
    shell.runs("index", *how, notes / "a.md", notes / "sub", notes / "rows.jsonl")
    return folder


def hits(capsys, *argv):
    capsys.readouterr()
    shell.runs("search", *argv, "--json_lines")
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_files_and_folders(made, notes, checkpoint, capsys):
    found = hits(capsys, f"--index_dir={made}", "--top_k=9", "tea?")
    names = {str(notes / name) for name in ("a.md", "sub/b.txt")} | {f"{notes / 'rows.jsonl'}:1"}
    assert {hit["name"] for hit in found} == names
    assert [hit["rank"] for hit in found] == [*range(1, len(found) + 1)]
    for hit in found:
        if hit["name"].endswith("a.md"):
            assert hit["text"] == NOTE[hit["start"] : hit["end"]]
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint)
    again = bert_tf2.Index.load(made, encoder).search("tea?", 9)
    assert [hit["corpus_id"] for hit in found] == [hit["corpus_id"] for hit in again]


@pytest.mark.full
def test_how_vectors_are_kept_and_asked(made, notes, checkpoint, tmp_path, capsys):
    """In 16 bits, by another similarity, after a prompt: as in Python."""
    how = [f"--index_dir={tmp_path / 'index'}", "--dtype=float16", "--similarity_fn_name=euclidean"]
    shell.runs("index", f"--preset={checkpoint}", *how, notes / "a.md")
    found = hits(capsys, how[0], "--prompt=rain ", "tea?")
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint)
    index = bert_tf2.Index.load(tmp_path / "index", encoder)
    assert (index.dtype, index.similarity_fn_name) == ("float16", "euclidean")
    assert found[0]["score"] == pytest.approx(index.search("rain tea?", 1)[0]["score"], abs=1e-5)


def test_the_page_for_people(made, notes, capsys):
    shell.runs("search", f"--index_dir={made}", "--top_k=2", "kettle humming", "rain")
    said = capsys.readouterr().out
    assert said.count("  1  ") == 2
    assert f"{notes / 'a.md'}  characters " in said
    assert "\033" not in said  # no terminal


def test_tables_are_added_and_written(made, notes, checkpoint, tmp_path, capsys):
    folder = tmp_path / "index"
    shell.runs("index", f"--preset={checkpoint}", f"--index_dir={folder}", notes / "a.md")
    more = ("--append", "--name_column=id", notes / "rows.csv", notes / "a.md")
    shell.runs("index", f"--index_dir={folder}", *more)
    said = capsys.readouterr()
    assert "2 texts in 2 passages of 16 numbers, 1 that have not changed, 3 passages" in said.out
    out = tmp_path / "hits.csv"
    questions = f"--input_file={notes / 'questions.txt'}"
    shell.runs("search", f"--index_dir={folder}", questions, "--top_k=3", f"--output_file={out}")
    with open(out, newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 7
    assert rows[0] == [
        "query",
        "rank",
        "corpus_id",
        "score",
        "name",
        "document",
        "start",
        "end",
        "text",
    ]
    shell.runs("index", f"--preset={checkpoint}", f"--index_dir={folder}", "--overwrite",
               notes / "sub")  # fmt: skip
    assert {hit["name"] for hit in hits(capsys, f"--index_dir={folder}", "tea")} == {
        str(notes / "sub" / "b.txt")
    }
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.full
def test_words_and_a_reranker(made, checkpoint, tmp_path, capsys):
    pytest.importorskip("bm25s")
    trained = bert_tf2.TextRegressor.from_preset(checkpoint)
    reranker = f"--reranker={trained.save_to_preset(tmp_path / 'reranker')}"
    found = hits(capsys, f"--index_dir={made}", "--hybrid", reranker, "--candidates=4", "the rain")
    assert found == sorted(found, key=lambda hit: -hit["score"])


WRONG = {
    "there": (["index", "{n}/a.md"], 1, "--append to it, or --overwrite it"),
    "no file": (["index", "--append", "{n}/z.md"], 1, "no file"),
    "nothing": (["index", "--append"], 2, "give files and folders"),
    "column": (["index", "--append", "--text_column=x", "{n}/rows.csv"], 1, "a column 'x'"),
    "no table": (["index", "--append", "--name_column=x", "{n}"], 2, "is not for whole texts"),
    "no question": (["search"], 2, "give questions"),
    "a table": (["search", "--input_file={n}/rows.csv"], 1, "lines of text, a question each"),
    "blank": (["search", " "], 2, "give questions"),
    "another model": (["search", "--preset={other}", "tea"], 1, "by another model"),
    "output": (["search", "--output_file=a.txt", "tea"], 1, "ends in .csv, .tsv"),
    "no reranker": (["search", "--reranker={p}", "tea"], 1, "has no head of classes"),
    "length": (["index", "--append", "--passage_length=8", "{n}/a.md"], 2, "is for a new index"),
    "two outputs": (["search", "--output_file=a.csv", "--json_lines", "tea"], 2, "one of them"),
    "dtype": (["index", "--append", "--dtype=float32", "{n}/a.md"], 2, "is for a new index"),
    "prompt": (["search", "--prompt_name=x", "tea"], 1, "`prompt_name` must be one of"),
    "no index": (["search", "--index_dir={n}", "tea"], 1, "no file"),
    "none to add to": (["index", "--index_dir={n}", "--append", "{n}/a.md"], 1, "no index"),
    "another folder": (["index", "--index_dir={n}", "{n}/a.md"], 1, "exists"),
}


def test_a_graph_that_cannot_be(checkpoint, notes, tmp_path, capsys, monkeypatch):
    """It is said before all the work."""
    pytest.importorskip("usearch")
    monkeypatch.setattr(search_verbs, "_put_in", None)
    given = [f"--preset={checkpoint}", f"--index_dir={tmp_path}", "--graph", notes / "a.md"]
    argv = ["index", *given, "--similarity_fn_name=manhattan"]
    shell.fails(capsys, 1, argv, "`similarity` of a graph must be one of cosine, dot, euclidean")


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(made, checkpoint, notes, name, tmp_path, reference, capsys):
    (verb, *given), status, words = WRONG[name]
    other = tmp_path / "other"
    if name == "another model":
        shell.tiny_checkpoint(other, reference, hidden_size=32)
    given = [part.format(n=notes, other=other, p=checkpoint) for part in given]
    shell.fails(capsys, status, [verb, f"--index_dir={made}", *given], words)


def test_the_part_that_is_shown():
    text = "Rain fell. Stones lay about. " * 9 + "The kettle hummed at last. " + "Rain fell. " * 9
    start, end = snippets.excerpt(text, "a humming kettle", 60)
    assert "kettle hummed" in text[start:end]
    assert text[start - 2 : start] == ". "
    assert end - start <= 60
    assert text[end] == " "
    assert snippets.excerpt("rain", "tea") == (0, 4)
    assert snippets.marked("Kettles and tea", "a kettle", str.upper) == "KETTLES and tea"


def test_files_that_change(checkpoint, tmp_path, capsys, monkeypatch):
    """`search` says so, and --append puts what is there now in the place of what was."""
    pytest.importorskip("bm25s")
    monkeypatch.chdir(tmp_path)
    folder, index = tmp_path / "notes", ["--index_dir=index"]
    (folder / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (folder / name).write_text(f"tea of {name}")
    rows = tmp_path / "rows.csv"
    rows.write_text("id,text\nx,the kettle\ny,stone\n")
    shell.runs("index", f"--preset={checkpoint}", *index, "--name_column=id", "notes", "rows.csv")

    def found(name="text"):
        said = {hit[name] for hit in hits(capsys, *index, "--top_k=9", "--hybrid", "tea")}
        return said, capsys.readouterr().err

    os.utime(folder / "a.txt", ns=(0, 0))  # touched, and the same
    assert found() == ({*(f"tea of {n}" for n in ("a.txt", "b.txt", "sub/c.txt")), "the kettle",
                        "stone"}, "")  # fmt: skip
    (folder / "a.txt").write_text("rain of a.txt")
    (folder / "b.txt").unlink()
    rows.write_text("id,text\nx,the kettle\nz,stones anew\n")
    shell.runs("search", *index, "--top_k=9", "tea")
    said = capsys.readouterr().err
    for count, what, name in ((2, "have changed", "a.txt"), (1, "are gone", "b.txt")):
        assert f"{count} of the 4 files of these passages {what} since" in said
        assert f"such as {folder}/{name}: what is shown" in said
    capsys.readouterr()
    shell.runs("index", *index, "--append", "--name_column=id", "notes", "rows.csv")
    said = capsys.readouterr().out
    assert (
        "2 texts in 2 passages of 16 numbers in the place of 3, 2 that have not changed, 4" in said
    )
    want = ({"rain of a.txt", "tea of sub/c.txt", "the kettle", "stones anew"}, "")
    assert found() == want
    shell.runs("index", *index, "--append", "--name_column=id", "notes", "rows.csv")
    assert "0 texts in 0 passages of 16 numbers, 4 that have not changed" in capsys.readouterr().out
    assert found() == want
    monkeypatch.chdir(folder / "sub")  # another file of the same name, and one by another path
    (folder / "sub" / "notes").mkdir()
    (folder / "sub" / "notes" / "a.txt").write_text("late")
    index = [f"--index_dir={tmp_path / 'index'}"]
    shell.runs("index", *index, "--append", "notes", "c.txt")
    said = capsys.readouterr()
    assert "2 texts in 2 passages of 16 numbers in the place of 1" in said.out
    assert "1 of these names are of texts of other files, too, such as notes/a.txt" in said.err


def test_files_that_go(checkpoint, tmp_path, capsys, monkeypatch):
    """Named, with their folder, all of a folder, or under another name."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.txt", "a/sub/y.txt", "b/z.txt", "c/w.txt", "v.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"tea of {name}")
    index = ["--index_dir=index"]

    def said(*argv):
        shell.runs(*argv)
        return "".join(capsys.readouterr())

    said("index", f"--preset={checkpoint}", *index, "a", "b", "c", "v.txt")
    shutil.rmtree(tmp_path / "a" / "sub")
    os.unlink("v.txt")
    found = said("search", *index, "--top_k=9", "tea")
    assert "2 of the 5 files of these passages are gone" in found
    assert "--append of them, or of a folder above, takes them out" in found
    assert "reads them again" not in found
    found = said("index", *index, "--append", "v.txt")
    assert "0 texts in 0 passages of 16 numbers in the place of 1, 4 passages in all" in found
    assert f"1 of the 4 files of what was there are gone, such as {tmp_path}/a/sub/y.txt" in found
    shell.fails(capsys, 1, ["index", *index, "--append", "v.txt"], "no file v.txt")
    os.unlink("b/z.txt")
    assert "in the place of 1, 3 passages in all" in said("index", *index, "--append", "b")
    shell.fails(capsys, 1, ["index", *index, "--append", "b"], "Received: none in b")
    os.rename("c", "d")
    found = said("index", *index, "--append", "d", "a")
    assert "1 texts in 1 passages of 16 numbers in the place of 1, 1 that have not" in found
    assert "--overwrite" in found and "such as" in found and f"{tmp_path}/c/w.txt" in found
    os.rename("d", "e")
    os.unlink("a/x.txt")
    assert "gone" not in said("search", *index, "tea")  # as on another machine
    os.mkdir("c")
    os.mkdir("d")
    argv = ["index", *index, "--append", "a", "c", "d"]
    shell.fails(capsys, 1, argv, "no text would be left")
    assert len(hits(capsys, *index, "--top_k=9", "tea")) == 3


def test_names_that_are_no_utf8(checkpoint, tmp_path, capsys):
    """Of files and folders, read and written: escapes, where people and tables see them."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    file = folder / os.fsdecode(b"th\xe9.txt")
    file.write_text("tea")
    index, out = folder / "index", folder / "hits.csv"
    shell.runs("index", f"--preset={checkpoint}", f"--index_dir={index}", folder)
    shell.runs("search", f"--index_dir={index}", f"--output_file={out}", "tea \udce9")
    assert f"{tmp_path}/caf\\xe9/th\\xe9.txt" in out.read_text()
    vectors = folder / "out.npy"
    how = [f"--init_checkpoint={checkpoint}", f"--output_file={vectors}"]
    shell.runs("embed", *how, f"--input_file={file}")
    assert vectors.exists()
