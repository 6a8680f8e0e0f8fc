"""What goes out of an index, what is read again, and what a folder keeps of it."""

import logging

import numpy as np
import oracle
import pytest

import bert_tf2
from bert_tf2.search import parts, updates
from bert_tf2.search.sources import Source, Sources

TEXTS = ["The kettle hums.", "rain", " \n", "stone, rain & tea\n\n" * 9, "late letter, tea"]
NAMES = ["a", "b", "c", "d", "b"]


@pytest.fixture(scope="module")
def encoder():
    return oracle.tiny_task(bert_tf2.SentenceEncoder)


def made(encoder, texts=TEXTS, names=NAMES):
    index = bert_tf2.Index(encoder)
    index.add(texts, names)
    return index


def told(hits):
    """Without numbers, and in an order that no last digit changes."""
    rows = ({name: hit[name] for name in ("name", "start", "end", "text", "score")} for hit in hits)
    rows = [row | {"score": pytest.approx(row["score"], abs=1e-5)} for row in rows]
    return sorted(rows, key=lambda row: (row["name"], row["start"]))


def test_removed_texts_are_gone(encoder, tmp_path):
    """In memory and on the disk; who had it open reads what was there."""
    index = made(encoder)
    index.add(["late"], ["e"])
    folder = index.save(tmp_path / "index")
    earlier = bert_tf2.Index.load(folder, encoder)
    before = earlier.search("tea", 99)
    again = bert_tf2.Index.load(folder, encoder)
    assert again.remove(["b"]) == 2
    want = [hit for hit in told(before) if hit["name"] != "b"]
    assert told(again.search("tea", 99)) == want
    again.save()
    again = bert_tf2.Index.load(folder, encoder)
    assert told(again.search("tea", 99)) == want
    assert {hit["document"] for hit in again.search("tea", 99)} == {0, 2, 3}  # 1 is blank
    assert earlier.search("tea", 99) == before
    earlier.add(["tea"], ["f"])
    with pytest.raises(ValueError, match="was changed by another process"):
        earlier.save()
    assert again.remove(["e"]) == 1  # a whole part: no later one gets its name
    again.save()
    again.add(["late", "tea"], ["e", "f"])
    again.save()
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["00002", "00003"]
    assert again.remove(["a", "c", "d", "e", "f"]) == 5
    with pytest.raises(ValueError, match="is empty"):
        again.search("tea")
    assert again.add(["tea"]) == 1
    again = bert_tf2.Index()
    again.add(["tea", "rain", "stone"], vectors=np.eye(3))
    again.remove(["0"])
    for names in (None, None, ["x", "7"], None):
        again.add(["late"] * len(names or "1"), names, np.eye(3)[: len(names or "1")])
    assert [name for name, _ in again.rows.texts()] == ["1", "2", *"34x78"]
    assert again.remove(["2"]) == 1


def test_what_cannot_be_removed(encoder):
    alone = bert_tf2.Index()
    alone.add(vectors=np.eye(3))
    for index, names, words in (
        (made(encoder), ["a", "x"], "must be of texts in the index. Received: 'x'"),
        (made(encoder), "a", "`names` must be a list of str"),
        (alone, ["a"], "must be of texts in the index"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            index.remove(names)
        assert len(index) in (len(made(encoder)), 3)


def test_words_are_kept(encoder, tmp_path, caplog, monkeypatch):
    """A saved index ranks all words once; a damaged ranking is made anew."""
    pytest.importorskip("bm25s")
    folder = made(encoder).save(tmp_path / "index")
    reads, read = [], parts.Documents.__getitem__
    counted = lambda texts, number: reads.append(number) or read(texts, number)  # noqa: E731
    monkeypatch.setattr(parts.Documents, "__getitem__", counted)
    hits = []
    for count in (2 * 4, 4):  # of four texts with a word: all, and those that are found
        index, reads[:] = bert_tf2.Index.load(folder, encoder), []
        hits.append(index.search("late tea", 99, hybrid=True))
        assert len(reads) == count
    (kept,) = folder.glob("words-*")
    next(kept.glob("*.json")).write_text("{")
    with caplog.at_level(logging.WARNING):
        hits.append(bert_tf2.Index.load(folder, encoder).search("late tea", 99, hybrid=True))
        assert "cannot be read" in caplog.text
        caplog.clear()
        hits.append(bert_tf2.Index.load(folder, encoder).search("late tea", 99, hybrid=True))
    assert not caplog.text
    assert hits[0] == hits[1] == hits[2] == hits[3]
    bert_tf2.Index.load(folder, encoder).save()
    assert kept.is_dir()
    index.remove(["a"])
    index.save()
    assert not [*folder.glob("words-*")]
    assert "a" not in {hit["name"] for hit in index.search("late kettle", 99, hybrid=True)}


# === Sources ===


def source(path, sha256="0"):
    return Source(f"/x/{path}", 1, 2, sha256)


def rows(pairs, sources):
    found = parts.Rows()
    found.append(parts.Part(np.eye(len(pairs)), pairs, np.zeros((len(pairs), 3), int)), sources)
    return found


THERE = [("a", "tea"), ("b", "rain"), ("b", "late"), ("o", "stone")]
FILES = [source("a"), source("t"), source("t"), None]
# What is given: names and texts, their files, by_name -> gone, new, same, twice.
UPDATES = {
    "the same": ([("b", "rain"), ("b", "late")], "tt", False, ([], [], 2, [])),
    "changed": ([("b", "late"), ("b", "tea")], "tt", False, ([1], [1], 1, [])),
    "fewer": ([("b", "late")], "t", False, ([1], [], 1, [])),
    "twice as many": ([("b", "late")] * 2, "tt", False, ([1], [1], 1, [])),
    "another file": ([("a", "rain")], "u", False, ([], [0], 0, ["a"])),
    "by name": ([("a", "rain")], "u", True, ([0], [0], 0, [])),
    "of no file": ([("o", "rain")], "u", False, ([3], [0], 0, [])),
    "another name": ([("c", "tea")], "a", False, ([0], [0], 0, [])),
}


@pytest.mark.parametrize("name", UPDATES)
def test_what_an_addition_stands_in_for(name):
    pairs, files, by_name, want = UPDATES[name]
    names, texts = zip(*pairs, strict=True)
    found = updates.update(rows(THERE, FILES), names, texts, list(map(source, files)), by_name)
    assert found == want


def test_files_that_are_gone_with_their_folder(tmp_path):
    there = rows(THERE, [Source(str(tmp_path / "a"), 1, 2, "0"), *FILES[1:]])
    for folders, gone in (
        ([tmp_path], [0]),
        ([tmp_path / "a"], [0]),
        ([tmp_path / "sub"], []),
        ([], []),
    ):
        assert updates.update(there, [], [], [], False, folders).gone == gone


def test_sources_are_kept(tmp_path):
    found = rows(THERE, FILES).sources
    assert [count for _, count in found.runs] == [1, 2, 1]
    odd = Sources([(source("caf\udce9"), 2), (None, 1)])
    for one, count in ((found, 4), (odd, 3)):
        one.write(tmp_path / "a.jsonl")
        assert Sources.read(tmp_path / "a.jsonl", count).runs == one.runs
    with pytest.raises(ValueError, match=r"must be of 4 texts\. Received: 3"):
        Sources.read(tmp_path / "a.jsonl", 4)
    assert found.of([0, 2, 3]) == [FILES[0], FILES[1], None]
    assert found.without(np.array([0, 1, 0, 1], bool)).runs == [(FILES[0], 1), (FILES[1], 1)]
    assert found.renewed([source("t", "1")]).of([0, 1]) == [source("a"), source("t", "1")]
    with pytest.raises(ValueError, match=r"`sources` must be one a text, 1\. Received: 2"):
        bert_tf2.Index().add(["a"], vectors=np.eye(1), sources=[None, None])


def test_the_state_of_a_file(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("tea")
    found = Source.of(file)
    assert found.state() is None
    assert found._replace(mtime=0).state() is None
    assert found._replace(mtime=0, sha256="0").state() == "changed"
    assert found._replace(size=4).state() == "changed"
    file.unlink()
    assert found.state() == "gone"
    away = found._replace(path=str(tmp_path / "elsewhere" / "a.txt"))
    assert away.state() == "gone"
    assert not Sources([(found, 1), (None, 1), (away, 1)]).here()
    file.mkdir()
    assert Sources([(away, 1), (found, 1)]).here()
    assert found.state() == "changed"
