"""Verbs that begin with raw text."""

import json

import corpora
import pytest
import shell


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(corpora.PIECES))
    (tmp_path / "text.txt").write_text(corpora.as_text(corpora.sentences(1, 8)))
    return tmp_path


SMALL = ("--max_seq_length=32", "--max_predictions_per_seq=5", "--dupe_factor=1")
INPUTS = ("--input_file=text.txt", "--vocab_file=vocab.txt")


def test_records_by_both_names_of_the_verb(folder, capsys):
    shell.runs("make-pretraining-data", *INPUTS, "--output_file=a", *SMALL, "--max_unknown=0.9")
    said = capsys.readouterr().out
    assert "a.card.json" in said and "records" in said
    card = json.loads((folder / "a.card.json").read_text())
    assert f"written: {card['outputs'][0]['records']} records" in said
    shell.runs("make_pretraining_data", *INPUTS, "--output_file=b,c", *SMALL, "--reproduce=google")
    assert len(corpora.records("b", "c")) > 10


def test_what_is_said_of_mistakes(folder, capsys):
    verb = ("make-pretraining-data", "--input_file=text.txt", "--output_file=a")
    shell.fails(capsys, 2, verb, "--vocab_file or --init_checkpoint")
    shell.fails(capsys, 1, [*verb, "--vocab_file=none.txt"], "none.txt")
    shell.fails(
        capsys, 1, [*verb, "--vocab_file=vocab.txt", "--masked_lm_prob=2"], "`masked_lm_prob` must"
    )
    (folder / "text.txt").write_bytes(b"a\n\nb\xff\n")
    shell.fails(capsys, 1, [*verb, "--vocab_file=vocab.txt"], "text.txt, line 3", "encoding")
    assert not (folder / "a").exists()
