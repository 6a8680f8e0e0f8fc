"""The program about search: its table, and what it reads."""

import json

from benchmarks import search


def test_its_table_is_what_its_results_say():
    results = json.loads(search.RESULTS.read_text("utf-8"))
    assert search.table(results) == search.TABLE.read_text("utf-8")
    assert {*results} <= {*search.WORKS}


def test_cranfield_is_read(tmp_path):
    (tmp_path / "cran.all.1400").write_text(
        ".I 1\n.T\na wing .\n.A\nx\n.B\ny\n.W\na wing\nflies .\n.I 2\n.T\nb\n.A\n.B\n.W\nc\n"
    )
    (tmp_path / "cran.qry").write_text(".I 004\n.W\nwhat\nflies .\n")
    (tmp_path / "cranqrel").write_text("1 2 3\n1 1 -1\n")
    texts, queries, relevant = search.read_cranfield(tmp_path)
    assert texts == ["a wing . a wing flies .", "b c"]
    assert (queries, relevant) == (["what flies ."], [{1}])
