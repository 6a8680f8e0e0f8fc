"""`bert_tf2 embed`: the rows of a file, or what is wrong with it."""

import json

import numpy as np
import pytest
import shell
from by_default import by_default

import bert_tf2

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
def test_files_of_texts(checkpoint, tmp_path, name, capsys):
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


WRONG = {
    "prompt": (["--prompt_name=query"], 1, "`prompt_name` must be one of"),
    "width": (["--truncate_dim=17"], 1, "from 1 to 16"),
    "suffix": (["--output_file=a.bin"], 1, "ends in .npy"),
    "file": (["--input_file=b.txt"], 1, "no file b.txt"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(checkpoint, tmp_path, name, capsys):
    (tmp_path / "a.txt").write_text(FILES["a.txt"])
    given, status, words = WRONG[name]
    how = [f"--init_checkpoint={checkpoint}", f"--input_file={tmp_path / 'a.txt'}"]
    shell.fails(
        capsys, status, ["embed", *how, f"--output_file={tmp_path / 'a.npy'}", *given], words
    )
    assert not (tmp_path / "a.npy").exists()


def test_its_folder_is_a_checkpoint_to_the_other_verbs(checkpoint, tmp_path, capsys):
    """They know no task that gives vectors: its encoder may be trained for another."""
    folder = tmp_path / "st"
    bert_tf2.SentenceEncoder.from_preset(checkpoint).save_to_preset(folder, "sentence_transformers")
    given = ["predict", f"--init_checkpoint={folder}", "rain"]
    shell.fails(capsys, 1, given, "head")
