"""The tables and the plot made of measurements."""

import json

import pytest

from benchmarks import __main__ as command
from benchmarks import materials, plot, report, works
from benchmarks.settings import SETTINGS

MACHINE = {
    "processor": "Made-up processor",
    "processors": 4,
    "memory GiB": 16,
    "flags": ["avx2"],
    "missing flags": ["amx_int8"],
}


@pytest.fixture
def results():
    """Made-up measurements of one work."""
    row = {"wall": [2.0, 4.0, 3.0], "cpu": [2.0, 4.0, 3.0], "peak": 1.5, "difference": 0.0}
    rows = {
        "ours": row,
        "keras_hub": row | {"cpu": [13.5], "wall": [13.5], "versions": {"keras-hub": "0.32.0"}},
        "model_garden": {"error": "outputs differ by 1.0e+00"},
    }
    result = {"rows": rows, "rounds": 3, "threads": 1, "flops": 3e11, "limit": 2e11}
    told = {"mean_length": 29.0, "texts": 16, "source": "made up", "date": "2000-01-01"}
    told |= {"command": "python -m benchmarks", "quick": False, "machine": MACHINE}
    return {"works": {"step_sst2": result | told}, "plot": None}


def test_table(results):
    text = report.render(results)
    assert "| ours | 3 | 3 | 1.00 |  | 50% | 1.50 | 0e+00 |" in text
    assert "| keras_hub | 13.5 | 13.5 | 4.50 | 4.50 | 11% | 1.50 | 0e+00 |" in text
    assert "| model_garden | failed: outputs differ by 1.0e+00 |" in text
    assert "keras-hub 0.32.0" in text
    assert "16 text(s) of 29.0 tokens on average (made up)" in text


def test_a_missed_aim_is_marked(results):
    text = report.render(results)
    assert "Our aim: 85% of the limit; reached 50% (missed)." in text
    assert "(missed) |" not in text
    result = results["works"]["step_sst2"]
    result["limit"] = 1e11
    result["rows"]["keras_hub"] |= {"cpu": [13.4], "peak": 9.0}
    text = report.render(results)
    assert "| 4.47 | 4.50 (missed) |" in text
    assert "Our aim: 85% of the limit; reached 100%." in text
    result["rows"]["ours:recompute"] = {"peak": 3.6}
    memory = {"works": {"memory_32x128": result}}
    assert "Our aim: at most 3.5 GiB; reached 1.50 GiB." in report.render(memory)
    result["rows"]["ours"]["error"] = "made up"
    assert "Our aim: at most 3.5 GiB; reached 3.60 GiB (missed)." in report.render(memory)


def test_copies_of_a_text_without_a_limit(results):
    result = results["works"]["step_sst2"] | {"limit": None}
    text = report.render({"works": {"fit_overhead": result}})
    assert "\n16 × one text of 29.0 tokens (made up); 1 thread(s), 3 round(s); 2000" in text


def test_tables_of_two_machines(results):
    other = MACHINE | {"processor": "Old one", "memory GiB": 8}
    older = results["works"]["step_sst2"] | {"machine": other, "date": "1999-12-31"}
    older["rows"] = older["rows"] | {"keras_hub": {"versions": {"keras-hub": "0.31.0"}}}
    results["works"]["step_mnli"] = older
    head, *tables = report.render(results).split("\n## ")
    assert head.index("* Made-up processor, 4 processors, 16 GiB; it has avx2") < head.index(
        "* Old one, 4 processors, 8 GiB; it has avx2; it lacks amx_int8"
    )
    assert "keras-hub 0.31.0 and 0.32.0" in head
    assert "machine" not in tables[0]
    assert "; on another machine: Old one, 4 processors, 8 GiB." in tables[1]
    older["date"] = "2000-01-01"  # as old, and measured last
    head, *tables = report.render(results).split("\n## ")
    assert head.index("* Old one") < head.index("* Made-up")
    assert "; on another machine: Made-up" in tables[0]


def test_older_files_name_one_machine_for_all(results, tmp_path):
    expected = report.render(results)
    del results["works"]["step_sst2"]["machine"]
    (tmp_path / "results.json").write_text(json.dumps(results | {"machine": MACHINE}))
    loaded = report.load(tmp_path / "results.json")
    assert loaded["works"]["step_sst2"]["machine"] == MACHINE
    assert "machine" not in loaded
    assert report.render(loaded) == expected
    assert expected.count("Made-up processor") == 1


def test_this_machine_is_described_as_the_tables_need_it():
    assert set(report.machine()) == set(MACHINE)


def test_figures_are_kept_where_the_plot_fails(results, tmp_path, monkeypatch):
    def fails(measured, path):
        raise OSError("made up")

    monkeypatch.setattr(plot, "draw", fails)
    with pytest.raises(OSError, match="made up"):
        command.save(results, tmp_path / "results.json")
    assert report.load(tmp_path / "results.json")["plot"] == "results.png"
    assert "![ratios](results.png)" in (tmp_path / "RESULTS.md").read_text()


def test_legend_is_sound_markdown():
    for text in SETTINGS.values():
        assert text.count("`") % 2 == 0, text


def test_each_contestant_has_a_colour():
    """One without would end a run of hours at its picture."""
    who = {label.split(":")[0] for work in works.WORKS for label in work.contestants}
    assert who <= {*plot.COLOURS}


def test_plot_shows_only_what_was_measured(results, tmp_path):
    measured = results["works"]
    assert plot.bars(measured)[0][1] == [("ours", 1.0), ("keras_hub", 4.5)]
    assert len(plot.bars(measured | {"memory_32x128": measured["step_sst2"]})) == 1
    assert plot.draw(results["works"], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert not plot.draw({}, tmp_path / "b.png")


def test_at_a_glance_each_peer_stands_once(results, tmp_path):
    """Also those that are quicker."""
    measured = report.load(materials.HERE / "results.json")["works"]
    for name in plot.AT_A_GLANCE:
        rows = measured[name]["rows"]
        found = {peer: (plain, best) for peer, plain, best in plot._peers(name, rows)}
        assert ["ours", *found] == [label for label in rows if ":" not in label]
    assert found["transformers"][0] == report.ratio(rows, "transformers", "ours") < 1
    assert plot.glance(results["works"], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert not plot.glance({}, tmp_path / "b.png")
