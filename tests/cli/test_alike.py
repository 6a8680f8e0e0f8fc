"""`bert_tf2 find-alike`: what Python finds in vectors of texts, by the lines of their file."""

import json

import pytest
import shell
from by_default import by_default

import bert_tf2

TEXTS = ["rain", "tea, late", "stone", "rain", "the kettle hums", "tea late"]
LINES = [1, 2, 4, 5, 6, 7]  # one is blank
FILES = {
    "a.txt": "\n".join([*TEXTS[:2], " ", *TEXTS[2:]]),
    "a.jsonl": "\n".join([*map(json.dumps, [{"text": t} for t in TEXTS[:2]]), " "])
    + "".join("\n" + json.dumps({"text": text}) for text in TEXTS[2:]),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, reference):
    return shell.tiny_checkpoint(tmp_path_factory.mktemp("alike") / "tiny", reference)


def pairs(found):
    return [{"line": LINES[i], "other_line": LINES[j], "text": TEXTS[i], "other_text": TEXTS[j]}
            for i, j in found]  # fmt: skip


def wanted(kind, x):
    """The rows without their scores."""
    if kind == "paraphrases":
        return pairs(row[1:] for row in bert_tf2.search.paraphrase_mining_embeddings(x)[:4])
    if kind == "duplicates":
        kept = bert_tf2.find_duplicates(x, 0.99)
        return pairs((i, j) for i, j in enumerate(kept) if i != j)
    found = bert_tf2.community_detection(x, 0.9, 2)
    return [{"cluster": number, "line": LINES[i], "text": TEXTS[i]}
            for number, some in enumerate(found, 1) for i in some]  # fmt: skip


CASES = {
    "duplicates": ("a.txt", ["--threshold=0.99"], "repeat an earlier one among 6 texts"),
    "paraphrases": ("a.jsonl", ["--max_pairs=4"], "4 pairs among 6 texts"),
    "clusters": ("a.jsonl", ["--threshold=0.9", "--min_community_size=2"], "clusters of"),
}


@pytest.mark.parametrize("kind", by_default(CASES, ["paraphrases", "clusters"]))
def test_as_in_python(checkpoint, tmp_path, capsys, kind):
    name, given, said = CASES[kind]
    (tmp_path / name).write_text(FILES[name])
    out = tmp_path / "out.jsonl"
    how = [f"--preset={checkpoint}", f"--input_file={tmp_path / name}", f"--output_file={out}"]
    shell.runs("find-alike", *how, f"--find={kind}", *given)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    scores = [row.pop("score") for row in rows]
    encoder = bert_tf2.SentenceEncoder.from_preset(checkpoint)
    assert rows == wanted(kind, encoder.encode(TEXTS)) != []
    assert max(scores) == pytest.approx(1, abs=1e-5)
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (["--threshold=2"], 1, "no paraphrases among its 6 texts from a cosine of 2 on"),
        (["--min_community_size=2"], 2, "--min_community_size is for --find=clusters"),
        (["--delimiter=;"], 2, "is not for lines of text"),
    ],
)
def test_what_is_wrong_is_said(checkpoint, tmp_path, capsys, given, status, words):
    (tmp_path / "a.txt").write_text(FILES["a.txt"])
    how = [f"--preset={checkpoint}", f"--input_file={tmp_path}/a.txt"]
    argv = ["find-alike", *how, f"--output_file={tmp_path}/out.csv", *given]
    shell.fails(capsys, status, argv, words)
    assert not (tmp_path / "out.csv").exists()
