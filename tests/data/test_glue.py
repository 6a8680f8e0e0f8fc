"""GLUE's files in their published layout, its figures and its submissions."""

import logging

import pytest

from bert_tf2.data import glue
from bert_tf2.data.examples import Examples

# Of each file the header (None: there is none) and a row in its published columns.
FILES = {
    ("CoLA", "train"): (None, "gj04\t1\t*\tOne."),
    ("CoLA", "dev"): (None, "gj04\t1\t\tOne."),
    ("CoLA", "test"): ("index\tsentence", "0\tOne."),
    ("SST-2", "train"): ("sentence\tlabel", 'One " .\t1'),
    ("SST-2", "test"): ("index\tsentence", "0\tOne."),
    ("MRPC", "dev"): ("\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t3\t4\tOne.\tTwo."),
    ("MRPC", "test"): ("index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t3\t4\tOne.\tTwo."),
    ("STS-B", "train"): (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "0\tmain\tMSR\t2012\t1\tnone\tnone\tOne.\tTwo.\t3.800",
    ),
    ("QQP", "train"): (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "1\t2\t3\tOne.\tTwo.\t0",
    ),
    ("QQP", "test"): ("id\tquestion1\tquestion2", "0\tOne.\tTwo."),
    ("MNLI", "train"): (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
        "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
        "0\t1\t1n\tfiction\t( )\t( )\t(R)\t(R)\tOne.\tTwo.\tneutral\tentailment",
    ),
    ("MNLI", "dev_mismatched"): (
        "index\tgenre\tsentence1\tsentence2\tlabel1\tlabel2\tgold_label",
        "0\tfiction\tOne.\tTwo.\tneutral\tneutral\tcontradiction",
    ),
    ("MNLI", "test_matched"): ("index\tsentence1\tsentence2", "0\tOne.\tTwo."),
    ("QNLI", "train"): ("index\tquestion\tsentence\tlabel", "0\tOne.\tTwo.\tnot_entailment"),
    ("RTE", "dev"): ("index\tsentence1\tsentence2\tlabel", "0\tOne.\tTwo.\tentailment"),
    ("WNLI", "train"): ("index\tsentence1\tsentence2\tlabel", "0\tOne.\tTwo.\t1"),
    ("AX", "diagnostic"): ("index\tsentence1\tsentence2", "0\tOne.\tTwo."),
}
LABELS = {"CoLA": "1", "SST-2": "1", "MRPC": "1", "STS-B": 3.8, "QQP": "0", "WNLI": "1"}
LABELS |= {"QNLI": "not_entailment", "RTE": "entailment"}
LABELS |= {("MNLI", "train"): "entailment", ("MNLI", "dev_mismatched"): "contradiction"}


@pytest.mark.parametrize(("name", "split"), FILES)
def test_every_file(put, name, split):
    header, row = FILES[name, split]
    path = put(f"{name}/{split}.tsv", "".join(f"{x}\n" for x in (header, row) if x))
    label = None if "test" in split or name == "AX" else LABELS.get((name, split), LABELS.get(name))
    wanted = Examples(
        ['One " .' if name == "SST-2" and label else "One."],
        None if name in ("CoLA", "SST-2") else ["Two."],
        None if label is None else [label],
    )
    assert glue.read_glue(path.parent, name, split) == wanted
    plain = name.replace("-", "").lower()
    assert glue.read_glue(path.parents[1], plain, split) == wanted


def test_rows_that_lost_columns(put, caplog):
    header, row = FILES["QQP", "train"]
    path = put("QQP/train.tsv", f"{header}\n{row}\n1\t2\tlost\n{row}\n")
    assert len(glue.read_glue(path.parent, "QQP")) == 2
    assert "1 rows are left out." in caplog.text
    assert "train.tsv, line 3: expected 6 columns" in caplog.text
    put("QQP/dev.tsv", f"{header}\n{row}\n1\t2\tlost\n{row}\n")
    with pytest.raises(ValueError, match=r"dev\.tsv, line 3: expected 6 columns"):
        glue.read_glue(path.parent, "QQP", "dev")


def test_wrong_rows_and_names(put):
    path = put("RTE/dev.tsv", FILES["RTE", "dev"][0] + "\n0\tOne.\tTwo.\tmaybe\n")
    with pytest.raises(ValueError, match=r"line 2: the label must be one of 2.*'maybe'"):
        glue.read_glue(path.parent, "RTE", "dev")
    put("STS-B/dev.tsv", FILES["STS-B", "train"][0] + "\n" + "x\t" * 9 + "good\n")
    with pytest.raises(ValueError, match=r"line 2: expected a number in 'score'.*'good'"):
        glue.read_glue(path.parents[1], "STS-B", "dev")
    put("WNLI/train.tsv", FILES["WNLI", "train"][0] + "\n")
    with pytest.raises(ValueError, match=r"WNLI.train\.tsv: expected rows"):
        glue.read_glue(path.parents[1], "WNLI")
    with pytest.raises(ValueError, match=r"GLUE's tasks are CoLA, SST-2.*'SNLI'"):
        glue.read_glue(path.parent, "SNLI")
    with pytest.raises(ValueError, match=r"MNLI has the files train, dev_matched.*'dev'"):
        glue.read_glue(path.parent, "MNLI", "dev")
    with pytest.raises(FileNotFoundError):
        glue.read_glue(path.parent, "RTE")


@pytest.mark.parametrize(
    ("name", "gold", "predicted", "scores"),
    [
        ("CoLA", "1110", "1100", {"matthews": 3**-0.5}),
        ("SST-2", "1110", "1100", {"accuracy": 0.75}),
        ("MRPC", "1110", "1100", {"f1": 0.8, "accuracy": 0.75}),
        ("MRPC", "00", "00", {"f1": 0.0, "accuracy": 1.0}),
        ("STS-B", [1, 2, 3], [2.0, 4.0, 6.0], {"pearson": 1.0, "spearman": 1.0}),
        ("MNLI", ["neutral"], ["neutral"], {"accuracy": 1.0}),
    ],
)
def test_scores(name, gold, predicted, scores):
    assert glue.score(name, list(gold), list(predicted)) == pytest.approx(scores)


@pytest.mark.parametrize(
    ("name", "split", "predictions", "file", "content"),
    [
        ("mrpc", "test", ["1", 0], "MRPC.tsv", "0\t1\n1\t0\n"),
        ("MNLI", "test_mismatched", ["neutral"], "MNLI-mm.tsv", "0\tneutral\n"),
        ("MNLI", "test_matched", ["entailment"], "MNLI-m.tsv", "0\tentailment\n"),
        ("STS-B", "test", [2.5, 1 / 3], "STS-B.tsv", "0\t2.5\n1\t0.333333\n"),
        ("AX", "diagnostic", ["neutral"], "AX.tsv", "0\tneutral\n"),
    ],
)
def test_submissions(tmp_path, name, split, predictions, file, content):
    path = glue.write_submission(tmp_path / "new", name, predictions, split)
    assert (path.name, path.read_text()) == (file, f"index\tprediction\n{content}")
    with pytest.raises(FileExistsError):
        glue.write_submission(tmp_path / "new", name, predictions, split)


@pytest.mark.parametrize(
    ("name", "split", "predictions", "match"),
    [
        ("RTE", "test", ["entailment", "maybe"], "RTE, prediction 1: the label must be .*'maybe'"),
        ("STS-B", "test", [float("nan")], "STS-B, prediction 0: the label .* is missing"),
        ("MNLI", "test", [], "MNLI has the files test_matched, test_mismatched"),
        ("RTE", "dev", [], "RTE has the files test. Received: 'dev'"),
    ],
)
def test_wrong_submissions(tmp_path, name, split, predictions, match):
    with pytest.raises(ValueError, match=match):
        glue.write_submission(tmp_path, name, predictions, split)
    assert not list(tmp_path.iterdir())


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "train", "dev", "label"),
    [
        ("CoLA", 8551, 1043, "1"),
        ("SST-2", 67349, 872, "0"),
        ("MRPC", 3667, 408, "1"),
        ("RTE", 2490, 277, "not_entailment"),
        ("STS-B", 5749, 1500, 5.0),
    ],
)
def test_published_files(assets, caplog, name, train, dev, label):
    caplog.set_level(logging.WARNING)
    folder = assets / "datasets" / "glue"
    found = glue.read_glue(folder, name)
    assert (len(found), found.labels[0]) == (train, label)
    assert len(glue.read_glue(folder, name, "dev")) == dev
    assert not caplog.text
