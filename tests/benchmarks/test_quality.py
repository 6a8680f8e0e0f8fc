"""The rows of real data: how they are split, scored and told."""

from types import SimpleNamespace

import numpy as np
import pytest
from shell import tiny_checkpoint

from benchmarks import asked, materials, quality, quality_data
from benchmarks.quality_data import label_names
from benchmarks.quality_rows import KINDS, ROWS

# Kind -> made-up labels and a column x for the baselines; a row's score of the labels themselves is
# the best there is.
TEXTS = [f"text {i} of {'tea' if i % 2 else 'stone'}" for i in range(8)]
MADE_UP = {
    "classes": ({"text": TEXTS, "text_pair": TEXTS}, ["0", "1"] * 4),
    "several": ({"text": TEXTS}, [["0"], ["1"], ["0", "1"], ["1"], ["1"], ["0"], ["1"], ["0"]]),
    "number": (
        {"text": TEXTS, "text_pair": TEXTS[:4] + ["rain"] * 4},
        [5.0, 4.0, 4.5, 3.0, 0.0, 2.0, 1.0, 1.5],
    ),
    "vectors": (
        {"text": TEXTS, "text_pair": TEXTS[::-1]},
        [5.0, 4.0, 4.5, 3.0, 0.0, 2.0, 1.0, 1.5],
    ),
    "tags": ({"words": [["Bo", "sat"], ["Ada"]] * 4}, [["B-PER", "O"], ["B-PER"]] * 4),
    "choices": ({"text": TEXTS, "choices": [["a", "b"]] * 8}, [0, 1] * 4),
    "answers": (
        {"question": TEXTS, "context": TEXTS},
        [{"text": [], "answer_start": []}, {"text": ["tea"], "answer_start": [10]}] * 4,
    ),
}


def perfect(kind, labels):
    """The answers that are the labels."""
    if kind == "several":
        return [[float(name in row) for name in "01"] for row in labels]
    if kind == "vectors":
        return [[label, label] for label in labels]
    if kind == "answers":
        return [row["text"][0] if row["text"] else "" for row in labels]
    return labels


@pytest.mark.parametrize("name", ROWS)
def test_right_answers_score_best(name, tmp_path, reference, monkeypatch):
    row = ROWS[name]
    if row.samples or row.kind == "vectors":  # a baseline of which is the checkpoint
        tiny = tiny_checkpoint(tmp_path / "all-MiniLM-L6-v2", reference)
        monkeypatch.setattr(materials, "minilm_folder", lambda: str(tiny))
    data = quality_data.Data(*MADE_UP[row.kind])
    if name == "rte":
        names = {"0": "entailment", "1": "not_entailment"}
        data = data._replace(y=[names[label] for label in data.y])
    names = label_names(data.y) if KINDS[row.kind].named else None
    best = row.score(data.y, perfect(row.kind, data.y), names)
    assert np.allclose(next(iter(best.values())), 100 if row.kind == "answers" else 1)
    for plain in row.plain.values():
        found = row.score(data.y, plain(data, data.x), names)
        assert [*found] == [*best]
        assert next(iter(found.values())) <= next(iter(best.values()))


def test_a_few_rows_of_each_class():
    data = quality_data.Data({"text": TEXTS}, ["0", "1"] * 4)
    part = quality_data.few(data, 2, 1)
    assert part.y.count("0") == part.y.count("1") == 2 and {*part.x["text"]} < {*TEXTS}
    assert part == quality_data.few(data, 2, 1) != quality_data.few(data, 2, 2)
    means = quality.mean_of([{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 0.0}])
    assert means == {"a": 0.5, "b": 0.0}


def test_rows_of_one_group_stay_together():
    data = quality_data.Data({"text": [str(i) for i in range(20)]}, [*range(20)])
    groups = [i // 2 for i in range(20)]
    train, scored = quality_data.in_fifths(data, groups)
    assert len(train.y) == 16 and sorted(train.y + scored.y) == data.y
    assert {y // 2 for y in scored.y}.isdisjoint(y // 2 for y in train.y)
    assert train.x["text"] == [str(y) for y in train.y]
    assert (train, scored) == quality_data.in_fifths(data, groups)


def test_names_of_numbers_are_in_the_order_of_numbers():
    assert label_names([["10", "2"], ["0"]]) == ["0", "2", "10"]
    assert label_names(["b", "a", "b"]) == ["a", "b"]


def test_what_is_measured_is_not_measured_again(monkeypatch):
    seeds = []
    figures = {"accuracy": 0.5, "macro_f1": 0.5}

    def run(name, row, data, seed, scored, flags):
        seeds.append(seed)
        return {"figures": figures, "seconds": 1.0}

    monkeypatch.setattr(quality, "train_ours", run)
    data = quality_data.Data(*MADE_UP["choices"])
    row = ROWS["commonsense_qa"]._replace(read=lambda folder: (data, data))
    monkeypatch.setitem(quality.ROWS, "commonsense_qa", row)
    flags = SimpleNamespace(peer=None, seeds=2, again=False, folder=None)
    result, kept = {"ours": {"1": {"figures": figures, "seconds": 1.0}}}, []
    quality.measure("commonsense_qa", flags, result, lambda: kept.append([*result]))
    quality.measure("commonsense_qa", flags, result, kept.clear)
    assert seeds == [2] and [*result["ours"]] == ["1", "2"]
    assert kept == [["ours", "rows", "plain"]] * 2


def test_table():
    runs = {
        str(seed): {"figures": {"f1": f1, "precision": 1.0}} for seed, f1 in enumerate((0.8, 1))
    }
    runs["0"]["epochs"] = [{"f1": 0.7}, {"f1": 0.75}, {"f1": 0.8}]
    plain = {"each word's commonest tag": {"f1": 0.65, "precision": 0.7}}
    text = quality.table({"conll": {"rows": [14041, 3250], "plain": plain, "ours": runs}})
    row = "| CoNLL-2003 testa: entities | 14041 / 3250 | f1 | 0.6500 | 0.9000 ± 0.1000 |  | 0.903 |"
    assert row in text
    assert "| ours | 0.9000 ± 0.1000 | 1.0000 ± 0.0000 |" in text
    assert "Ours after each epoch, the first seed: 0.7000, 0.7500, 0.8000." in text


@pytest.mark.full
@pytest.mark.parametrize("name", ROWS)
def test_data_is_read(assets, name):
    row = ROWS[name]
    train, scored = row.read(assets / "datasets")
    assert len(train.y) > len(scored.y) > 200
    for part in (train, scored):
        assert all(len(column) == len(part.y) for column in part.x.values())
    assert [*train.x] == [*MADE_UP[row.kind][0]][: len(train.x)]


@pytest.mark.full
@pytest.mark.parametrize("head", asked.HEADS)
def test_heads_are_asked_what_is_there(assets, monkeypatch, head):
    monkeypatch.setattr(materials, "ASSETS", str(assets))
    monkeypatch.setitem(asked.HEADS, head, (*asked.HEADS[head][:2], 4, asked.HEADS[head][3]))
    found = asked.question(head)
    # Both sides of pairs; and each passage once.
    rows = {"embed": 8, "rerank": len(found["lengths"])}.get(head, 4)
    columns = [x for name, x in found["asked"].items() if name not in ("labels", "query")]
    assert [len(column) for column in columns] == [rows] * len(columns)
    assert len(found["lengths"]) == (80 if head == "zero_shot" else rows)
    assert all(4 < length <= 384 for length in found["lengths"])
