"""The lines of files of any size, in any encoding: as if all of it had been read at once."""

import tracemalloc

import pytest

from bert_tf2.data import text_files
from bert_tf2.data.examples import read_examples
from bert_tf2.data.text_files import TextFile, decode

TEXT = "plain\r\nΩμέγα 漢字 🙂\u2028\n\n\x85 end\rof it\n"
WRITTEN = {  # how bytes are written -> the encoding that is said
    "utf-8": None,
    "utf-8-sig": None,
    "utf-16": None,
    "utf-32": None,
    "utf-16-le": "utf-16",  # without a mark, in this machine's order
    "utf-16-be": "utf-16-be",
    "gb18030": "GB18030",
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("written", WRITTEN)
def test_lines_however_they_are_cut_into_pieces(tmp_path, monkeypatch, written, size):
    monkeypatch.setattr(text_files, "PIECE", size)
    (tmp_path / "a").write_bytes(TEXT.encode(written))
    found = TextFile(tmp_path / "a", WRITTEN[written])
    assert list(found) == list(found) == TEXT.split("\n")
    assert decode(tmp_path / "a", WRITTEN[written]) == TEXT


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_the_line_of_what_is_wrong(tmp_path, monkeypatch, size):
    monkeypatch.setattr(text_files, "PIECE", size)
    (tmp_path / "a").write_bytes(b"one\ntwo\n\xe2\x82\xac\nfo\xffur\nfive")
    lines = iter(TextFile(tmp_path / "a"))
    with pytest.raises(ValueError, match=r"line 4: invalid UTF-8 \(byte 0xff\)"):
        list(lines)
    for content in (b"", b" \n\r\n", b"\xef\xbb\xbf\n"):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(ValueError, match="the file is empty"):
            list(TextFile(tmp_path / "a"))


def test_rows_of_a_table_keep_their_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "PIECE", 9)
    rows = ["text,label", *('"two\nlines",x', "plain,y") * 20, "a,b,c"]
    (tmp_path / "a.csv").write_text("\n".join(rows), "utf-8")
    with pytest.raises(ValueError, match="line 62: expected 2 columns"):
        read_examples(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("\r".join(["text,label", "a,x", "b,y"]), "utf-8")
    assert read_examples(tmp_path / "a.csv").texts == ["a", "b"]


@pytest.mark.full
def test_a_large_file_takes_little_memory(tmp_path):
    with open(tmp_path / "a", "w") as file:
        file.writelines(f"a line of text, number {i}\n" for i in range(1_000_000))
    tracemalloc.start()
    assert sum(1 for _ in TextFile(tmp_path / "a")) == 1_000_001
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 << 20
