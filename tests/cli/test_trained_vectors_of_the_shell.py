"""Vectors trained from the shell: from pairs with numbers, triplets, pairs and classes."""

import json

import keras
import pytest
import shell
from by_default import by_default

from bert_tf2.cli.vector_losses import LOSSES
from bert_tf2.training import vector_losses

TEXTS = ["coffee", "a letter", "stone", "late", "steam and coffee", "letter times"]
ROWS = {
    "a": TEXTS,
    "b": TEXTS[::-1],
    "c": TEXTS[2:] + TEXTS[:2],
    "score": [5.0, 0.5, 2, 1, 3.25, 4],
    "kind": ["hot", "old"] * 3,
    "same": [1, 0] * 3,
}
PAIR = ("--text_column=a", "--text_pair_column=b")
CASES = {  # flags; figures of the dev file; the loss
    "numbers": ((*PAIR, "--label_column=score"), {"spearman", "pearson"}, "cosent"),
    "glue": (("--glue=STS-B",), {"spearman", "pearson"}, "cosent"),
    "triplets": (("--text_column=a,b,c",), {"accuracy"}, "multiple_negatives_ranking"),
    "pairs": ((*PAIR, "--loss=multiple_negatives_symmetric_ranking"), {"accuracy"}, None),
    "classes": ((*PAIR, "--label_column=kind", "--loss=softmax"), {"by_class"}, None),
    "alike": ((*PAIR, "--label_column=same", "--loss=contrastive"), {"spearman", "ap"}, None),
    "margins": (
        ("--text_column=a,b,c", "--label_column=score", "--loss=margin_mse"),
        {"accuracy"},
        None,
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, reference):
    folder = tmp_path_factory.mktemp("vectors")
    shell.tiny_checkpoint(folder / "uncased", reference)
    rows = (dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = zip(range(6), ROWS["a"], ROWS["b"], ROWS["score"], strict=True)
    lines = ["index\tsentence1\tsentence2\tscore", *("\t".join(map(str, row)) for row in pairs)]
    (folder / "dev.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_table_of_losses_is_whole():
    """The shell's, which must not import TensorFlow."""
    kinds = {"score": "number", "binary": "number", "margin": "number", "class": "class"}
    assert {n: kinds.get(row.targets) for n, row in vector_losses.LOSSES.items()} == LOSSES


@pytest.mark.parametrize("name", by_default(CASES, ["triplets"]))
def test_vectors_are_trained_and_scored(place, tmp_path, name):
    flags, figures, kind = CASES[name]
    file, output = place / ("dev.tsv" if name == "glue" else "rows.jsonl"), tmp_path / "run"
    narrow = [] if name == "classes" else ["--matryoshka_dims=16,8"]
    shell.runs(
        *("finetune", "--task=sentence_similarity", f"--preset={place}/uncased", *flags),
        *(f"--train_file={file}", f"--dev_file={file}", f"--output_dir={output}", "--batch=6"),
        *("--num_train_epochs=1", "--batch_sampler=no_duplicates", *narrow),
    )
    metrics = json.loads((output / "metrics.json").read_text())
    assert figures <= set(metrics["dev"]) and "dev_loss" in metrics["epochs"][0]
    model = keras.saving.load_model(output / "model.keras")
    assert model.objective.inner["kind"] == (kind or flags[-1].removeprefix("--loss="))
    assert (model.objective.settings["kind"] == "matryoshka") == bool(narrow)
    if name == "numbers":
        given = [f"--model={output}/model.keras", f"--input_file={file}", *flags]
        assert shell.evaluation(given, tmp_path / "scores.json") == metrics["dev"]


def test_what_is_wrong_is_named(place, tmp_path, capsys):
    argv = ["finetune", f"--preset={place}/uncased", f"--output_dir={tmp_path}/x", *PAIR]
    argv += [f"--train_file={place}/rows.jsonl", "--label_column=kind"]
    words = "--loss is for --task=sentence_similarity"
    shell.fails(capsys, 2, [*argv, "--task=text_classification", "--loss=cosent"], words)
    shell.fails(capsys, 1, [*argv, "--task=sentence_similarity"], "rows.jsonl, line 1", "'hot'")
