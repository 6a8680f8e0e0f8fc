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
    shell.fails(capsys, 2, [*verb, "--vocab_file=vocab.txt", "stray"], "unexpected 'stray'")
    shell.fails(
        capsys, 1, [*verb, "--vocab_file=vocab.txt", "--masked_lm_prob=2"], "`masked_lm_prob` must"
    )
    (folder / "text.txt").write_bytes(b"a\n\nb\xff\n")
    shell.fails(capsys, 1, [*verb, "--vocab_file=vocab.txt"], "text.txt, line 3", "encoding")
    assert not (folder / "a").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["make-pretraining-data", *INPUTS, "--output_file=text.txt"],
        ["make-pretraining-data", *INPUTS, "--output_file=a,vocab.txt"],
        ["make-pretraining-data", "--input_file=.", INPUTS[1], "--output_file=text.txt"],
        ["train-vocabulary", "--input_file=*.txt", "--output_file=text.txt"],
        ["predict", "--model=vocab.txt", INPUTS[0], "--output_file=./text.txt"],
        ["embed", "--preset=tiny", INPUTS[0], "--output_file=text.txt"],
        ["finetune", "--preset=r/model.keras", "--train_file=text.txt", "--output_dir=r"],
        ["pretrain", "--preset=r/google", INPUTS[0], "--output_dir=r", "--to=google"],
    ],
)
def test_no_verb_writes_over_what_it_reads(folder, capsys, argv):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    shell.fails(capsys, 1, [*argv, "--overwrite"], "written over", "give another name")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("kind", "file", "size"), [("wordpiece", "v.txt", 40), ("sentencepiece", "v.model", 45)]
)
def test_a_vocabulary_is_learnt_and_used(folder, capsys, kind, file, size):
    how = (f"--kind={kind}", "--input_file=text.txt", f"--output_file={file}")
    shell.runs("train-vocabulary", *how, f"--vocab_size={size}")
    assert "pieces" in capsys.readouterr().out
    shell.fails(capsys, 1, ["train-vocabulary", *how], "exists")
    records = (INPUTS[0], f"--vocab_file={file}", "--output_file=a", *SMALL)
    shell.runs("make-pretraining-data", *records)
    assert corpora.records("a")


def test_a_checkpoint_with_other_words(folder, capsys, reference):
    checkpoint = shell.tiny_checkpoint(folder / "tiny", reference)
    (folder / "words.txt").write_text("kettlestone\n\nlateletter\n")
    given = ("extend-vocabulary", f"--init_checkpoint={checkpoint}")
    shell.runs(*given, "--words=words.txt", "--output_dir=one", "--new_words_file=new.txt")
    said = capsys.readouterr().out
    assert "876 pieces; there were 874" in said and "lateletter" in said
    assert (folder / "new.txt").read_text() == "kettlestone\nlateletter\n"
    (folder / "domain.txt").write_text("kettlestone hums. " * 6 + "lateletter")
    shell.runs(*given, "--input_file=domain.txt", "--output_dir=two", "--new_words=5")
    assert "875 pieces; there were 874" in capsys.readouterr().out
    pruned = ("prune-vocabulary", "--init_checkpoint=two", "--input_file=domain.txt")
    shell.runs(*pruned, "--output_dir=three", "--to=huggingface")
    assert "there were 875" in capsys.readouterr().out
    assert "kettlestone" in (folder / "three" / "vocab.txt").read_text().split("\n")
    shell.fails(
        capsys,
        1,
        [*given, "--input_file=text.txt", "--min_count=9999", "--output_dir=x"],
        "nothing to add",
    )
    shell.fails(capsys, 2, [*given, "--output_dir=x"], "--words or --input_file")
