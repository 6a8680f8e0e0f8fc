"""Records of corpora: equal however they are made, whole or absent, and what the card says."""

import json
import subprocess
import sys
import time

import corpora
import numpy as np
import peers
import pytest

from bert_tf2.data.corpus import cards, making, parts, workers
from bert_tf2.data.corpus.making import Job, make_pretraining_data
from bert_tf2.data.corpus.recipes import RECIPES, Settings
from bert_tf2.data.records import read_records

LENGTH, MOST = 32, 5
SMALL = {"max_seq_length": LENGTH, "max_predictions_per_seq": MOST, "dupe_factor": 2}
PART = 400  # bytes


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text(corpora.as_text(corpora.sentences(7, 40)))
    return path


def make(text, output, tokenizer, recipe="bert", **how):
    how = {"part_bytes": PART, "max_unknown": 0.5} | how
    return make_pretraining_data(text, output, tokenizer, Settings(recipe, **SMALL), **how)


@pytest.mark.parametrize("recipe", RECIPES)
def test_records_of_every_recipe(text, tokenizer, tmp_path, recipe):
    """Read by `read_records`; what is hidden is told; the card counts what is there."""
    file = tmp_path / "a.tfrecord"
    card = make(text, file, tokenizer, recipe)
    rows = corpora.records(file)
    counts = card["counts"]
    assert counts["records"] == len(rows) == card["outputs"][0]["records"] > 50
    assert counts["record_tokens"] == sum(sum(row["padding_mask"]) for row in rows)
    assert counts["predictions"] == sum(sum(row["masked_weights"]) for row in rows)
    assert counts["labelled_1"] == sum(row["next_sentence_labels"][0] for row in rows)
    assert sum(n for name, n in counts.items() if name.startswith("rows_to")) == len(rows)
    for row in rows:
        length = sum(row["padding_mask"])
        ids = list(row["token_ids"])
        for at, was, on in zip(
            row["masked_positions"], row["masked_ids"], row["masked_weights"], strict=True
        ):
            ids[at] = was if on else ids[at]
        assert (ids[0], ids[length - 1], ids[length:]) == (2, 3, [0] * (LENGTH - length))
        assert 1 <= sum(row["masked_weights"]) == min(MOST, max(1, round(0.15 * length)))
        assert row["segment_ids"][:1] + row["segment_ids"][length:] == [0] * (1 + LENGTH - length)
        pair = 1 in row["segment_ids"]
        assert pair or recipe not in ("bert", "albert")
        if pair:
            assert ids[row["segment_ids"].index(1) - 1] == 3
    asks = bool(RECIPES[recipe].order)
    assert (0 < counts["labelled_1"] < len(rows)) if asks else not counts["labelled_1"]
    inputs, targets = next(iter(read_records(file, 4, shuffle=False)))
    assert inputs["token_ids"].shape == (4, LENGTH)
    assert targets["masked_ids"].shape == (4, MOST)
    assert json.loads(cards.place(file).read_text()) == json.loads(json.dumps(card))


def test_all_text_is_in_the_rows(text, tokenizer, tmp_path):
    """RoBERTa's full rows hold each piece as often as the corpus is gone through."""
    file = tmp_path / "a.tfrecord"
    make(text, file, tokenizer, "roberta")
    found = []
    for row in corpora.records(file):
        ids = list(row["token_ids"])
        for at, was, on in zip(
            row["masked_positions"], row["masked_ids"], row["masked_weights"], strict=True
        ):
            ids[at] = was if on else ids[at]
        found += [id for id in ids if id > 4]
    sentences = [s for document in corpora.sentences(7, 40) for s in document]
    want = np.bincount(tokenizer(sentences).values.numpy()) * SMALL["dupe_factor"]
    np.testing.assert_array_equal(np.bincount(found), want)


def test_parts_made_in_any_order_are_the_same(text, tokenizer, tmp_path, monkeypatch):
    """And those that an interrupted run has left are not made again."""
    whole = tmp_path / "whole.tfrecord"
    make(text, whole, tokenizer)
    file = tmp_path / "a.tfrecord"
    corpus = parts.Corpus((str(text),), part_bytes=PART)
    job = Job.of(tokenizer, Settings("bert", **SMALL), corpus, 0.5)
    work = tmp_path / f".a.tfrecord.parts-{job.fingerprint()[:16]}"
    work.mkdir()
    (tmp_path / ".a.tfrecord.parts-0123").mkdir()  # of other settings
    recording = workers.Recording(job, work)
    planned = [*parts.plan(corpus)]
    assert len(planned) > 5
    for part in planned[:1:-1]:
        recording(part)
    (work / "1.tfrecord").write_bytes(b"half")  # was being written
    again = []
    monkeypatch.setattr(
        workers.Recording,
        "make",
        lambda self, part, usual=workers.Recording.make: (
            again.append(part.number) or usual(self, part)
        ),
    )
    make(text, file, tokenizer)
    assert again == [0, 1]
    assert file.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        name + end for name in ("a.tfrecord", "whole.tfrecord") for end in ("", ".card.json")
    }


def test_several_files_and_other_seeds(text, tokenizer, tmp_path):
    one = tmp_path / "one"
    made = make(text, one, tokenizer)
    several = [tmp_path / f"{i}" for i in range(3)]
    card = make(text, several, tokenizer)
    assert sum(output["records"] for output in card["outputs"]) == made["counts"]["records"]
    rows = [json.dumps(row, sort_keys=True) for row in corpora.records(*several)]
    assert sorted(rows) == sorted(json.dumps(row, sort_keys=True) for row in corpora.records(one))
    settings = Settings("bert", **SMALL, random_seed=1)
    make_pretraining_data(text, tmp_path / "other", tokenizer, settings, part_bytes=PART)
    assert one.read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("content", "said", "how"),
    [
        ("", "Expected text to make records of", {}),
        ("\n \n\t\n", "Expected text to make records of", {}),
        ("a b\n\nc\n\nd e\n", "Expected documents of several sentences", {}),
        ("a b c", "Expected documents of several sentences", {}),
        ("a b\nc\nd\n", "Expected two documents at least", {}),
        ("a b\nc\n\nx y\nz ö\n", r"t\.txt, from line 1: expected at most 25% unknown .* 57%", {}),
        ("a\nb\n\nc\nd\n" + "a\xe9\n", "line 6: invalid UTF-8", {}),
        ("a\nb\n\nc\nd\n", "Expected at most 1 outputs", {"count": 2}),
    ],
)  # fmt: skip
def test_nothing_is_written_of_what_is_refused(put, tokenizer, tmp_path, content, said, how):
    text = put("text/t.txt", content.encode("latin-1"))
    if "unknown" in said:
        text.write_text(content, "utf-8")
    outputs = [tmp_path / "out" / f"{i}" for i in range(how.get("count", 1))]
    with pytest.raises(ValueError, match=said):
        make(text, outputs, tokenizer, part_bytes=1 << 20, max_unknown=0.25)
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("size", [PART, 1 << 20])
def test_one_document_is_one_however_it_is_cut(tokenizer, tmp_path, size):
    """And is refused where second texts are of other ones; so is no document that is cut."""
    text = tmp_path / "t.txt"
    text.write_text("a b c\nb c\n" * 400)
    with pytest.raises(ValueError, match="Expected two documents at least"):
        make(text, tmp_path / "a", tokenizer, part_bytes=size)
    card = make(text, tmp_path / "a", tokenizer, "roberta", part_bytes=size)
    assert card["counts"]["documents"] == 1
    text.write_text("\n\n".join(["a b c\nb c\n" * 400] * 3))
    card = make(text, tmp_path / "b", tokenizer, part_bytes=size)
    assert card["counts"]["documents"] == 3 and card["counts"]["sentences"] == 2400


def test_parts_of_one_document_are_told_of(tokenizer, tmp_path, caplog):
    text = tmp_path / "t.txt"
    text.write_text("\n\n".join(["a b c\nb c\n" * 60] * 3))
    card = make(text, tmp_path / "a", tokenizer)
    assert card["counts"]["parts_of_one_document"] == 3
    assert "3 of 3 parts hold one document" in caplog.text
    caplog.clear()
    make(text, tmp_path / "b", tokenizer, part_bytes=1 << 20)
    make(text, tmp_path / "c", tokenizer, "roberta")
    assert not caplog.text


def test_what_is_there_stays(text, tokenizer, tmp_path):
    file = tmp_path / "a"
    file.write_text("mine")
    with pytest.raises(FileExistsError, match="exists"):
        make(text, file, tokenizer)
    assert file.read_text() == "mine"
    make(text, file, tokenizer, overwrite=True)
    assert corpora.records(file)
    with pytest.raises(ValueError, match="different outputs"):
        make(text, [tmp_path / "b", tmp_path / "b"], tokenizer)
    with pytest.raises(ValueError, match="`reproduce` must be"):
        make(text, tmp_path / "b", tokenizer, reproduce="albert")


def test_one_run_at_a_time(text, tokenizer, tmp_path):
    with (
        making.locked(tmp_path, ".a.lock"),
        pytest.raises(OSError, match="in use by another run"),
    ):
        make(text, tmp_path / "a", tokenizer)


@pytest.mark.full
@pytest.mark.parametrize("processes", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_any_number_of_processes(text, tokenizer, tmp_path, processes):
    one, several = tmp_path / "1", tmp_path / "2"
    make(text, one, tokenizer)
    make(text, several, tokenizer, processes=processes)
    assert one.read_bytes() == several.read_bytes()


@pytest.mark.full
def test_a_run_goes_on_after_a_kill(tokenizer, tmp_path):
    """Killed with SIGKILL while it works; started again, it makes what is missing."""
    text, names = tmp_path / "t.txt", [tmp_path / "whole", tmp_path / "a"]
    text.write_text(corpora.as_text(corpora.sentences(3, 2000)))
    (tmp_path / "vocab.txt").write_text("\n".join(corpora.PIECES))
    how = ["--max_seq_length=32", "--max_predictions_per_seq=5", "--part_mb=0.02"]
    command = [sys.executable, "-m", "bert_tf2", "make-pretraining-data", *how]
    command += [f"--input_file={text}", f"--vocab_file={tmp_path / 'vocab.txt'}"]
    subprocess.run([*command, f"--output_file={names[0]}"], check=True, capture_output=True)
    process = subprocess.Popen([*command, f"--output_file={names[1]}"], stdout=subprocess.DEVNULL)
    while process.poll() is None and len([*tmp_path.glob(".a.parts-*/*.json")]) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    left = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".a.parts-*/*.json")}
    assert left and not names[1].exists()
    subprocess.run([*command, f"--output_file={names[1]}"], check=True, capture_output=True)
    assert names[0].read_bytes() == names[1].read_bytes()
    assert not [*tmp_path.glob(".a*")]


@pytest.mark.full
def test_a_pipeline_makes_the_same_file(text, tokenizer, tmp_path):
    """Apache Beam's local runner."""
    (tmp_path / "vocab.txt").write_text("\n".join(corpora.PIECES))
    settings = SMALL | {"recipe": "albert"}
    given = [str(text), str(tmp_path / "vocab.txt"), str(tmp_path / "beam"), settings, PART]
    counts = peers.run_here("beam", "records_on_beam.py", given)
    card = make(text, tmp_path / "here", tokenizer, "albert")
    assert counts == card["counts"] and card["corpus"]["parts"] > 5
    assert (tmp_path / "beam").read_bytes() == (tmp_path / "here").read_bytes()
    assert not [*tmp_path.glob(".beam*")]
