"""Each task through the verbs: trained, scored and asked, from files as the field has them."""

import ast
import json
import math
import re
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import oracle
import pytest
from by_default import by_default
from shell import evaluation, fails, runs, tiny_checkpoint

import bert_tf2
from bert_tf2.cli import flag_table
from bert_tf2.cli.task_table import TASKS

TEXTS = ["coffee", "a letter", "stone", "late", "steam and coffee", "letter times"] * 2


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


def jsonl(**columns):
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return lines(*map(json.dumps, rows))


SETS = [["hot"], [], ["old", "hot"], ["old"], ["hot", "wet"], ["wet"]] * 2
FOLLOWS = ["next", "random"] * 6
NUMBERS = [0.5, 2, 1, 5, 3.25, 4] * 2


class Case(NamedTuple):
    """A task's file, the flags for it, what is asked on the command line, and what is printed."""

    suffix: str
    content: str
    flags: tuple
    asked: tuple
    columns: tuple  # of an output file, before those of single classes
    figures: set


TAGGED = "".join(f"{text.split()[-1]} NN B-X\nis VB O\nlate JJ I-X\n\n" for text in TEXTS)
CASES = {
    "token_classification": Case(
        ".conll",
        TAGGED,
        (),
        ("coffee is late",),
        ("words", "tags", "entities"),
        {"precision", "recall", "f1", "types", "accuracy"},
    ),
    "multi_label_classification": Case(
        ".jsonl",
        jsonl(text=TEXTS, label=SETS),
        (),
        ("coffee",),
        ("text", "labels"),
        {"micro_f1", "macro_f1", "roc_auc", "map", "labels"},
    ),
    "text_regression": Case(
        ".tsv",
        lines("a\tb\tscore", *(f"{t}\t{t}\t{n}" for t, n in zip(TEXTS, NUMBERS, strict=True))),
        ("--text_column=a", "--text_pair_column=b", "--label_column=score"),
        ("coffee", "a letter"),
        ("text", "text_pair", "score"),
        {"pearson", "spearman", "rmse"},
    ),
    "question_answering": Case(
        ".jsonl",
        jsonl(
            id=list(range(12)),
            question=TEXTS,
            context=["the letter was late"] * 12,
            answers=[{"text": ["letter"], "answer_start": [4]}, {"text": [], "answer_start": []}]
            * 6,
        ),
        (),
        ("coffee", "the letter was late"),
        ("question", "context", "score", "start", "end", "answer"),
        {"exact", "f1", "HasAns_f1", "NoAns_f1"},
    ),
    "multiple_choice": Case(
        ".csv",
        lines(
            "sent1,sent2,ending0,ending1,ending2,ending3,label",
            *(f"{text},it,is hot,is late,is old,is wet,{i % 4}" for i, text in enumerate(TEXTS)),
        ),
        (),
        ("coffee", "is hot", "is late"),
        ("text", "choices", "choice", "index", "probabilities"),
        {"accuracy"},
    ),
    "next_sentence": Case(
        ".tsv",
        lines("text\tb\tlabel", *(f"{t}\t{t}\t{n}" for t, n in zip(TEXTS, FOLLOWS, strict=True))),
        ("--text_pair_column=b",),
        ("coffee", "a letter"),
        ("text", "text_pair", "label", "probability", "p(next)", "p(random)"),
        {"accuracy", "matthews", "classes", "confusion_matrix"},
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, reference):
    folder = tmp_path_factory.mktemp("tasks")
    tiny_checkpoint(folder / "uncased", reference)
    for name, case in CASES.items():
        (folder / f"{name}{case.suffix}").write_text(case.content, "utf-8")
    return folder


def train(place, task, output, *more):
    file = place / f"{task}{CASES[task].suffix}"
    runs(
        *("finetune", f"--task={task}", f"--preset={place}/uncased", f"--output_dir={output}"),
        *(f"--train_file={file}", f"--dev_file={file}", "--num_train_epochs=1", "--batch=6"),
        *(*CASES[task].flags, *more),
    )
    return file


def assert_like(given, wanted):
    """Printed answers that are equal, numbers to what a last digit may round to."""
    number = re.compile(r"-?\d+\.\d{4}")
    assert number.sub("#", given) == number.sub("#", wanted)
    told = [[*map(float, number.findall(said))] for said in (given, wanted)]
    assert told[0] == pytest.approx(told[1], abs=2e-4)


def test_every_task_that_is_trained_is_held_here():
    others = {"text_classification", "masked_lm"}  # in test_cli.py
    others |= {"sentence_similarity"}  # in test_trained_vectors_of_the_shell.py
    others |= {name for name, row in TASKS.items() if row.trained}
    assert set(CASES) == set(TASKS) - others


@pytest.mark.parametrize("task", by_default(CASES, ["multi_label_classification"]))
def test_a_task_is_trained_scored_and_asked(place, tmp_path, capsys, task):
    case, output = CASES[task], tmp_path / "run"
    file = train(place, task, output)
    metrics = json.loads((output / "metrics.json").read_text())
    model = f"--model={output}/model.keras"
    given = [model, f"--input_file={file}", *case.flags]
    scores = evaluation(given, tmp_path / "scores.json")
    assert scores == metrics["dev"]
    assert case.figures <= set(scores) and scores["rows"] == 12
    answers = tmp_path / "answers.jsonl"
    runs("predict", *given, f"--output_file={answers}")
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    assert tuple(rows[0])[: len(case.columns)] == case.columns
    assert len(rows) == 12
    if task == "question_answering":
        runs("predict", *given, f"--output_dir={tmp_path}/official")
        names = ("predictions", "nbest_predictions", "null_odds")
        for name in names:
            found = json.loads((tmp_path / "official" / f"{name}.json").read_text())
            assert list(found) == [str(i) for i in range(12)]
    capsys.readouterr()
    runs("predict", model, *case.asked)
    said = capsys.readouterr().out
    assert said.endswith(f"\t{case.asked[0]}\n")
    runs("export", model, f"--export_dir={tmp_path}/served")
    capsys.readouterr()
    runs("predict", f"--saved_model={tmp_path}/served", *case.asked)
    assert_like(capsys.readouterr().out, said)
    if task == "multi_label_classification":  # its thresholds go along
        assert "are somewhat too good" in json.loads((output / "report.json").read_text())["about"]
        served = [f"--model={tmp_path}/served", f"--input_file={file}", *case.flags]
        assert evaluation(served, tmp_path / "served.json") == scores


@pytest.fixture(scope="module")
def tagger(place):
    """A model of tags, of two steps."""
    train(place, "token_classification", place / "tagger")
    return f"--model={place}/tagger/model.keras"


@pytest.mark.full
def test_tags_as_conlleval_reads_them(place, tmp_path, capsys, tagger):
    file = place / "token_classification.conll"
    argv = ["evaluate", tagger, f"--input_file={file}", f"--output_dir={tmp_path}/out"]
    runs(*argv)
    rows = (tmp_path / "out" / "predictions.txt").read_text().split("\n\n")
    words, gold, given = zip(*(line.split() for line in rows[0].split("\n")), strict=True)
    # As IOB2, to which the file's tags are nearest.
    assert (words, gold) == (("coffee", "is", "late"), ("B-X", "O", "B-X")) and len(given) == 3
    fails(capsys, 1, argv, "predictions.txt exists")
    fails(capsys, 2, ["predict", tagger, "coffee", f"--output_dir={tmp_path}/out"], "--input_file")
    fails(capsys, 2, [*argv, "--doc_stride=9"], "has its own setting")
    runs("predict", tagger, "coffee is late", "--aggregation_strategy=max", "--debug")
    fails(capsys, 2, [*argv, "--aggregation_strategy=max"], "Unknown command line flag")
    # The same file without its tags, as words; lines of texts; and texts with entities.
    words = "".join(f"{line.split()[0]}\n" if line else "\n" for line in TAGGED.split("\n"))
    (tmp_path / "words.txt").write_text(words)
    (tmp_path / "texts.txt").write_text("coffee is late\nstone\n")
    for name, count in {"words": 12, "texts": 2}.items():
        runs("predict", tagger, f"--input_file={tmp_path}/{name}.txt")
        assert f"{name}.txt: {count} texts" in capsys.readouterr().out
    spans = [{"text": "coffee is late", "entities": [[0, 6, "X"]]}, {"text": "", "entities": []}]
    (tmp_path / "spans.jsonl").write_text(lines(*map(json.dumps, spans)))
    found = evaluation([tagger, f"--input_file={tmp_path}/spans.jsonl"], tmp_path / "scores.json")
    assert found["support"] == 1 and "accuracy" not in found


@pytest.mark.full
def test_tags_that_are_no_entities(place, tmp_path, capsys):
    (tmp_path / "pos.txt").write_text(TAGGED.replace(" B-X", " NN").replace(" I-X", " JJ"))
    argv = ["finetune", "--task=token_classification", f"--preset={place}/uncased", "--crf"]
    argv += [f"--{name}_file={tmp_path}/pos.txt" for name in ("train", "dev")]
    fails(capsys, 1, [*argv, "--output_dir=never"], "pos.txt", "NN")
    runs(*argv, "--scheme=none", f"--output_dir={tmp_path}/run", "--num_train_epochs=1")
    assert "accuracy on" in capsys.readouterr().out
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())["dev"]
    assert set(scores["classes"]) == {"NN", "JJ", "O"}
    runs("predict", f"--model={tmp_path}/run/model.keras", "coffee is late")
    assert capsys.readouterr().out.endswith("\tcoffee is late\n")


@pytest.mark.full
def test_a_report_of_entities(place, tagger):
    report = json.loads((place / "tagger" / "report.json").read_text())
    wrong = [m for m in report["mistakes"] if m["gold"] != m["given"]]
    assert len(wrong) == len(report["mistakes"]) and "types" in report["scores"]["dev"]
    assert sum(b["rows"] for b in report["calibration"]["bins"]) == 36  # words


# === Files that are not what they should be =======================================================


@pytest.mark.parametrize(
    ("task", "name", "content", "words"),
    [
        ("token_classification", "a.conll", "a B-X\nb\n", ["line 2", "expected 2 columns"]),
        ("token_classification", "a.conll", "a X B-\nb c d e\n", ["a.conll"]),
        (
            "token_classification",
            "a.jsonl",
            jsonl(words=[["a"]], tags=[["O", "O"]]),
            ["line 1", "a tag for each word", "1 words and 2 tags"],
        ),
        (
            "token_classification",
            "a.jsonl",
            jsonl(text=["a b"], entities=[[[0, 9, "X"]]]),
            ["line 1", "within the text's 3 characters"],
        ),
        (
            "question_answering",
            "a.jsonl",
            jsonl(
                id=[1],
                question=["who"],
                context=["a b"],
                answers=[{"text": ["c"], "answer_start": [0]}],
            ),
            ["line 1, question '1'", "must stand in the context at character 0"],
        ),
        ("question_answering", "a.json", "{}", ["a.json", "data"]),
        ("multiple_choice", "a.csv", "sent1,sent2,ending0\na,b,c\n", ["a.csv", "ending1"]),
        ("multiple_choice", "a.jsonl", jsonl(question=["a"], choices=[["b"]], answer=[0]), ["two"]),
        ("text_regression", "a.tsv", lines("text\tlabel", "a\tgood"), ["line 2", "a number"]),
        ("text_regression", "a.tsv", lines("text\tlabel", "a\tnan"), ["line 2", "a number"]),
        (
            "multi_label_classification",
            "a.jsonl",
            jsonl(text=["a"], label=[{"b": 1}]),
            ["line 1", "a list of labels"],
        ),
    ],
)
def test_bad_files_of_each_task(place, tmp_path, capsys, task, name, content, words):
    (tmp_path / name).write_text(content, "utf-8")
    argv = ["finetune", f"--task={task}", f"--preset={place}/uncased", "--output_dir=never"]
    assert len(fails(capsys, 1, [*argv, f"--train_file={tmp_path}/{name}"], *words)) < 700


@pytest.mark.full
def test_labels_that_a_model_has_not(place, tmp_path, capsys, tagger):
    (tmp_path / "a.conll").write_text("a B-X\n\nb B-Y\n")
    argv = ["evaluate", tagger, f"--input_file={tmp_path}/a.conll"]
    fails(capsys, 1, argv, "a.conll, line 3", "'Y'", "'X'")


# === GLUE's files =================================================================================


@pytest.mark.full
def test_a_task_of_glue_by_its_name(place, tmp_path, capsys):
    folder, run = tmp_path / "CoLA", tmp_path / "run"
    folder.mkdir()
    cola = [f"x\t{i % 2}\t*\t{text}" for i, text in enumerate(TEXTS)]
    (folder / "train.tsv").write_text(lines(*cola), "utf-8")
    (folder / "dev.tsv").write_text(lines(*cola[:6]), "utf-8")
    asked = lines("index\tsentence", *(f"{i}\t{text}" for i, text in enumerate(TEXTS)))
    (folder / "test.tsv").write_text(asked, "utf-8")
    glue, preset = "--glue=cola", f"--preset={place}/uncased"
    runs("finetune", glue, preset, f"--data_dir={folder}", f"--output_dir={run}", "--batch=6")
    assert "matthews on" in capsys.readouterr().out
    model = [f"--model={run}/model.keras", glue]
    scores = evaluation([*model, f"--input_file={folder}/dev.tsv"], tmp_path / "scores.json")
    assert scores == json.loads((run / "metrics.json").read_text())["dev"]
    assert list(scores)[:2] == ["rows", "matthews"] and list(scores["classes"]) == ["0", "1"]
    argv = ["predict", *model, f"--input_file={folder}/test.tsv", f"--output_dir={tmp_path}/out"]
    runs(*argv)
    rows = (tmp_path / "out" / "CoLA.tsv").read_text().splitlines()
    assert rows[0] == "index\tprediction"
    assert [row.split("\t")[0] for row in rows[1:]] == [str(i) for i in range(12)]
    fails(capsys, 1, argv, "CoLA.tsv exists")
    fails(capsys, 1, ["evaluate", *model, f"--input_file={folder}/test.tsv"], "have no labels")
    fails(capsys, 1, ["predict", *model, f"--input_file={place}/x.tsv"], "There is no file")
    fails(
        capsys, 2, ["finetune", glue, "--task=masked_lm", preset, "--output_dir=x"], "is a task of"
    )
    fails(capsys, 1, ["finetune", "--glue=colla", preset, "--output_dir=x"], "GLUE's tasks are")


@pytest.mark.full
@pytest.mark.parametrize("format", ["bert_tf2", "huggingface"])
def test_a_checkpoint_of_another_problem_is_trained_on(tmp_path, capsys, format):
    """Several labels and one share a head, numbers none; whatever the checkpoint answered."""
    (tmp_path / "classes.csv").write_text("text,label\ncoffee,hot\nstone,late\n")
    (tmp_path / "numbers.csv").write_text("text,label\ncoffee,1\nstone,2.5\n")
    several = {"problem_type": "multi_label_classification", "thresholds": [0.1, 0.9]}
    oracle.tiny_classifier(["hot", "late"], **several).save_to_preset(tmp_path / "labels", format)
    oracle.tiny_classifier(["hot", "late"]).save_to_preset(tmp_path / "classes", format)
    oracle.tiny_task(bert_tf2.TextRegressor).save_to_preset(tmp_path / "numbers", format)
    for preset, task, needed in (
        ("labels", "text_classification", ()),
        ("numbers", "text_classification", ("--ignore=classifier*",)),
        ("classes", "text_regression", ("--ignore=classifier*",)),
        ("labels", "text_regression", ("--ignore=classifier*",)),
    ):
        rows = "numbers" if task == "text_regression" else "classes"
        given = ["finetune", f"--task={task}", f"--preset={tmp_path}/{preset}", "--batch=2"]
        given += [f"--train_file={tmp_path}/{rows}.csv", "--num_train_epochs=1"]
        given += [f"--output_dir={tmp_path}/{preset}-{task}"]
        if needed:
            fails(capsys, 1, given, "its answers would be wrong", *needed)
        runs(*given, *needed)
        model = keras.saving.load_model(tmp_path / f"{preset}-{task}" / "model.keras")
        assert model.labels == (["score"] if rows == "numbers" else ["hot", "late"])
        assert getattr(model, "thresholds", None) is None


# === Labels that are named when it is asked =======================================================


@pytest.mark.full
def test_how_questions_are_asked(tmp_path, capsys):
    """What Python's call takes, of a .keras file; an export keeps it, and has no more of it."""
    model, context = f"--model={tmp_path}/qa.keras", "the letter was late and the coffee was hot"
    qa = oracle.tiny_task(bert_tf2.QuestionAnswerer, handle_impossible_answer=True)
    qa.save(tmp_path / "qa.keras")
    asked = ("what is hot", context)
    (odds,) = qa.predict_nbest(([asked[0]], [asked[1]])).null_odds
    best = qa.answer_question(*asked, top_k=2, null_score_diff_threshold=odds + 1)
    flags = [f"--null_score_diff_threshold={odds + 1}", "--top_k=2", "--doc_stride=8"]
    runs("predict", model, *asked, *flags, "--debug")
    told = capsys.readouterr().out.strip().split("\t")
    assert told[0] == best[0]["answer"] and told[4].rpartition(" ")[0] == best[1]["answer"]
    runs("predict", model, *asked, f"--null_score_diff_threshold={odds - 1}")
    assert capsys.readouterr().out.startswith("\t")
    runs("predict", model, *asked, "--noversion_2_with_negative", "--max_answer_length=1")
    short = qa.answer_question(*asked, handle_impossible_answer=False, max_answer_len=1)
    assert capsys.readouterr().out.split("\t")[0] == short["answer"]
    runs("export", model, *flags, f"--export_dir={tmp_path}/served")
    capsys.readouterr()
    runs("predict", f"--model={tmp_path}/served", *asked)
    assert capsys.readouterr().out.strip().split("\t")[:5] == told[:5]
    served = ["predict", f"--model={tmp_path}/served", *asked]
    fails(capsys, 2, [*served, "--top_k=3"], "--top_k is for checkpoints")
    fails(capsys, 2, [*served, "--n_best_size=3"], "--n_best_size is for checkpoints")
    fails(capsys, 2, ["predict", model, *asked, "--thresholds=0.1"], "not for a QuestionAnswerer")
    two = (["when", "who"], [context] * 2)
    texts, odds = qa.predict_nbest(two, null_score_diff_threshold=math.inf)[::2]
    said = int(np.argmin(odds))  # of the two the one that it answers sooner, and as it does
    rows = [{"text": [], "answer_start": []}, {"text": [], "answer_start": []}]
    rows[said] = {"text": [texts[said]], "answer_start": [context.index(texts[said])]}
    data = jsonl(id=[1, 2], question=two[0], context=two[1], answers=rows)
    (tmp_path / "qa.jsonl").write_text(data)
    file = f"--input_file={tmp_path}/qa.jsonl"
    runs("predict", model, file, f"--output_dir={tmp_path}/out", "--n_best_size=3")
    nbest = json.loads((tmp_path / "out" / "nbest_predictions.json").read_text())
    assert all(len(found) <= 4 for found in nbest.values())
    silent = evaluation([model, file, "--null_score_diff_threshold=-99"], tmp_path / "a.json")
    assert (silent["f1"], silent["NoAns_f1"]) == (50.0, 100.0)
    found = evaluation([model, file], tmp_path / "b.json")
    above = [f"--null_score_diff_threshold={found['best_f1_thresh'] + 1e-4}"]
    assert found["best_f1"] == 100
    assert evaluation([model, file, *above], tmp_path / "c.json")["f1"] == 100
    # What is scored is what is answered, whether or not the file's questions have answers.
    always = evaluation([model, file, "--noversion_2_with_negative"], tmp_path / "d.json")
    assert (always["f1"], always["NoAns_f1"]) == (50.0, 0.0)
    (tmp_path / "one.jsonl").write_text(data.splitlines()[said])
    one = [model, f"--input_file={tmp_path}/one.jsonl"]
    answered = evaluation([*one, "--null_score_diff_threshold=99"], tmp_path / "e.json")
    silent = evaluation([*one, "--null_score_diff_threshold=-99"], tmp_path / "f.json")
    assert (answered["f1"], silent["f1"]) == (100.0, 0.0)


@pytest.mark.full
def test_thresholds_of_labels_in_a_shell(tmp_path, capsys):
    task = oracle.tiny_classifier(["hot", "late"], problem_type="multi_label_classification")
    task.save(tmp_path / "labels.keras")
    ask = ["predict", f"--model={tmp_path}/labels.keras", "coffee"]
    for said, count in (("0", 2), ("1,1", 0), ("hot=0,late=1", 1), ("late=1,hot=1", 0)):
        runs(*ask, f"--thresholds={said}")
        told = capsys.readouterr().out.split("\t")[0]
        assert (0 if told == "-" else len(told.split(", "))) == count
    fails(capsys, 2, [*ask, "--thresholds=a"], "--thresholds takes probabilities")
    fails(capsys, 1, [*ask, "--thresholds=2"], "from 0 to 1")
    fails(capsys, 2, [*ask, "--n_best_size=2"], "is for question_answering")


@pytest.mark.full
def test_zero_shot_from_the_shell(place, tmp_path, capsys):
    names = ["entailment", "neutral", "contradiction"]
    inference = bert_tf2.TextClassifier.from_preset(place / "uncased", labels=names)
    inference.save_to_preset(tmp_path / "nli")
    zero = bert_tf2.ZeroShotClassifier.from_preset(tmp_path / "nli")
    want = zero.classify("coffee", ["hot", "old"])
    preset, asked = f"--preset={tmp_path}/nli", "--candidate_labels=hot,old"
    runs("predict", preset, "--task=zero_shot", asked, "coffee")
    top, _, text = capsys.readouterr().out.strip().split("\t")
    assert (top, text) == (f"{want['labels'][0]} {want['scores'][0]:.4f}", "coffee")
    runs("export", preset, "--task=zero_shot", f"--export_dir={tmp_path}/served")
    capsys.readouterr()
    runs("predict", f"--model={tmp_path}/served", asked, "coffee")
    assert capsys.readouterr().out.startswith(top)
    (tmp_path / "gold.tsv").write_text(lines("text\tlabel", "coffee\thot", "stone\told"))
    data = [f"--input_file={tmp_path}/gold.tsv", preset, "--task=zero_shot", asked]
    assert {"accuracy", "classes"} < set(evaluation(data, tmp_path / "scores.json"))
    (tmp_path / "gold.tsv").write_text(lines("text\tlabel", "coffee\thot", "stone\tOld"))
    for model in (data[1:3], [f"--model={tmp_path}/served"]):
        strange = ["evaluate", data[0], *model, asked]
        fails(capsys, 1, strange, "gold.tsv, line 3: the label must be one of 2")
    fails(capsys, 2, ["predict", f"--model={tmp_path}/served", "x"], "--candidate_labels must")
    fails(capsys, 1, ["predict", preset, "--task=zero_shot", "x"], "`candidate_labels` must be")
    fails(capsys, 2, ["predict", preset, asked, "x"], "is for --task=zero_shot")


def test_each_flag_stands_in_one_table():
    """One that stood in two would mean in every verb what the last of them says."""
    tree = ast.parse(Path(flag_table.__file__).read_text("utf-8"))
    table = next(x for x in ast.walk(tree) if isinstance(x, ast.Dict) and None in x.keys)
    names = []
    for key, value in zip(table.keys, table.values, strict=True):
        names += [key.value] if key else getattr(flag_table, value.id)
    assert len(names) == len({*names}) == len(flag_table.FLAGS)
