"""Corpora in parts: every document in one of them, whole, and what is refused by file and line."""

import json

import corpora
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf2.data.corpus import parts
from bert_tf2.data.corpus.parts import Corpus


def documents(*paths, **how):
    corpus = Corpus(tuple(map(str, paths)), **how)
    return [document for part in parts.plan(corpus) for document in parts.read(part, corpus)[0]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 400), st.sampled_from(["\n\n", "\n \t\n", "\r\n\r\n"]))
def test_every_document_is_in_one_part(tmp_path_factory, seed, size, blank):
    path = tmp_path_factory.mktemp("corpus") / "a.txt"
    want = corpora.sentences(seed, 9)
    path.write_bytes(blank.join("\n".join(document) for document in want).encode())
    found = documents(path, part_bytes=size)
    if size > 200:  # else a document may be longer than four parts
        assert found == want
    assert [s for document in found for s in document] == [s for d in want for s in d]
    planned = [*parts.plan(Corpus((str(path),), part_bytes=size))]
    assert [part.number for part in planned] == [*range(len(planned))]
    assert sum(part.size for part in planned) == path.stat().st_size


def test_files_patterns_and_folders(put, tmp_path):
    put("b/x.txt", "one\n\ntwo\n")
    put("b/.hidden/y.txt", "no")
    put("b/z.jsonl", '{"text": "three\\nfour"}\n\n{"text": ["five", "six"]}\n{"text": ""}\n')
    put("b/w.bin", "\0\0")
    put("a-1.txt", "seven")
    put("a-2.txt", "\n\neight")
    found = documents(tmp_path / "b", tmp_path / "a-*.txt")
    want = [["one"], ["two"], ["three", "four"], ["five", "six"], ["seven"], ["eight"]]
    assert found == want
    assert documents(tmp_path / "b" / "x.txt", whole_files=True) == [["one", "two"]]


def test_lines_are_numbered_in_each_part(put):
    """Errors of a later part name the line of the file."""
    rows = [json.dumps({"text": f"row {i} " + "x" * 40}) for i in range(30)]
    path = put("a.jsonl", "\n".join([*rows, "{", *rows]))
    with pytest.raises(ValueError, match=r"a\.jsonl, line 31: invalid JSON"):
        documents(path, part_bytes=100)


def test_other_encodings(put):
    text = "naïve café\n\nzoë\n"
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert documents(put("a.txt", text.encode(encoding))) == [["naïve café"], ["zoë"]]
    path = put("b.txt", text.encode("cp1252"))
    assert documents(path, encoding="cp1252") == [["naïve café"], ["zoë"]]
    path = put("c.txt", text.encode("utf-16-le"))
    assert documents(path, encoding="utf-16-le") == [["naïve café"], ["zoë"]]


@pytest.mark.parametrize(
    ("name", "content", "said", "how"),
    [
        ("a.txt", b"good\n\nb\xe9d\n", r"line 3: invalid UTF-8 \(byte 0xe9\)", {}),
        ("a.txt", b"good\n\nb\x81d", r"line 3: invalid CP1252", {"encoding": "cp1252"}),
        ("a.txt", "ab\n".encode("utf-16-le"), "every other byte as 0", {}),
        ("a.txt", b"short\n" + b"x" * 50, "line 2: expected at most 40 bytes", {"line_bytes": 40}),
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}', "line 2: expected a key 'text'", {}),
        ("a.jsonl", b'{"text": 3}', "line 1: expected a string", {}),
        ("a.jsonl", b"[1]", "line 1: expected a JSON object", {}),
        ("a.jsonl", b'{"text": "\\ud800"}', "line 1: 'text' holds half a character", {}),
    ],
)
def test_what_cannot_be_read(refused, name, content, said, how):
    refused(documents, name, content, said, **how)


def test_what_is_not_there(put, tmp_path):
    with pytest.raises(FileNotFoundError):
        documents(tmp_path / "none.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Expected files that end in"):
        documents(tmp_path / "empty")
    with pytest.raises(ValueError, match="`encoding` must be one that Python knows"):
        documents(put("a.txt", "a"), encoding="klingon")


def test_a_long_line_is_not_read_whole(tmp_path):
    """A sparse file of a terabyte, all one line, is refused at once."""
    path = tmp_path / "a.txt"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match=r"line 1: expected at most 1,000,000 bytes"):
        documents(path, line_bytes=1_000_000)


def test_a_file_that_changes(put):
    path = put("a.txt", "one\n\ntwo\n")
    corpus = Corpus((str(path),))
    (part,) = parts.plan(corpus)
    path.write_text("one")
    with pytest.raises(OSError, match="shorter since it was planned"):
        parts.read(part, corpus)


def test_a_long_document_is_cut_at_a_line(put):
    path = put("a.txt", "\n".join(f"line {i}" for i in range(100)))
    found = documents(path, part_bytes=50)
    assert 1 < len(found) < 10
    assert [line for document in found for line in document] == [f"line {i}" for i in range(100)]
