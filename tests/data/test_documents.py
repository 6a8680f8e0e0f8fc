"""Documents of files and folders."""

import pytest

from bert_tf2.data.documents import read_documents


@pytest.fixture
def folder(tmp_path):
    for name, text in {
        "b.txt": "rain\n",
        "a.md": "# tea",
        "c.rst": "",
        "d.md": "\ufeff \n",
        ".d.txt": "x",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "rows.tsv").write_text("text\tid\nstone\t7\nlate\t8\n \t9\n")
    (tmp_path / "none").mkdir()
    return tmp_path


def test_their_names_and_texts(folder):
    rows = folder / "rows.tsv"
    found = read_documents([folder, rows, folder / "a.md", folder / "none" / ".." / "rows.tsv"])
    names = ["a.md", "b.txt", "rows.tsv:2", "rows.tsv:3"]
    assert found.names == [str(folder / name) for name in names]
    assert found.texts == ["# tea", "rain\n", "stone", "late"]
    assert found.blank == 3
    assert read_documents([folder / "rows.tsv"], name="id").names == ["7", "8"]
    (folder / "a.jsonl").write_text('{"text": "a; b"}')  # which has no delimiter
    (folder / "b.csv").write_text("text;id\nstone;7")
    found = read_documents([folder / "a.jsonl", folder / "b.csv"], delimiter=";")
    assert found.texts == ["a; b", "stone"]


def test_what_is_refused(folder):
    with pytest.raises(ValueError, match="Expected documents"):
        read_documents([folder / "none"])
    with pytest.raises(ValueError, match="the file is empty"):
        read_documents([folder / "c.rst"])
    (folder / "b.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"b\.txt"):
        read_documents([folder])


@pytest.mark.parametrize("name", ["null", '""', '"\\ud800"', "[1]"])
def test_a_name_that_is_none(tmp_path, name):
    (tmp_path / "a.jsonl").write_text(f'{{"id": {name}, "text": "tea"}}\n')
    with pytest.raises(ValueError, match=r"a.jsonl, line 1: .*'id'"):
        read_documents([tmp_path / "a.jsonl"], name="id")
