"""BEIR's folders, and what is refused of them."""

import json

import pytest

from bert_tf2.data.beir import Beir, is_beir, read_beir

CORPUS = [
    {"_id": "a", "title": "Tea", "text": "It is hot.", "metadata": {}},
    {"_id": "b", "title": "", "text": "Rain"},
    {"_id": "c", "text": " falls "},
]
QUERIES = [{"_id": name, "text": f"who is {name}?"} for name in ("q2", "q1", "q3")]
QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\tc\t1\nq3\ta\t0\n"


@pytest.fixture
def folder(put, tmp_path):
    def write(corpus=CORPUS, queries=QUERIES, qrels=QRELS):
        for name, rows in {"corpus.jsonl": corpus, "queries.jsonl": queries}.items():
            put(f"set/{name}", "".join(json.dumps(row) + "\n" for row in rows))
        put("set/qrels/test.tsv", qrels)
        return tmp_path / "set"

    return write


def test_three_files(folder, tmp_path):
    place = folder()
    assert is_beir(place) and not is_beir(tmp_path)
    found = read_beir(place)
    assert found == Beir(
        {"a": "Tea It is hot.", "b": "Rain", "c": "falls"},
        {"q2": "who is q2?", "q1": "who is q1?"},
        {"q2": {"c": 1}, "q1": {"a": 2, "b": 0}},
    )
    assert list(found.queries) == ["q2", "q1"] and len(found) == 2
    with pytest.raises(FileNotFoundError):
        read_beir(place, "dev")


def test_what_the_corpus_lacks_is_said(folder, caplog):
    found = read_beir(folder(qrels=QRELS + "q2\tz\t1\nq2\ta\t-1\n"))
    assert found.relevant["q2"] == {"c": 1, "z": 1, "a": 0}
    assert "1 of the relevant texts are not in the corpus" in caplog.text


BAD = {
    "no id": ({"corpus": [{"text": "a"}]}, "corpus.jsonl, line 1: expected a key '_id'"),
    "a number": ({"corpus": [{"_id": 1, "text": "a"}]}, "line 1: expected a string in '_id'"),
    "title": ({"corpus": [{"_id": "a", "title": 7, "text": "a"}]}, "a string in 'title'"),
    "twice": ({"queries": QUERIES[:1] * 2}, "queries.jsonl, line 2: .* of its own. Received: 'q2'"),
    "query": ({"qrels": QRELS + "q9\ta\t1\n"}, "test.tsv, line 6: .* in queries.jsonl.*'q9'"),
    "score": ({"qrels": QRELS + "q2\ta\t1.5\n"}, "line 6: expected an int as score.*'1.5'"),
    "pair": ({"qrels": QRELS + "q2\tc\t2\n"}, "line 6: expected a pair once"),
    "columns": ({"qrels": QRELS + "q2\tc\n"}, "line 6: expected 3 columns"),
    "header": ({"qrels": "q1\t0\ta\t1\n"}, "expected a column 'query-id'"),
    "nothing": ({"qrels": "\n".join(QRELS.split("\n")[:1]) + "\nq3\ta\t0\n"}, "a score above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(folder, name):
    files, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        read_beir(folder(**files))
