"""Rerankers, sparse vectors and vectors of tokens in a shell: opened, asked, exported."""

import json

import numpy as np
import oracle
import pytest
from shell import fails, runs

import bert_tf2
from bert_tf2 import weights
from bert_tf2.cli import task_table
from bert_tf2.cli.task_table import row_of_checkpoint

TEXTS = ["coffee", "a letter about stone"]
TASKS = {  # its name in the shell -> its class, what is trained in its place, arguments
    "text_ranking": (bert_tf2.Reranker, "text_regression", TEXTS),
    "sparse_embedding": (bert_tf2.SparseEncoder, "masked_lm", TEXTS[:1]),
    "multi_vector_embedding": (bert_tf2.MultiVectorEncoder, "open one that is", TEXTS[:1]),
}


@pytest.mark.parametrize("name", TASKS)
def test_none_is_trained(capsys, name):
    given = ["finetune", f"--task={name}", "--preset=x", "--train_file=x", "--output_dir=x"]
    fails(capsys, 2, given, f"--task={name} is for predict", TASKS[name][1])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("text_ranking", "TextRegressor"),
        ("sparse_embedding", "MaskedLM"),
        pytest.param("multi_vector_embedding", None, marks=pytest.mark.full),
    ],
)
def test_a_plan_is_of_what_trains_it(tmp_path, capsys, name, other):
    oracle.tiny_task(TASKS[name][0]).save_to_preset(tmp_path / "mine")
    runs("plan", f"--preset={tmp_path}/mine", "--seq=8")
    said = capsys.readouterr().out
    assert f"{TASKS[name][0].__name__} is not trained itself: " in said
    assert "TextClassifier" not in said and (other is None or f"bert_tf2.{other}.from" in said)


@pytest.mark.full
@pytest.mark.parametrize("name", TASKS)
def test_a_folder_is_asked_and_exported(tmp_path, capsys, name):
    cls, _, texts = TASKS[name]
    oracle.tiny_task(cls).save_to_preset(tmp_path / "mine")
    said = []
    asked = [*texts, "--debug"]
    runs("export", f"--preset={tmp_path}/mine", f"--export_dir={tmp_path}/served")
    for model in (
        [f"--preset={tmp_path}/mine"],
        [f"--preset={tmp_path}/mine", f"--task={name}"],
        [f"--model={tmp_path}/served"],
    ):
        capsys.readouterr()
        runs("predict", *model, *asked)
        said.append(capsys.readouterr().out.splitlines()[-1])
    assert len({*said}) == 1 and said[0].endswith("\tcoffee")
    (tmp_path / "a.jsonl").write_text(
        "".join(
            json.dumps({"text": x, "text_pair": "tea", "label": i}) + "\n"
            for i, x in enumerate(TEXTS * 2)
        )
    )
    scores = ["evaluate", f"--preset={tmp_path}/mine", f"--input_file={tmp_path}/a.jsonl"]
    if name != "text_ranking":
        fails(capsys, 1, scores, "expected pairs of texts")
    scores += ["--text_pair_column=text_pair", f"--output_file={tmp_path}/scores.json"]
    runs(*scores)
    found = json.loads((tmp_path / "scores.json").read_text())
    assert {"spearman", "pearson"} < {*found}
    if name != "text_ranking":
        alike = cls.from_preset(tmp_path / "mine")
        pairs = alike.encode_query(TEXTS * 2), alike.encode_document(["tea"] * 4)
        want = np.corrcoef(alike.similarity_pairwise(*pairs), range(4))[0, 1]
        assert found["pearson"] == pytest.approx(want, abs=1e-5)
        scores[1] = f"--model={tmp_path}/served"
        fails(capsys, 1, scores[:-1], "evaluate the checkpoint")


@pytest.mark.full
def test_a_checkpoint_of_one_logit_ranks(tmp_path, capsys):
    trained = oracle.tiny_task(bert_tf2.TextRegressor)
    trained.save_to_preset(tmp_path / "theirs", format="huggingface")
    runs("predict", "--task=text_ranking", f"--preset={tmp_path}/theirs", *TEXTS)
    reranker = bert_tf2.Reranker.from_preset(tmp_path / "theirs")
    want = reranker.predict([tuple(TEXTS)])[0]
    reranker.export(tmp_path / "served")
    runs("predict", f"--saved_model={tmp_path}/served/1", *TEXTS)
    assert capsys.readouterr().out.splitlines()[-1] == f"{want:.4f}\t{TEXTS[0]}"


@pytest.mark.parametrize(("labels", "task"), [(1, "text_ranking"), (3, "text_classification")])
def test_what_a_cross_encoder_of_others_is(tmp_path, labels, task):
    """By its publisher's word, but of classes, which no score stands for."""
    names = [f"LABEL_{i}" for i in range(labels)]
    cls = bert_tf2.TextClassifier if labels > 1 else bert_tf2.TextRegressor
    oracle.tiny_task(cls, labels=names).save_to_preset(tmp_path / "a", format="huggingface")
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (tmp_path / "a" / "config.json").write_text(json.dumps(config))
    (tmp_path / "a" / "bert_tf2.json").unlink(missing_ok=True)
    checkpoint = weights.open_checkpoint(tmp_path / "a")
    assert checkpoint.task["class"] == "Reranker"
    assert row_of_checkpoint(checkpoint) is task_table.TASKS[task]
