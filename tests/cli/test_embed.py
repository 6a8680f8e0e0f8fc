"""`bert_tf2 embed`: the rows of a file, or what is wrong with it."""

import json
from pathlib import Path

import numpy as np
import pytest
import shell
from by_default import by_default

import bert_tf2
from bert_tf2.cli import embed
from bert_tf2.scoring import vectors
from bert_tf2.tasks import evaluators, to_file

TEXTS = ["rain", "stone and tea", "the kettle hums"]
FILES = {
    "a.txt": "\n".join(TEXTS),
    "a.csv": "text\n" + "\n".join(TEXTS),
    "a.jsonl": "".join(json.dumps({"text": text}) + "\n" for text in TEXTS),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, reference):
    return shell.tiny_checkpoint(tmp_path_factory.mktemp("embed") / "tiny", reference)


@pytest.mark.parametrize("name", by_default(FILES, ["a.jsonl"]))
def test_files_of_texts(checkpoint, tmp_path, monkeypatch, name, capsys):
    monkeypatch.setattr(to_file, "AT_ONCE", 2)
    (tmp_path / name).write_text(FILES[name])
    out = tmp_path / "out.npy"
    how = [f"--init_checkpoint={checkpoint}", f"--input_file={tmp_path / name}"]
    how += [f"--output_file={out}", "--prompt=tea: ", "--normalize", "--truncate_dim=9"]
    shell.runs("embed", *how)
    assert "out.npy: 3 rows of 9 float32 each" in capsys.readouterr().out
    shell.fails(capsys, 1, ["embed", *how], "exists")
    shell.runs("embed", *how, "--overwrite")
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint)
    want = encoder.encode(TEXTS, prompt="tea: ", truncate_dim=9, normalize_embeddings=True)
    np.testing.assert_allclose(np.load(out), want, atol=1e-6)


def test_rows_are_lines_in_every_encoding(checkpoint, tmp_path, capsys):
    """Blank ones, too."""
    for encoding in ("utf-8", "cp1252"):
        (tmp_path / "a.txt").write_text("tea\n\nrain à la carte\n", encoding)
        how = [f"--init_checkpoint={checkpoint}", f"--input_file={tmp_path / 'a.txt'}"]
        how += [f"--encoding={encoding}"] * (encoding != "utf-8")
        shell.runs("embed", *how, f"--output_file={tmp_path / encoding}.npy")
    first, second = (np.load(tmp_path / f"{name}.npy") for name in ("utf-8", "cp1252"))
    assert first.shape[0] == 3
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_models_that_are_kept(checkpoint, tmp_path, capsys):
    """A `.keras` file and a preset; another task's is refused."""
    (tmp_path / "a.txt").write_text(FILES["a.txt"])
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint, pooling="max")
    encoder.save(tmp_path / "a.keras")
    encoder.save_to_preset(tmp_path / "preset")
    for number, flag in enumerate(("--model=a.keras", "--model=preset")):
        name, place = flag.split("=")
        how = [f"{name}={tmp_path / place}", f"--input_file={tmp_path / 'a.txt'}"]
        shell.runs("embed", *how, f"--output_file={tmp_path / f'{number}.npy'}")
        found = np.load(tmp_path / f"{number}.npy")
        np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-6)
    bert_tf2.MultiVectorEncoder(encoder.encoder, encoder.preprocessor).save_to_preset(
        tmp_path / "late"
    )
    given = [f"--model={tmp_path / 'late'}", f"--input_file={tmp_path / 'a.txt'}"]
    given += [f"--output_file={tmp_path / 'late.npy'}"]
    shell.fails(capsys, 1, ["embed", *given], "open it as a MultiVectorEncoder")
    shell.fails(capsys, 2, ["embed", *given[1:]], "--init_checkpoint")


WRONG = {
    "prompt": (["--prompt_name=query"], 1, "`prompt_name` must be one of"),
    "width": (["--truncate_dim=17"], 1, "from 1 to 16"),
    "suffix": (["--output_file=a.bin"], 1, "ends in .npy"),
    "file": (["--input_file=b.txt"], 1, "no file b.txt"),
    "pairs": (["--text_pair_column=b"], 2, "single texts"),
    "texts": (["--input_file=empty.txt"], 1, "at least one text. Received: empty.txt"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(checkpoint, tmp_path, monkeypatch, name, capsys):
    (tmp_path / "a.txt").write_text(FILES["a.txt"])
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    given, status, words = WRONG[name]
    how = [f"--init_checkpoint={checkpoint}", f"--input_file={tmp_path / 'a.txt'}"]
    shell.fails(
        capsys, status, ["embed", *how, f"--output_file={tmp_path / 'a.npy'}", *given], words
    )
    assert not (tmp_path / "a.npy").exists()


def test_vectors_through_the_other_verbs(checkpoint, tmp_path, capsys):
    """Scored on pairs, with numbers and with 0 and 1, and on BEIR's folder; asked; served."""
    folder, file = tmp_path / "st", tmp_path / "a.tsv"
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint, similarity_fn_name="dot")
    encoder.save_to_preset(folder, "sentence_transformers")
    preset = f"--preset={folder}"
    shell.runs("predict", preset, "rain")
    assert capsys.readouterr().out.endswith(" … (16)\train\n")
    columns = ["--text_column=a", "--text_pair_column=b", "--label_column=score"]
    data = [f"--input_file={file}", *columns]
    for scores in ([0.5, 3, 5], [0, 1, 1]):
        rows = zip(TEXTS, TEXTS[::-1], scores, strict=True)
        file.write_text("a\tb\tscore\n" + "".join(f"{a}\t{b}\t{n}\n" for a, b, n in rows))
        got = shell.evaluation([preset, *data], tmp_path / f"{scores[0]}.json")
        want = evaluators.embedding_similarity(encoder, TEXTS, TEXTS[::-1], scores)
        assert got["spearman"] == pytest.approx(want["spearman_dot"], abs=1e-5)
        assert ("f1" in got) == (scores[0] == 0)
    shell.fails(capsys, 1, ["evaluate", preset, *data[::2]], "expected a column 'text'")
    shell.fails(
        capsys, 1, ["evaluate", preset, *data[:2], "--label_column=score"], "pairs of texts"
    )
    written = {
        "beir/corpus.jsonl": [{"_id": f"d{i}", "text": text} for i, text in enumerate(TEXTS)],
        "beir/queries.jsonl": [{"_id": "q", "text": "rain and tea"}],
    }
    (tmp_path / "beir" / "qrels").mkdir(parents=True)
    for name, lines in written.items():
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "beir/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\n")
    found = [f"--input_file={tmp_path}/beir"]
    got = shell.evaluation([preset, *found], tmp_path / "beir.json")
    assert got["rows"] == 1 and {"ndcg@10", "map@100", "recall@1"} < {*got}


@pytest.mark.full
def test_a_saved_model_is_scored(checkpoint, tmp_path, capsys):
    """By its own similarity, as its card says."""
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint, similarity_fn_name="dot")
    preset = encoder.save_to_preset(tmp_path / "preset")
    shell.runs("export", f"--preset={preset}", f"--export_dir={tmp_path}/served")
    model, file = f"--model={tmp_path}/served", tmp_path / "STS-B" / "dev.tsv"
    file.parent.mkdir()
    rows = "".join(f"{i}\t{t}\ttea\t{i}\n" for i, t in enumerate(TEXTS))
    file.write_text(f"index\tsentence1\tsentence2\tscore\n{rows}")
    given = [model, "--glue=STS-B", f"--input_file={file}"]
    got = shell.evaluation(given, tmp_path / "scores.json")
    want = evaluators.embedding_similarity(encoder, TEXTS, ["tea"] * 3, [0, 1, 2])
    assert (got["pearson"], got["rows"]) == (pytest.approx(want["pearson_dot"], abs=1e-5), 3)


def test_eight_bits(checkpoint, tmp_path, capsys, monkeypatch):
    """Of ranges of what is embedded, or of another file's texts; of marked UTF-16, too."""
    monkeypatch.setattr(embed, "AT_ONCE", 2)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS), "utf-16")
    (tmp_path / "b.jsonl").write_text('{"body": "late letter"}\n{"body": "tea"}\n')
    (tmp_path / "c.csv").write_text("body;n\n" + "".join(f"{text};1\n" for text in TEXTS))
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint)
    want, some = encoder.encode(TEXTS), encoder.encode(["late letter", "tea"])
    how = [f"--init_checkpoint={checkpoint}", f"--input_file={tmp_path / 'a.txt'}", "--overwrite"]
    how += [f"--output_file={tmp_path / 'out.npy'}"]
    calibrated = [f"--input_file={tmp_path / 'c.csv'}", "--delimiter=;", "--text_column=body"]
    calibrated += [f"--calibration_file={tmp_path / 'b.jsonl'}"]  # which has no delimiter
    for precision, more, of in (("int8", [], want), ("uint8", calibrated, some)):
        shell.runs("embed", *how, f"--precision={precision}", *more)
        got, ranges = np.load(tmp_path / "out.npy"), np.stack([of.min(0), of.max(0)])
        near = np.abs(got.astype(int) - vectors.quantize(want, precision, ranges)) <= 1
        assert got.dtype == precision and near.all()
    shell.fails(capsys, 2, ["embed", *how, f"--calibration_file={tmp_path}"], "is for --precision=")
    shell.fails(capsys, 2, ["embed", *how, "--text_column=body"], "is not for lines of text")
    (tmp_path / "a.txt").write_text("tea")
    shell.fails(capsys, 1, ["embed", *how, "--precision=int8"], "give --calibration_file")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("a.txt", "b.jsonl", "c.csv", "out.npy")
    ]
