"""The contestants of `benchmarks.serving_peers`, and the table that it prints."""

import importlib
import importlib.util

from benchmarks import serving_peers


def test_each_contestant_has_a_worker_and_what_it_reads_is_written():
    for work in serving_peers.WORKS:
        assert work.contestants[0] == "ours" and work.contestants.count("ours") == 1
        for label in work.contestants:
            peer = label.partition(":")[0]
            assert importlib.util.find_spec(f"benchmarks.workers.{peer}"), label
            assert label in serving_peers.SETUP or peer == "transformers"


def test_the_table(capsys):
    (work, *_) = serving_peers.WORKS
    found = {"ours": [(0.010, 0.008)] * 9 + [(0.5, 0.009)], "onnxruntime": [(0.005, 0.004)] * 10}
    serving_peers.show(work, found, 2)
    _, title, _, ours, theirs = capsys.readouterr().out.splitlines()
    assert title == work.title
    assert ours.split() == ["ours", "10.00", "455.90", "8.00", "1.00", "200.0"]
    assert theirs.split() == ["onnxruntime", "5.00", "5.00", "4.00", "0.50", "400.0"]
