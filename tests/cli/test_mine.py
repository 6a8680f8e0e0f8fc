"""`bert_tf2 mine-hard-negatives`: as `mine_hard_negatives` in Python."""

import json

import pytest
import shell

import bert_tf2

ANCHORS, POSITIVES = ["rain", "the kettle", "tea"], ["rain on stone", "the kettle hums", "late tea"]
CORPUS = ["late letter", "stone"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, reference):
    return shell.tiny_checkpoint(tmp_path_factory.mktemp("mine") / "tiny", reference)


@pytest.fixture
def how(checkpoint, tmp_path):
    rows = [
        dict(zip(("q", "a", "negative"), (*pair, pair[1]), strict=True))
        for pair in zip(ANCHORS, POSITIVES, strict=True)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "corpus.txt").write_text("\n".join(CORPUS) + "\n\n")
    columns = ["--text_column=q", "--text_pair_column=a"]
    return [f"--preset={checkpoint}", f"--input_file={tmp_path / 'a.jsonl'}", *columns]


def test_as_in_python(how, checkpoint, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    more = [f"--corpus_file={tmp_path / 'corpus.txt'}", "--num_negatives=2", "--max_score=2"]
    shell.runs(
        "mine-hard-negatives", *how, *more, "--output_format=n-tuple", f"--output_file={out}"
    )
    got = [json.loads(line) for line in out.read_text().splitlines()]
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint)
    want = bert_tf2.mine_hard_negatives(
        {"q": ANCHORS, "a": POSITIVES},
        encoder,
        CORPUS,
        num_negatives=2,
        max_score=2.0,
        output_format="n-tuple",
    )
    assert got == [dict(zip(want, row, strict=True)) for row in zip(*want.values(), strict=True)]
    assert "3 rows of 3 pairs: q, a, negative_1, negative_2" in capsys.readouterr().out


def test_tables_without_a_header(how, tmp_path):
    """The corpus is then their first column; JSON Lines have `text` and no delimiter."""
    (tmp_path / "a.tsv").write_text("rain;rain on stone\ntea;late tea\n")
    (tmp_path / "c.csv").write_text("late letter;x\nstone;y\n")
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"text": x}) + "\n" for x in CORPUS))
    given = [how[0], f"--input_file={tmp_path / 'a.tsv'}", "--noheader", "--delimiter=;"]
    given += ["--text_column=0", "--text_pair_column=1", "--num_negatives=3"]
    found = []
    for name in ("c.csv", "c.jsonl"):
        files = [f"--corpus_file={tmp_path / name}", f"--output_file={tmp_path / name}.out.jsonl"]
        shell.runs("mine-hard-negatives", *given, *files)
        found.append((tmp_path / f"{name}.out.jsonl").read_text())
    assert found[0] == found[1]
    assert {json.loads(row)["negative"] for row in found[0].splitlines()} >= {*CORPUS}


WRONG = {
    "there": ([], 1, "exists"),
    "none left": (["--overwrite", "--max_score=-2"], 1, "no pair has a negative"),
    "column": (["--overwrite", "--text_column=x"], 1, "expected a key 'x'"),
    "name": (["--overwrite", "--text_pair_column=negative"], 1, "Received: 'negative'"),
    "range": (["--overwrite", "--range_max=2"], 1, "`range_max` must be at least"),
    "no file": (["--overwrite", "--corpus_file=x.txt"], 1, "no file x.txt"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(how, tmp_path, name, capsys):
    given, status, words = WRONG[name]
    out = tmp_path / "out.csv"
    out.touch()
    argv = ["mine-hard-negatives", *how, f"--output_file={out}", *given]
    shell.fails(capsys, status, argv, words)
